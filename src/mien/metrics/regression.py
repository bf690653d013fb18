"""Regression metrics of ratings: concordance, correlation and error, in points of the scale.

The metrics take additive sums (..., 8). Sums of subjects, folds and devices can therefore be added, and a bootstrap is
one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mien.metrics import classification

SUM_COUNT = 8
"""Count, truth, guess, their squares, their product, squared and absolute difference."""

ROUNDING_TOLERANCE = 1e-12
"""A variance below this share of the mean square is rounding error: the values are constant."""

Measure = Callable[[np.ndarray], np.ndarray]
"""Sums (..., 8) -> (...)."""


def sums(truth: np.ndarray, guess: np.ndarray, group: np.ndarray | None = None, groups: int = 1) -> np.ndarray:
    """Compute the sums that every metric here is made of.

    Args:
        truth: (N,) true ratings, finite.
        guess: (N,) predicted ratings, finite.
        group: (N,) group index 0..groups-1, None for a single group.
        groups: number of groups.

    Returns:
        (8,) sums, or (groups, 8) with `group`.

    Raises:
        ValueError: the lengths differ, or a value is not finite.
    """
    truth, guess = np.asarray(truth, np.float64), np.asarray(guess, np.float64)
    if truth.shape != guess.shape or truth.ndim != 1:
        raise ValueError(f"ratings: expected two series of one length, got {truth.shape} and {guess.shape}")
    if not (np.isfinite(truth).all() and np.isfinite(guess).all()):
        raise ValueError("ratings: expected finite numbers, got NaN or infinity: leave out what is not known")
    rows = np.stack([np.ones_like(truth), truth, guess, truth**2, guess**2, truth * guess, (truth - guess) ** 2,
                     np.abs(truth - guess)], axis=1)
    if group is None:
        return rows.sum(axis=0)
    totals = np.zeros((groups, SUM_COUNT))
    np.add.at(totals, group, rows)
    return totals


def ccc(sums: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient, -1..1: Lin 1989, 10.2307/2532051.

    It is 0 if truth or guess is constant, and NaN if both are the same constant.
    """
    truth, guess, covariance, bias = _spread(sums)
    return _ratio(2 * covariance, truth + guess + bias**2)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation, -1..1; NaN if truth or guess is constant."""
    truth, guess, covariance, _ = _spread(sums)
    return _ratio(covariance, np.sqrt(truth * guess))


def rmse(sums: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, in points."""
    return np.sqrt(_ratio(sums[..., 6], sums[..., 0]))


def mae(sums: np.ndarray) -> np.ndarray:
    """Mean absolute error, in points."""
    return _ratio(sums[..., 7], sums[..., 0])


MEASURES: dict[str, Measure] = {"ccc": ccc, "pearson": pearson, "rmse": rmse, "mae": mae}
"""The metrics that are reported for ratings, by name."""


def values(sums: np.ndarray) -> dict[str, float]:
    """Compute every metric of sums (8,), by name."""
    return {name: float(measure(sums)) for name, measure in MEASURES.items()}


def per_subject(ratings: np.ndarray, group: Sequence[str] | np.ndarray) -> np.ndarray:
    """Replace each rating (N,) by the mean rating of its subject."""
    _, index = np.unique(np.asarray(group), return_inverse=True)
    return (np.bincount(index, ratings) / np.bincount(index))[index]


def within_subject(ratings: np.ndarray, group: Sequence[str] | np.ndarray) -> np.ndarray:
    """Subtract the mean rating of its subject from each rating (N,).

    The result is rounded to nine decimals, so that a constant subject gives exactly 0.
    """
    return np.round(ratings - per_subject(ratings, group), 9) + 0.0


def bootstrap(measure: Measure, truth: np.ndarray, guess: np.ndarray, group: Sequence[str] | np.ndarray | None = None,
              level: float = 0.95, resamples: int = classification.RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Compute the percentile bootstrap interval of a metric, as `classification.bootstrap` does.

    Args:
        measure: a metric of sums (..., 8).
        truth: (N,) true ratings.
        guess: (N,) predicted ratings.
        group: (N,) subjects. Whole subjects are drawn with replacement; None draws single trials.
        level: nominal coverage, 0..1.
        resamples: number of bootstrap samples.
        seed: seed of the draws.

    Returns:
        Lower and upper limit; NaN, NaN for fewer than two subjects or trials.
    """
    if group is None:
        group = np.arange(len(truth))
    names, index = np.unique(np.asarray(group), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    scores = measure(drawn @ sums(truth, guess, index, len(names)))
    scores = scores[np.isfinite(scores)]
    if not scores.size:
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _spread(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Variances of truth and guess, their covariance, and the difference of their means; rounding errors become 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / sums[..., :1]
    variances = []
    for value, square in ((mean[..., 1], mean[..., 3]), (mean[..., 2], mean[..., 4])):
        variance = square - value**2
        variances.append(np.where(variance > ROUNDING_TOLERANCE * square, variance, 0.0))
    constant = (variances[0] == 0) | (variances[1] == 0)
    covariance = np.where(constant, 0.0, mean[..., 5] - mean[..., 1] * mean[..., 2])
    return variances[0], variances[1], covariance, mean[..., 1] - mean[..., 2]


def _ratio(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """part / total, NaN where the total is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, part / total, np.nan)
