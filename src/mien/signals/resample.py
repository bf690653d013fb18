"""Resampling of irregular samples to a regular grid; long gaps stay NaN.

Arrays are (N,) or (N, ...) with time first; rates and frequencies in Hz, times in s. All functions are pure.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RegularSignal:
    """A signal on a regular grid.

    Attributes:
        values: (N, ...), NaN inside a long gap.
        rate: Hz.
        start: s of the first sample.
        seen: (N,) False inside a long gap.
    """

    values: np.ndarray
    rate: float
    start: float
    seen: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """(N,) s."""
        return self.start + np.arange(len(self.values)) / self.rate

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Start and end (s) of each long gap."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.seen, [True]]).astype(np.int8)))
        return [(self.start + a / self.rate, self.start + b / self.rate) for a, b in edges.reshape(-1, 2)]


def resample(times: np.ndarray, values: np.ndarray, rate: float, gap: float = 0.5) -> RegularSignal:
    """Resample irregular samples to a regular grid by linear interpolation.

    A row counts as missing when any of its numbers is NaN. Time stamps that are not finite or do not increase are
    dropped. A signal with more than twice `rate` samples a second is averaged over each grid step against aliasing.

    Args:
        times: (T,) s, irregular.
        values: (T, ...), NaN where a value is missing.
        rate: Hz of the grid.
        gap: longest interpolated gap in s; longer gaps stay NaN. Our choice: half a second is less than one beat at
            120 bpm, so at most one beat is ever interpolated.

    Raises:
        ValueError: the numbers of times and rows differ, or the rate is not positive.
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    if len(times) != len(values):
        raise ValueError(f"resample: expected one time a row, got {len(times)} times for {len(values)} rows")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"resample: expected a positive rate in Hz, got {rate}")
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    kept = increasing(times)
    times, flat = times[kept], flat[kept]
    count, start = 0, 0.0
    if len(times):
        count, start = round((times[-1] - times[0]) * rate) + 1, float(times[0])
    good = np.isfinite(flat).all(axis=1)
    if count == 0 or not good.any():
        return RegularSignal(np.full((count, *values.shape[1:]), np.nan), rate, start, np.zeros(count, dtype=bool))
    known, flat = times[good], flat[good]
    fine = max(1, int((len(known) - 1) / max(known[-1] - known[0], 1e-9) / rate))
    grid = start + (np.arange(count * fine) - (fine - 1) / 2) / (rate * fine)
    out, seen = _interpolate(grid, known, flat, gap)
    if fine > 1:
        out = out.reshape(count, fine, -1).mean(axis=1)
        seen = np.all(seen.reshape(count, fine), axis=1)
    out[~seen] = np.nan
    return RegularSignal(out.reshape(count, *values.shape[1:]), rate, start, seen)


def increasing(times: np.ndarray) -> np.ndarray:
    """Select the times that increase.

    Args:
        times: (T,) s.

    Returns:
        Indices (K,) of the times that are finite and later than all previous ones.
    """
    kept = np.flatnonzero(np.isfinite(times))
    if not len(kept):
        return kept
    return kept[np.diff(np.maximum.accumulate(times[kept]), prepend=-np.inf) > 0]


def ordered(times: np.ndarray) -> np.ndarray:
    """Select most of the times such that none is earlier than the one before.

    A single wrong time stamp, too early or too late, is left out, and not the rows after it.

    Args:
        times: (T,) s.

    Returns:
        Indices (K,) of finite times.
    """
    known = np.flatnonzero(np.isfinite(times))
    if not (np.diff(times[known]) < 0).any():
        return known
    values = (-times[known][::-1]).tolist()  # backwards, so that of two rows that contradict each other the later goes
    ends: list[float] = []  # smallest last value of a series of each length
    places: list[int] = []
    before = [-1] * len(values)
    for i, value in enumerate(values):
        length = bisect_right(ends, value)
        before[i] = places[length - 1] if length else -1
        ends[length : length + 1] = [value]
        places[length : length + 1] = [i]
    chain = []
    at = places[-1]
    while at >= 0:
        chain.append(len(values) - 1 - at)
        at = before[at]
    return known[chain]


def _interpolate(grid: np.ndarray, times: np.ndarray, flat: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation of flat (T, C) at grid (N,); also (N,) whether a point lies within `gap` s of support."""
    right = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1))
    left, right = right - 1, np.minimum(right, len(times) - 1)
    span = times[right] - times[left]
    weight = np.clip((grid - times[left]) / np.where(span > 0, span, 1.0), 0.0, 1.0)[:, None]
    out = flat[left] * (1 - weight) + flat[right] * weight
    tolerance = 1e-9
    inside = (grid >= times[left] - tolerance) & (grid <= times[right] + tolerance)
    nearest = np.minimum(np.abs(grid - times[left]), np.abs(grid - times[right]))
    seen = (inside & (span <= gap + tolerance)) | (~inside & (nearest <= gap / 2)) | (nearest <= tolerance)
    return out, seen
