"""Agreement of annotators, and of a model with them: kappa for classes, intraclass correlation for ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Agreement of two raters beyond chance.

    Args:
        first, second: (N,) classes; items that either left out are "".

    Returns:
        -1..1; NaN without an item that both rated, or if both gave a single class.

    Raises:
        ValueError: The lengths differ.

    References:
        Cohen 1960, 10.1177/001316446002000104.
    """
    table = _codes([first, second])
    a, b = table[(table >= 0).all(axis=1)].T
    if not len(a):
        return float("nan")
    observed = float(np.mean(a == b))
    chance = float(sum(np.mean(a == each) * np.mean(b == each) for each in np.union1d(a, b)))
    if chance >= 1:
        return float("nan")
    return (observed - chance) / (1 - chance)


def fleiss_kappa(raters: Sequence[Sequence[str]]) -> float:
    """Agreement of two or more raters beyond chance.

    Args:
        raters: For each rater (N,) classes. Items that somebody left out ("") do not count.

    Returns:
        -1..1; NaN as `cohen_kappa`.

    Raises:
        ValueError: There are fewer than two raters, or the lengths differ.

    References:
        Fleiss 1971, 10.1037/h0031619.
    """
    table = _codes(raters)
    table = table[(table >= 0).all(axis=1)]
    if not len(table):
        return float("nan")
    count = table.shape[1]
    votes = np.stack([(table == code).sum(axis=1) for code in np.unique(table)], axis=1)
    observed = float(np.mean((np.square(votes).sum(axis=1) - count) / (count * (count - 1))))
    chance = float(np.square(votes.sum(axis=0) / votes.sum()).sum())
    if chance >= 1:
        return float("nan")
    return (observed - chance) / (1 - chance)


def icc(ratings: np.ndarray, raters: str = "random", average: bool = False) -> float:
    """Intraclass correlation of ratings.

    Args:
        ratings: (N, K) rating of each item by each rater. Items with a NaN do not count.
        raters: "one-way" if each item has other raters, ICC(1); "random" if all items have the same raters, a sample of
            raters, ICC(2), absolute agreement; "fixed" if these are all raters, ICC(3), consistency.
        average: Whether the mean of the raters is used later (k), instead of one of them (1).

    Returns:
        At most 1; NaN for fewer than two complete items, or without any variance.

    Raises:
        ValueError: There are fewer than two raters, or `raters` is unknown.

    References:
        Shrout & Fleiss 1979, 10.1037/0033-2909.86.2.420.
    """
    ratings = np.asarray(ratings, np.float64)
    if ratings.ndim != 2 or ratings.shape[1] < 2:
        raise ValueError(f"icc: expected (N, K) ratings of two raters or more, got {ratings.shape}")
    ratings = ratings[np.isfinite(ratings).all(axis=1)]
    n, k = ratings.shape
    if n < 2:
        return float("nan")
    mean = ratings.mean()
    items = k * np.square(ratings.mean(axis=1) - mean).sum() / (n - 1)
    judges = n * np.square(ratings.mean(axis=0) - mean).sum() / (k - 1)
    within = np.square(ratings - ratings.mean(axis=1, keepdims=True)).sum() / (n * (k - 1))
    error = (within * n * (k - 1) - judges * (k - 1)) / ((n - 1) * (k - 1))
    formulas = {
        "one-way": ((items - within, items + (k - 1) * within), (items - within, items)),
        "random": ((items - error, items + (k - 1) * error + k * (judges - error) / n),
                   (items - error, items + (judges - error) / n)),
        "fixed": ((items - error, items + (k - 1) * error), (items - error, items)),
    }
    if raters not in formulas:
        raise ValueError(f"icc: expected {', '.join(formulas)}, got {raters!r}")
    above, below = formulas[raters][average]
    if not below:
        return float("nan")
    return float(above / below)


def _codes(raters: Sequence[Sequence[str]]) -> np.ndarray:
    """Classes as numbers (N, K), -1 for an item that was left out."""
    if len(raters) < 2 or len({len(rater) for rater in raters}) != 1:
        lengths = [len(rater) for rater in raters]
        raise ValueError(f"kappa: expected two raters or more of the same items, got {lengths}")
    names = {name: code for code, name in enumerate(sorted({each for rater in raters for each in rater} - {""}))}
    return np.array([[names.get(each, -1) for each in rater] for rater in raters], int).T.reshape(-1, len(raters))
