"""A linear mixed model of repeated measures: conditions as fixed effects, and a random intercept for each person."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class MixedModelTest:
    """The test of the conditions. NaN where it cannot be computed.

    Args:
        people: Number of people.
        values: Number of values.
        f: F of the hypothesis that all conditions have the same mean.
        df1, df2: Its degrees of freedom.
        p: Its p.
        icc: Share of the variance within conditions that belongs to the person, 0..1.
    """

    people: int
    values: int
    f: float = math.nan
    df1: int = 0
    df2: int = 0
    p: float = math.nan
    icc: float = math.nan


def compare_repeated(values: np.ndarray) -> MixedModelTest:
    """Test whether the conditions differ, by a mixed model fitted with restricted maximum likelihood.

    People without some of the conditions count with the others. For complete data the test equals the repeated-measures
    analysis of variance, unless the person's share of the variance would be negative.

    Args:
        values: (N, K) mean of each person in each condition, NaN where missing.

    Returns:
        The test.

    References:
        Laird & Ware 1982, 10.2307/2529876. Degrees of freedom: those within people, Pinheiro & Bates 2000,
        Mixed-effects models in S and S-PLUS, 2.4.2.
    """
    values = np.asarray(values, np.float64)
    known = np.isfinite(values)
    values, known = values[:, known.any(axis=0)], known[:, known.any(axis=0)]
    values, known = values[known.any(axis=1)], known[known.any(axis=1)]
    people, conditions = values.shape
    count = int(known.sum())
    df1, df2 = conditions - 1, count - people - conditions + 1
    if df1 < 1 or df2 < 1 or people < 2:
        return MixedModelTest(people, count)
    person, which = np.nonzero(known)
    y = values[known]
    y = y - y.mean()
    design = np.eye(conditions)[which]
    if np.ptp(y) <= 1e-12 or not _estimable(design, person):
        return MixedModelTest(people, count)
    fit = _fit(y, design, person)
    if fit is None:
        return MixedModelTest(people, count)
    means, covariance, ratio = fit
    contrast = np.hstack([-np.ones((df1, 1)), np.eye(df1)])
    gap = contrast @ means
    f = float(gap @ np.linalg.solve(contrast @ covariance @ contrast.T, gap)) / df1
    return MixedModelTest(people, count, f, df1, df2, float(stats.f.sf(f, df1, df2)), ratio / (1 + ratio))


def _estimable(design: np.ndarray, person: np.ndarray) -> bool:
    """Whether people link all conditions, so that they can be compared within people."""
    within = design - (np.eye(person.max() + 1)[person] @ _person_means(design, person))
    return int(np.linalg.matrix_rank(within)) == design.shape[1] - 1


def _person_means(rows: np.ndarray, person: np.ndarray) -> np.ndarray:
    sums = np.zeros((person.max() + 1, rows.shape[1]))
    np.add.at(sums, person, rows)
    return sums / np.bincount(person)[:, None]


def _fit(y: np.ndarray, design: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Means (K,), their covariance (K, K), and the variance of people over that of residuals; None if nothing is left
    to estimate a residual from."""

    def solve(share: float) -> tuple[float, np.ndarray, np.ndarray, float]:
        """Return -2 log of the restricted likelihood, means, their covariance and the residual variance at a share."""
        ratio = share / (1 - share)
        size = np.bincount(person)
        shrink = (1 - 1 / np.sqrt(1 + size * ratio))[person][:, None]  # V^-1/2 subtracts this part of the person's mean
        x = design - shrink * _person_means(design, person)[person]
        z = y - (shrink * _person_means(y[:, None], person)[person])[:, 0]
        cross = x.T @ x
        means = np.linalg.solve(cross, x.T @ z)
        freedom = len(y) - design.shape[1]
        variance = float(((z - x @ means) ** 2).sum()) / freedom
        minus = freedom * math.log(max(variance, 1e-300)) + np.log1p(size * ratio).sum() + np.linalg.slogdet(cross)[1]
        return float(minus), means, np.linalg.inv(cross) * variance, variance

    best = optimize.minimize_scalar(lambda share: solve(share)[0], bounds=(0.0, 1 - 1e-9), method="bounded",
                                    options={"xatol": 1e-9}).x
    share = min((0.0, float(best)), key=lambda each: solve(each)[0])
    _, means, covariance, variance = solve(share)
    if variance <= 1e-24 * float(y.var()):
        return None
    return means, covariance, share / (1 - share)
