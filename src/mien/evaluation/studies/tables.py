"""Results of a study as tables and pages. Every verdict is computed from an interval."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.core import atomic_files
from mien.evaluation.environment import describe_environment
from mien.evaluation.studies.experiment import ArmResult
from mien.evaluation.studies.verdicts import COMPARED, NOT_RUN, UNTESTABLE, StudyResult, interval, study_results
from mien.evaluation.tables import markdown_grid

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
    "of a seed use the same data. Test people and test clips are never in the training set. \"±\" is the half-width of "
    "a 95 % interval (Student's t over seeds). Differences are taken seed by seed. **Above** and **below** mean that "
    "the whole interval of the difference lies on one side of 0. **Not shown** means that the interval contains 0. "
    "**The same** means that no seed differs. Not shown does not mean that there is no effect. With this many "
    "comparisons, up to one verdict in twenty may be due to chance alone.")

GATE = (
    "**Room** is the gap that a claim needs: between the best reader of the same data and B for a comparison of two "
    "models, and between the intact model and a model that knows nothing for a part that is removed. Where the gap is "
    "not shown, or below 5 points, the claim **cannot be tested in this world**, unless A is below B. **Solved** "
    "counts the seeds that reach about the middle between knowing nothing and the ceiling. An arm is bimodal if some "
    "of its seeds are solved and others are not, with 10 points or more between them. The verdict then comes from "
    "Fisher's exact test of the two counts (two-sided, 5 %), not from the interval, and seeds that B does not solve "
    "leave room. \"A plus 3 points\" means that 3 "
    "points are added to A for the verdict: **above** then says that A is not more than 3 points below B. These "
    "numbers of points are our choice.")


DECIDED = (
    "Some comparisons are left out, because a world decides them in advance. One modality alone, and the average of "
    "two separate outputs (late fusion), stay at chance where the class is the order or the coincidence of two events. "
    "A window shorter than the lag cannot see both. SCPT's face alone stays at chance where only the pulse holds the "
    "class. A model whose class texts are permuted names the wrong classes.")


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
    columns = list(dict.fromkeys(measure for arm in arms for measure in result.values.get(arm, {})))
    if not columns:
        return [f"{group}: {NOT_RUN}."]

    def cell(arm: str, measure: str) -> str:
        """Format a measure of an arm in %, with the half width of its interval over seeds."""
        values = result.values[arm].get(measure)
        if values is None:
            return ""
        over_seeds = interval(values)
        mean = f"{100 * over_seeds.mean:.1f}"
        return mean if np.isnan(over_seeds.half) else f"{mean} ± {100 * over_seeds.half:.1f}"

    rows = [[arm, *(cell(arm, measure) for measure in columns)] if arm in result.values
            else [arm, NOT_RUN, *[""] * (len(columns) - 1)] for arm in arms]
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
    title, rest = markdown(result).split("\n", 1)
    atomic_files.text(out / "table.md", "\n\n".join([title, NOT_THE_PAPERS, READING, GATE, seeds + "\n" + rest]))


def _finding_data(finding: StudyResult) -> Mapping[str, Any]:
    claim, difference = finding.claim, finding.difference
    if finding.verdict == NOT_RUN:
        return {"claim": claim.text, "verdict": NOT_RUN}
    second = claim.second if isinstance(claim.second, float) else list(claim.second)
    data: dict[str, Any] = {
        "claim": claim.text, "first": list(claim.first), "second": second, "values": [finding.first, finding.second],
        "difference": difference.mean, "half": difference.half, "verdict": finding.verdict}
    if finding.gap is not None:
        data |= {"room": finding.gap.mean, "room_half": finding.gap.half}
    if finding.solved is not None:
        data |= {"solved": [finding.solved.first, finding.solved.second], "fisher_p": finding.solved.p,
                 "bimodal": finding.solved.split}
    return data


def page(results: Iterable[ArmResult], scores: Mapping[str, Mapping[str, Any]],
         missing: Sequence[str] = ()) -> str:
    """Write docs/evidence.md.

    Args:
        results: the scores of each finished study.
        scores: study name -> content of its scores.json.
        missing: names of the studies that were not run.

    Returns:
        Markdown.
    """
    results = list(results)
    lines = ["# Evidence: do the parts do what the papers say?", "", GOAL, "", NOT_THE_PAPERS, "", READING, "",
             GATE, "",
             *markdown_grid(["command", "seeds", "rows run", "time on one core", "machine"],
                   [*(_run(result, scores[result.study.name]) for result in results),
                    *([f"`mien bench evidence/{name}`", NOT_RUN, "", "", ""] for name in missing)]), ""]
    words = ("above", "not shown", "below", "the same", UNTESTABLE, NOT_RUN)
    tally = []
    for result in results:
        verdicts = [finding.verdict for finding in study_results(result)]
        tally.append([result.study.title,
                      *(str(sum(verdict.startswith(word) for verdict in verdicts)) for word in words)])
    lines += [*markdown_grid(["number of findings", *words], tally), "", DECIDED, "", *_expected(results), ""]
    return "\n".join(lines) + "\n" + "\n".join(markdown(result, "##") for result in results)


def _expected(results: Sequence[ArmResult]) -> list[str]:
    """The findings that the papers, or the sense of a method, lead us to expect."""
    rows = [finding.row[:5] for result in results for finding in study_results(result) if finding.claim.expected]
    if not rows:
        return []
    return ["## What we expected", "", "A should be above B in each row.", "", *markdown_grid(COMPARED[:5], rows)]


def _run(result: ArmResult, scores: Mapping[str, Any]) -> list[str]:
    environment, first = scores["environment"], result.seeds[0]
    command = f"mien bench evidence/{result.study.name} --seeds {len(result.seeds)}"
    if first:
        command += f" --seed {first}"
    if result.tiny:
        command += " --tiny"
    rows = f"{len(result.values)} of {len(result.study.arms)}"
    return [f"`{command}`", f"{first} to {result.seeds[-1]}", rows, f"{result.seconds / 60:.0f} min",
            f"{scores['cores']} cores, {environment['processor']}; torch {environment['versions']['torch']}"]
