"""What a study found, as tables and as pages: every verdict follows from an interval, none is written by hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mien import writing
from mien.bench.evidence.study import Claim, Found
from mien.bench.stamp import stamp
from mien.bench.tables import grid

LEVEL = 0.95

NOT_THE_PAPERS = (
    "These are not the papers' results. Nobody is shown and nobody was measured: people, faces and signals are "
    "synthetic, what holds for them is known because it was planted, and the models are small, around towers that "
    "are tiny and random or made here. It is asked whether each method's parts do what its paper says that they "
    "do, not how well the method reads real people.")

READING = (
    "Figures are in % and means over seeds; a seed draws the people, the weights and the order of learning, and "
    "all arms of a seed meet the same people. Those who are judged were not learnt from. \"±\" is half of a 95 % "
    "interval, Student's t over seeds; differences are taken seed by seed. **Above** and **below** are said where "
    "the whole interval of the difference lies on one side of 0, **not shown** where it does not, **the same** "
    "where no seed differs at all. Few seeds make wide intervals: not shown is not shown to be absent. Where so "
    "many are asked, one verdict in twenty or fewer may be there by chance alone.")


@dataclass(frozen=True)
class Interval:
    """A mean and half of its interval, NaN for a single value; `flat`: no value differs from 0."""

    mean: float
    half: float
    flat: bool = False

    @property
    def verdict(self) -> str:
        """Which side of 0 it lies on."""
        if self.flat:
            return "the same"
        if np.isnan(self.half):
            return "not shown (a single seed)"
        return "above" if self.mean - self.half > 0 else "below" if self.mean + self.half < 0 else "not shown"


def interval(values: Sequence[float]) -> Interval:
    """Student's t over seeds."""
    found = np.asarray(values, np.float64)
    count, half = len(found), np.nan
    if count > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * found.std(ddof=1) / count**0.5)
    return Interval(float(found.mean()), half, not found.any())


@dataclass(frozen=True)
class Finding:
    """A claim, its two sides in 0..1, and the interval of their paired difference."""

    claim: Claim
    first: float
    second: float
    difference: Interval

    @property
    def paragraph(self) -> str:
        """As the page says it."""
        gap, count = self.difference, self.claim.text
        head = f"**{count[:1].upper()}{count[1:]}: {gap.verdict}.**"
        sides = f"{100 * self.first:.1f} % against {100 * self.second:.1f} %"
        if gap.flat:
            return f"{head} {sides}, in every seed."
        between = ("" if np.isnan(gap.half) else f", 95 % interval {100 * (gap.mean - gap.half):+.1f} to "
                                                f"{100 * (gap.mean + gap.half):+.1f}")
        return f"{head} {sides}; difference {100 * gap.mean:+.1f} points{between}."


def findings(found: Found) -> list[Finding]:
    """Every claim of the study, held against what came out."""
    out = []
    for claim in found.study.claims:
        first = np.array(found.values[claim.first[0]][claim.first[1]])
        second = (np.full(len(first), claim.second) if isinstance(claim.second, float)
                  else np.array(found.values[claim.second[0]][claim.second[1]]))
        out.append(Finding(claim, first.mean(), second.mean(), interval(first - second)))
    return out


def table(found: Found) -> pd.DataFrame:
    """A row an arm and measure, in %: group, arm, measure, mean, half, chance, and a column a seed."""
    rows: list[dict[str, Any]] = []
    for arm, measures in found.values.items():
        for measure, values in measures.items():
            told = interval(values)
            rows.append({"group": found.study.arms[arm], "arm": arm, "measure": measure, "mean": 100 * told.mean,
                         "half": 100 * told.half, "chance": 100 * found.study.marks.get(measure, np.nan),
                         **{f"seed{seed}": 100 * value for seed, value in zip(found.seeds, values, strict=True)}})
    return pd.DataFrame(rows)


