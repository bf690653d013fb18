"""Verdicts on the claims of a study: is there room for a difference, how large is it, and how many seeds solve it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from mien.evaluation.studies.experiment import ArmResult, Cell, Claim

LEVEL = 0.95

ROOM = 0.05
"""Least mean of a gap, below which a claim is not tested. Our choice: effects below five points are not of interest."""

SPLIT = 0.10
"""Least distance between solved and unsolved seeds that makes an arm bimodal. Our choice."""

UNTESTABLE = "cannot be tested in this world"
NOT_RUN = "not run"


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

    @property
    def points(self) -> str:
        """Mean and interval in points, signed."""
        if self.flat:
            return "0 in every seed"
        if np.isnan(self.half):
            return f"{100 * self.mean:+.1f}"
        return f"{100 * self.mean:+.1f} ({100 * (self.mean - self.half):+.1f} to {100 * (self.mean + self.half):+.1f})"


def interval(values: Sequence[float]) -> EffectInterval:
    """Mean and half-width of the 95 % interval over seeds, by Student's t."""
    array = np.asarray(values, np.float64)
    count, half = len(array), np.nan
    if count > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * array.std(ddof=1) / count**0.5)
    return EffectInterval(float(array.mean()), half, not array.any())


@dataclass(frozen=True)
class SolvedSeeds:
    """How many of `count` seeds reach the threshold on each side, and the two-sided p of Fisher's exact test.

    `split`: a side has seeds on both sides of the threshold, with nothing between them, so that a mean says little.
    """

    first: int
    second: int
    count: int
    p: float
    split: bool

    @property
    def verdict(self) -> str:
        """The side that more seeds solve, if the test says so."""
        if self.p >= 1 - LEVEL:
            return "not shown"
        return "above" if self.first > self.second else "below"

    @property
    def text(self) -> str:
        """Both counts, and p."""
        return f"{self.first} and {self.second} of {self.count}, p = {self.p:.2g}"


def solved_seeds(first: np.ndarray, second: np.ndarray, threshold: float) -> SolvedSeeds:
    """Count the seeds at or above a threshold on both sides, and compare the counts.

    Args:
        first: scores (S,) of one side, 0..1.
        second: scores (S,) of the other.
        threshold: 0..1.

    Returns:
        The counts and the test.
    """
    count = len(first)
    good = [int((side >= threshold).sum()) for side in (first, second)]
    p = float(stats.fisher_exact(np.array([[k, count - k] for k in good]))[1])
    return SolvedSeeds(good[0], good[1], count, p, any(_split(side, threshold) for side in (first, second)))


def _split(values: np.ndarray, threshold: float) -> bool:
    low, high = values[values < threshold], values[values >= threshold]
    return bool(len(low) and len(high) and high.min() - low.max() >= SPLIT)


@dataclass(frozen=True)
class StudyResult:
    """A claim with its two means (0..1) and the interval of their paired difference.

    `gap`: the room for such a difference, None for a claim that needs none; `solved`: None without a threshold.
    """

    claim: Claim
    first: float
    second: float
    difference: EffectInterval
    gap: EffectInterval | None = None
    solved: SolvedSeeds | None = None

    @property
    def verdict(self) -> str:
        """By Fisher's test where an arm is bimodal, else by the interval; without room only "below" can be seen."""
        verdict = self.difference.verdict
        if np.isnan(self.first - self.second) or (self.gap is not None and np.isnan(self.gap.mean)):
            return NOT_RUN
        if self.claim.margin:
            verdict = replace(self.difference, mean=self.difference.mean + self.claim.margin, flat=False).verdict
        if np.isnan(self.difference.half):
            return verdict
        if self.solved is not None and self.solved.split:
            verdict = self.solved.verdict
        closed = self.gap is not None and (self.gap.verdict != "above" or self.gap.mean < ROOM)
        if self.solved is not None and self.solved.split and self.solved.second < self.solved.count:
            closed = False  # seeds that B does not solve leave room, but make an interval too wide to show it
        return UNTESTABLE if closed and verdict != "below" else verdict

    @property
    def row(self) -> list[str]:
        """Cells of the findings table, see `COMPARED`."""
        text = self.claim.text
        if self.verdict == NOT_RUN:
            return [text[:1].upper() + text[1:], NOT_RUN, *[""] * (len(COMPARED) - 2)]
        return [text[:1].upper() + text[1:], self.verdict, f"{100 * self.first:.1f}", f"{100 * self.second:.1f}",
                self.difference.points, "" if self.gap is None else self.gap.points,
                "" if self.solved is None else self.solved.text]


COMPARED = ("A against B", "verdict", "A, %", "B, %", "A - B, points (95 % interval)", "room, points",
            "solved by A and B, Fisher's p")


def study_results(result: ArmResult) -> list[StudyResult]:
    """Test every claim of a study.

    Args:
        result: the scores of its arms.

    Returns:
        One result for each claim.
    """
    out = []
    for claim in result.study.claims:
        first, second = _scores(result, claim.first), _scores(result, claim.second)
        gap = solved = None
        if claim.room is not None:
            gap = interval(_scores(result, claim.room[0]) - _scores(result, claim.room[1]))
        if claim.solved is not None:
            solved = solved_seeds(first, second, claim.solved)
        out.append(StudyResult(claim, float(first.mean()), float(second.mean()), interval(first - second), gap, solved))
    return out


def _scores(result: ArmResult, side: Cell | float) -> np.ndarray:
    """The scores (S,) of a cell, NaN for an arm that was not run, or a number for every seed."""
    if isinstance(side, float):
        return np.full(len(result.seeds), side)
    if side[0] not in result.values:
        return np.full(len(result.seeds), np.nan)
    return np.array(result.values[side[0]][side[1]])
