"""Significance tests of two classifiers on the same items or the same subjects."""

from __future__ import annotations

import numpy as np
from scipy import stats


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Exact McNemar test of two classifiers on the same items.

    Args:
        first, second: (N,) bool, whether each classifier is correct.

    Returns:
        How often only the first is correct, how often only the second is, and the two-sided exact binomial p.

    Raises:
        ValueError: the lengths differ.

    References:
        McNemar 1947, 10.1007/BF02295996.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise ValueError(f"mcnemar: expected answers to the same items, got {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 0, 0, 1.0
    return only_first, only_second, float(stats.binomtest(only_first, only_first + only_second).pvalue)


def wilcoxon(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Wilcoxon signed-rank test of two classifiers on the same subjects (Wilcoxon 1945).

    Args:
        first, second: (N,) score of each subject under each classifier.

    Returns:
        The median difference and the two-sided p. Subjects with equal scores are left out; if all are equal, p is 1.
    """
    gaps = np.round(np.asarray(first, np.float64) - np.asarray(second, np.float64), 9)  # 2/3 - 1/3 ties with 1/3 - 0
    if not gaps.size:
        raise ValueError("wilcoxon: expected a score of each of several people, got none")
    if not np.any(gaps):
        return float(np.median(gaps)), 1.0
    return float(np.median(gaps)), float(stats.wilcoxon(gaps).pvalue)
