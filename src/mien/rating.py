"""How good guessed ratings are: concordance, correlation and error, in points of the scale.

All is counted in sums that add up, (..., 8), so that people can be drawn, folds pooled and devices joined, and a
bootstrap is one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mien import metrics

SUMS = 8
"""count, truth, guess, their squares, their product, squared and absolute difference."""

ROUNDING = 1e-12
"""A variance below this share of the mean square is rounding: the values are one and the same."""

Measure = Callable[[np.ndarray], np.ndarray]
"""Sums (..., 8) -> (...)."""


def sums(truth: np.ndarray, guess: np.ndarray, group: np.ndarray | None = None, groups: int = 1) -> np.ndarray:
    """truth, guess (N,) -> their sums (8,); with `group` (N,) in 0..groups-1 those of each, (groups, 8).

    Raises ValueError for other lengths and for what is not finite.
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
    found = np.zeros((groups, SUMS))
    np.add.at(found, group, rows)
    return found


def ccc(sums: np.ndarray) -> np.ndarray:
    """Concordance, -1..1: Lin 1989, 10.2307/2532051. 0 where either is constant, NaN for equal constants."""
    truth, guess, shared, apart = _spread(sums)
    return _ratio(2 * shared, truth + guess + apart**2)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Correlation, -1..1; NaN where either is constant."""
    truth, guess, shared, _ = _spread(sums)
    return _ratio(shared, np.sqrt(truth * guess))


def rmse(sums: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, in points."""
    return np.sqrt(_ratio(sums[..., 6], sums[..., 0]))


def mae(sums: np.ndarray) -> np.ndarray:
    """Mean absolute error, in points."""
    return _ratio(sums[..., 7], sums[..., 0])


MEASURES: dict[str, Measure] = {"ccc": ccc, "pearson": pearson, "rmse": rmse, "mae": mae}
"""Name -> what is reported of ratings."""


def values(sums: np.ndarray) -> dict[str, float]:
    """Every measure of (8,) by name."""
    return {name: float(measure(sums)) for name, measure in MEASURES.items()}


def own(ratings: np.ndarray, group: Sequence[str] | np.ndarray) -> np.ndarray:
    """(N,) -> the mean of each one's person."""
    _, who = np.unique(np.asarray(group), return_inverse=True)
    return (np.bincount(who, ratings) / np.bincount(who))[who]


def apart(ratings: np.ndarray, group: Sequence[str] | np.ndarray) -> np.ndarray:
    """(N,) less the mean of each one's person; to nine places, so that a person's constant is 0 and no rounding."""
    return np.round(ratings - own(ratings, group), 9) + 0.0


def bootstrap(measure: Measure, truth: np.ndarray, guess: np.ndarray, group: Sequence[str] | np.ndarray | None = None,
              level: float = 0.95, resamples: int = metrics.RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of a measure, drawing whole people with replacement, or trials where `group` is None; NaN,
    NaN of less than two. As `metrics.bootstrap`."""
    names, who = np.unique(np.arange(len(truth)) if group is None else np.asarray(group), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    found = measure(drawn @ sums(truth, guess, who, len(names)))
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if found.size else (np.nan, np.nan)
    return float(low), float(high)


def _spread(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """-> variances of truth and guess, their covariance, the distance of their means; rounding is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / sums[..., :1]
    found = []
    for value, square in ((mean[..., 1], mean[..., 3]), (mean[..., 2], mean[..., 4])):
        spread = square - value**2
        found.append(np.where(spread > ROUNDING * square, spread, 0.0))
    still = (found[0] == 0) | (found[1] == 0)
    shared = np.where(still, 0.0, mean[..., 5] - mean[..., 1] * mean[..., 2])
    return found[0], found[1], shared, mean[..., 1] - mean[..., 2]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
