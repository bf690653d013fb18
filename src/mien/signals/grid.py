"""From irregular times to a regular grid, with long gaps left open.

Arrays are (N,) or (N, ...) with time first; rates and frequencies in Hz, times in s. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Uniform:
    """A signal on a regular grid: `values` (N, ...) at `rate` Hz from `start` s on.

    `seen` (N,) is False inside a long gap, where `values` are NaN.
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


def resample(times: np.ndarray, values: np.ndarray, rate: float, gap: float = 0.5) -> Uniform:
    """times (T,) s, irregular; values (T, ...) with NaN where nothing was seen -> a `Uniform` at `rate` Hz.

    Linear interpolation across gaps of up to `gap` s; longer gaps stay NaN. A row counts as missing when any of its
    numbers is NaN. Time stamps that are not finite or do not increase are dropped. A signal that comes faster than
    twice `rate` is averaged over each grid step, so that it does not alias.

    `gap`: our choice: half a second is less than one beat at 120 bpm, so that no more than one beat is ever bridged.
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
    count = round((times[-1] - times[0]) * rate) + 1 if len(times) else 0
    start = float(times[0]) if len(times) else 0.0
    good = np.isfinite(flat).all(axis=1)
    if count == 0 or not good.any():
        return Uniform(np.full((count, *values.shape[1:]), np.nan), rate, start, np.zeros(count, dtype=bool))
    known, flat = times[good], flat[good]
    fine = max(1, int((len(known) - 1) / max(known[-1] - known[0], 1e-9) / rate)) if len(known) > 1 else 1
    grid = start + (np.arange(count * fine) - (fine - 1) / 2) / (rate * fine)
    out, seen = _interpolate(grid, known, flat, gap)
    if fine > 1:
        out = out.reshape(count, fine, -1).mean(axis=1)
        seen = seen.reshape(count, fine).all(axis=1)
    out[~seen] = np.nan
    return Uniform(out.reshape(count, *values.shape[1:]), rate, start, seen)


def increasing(times: np.ndarray) -> np.ndarray:
    """times (T,) s -> the indices (K,) of those that are finite and later than all before them."""
    kept = np.flatnonzero(np.isfinite(times))
    return kept[np.diff(np.maximum.accumulate(times[kept]), prepend=-np.inf) > 0] if len(kept) else kept


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
