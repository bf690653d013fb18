"""Statistics of rows over the time of a condition: the one computation behind segments.csv and the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ConditionStatistics:
    """Statistics of the columns of a timeline over one condition.

    Args:
        mean: (C,) mean, weighted by the part of each row inside the condition; NaN without a value.
        sd: (C,) standard deviation over the rows; NaN for fewer than two values.
        n: (C,) number of rows with a value.
        coverage: (C,) share of the condition's length with a value, 0..1.
        abstention: (C,) share of the time with a tracked face that has no value, 0..1; NaN without a tracked face.
        seconds: Time of the condition with rows of this person in s.
        planned: Length of the condition in s.
    """

    mean: np.ndarray
    sd: np.ndarray
    n: np.ndarray
    coverage: np.ndarray
    abstention: np.ndarray
    seconds: float
    planned: float


def condition_statistics(weights: np.ndarray, values: np.ndarray, tracked: np.ndarray, planned: float
                         ) -> ConditionStatistics:
    """Compute the statistics of rows.

    The standard deviation is that of weighted observations with the correction for their number; for equal weights it
    is the usual one with n - 1.

    Args:
        weights: (N,) s of each row inside the condition.
        values: (N, C) values, NaN where missing.
        tracked: (N,) whether the face was tracked.
        planned: Length of the condition in s.

    Returns:
        The statistics.

    References:
        GSL reference manual, weighted samples: the unbiased estimate for weighted observations.
    """
    known = np.isfinite(values)
    weight = np.where(known, weights[:, None], 0.0)
    filled = np.where(known, values, 0.0)
    total, squares = weight.sum(axis=0), (weight**2).sum(axis=0)
    mean = _ratio((weight * filled).sum(axis=0), total)
    spread = (weight * (filled - np.nan_to_num(mean)) ** 2).sum(axis=0)
    n = (weight > 0).sum(axis=0)
    freedom = np.where(n > 1, total - _ratio(squares, total), 0.0)
    seen = weights * tracked
    missing = (seen[:, None] * ~known).sum(axis=0)
    share = _ratio(total, np.full(len(total), planned))
    return ConditionStatistics(mean, np.sqrt(_ratio(spread, freedom)), n, share,
                               _ratio(missing, np.full(len(total), seen.sum())), float(weights.sum()), planned)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom, NaN where the bottom is not positive."""
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


def overlap(begin: np.ndarray, end: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Seconds (N,) of each row `begin`..`end` (N,) inside the spans, which do not overlap."""
    inside = np.zeros(len(begin))
    for start, stop in spans:
        inside += np.clip(np.minimum(end, stop) - np.maximum(begin, start), 0, None)
    return inside


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in s in order, with overlapping ones merged."""
    out: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], stop))
        else:
            out.append((start, stop))
    return out
