"""Paired comparisons of the same people under two conditions, with effect sizes and a correction for many tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST_PAIRS = 3
"""Smallest number of people for a test. Our choice: with two, an interval is wider than any effect."""


@dataclass(frozen=True)
class PairedComparison:
    """Difference of two conditions in the same people, second minus first. NaN where it cannot be computed.

    Args:
        n: Number of people with both values.
        difference: Mean difference in the unit of the values.
        low, high: 95 % interval of the mean difference.
        t: Student's t.
        df: Its degrees of freedom.
        p: Two-sided p of the paired t test.
        dz: Effect size: mean difference over the standard deviation of the differences.
        dz_low, dz_high: Approximate 95 % interval of dz.
        wilcoxon_p: Two-sided p of the signed-rank test, which does not need normal differences.
    """

    n: int
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    t: float = math.nan
    df: int = 0
    p: float = math.nan
    dz: float = math.nan
    dz_low: float = math.nan
    dz_high: float = math.nan
    wilcoxon_p: float = math.nan


def compare_paired(first: np.ndarray, second: np.ndarray) -> PairedComparison:
    """Compare two conditions in the same people.

    Args:
        first, second: (N,) value of each person, NaN where missing. People without both values are left out.

    Returns:
        The comparison; without p and effect size for fewer than `LEAST_PAIRS` people, or if all differences are equal.

    Raises:
        ValueError: The lengths differ.

    References:
        Student 1908, 10.2307/2331554. Wilcoxon 1945, 10.2307/3001968. dz: Cohen 1988, Statistical power analysis for
        the behavioral sciences, 2.3.5; its variance 1/n + dz²/2n: Borenstein et al. 2009, 10.1002/9780470743386.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"compare_paired: expected values of the same people, got {first.shape} and {second.shape}")
    gaps = second - first
    gaps = gaps[np.isfinite(gaps)]
    n = len(gaps)
    if n == 0:
        return PairedComparison(0)
    mean = float(gaps.mean())
    if n < LEAST_PAIRS or np.ptp(gaps) <= 1e-12 * max(1.0, float(np.abs(gaps).max())):
        return PairedComparison(n, mean)
    sd = float(gaps.std(ddof=1))
    error, quantile = sd / math.sqrt(n), float(stats.t.ppf(0.975, n - 1))
    t, dz = mean / error, mean / sd
    half = quantile * math.sqrt(1 / n + dz**2 / (2 * n))
    return PairedComparison(
        n, mean, mean - quantile * error, mean + quantile * error, t, n - 1, 2 * float(stats.t.sf(abs(t), n - 1)),
        dz, dz - half, dz + half, float(stats.wilcoxon(np.round(gaps, 12)).pvalue))


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values for many tests, so that the chance of any false finding stays below the level.

    Args:
        p: (M,) p values; NaN where there was no test.

    Returns:
        (M,) adjusted p values; NaN stays NaN.

    References:
        Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6:65-70.
    """
    p = np.asarray(p, np.float64)
    out = np.full(p.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * steps), 1.0)
    return out