def markdown(found: Found, level: str = "#") -> str:
    """The study's part of the page."""
    study = found.study
    lines = [f"{level} {study.title}", "", " ".join(study.world.split()), ""]
    if found.tiny:
        lines += ["A trial of few steps (`--tiny`): it shows that everything runs, and says nothing.", ""]
    for group in dict.fromkeys(study.arms.values()):
        lines += [*_grid(found, group), ""]
    lines += [f"{level}# Findings", ""]
    for finding in findings(found):
        lines += [finding.paragraph, ""]
    return "\n".join(lines).rstrip() + "\n"


def _grid(found: Found, group: str) -> list[str]:
    """The arms of a group, a row each, with chance below."""
    arms = [arm for arm, one in found.study.arms.items() if one == group]
    columns = list(dict.fromkeys(measure for arm in arms for measure in found.values[arm]))

    def cell(arm: str, measure: str) -> str:
        values = found.values[arm].get(measure)
        if values is None:
            return ""
        told = interval(values)
        return f"{100 * told.mean:.1f}" + ("" if np.isnan(told.half) else f" ± {100 * told.half:.1f}")

    rows = [[arm, *(cell(arm, measure) for measure in columns)] for arm in arms]
    marks = found.study.marks
    if any(measure in marks for measure in columns):
        rows.append(["chance", *(f"{100 * marks[one]:.1f}" if one in marks else "" for one in columns)])
    return grid([group, *columns], rows)


def write(found: Found, out: Path) -> None:
    """table.md, table.csv and scores.json into the study's folder."""
    told = {"study": found.study.name, "seeds": found.seeds, "tiny": found.tiny, "seconds": found.seconds,
            "settings": dict(found.study.settings(found.tiny)), "values": found.values,
            "findings": [_told(one) for one in findings(found)], "cores": os.cpu_count(),
            "environment": stamp(found.seeds[0], "cpu", "32")}
    writing.text(out / "scores.json", writing.json_line(told) + "\n")
    writing.table(out / "table.csv", table(found))
    seeds = f"Seeds {found.seeds[0]} to {found.seeds[-1]}." if len(found.seeds) > 1 else f"Seed {found.seeds[0]} alone."
    head = markdown(found).split("\n", 1)
    writing.text(out / "table.md", "\n".join([head[0], "", NOT_THE_PAPERS, "", READING, "", seeds, head[1]]))


def _told(one: Finding) -> Mapping[str, Any]:
    second = one.claim.second if isinstance(one.claim.second, float) else list(one.claim.second)
    return {"claim": one.claim.text, "first": list(one.claim.first), "second": second,
            "values": [one.first, one.second], "difference": one.difference.mean, "half": one.difference.half,
            "verdict": one.difference.verdict}


def page(founds: Iterable[Found], scores: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/evidence.md of several studies; `scores`: name -> what stands in its scores.json."""
    founds = list(founds)
    lines = ["# Evidence: do the parts do what the papers say?", "", NOT_THE_PAPERS, "", READING, "",
             *grid(["made by", "seeds", "time of one core", "machine"],
                   [_run(one, scores[one.study.name]) for one in founds]), ""]
    words = ("above", "not shown", "below", "the same")
    tally = [[one.study.title, *(str(sum(said.difference.verdict.startswith(word) for said in findings(one)))
                                 for word in words)] for one in founds]
    lines += [*grid(["findings", *words], tally), ""]
    return "\n".join(lines) + "\n" + "\n".join(markdown(one, "##") for one in founds)


def _run(found: Found, scores: Mapping[str, Any]) -> list[str]:
    environment, first = scores["environment"], found.seeds[0]
    command = (f"`mien bench evidence/{found.study.name} --seeds {len(found.seeds)}" + f" --seed {first}" * bool(first)
               + " --tiny" * found.tiny + "`")
    return [command, f"{first} to {found.seeds[-1]}", f"{found.seconds / 60:.0f} min",
            f"{scores['cores']} cores, {environment['processor']}; torch {environment['versions']['torch']}"]
