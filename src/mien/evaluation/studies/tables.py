"""Results of a study as tables and pages. Every verdict is computed from an interval."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mien.core import atomic_files
from mien.evaluation.environment import describe_environment
from mien.evaluation.studies.experiment import ArmResult, Claim
from mien.evaluation.tables import markdown_grid

LEVEL = 0.95

GOAL = (
    "After reading this page you know which parts of DuSE, SCPT and MVP had a measurable effect on synthetic data. The "
    "commands in the first table repeat the studies.")

NOT_THE_PAPERS = (
    "These are not the papers' results, and no real people were recorded. The people, faces and signals are synthetic, "
    "so we know the true effects because we planted them. The models are small. Their towers are tiny and random, or "
    "trained here on synthetic people. Each study asks whether a method's parts do what its paper says. It does not "
    "measure how well the method works on real people.")

READING = (
    "Figures are means over seeds in %. A seed draws the people, the initial weights and the training order. All arms "
    "of a seed use the same people. Test people are never in the training set. \"±\" is the half-width of a 95 % "
    "interval (Student's t over seeds). Differences are taken seed by seed. **Above** and **below** mean that the "
    "whole interval of the difference lies on one side of 0. **Not shown** means that the interval contains 0. **The "
    "same** means that no seed differs. Few seeds give wide intervals, so not shown does not mean that there is no "
    "effect. With this many comparisons, up to one verdict in twenty may be due to chance alone.")


@dataclass(frozen=True)
class EffectInterval:
    """A mean and the half-width of its interval (NaN for a single value); `flat`: all values are 0."""

    mean: float
    half: float
    flat: bool = False

    @property
    def verdict(self) -> str:
        """The side of 0 on which the interval lies."""
        if self.flat:
            return "the same"
        if np.isnan(self.half):
            return "not shown (a single seed)"
        if self.mean - self.half > 0:
            return "above"
        return "below" if self.mean + self.half < 0 else "not shown"


def interval(values: Sequence[float]) -> EffectInterval:
    """Mean and half-width of the 95 % interval over seeds, by Student's t."""
    array = np.asarray(values, np.float64)
    count, half = len(array), np.nan
    if count > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * array.std(ddof=1) / count**0.5)
    return EffectInterval(float(array.mean()), half, not array.any())


@dataclass(frozen=True)
class StudyResult:
    """A claim with its two means (0..1) and the interval of their paired difference."""

    claim: Claim
    first: float
    second: float
    difference: EffectInterval

    @property
    def row(self) -> list[str]:
        """Cells of the findings table: comparison, verdict, both sides in %, difference in points with its interval."""
        gap, text = self.difference, self.claim.text
        difference = f"{100 * gap.mean:+.1f}"
        if gap.flat:
            difference = "0 in every seed"
        elif not np.isnan(gap.half):
            difference += f" ({100 * (gap.mean - gap.half):+.1f} to {100 * (gap.mean + gap.half):+.1f})"
        return [text[:1].upper() + text[1:], gap.verdict, f"{100 * self.first:.1f}", f"{100 * self.second:.1f}",
                difference]


COMPARED = ("A against B", "verdict", "A, %", "B, %", "A - B, points (95 % interval)")


def study_results(result: ArmResult) -> list[StudyResult]:
    """Test every claim of a study.

    Args:
        result: the scores of its arms.

    Returns:
        One result for each claim.
    """
    out = []
    for claim in result.study.claims:
        first = np.array(result.values[claim.first[0]][claim.first[1]])
        if isinstance(claim.second, float):
            second = np.full(len(first), claim.second)
        else:
            second = np.array(result.values[claim.second[0]][claim.second[1]])
        out.append(StudyResult(claim, first.mean(), second.mean(), interval(first - second)))
    return out


def table(result: ArmResult) -> pd.DataFrame:
    """One row for each arm and measure, in %: group, arm, measure, mean, half, chance, and one column for each seed."""
    rows: list[dict[str, Any]] = []
    for arm, measures in result.values.items():
        for measure, values in measures.items():
            over_seeds = interval(values)
            rows.append({"group": result.study.arms[arm], "arm": arm, "measure": measure, "mean": 100 * over_seeds.mean,
                         "half": 100 * over_seeds.half, "chance": 100 * result.study.marks.get(measure, np.nan),
                         **{f"seed{seed}": 100 * value for seed, value in zip(result.seeds, values, strict=True)}})
    return pd.DataFrame(rows)


