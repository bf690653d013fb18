"""Vectorised helpers for many trials (B, N): gap interpolation, filters and peak detection."""

from __future__ import annotations

import numpy as np
from scipy import signal

from mien.signals.filters import butterworth


def rows(values: np.ndarray, what: str) -> np.ndarray:
    """Convert (N,) or (B, N) to float64 (B, N).

    Raises:
        ValueError: the shape is another one, or there is no sample.
    """
    out = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if out.ndim != 2 or not out.shape[1]:
        raise ValueError(f"{what}: expected (N,) or (B, N) with a sample at least, got {np.shape(values)}")
    return out


def interpolate_gaps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate missing samples linearly.

    Returns:
        values (B, N), 0 in a row without any finite sample; and (B, N) whether the sample was finite.
    """
    good = np.isfinite(values)
    if good.all():
        return values, good
    out = np.where(good, values, 0.0)
    at = np.arange(values.shape[1])
    for row in np.flatnonzero(~good.all(axis=1) & good.any(axis=1)):
        out[row] = np.interp(at, at[good[row]], values[row, good[row]])
    return out, good


def bandpass(values: np.ndarray, rate: float, low: float | None, high: float | None, order: int) -> np.ndarray:
    """Filter (B, N) with a Butterworth filter, forwards and backwards along time.

    A high edge too close to half the rate is ignored: the signal has nothing above it.

    Raises:
        ValueError: the rate is too low for the lower edge.
    """
    if high is not None and high >= 0.49 * rate:
        high = None
    if low is None and high is None:
        return values.copy()
    if low is not None and low >= 0.45 * rate:
        raise ValueError(f"expected a rate above {low / 0.45:g} Hz for a band from {low:g} Hz, got {rate:g}")
    sos = butterworth(order, low, high, rate)
    pad = min(int(rate / (low or high or 1.0)), values.shape[1] - 1)
    middle = values.mean(axis=1, keepdims=True)  # a large offset would ring at the ends
    out = signal.sosfiltfilt(sos, values - middle, axis=1, padlen=pad)
    if low is None:
        out = out + middle
    return out


def moving_average(values: np.ndarray, size: int) -> np.ndarray:
    """Moving average of (B, N) over a centred window of `size` samples, truncated at the ends."""
    size = max(1, size | 1)
    count = values.shape[1]
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    left = np.maximum(np.arange(count) - size // 2, 0)
    right = np.minimum(np.arange(count) + size // 2 + 1, count)
    return (total[:, right] - total[:, left]) / (right - left)


def runs(inside: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, start and end (exclusive) (K,) of each run of at least `least` True values in (B, N)."""
    edges = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    kept = end - start >= least
    return row[kept], start[kept], end[kept]


def argmax_per_run(values: np.ndarray, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(K,) index of the largest value of (B, N) within each of K runs; the first of equal ones."""
    if not len(row):
        return np.empty(0, dtype=np.int64)
    length = end - start
    stretch = np.repeat(np.arange(len(row)), length)
    at = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
    inside = values[row[stretch], at]
    top = np.maximum.reduceat(inside, np.cumsum(length) - length)
    first = np.flatnonzero(inside == top[stretch])
    return at[first[np.unique(stretch[first], return_index=True)[1]]]


def enforce_min_distance(row: np.ndarray, at: np.ndarray, height: np.ndarray, least: int) -> np.ndarray:
    """(K,) which peaks to keep: of two peaks closer than `least` samples, the higher one. Peaks come in order."""
    kept = np.ones(len(at), dtype=bool)
    while True:
        left = np.flatnonzero(kept)
        close = (np.diff(at[left]) < least) & (np.diff(row[left]) == 0)
        if not close.any():
            return kept
        lower = np.where(height[left[1:]] > height[left[:-1]], left[:-1], left[1:])[close]
        worst = np.zeros(len(at), dtype=bool)
        worst[lower] = True
        kept &= ~worst


def pad_to_table(row: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Arrange K values by row, in order, into (count, P), padded with NaN."""
    each = np.bincount(row, minlength=count)
    out = np.full((count, int(each.max(initial=0))), np.nan)
    out[row, np.arange(len(row)) - np.repeat(np.cumsum(each) - each, each)] = values
    return out


def refine_parabolic(values: np.ndarray, row: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(K,) sub-sample positions of peaks, by a parabola through three samples."""
    at = np.clip(at, 1, values.shape[1] - 2)
    a, b, c = (values[row, at + step] for step in (-1, 0, 1))
    curve = a - 2 * b + c
    shift = np.where(curve < 0, 0.5 * (a - c) / np.where(curve < 0, curve, -1.0), 0.0)
    return at + np.clip(shift, -0.5, 0.5)


def find_signal_peaks(values: np.ndarray, rise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find local maxima with a prominence of at least `rise` (B,) in (B, N).

    The fall after the last sample is unknown: a peak that the end cuts off counts by its rise alone.

    Returns:
        Row and index (K,) of each peak.
    """
    count = values.shape[1]
    fenced = np.pad(values / rise[:, None], ((0, 0), (1, 1)))
    fenced[:, 0], fenced[:, -1] = np.inf, -np.inf  # a wall before each row, an abyss after it
    flat = fenced.ravel()
    top = signal.find_peaks(flat)[0]
    top = top[np.isfinite(flat[top])]
    stands = signal.peak_prominences(flat, top, wlen=2 * count + 5)[0] >= 1
    row, at = np.divmod(top[stands], count + 2)
    return row, at - 1