def markdown(result: ArmResult, level: str = "#") -> str:
    """Write the section of one study on the page.

    Args:
        result: the scores of its arms.
        level: level of its heading.

    Returns:
        Markdown.
    """
    study = result.study
    lines = [f"{level} {study.title}", "", " ".join(study.world.split()), ""]
    if result.tiny:
        lines += ["A run of few steps (`--tiny`): it only checks that the study runs; its figures are meaningless.", ""]
    for group in dict.fromkeys(study.arms.values()):
        lines += [*_grid(result, group), ""]
    lines += [f"{level}# Findings", "", *markdown_grid(COMPARED, [finding.row for finding in study_results(result)])]
    return "\n".join(lines).rstrip() + "\n"


def _grid(result: ArmResult, group: str) -> list[str]:
    """A table with one row for each arm of a group, and chance in the last row."""
    arms = [arm for arm, name in result.study.arms.items() if name == group]
    columns = list(dict.fromkeys(measure for arm in arms for measure in result.values[arm]))

    def cell(arm: str, measure: str) -> str:
        """Format a measure of an arm in %, with the half width of its interval over seeds."""
        values = result.values[arm].get(measure)
        if values is None:
            return ""
        over_seeds = interval(values)
        mean = f"{100 * over_seeds.mean:.1f}"
        return mean if np.isnan(over_seeds.half) else f"{mean} ± {100 * over_seeds.half:.1f}"

    rows = [[arm, *(cell(arm, measure) for measure in columns)] for arm in arms]
    marks = {measure: f"{100 * mark:.1f}" for measure, mark in result.study.marks.items()}
    if any(measure in marks for measure in columns):
        rows.append(["chance", *(marks.get(measure, "") for measure in columns)])
    return markdown_grid([group, *columns], rows)


def write_page(result: ArmResult, out: Path) -> None:
    """Write table.md, table.csv and scores.json of a study.

    Args:
        result: the scores of its arms.
        out: folder of the study.
    """
    data = {"study": result.study.name, "seeds": result.seeds, "tiny": result.tiny, "seconds": result.seconds,
            "settings": dict(result.study.settings(result.tiny)), "values": result.values,
            "findings": [_finding_data(finding) for finding in study_results(result)], "cores": os.cpu_count(),
            "environment": describe_environment(result.seeds[0], "cpu", "32")}
    atomic_files.text(out / "scores.json", atomic_files.json_line(data) + "\n")
    atomic_files.table(out / "table.csv", table(result))
    seeds = f"Seed {result.seeds[0]} alone."
    if len(result.seeds) > 1:
        seeds = f"Seeds {result.seeds[0]} to {result.seeds[-1]}."
    head = markdown(result).split("\n", 1)
    atomic_files.text(out / "table.md", "\n".join([head[0], "", NOT_THE_PAPERS, "", READING, "", seeds, head[1]]))


def _finding_data(finding: StudyResult) -> Mapping[str, Any]:
    claim, difference = finding.claim, finding.difference
    second = claim.second if isinstance(claim.second, float) else list(claim.second)
    return {"claim": claim.text, "first": list(claim.first), "second": second,
            "values": [finding.first, finding.second], "difference": difference.mean, "half": difference.half,
            "verdict": difference.verdict}


def page(results: Iterable[ArmResult], scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Write docs/evidence.md.

    Args:
        results: the scores of each study.
        scores: study name -> content of its scores.json.

    Returns:
        Markdown.
    """
    results = list(results)
    lines = ["# Evidence: do the parts do what the papers say?", "", GOAL, "", NOT_THE_PAPERS, "", READING, "",
             *markdown_grid(["command", "seeds", "time on one core", "machine"],
                   [_run(result, scores[result.study.name]) for result in results]), ""]
    words = ("above", "not shown", "below", "the same")
    tally = []
    for result in results:
        verdicts = [finding.difference.verdict for finding in study_results(result)]
        tally.append([result.study.title,
                      *(str(sum(verdict.startswith(word) for verdict in verdicts)) for word in words)])
    lines += [*markdown_grid(["number of findings", *words], tally), ""]
    return "\n".join(lines) + "\n" + "\n".join(markdown(result, "##") for result in results)


def _run(result: ArmResult, scores: Mapping[str, Any]) -> list[str]:
    environment, first = scores["environment"], result.seeds[0]
    command = f"mien bench evidence/{result.study.name} --seeds {len(result.seeds)}"
    if first:
        command += f" --seed {first}"
    if result.tiny:
        command += " --tiny"
    return [f"`{command}`", f"{first} to {result.seeds[-1]}", f"{result.seconds / 60:.0f} min",
            f"{scores['cores']} cores, {environment['processor']}; torch {environment['versions']['torch']}"]
