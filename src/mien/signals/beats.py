"""Beats, heart rate and heart rate variability from signal peaks, for many trials at once.

A beat is searched where a short moving average of the energy exceeds a long one: Elgendi 2013,
10.1371/journal.pone.0073557 (ECG) and Elgendi et al. 2013, 10.1371/journal.pone.0076585 (PPG). A beat is accepted when
its shape resembles that of the others: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.signals.feature_table import SignalFeatures
from mien.signals.peaks import argmax_per_run, moving_average, pad_to_table, runs

SLOWEST, FASTEST = 30.0, 200.0
"""Lowest and highest accepted rate of an interval in bpm. Our choice: the range of adults from sleep to effort."""

JUMP = 0.3
"""Largest relative deviation of an interval from the median of its nine neighbours. Our choice: between the 20 % often
used for ECG and the effect of breathing in young people, as for the camera pulse."""

ENOUGH = 0.5
"""Share of the time that accepted intervals must cover before a rate is reported. Our choice: more than half."""

_POINTS = 64  # samples of a beat's shape, over one median interval

NAMES = ("mean_hr", "median_hr", "sdnn", "rmssd", "pnn50", "beats", "believed")
UNITS = ("bpm", "bpm", "ms", "ms", "1", "1", "1")


@dataclass(frozen=True, eq=False)
class Beats:
    """The beats of many trials.

    Attributes:
        times: (B, P) s from the first sample; NaN after the last beat of a row.
        match: (B, P) correlation of each beat with the mean beat of its row, -1..1.
        believed: (B, P - 1) whether the interval after each beat is accepted: the beats match, no sample is missing,
            and the length is physiological and close to that of its neighbours.
    """

    times: np.ndarray
    match: np.ndarray
    believed: np.ndarray

    @property
    def intervals(self) -> np.ndarray:
        """(B, P - 1) s, NaN after a row's last."""
        return np.diff(self.times, axis=1)


def energy_stretches(energy: np.ndarray, rate: float, short: float, long: float, offset: float
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the stretches in which the short moving average of the energy exceeds the long one.

    Args:
        energy: (B, N).
        rate: Hz.
        short: window of the short average in s, and the least length of a stretch.
        long: window of the long average in s.
        offset: margin, as a multiple of the mean of the row.

    Returns:
        Row, start and end (exclusive) of each stretch (K,).
    """
    limit = moving_average(energy, round(long * rate)) + offset * energy.mean(axis=1, keepdims=True)
    return runs(moving_average(energy, round(short * rate)) > limit, max(1, round(short * rate)))


def peak_beats(values: np.ndarray, row: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """Index (K,) of the largest value of (B, N) within `reach` samples of each index `at` (K,)."""
    return argmax_per_run(values, row, np.maximum(at - reach, 0), np.minimum(at + reach + 1, values.shape[1]))


def beats(clean: np.ndarray, good: np.ndarray, rate: float, row: np.ndarray, at: np.ndarray, alike: float) -> Beats:
    """Assemble beats and decide which intervals to accept.

    Args:
        clean: (B, N) filtered signal.
        good: (B, N) whether the raw sample was present.
        rate: Hz.
        row: (K,) the row of each beat, in order.
        at: (K,) the fractional sample index of each beat.
        alike: least correlation with the mean beat, as the median over nine neighbouring beats. Orphanidou et al. take
            the mean over 10 s; the median tolerates an ectopic beat.
    """
    count = len(clean)
    times = pad_to_table(row, at / rate, count)
    match = pad_to_table(row, _match(clean, row, at, times * rate), count)
    gaps = np.diff(times, axis=1)
    sound = median(_nine_neighbours(match)) >= alike
    lost = np.concatenate([np.zeros((count, 1)), np.cumsum(~good, axis=1)], axis=1)
    place = np.nan_to_num(times * rate).astype(np.int64)
    holes = np.diff(np.take_along_axis(lost, place, axis=1), axis=1)
    likely = (gaps >= 60 / FASTEST) & (gaps <= 60 / SLOWEST) & sound[:, 1:] & sound[:, :-1] & (holes == 0)
    return Beats(times, match, likely & _close_to_neighbours(np.where(likely, gaps, np.nan)))


def _match(clean: np.ndarray, row: np.ndarray, at: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(K,) correlation of each beat, over one median interval, with the mean beat of its row."""
    if not len(at):
        return np.empty(0)
    width = median(np.diff(places, axis=1))[row]
    steps = np.linspace(-0.5, 0.5, _POINTS)
    where = np.clip(at[:, None] + steps * np.nan_to_num(width, nan=1.0)[:, None], 0, clean.shape[1] - 1.001)
    left = where.astype(np.int64)
    part = (where - left).astype(np.float32)
    shapes = clean[row[:, None], left].astype(np.float32) * (1 - part)
    shapes += clean[row[:, None], left + 1].astype(np.float32) * part
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-12)
    mean = np.zeros((len(clean), _POINTS))
    np.add.at(mean, row, shapes)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return (shapes * mean[row]).sum(axis=1)


def _close_to_neighbours(gaps: np.ndarray) -> np.ndarray:
    """(B, P) with NaN -> bool: within `JUMP` of the median of the nine around it."""
    if not gaps.size:
        return np.zeros(gaps.shape, dtype=bool)
    middle = median(_nine_neighbours(gaps))
    return np.abs(gaps - middle) <= JUMP * middle


def _nine_neighbours(values: np.ndarray) -> np.ndarray:
    """(B, P) -> (B, P, 9): each with the four before and after it."""
    padded = np.pad(values, ((0, 0), (4, 4 + (not values.shape[1]))), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, 9, axis=1)


def median(values: np.ndarray) -> np.ndarray:
    """Median along the last axis without NaN; NaN where all values are NaN. Sorting puts NaN last."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    order = np.sort(values, axis=-1)
    known = np.isfinite(values).sum(axis=-1)
    pick = [np.clip(k, 0, values.shape[-1] - 1) for k in ((known - 1) // 2, known // 2)]
    low, high = (np.take_along_axis(order, k[..., None], axis=-1)[..., 0] for k in pick)
    return np.where(known > 0, (low + high) / 2, np.nan)


def variability(detected: Beats, seconds: float) -> SignalFeatures:
    """Compute heart rate and time-domain variability.

    SDNN covers all accepted intervals, RMSSD and pNN50 cover neighbouring ones. All three grow with the length of a
    recording, so compare trials of the same length.

    Args:
        detected: the beats of B trials.
        seconds: length of each trial in s.

    Returns:
        (B, 7) features. NaN where accepted intervals cover less than `ENOUGH` of the time or are fewer than three.

    References:
        Task Force of the ESC and NASPE 1996, 10.1161/01.CIR.93.5.1043.
    """
    believed = detected.believed
    gaps = np.where(believed, detected.intervals, np.nan)
    known = believed.sum(axis=1)
    share = np.minimum(np.nansum(gaps, axis=1) / seconds, 1.0)
    steps = np.diff(gaps, axis=1)
    pairs = np.isfinite(steps).sum(axis=1)

    def of(total: np.ndarray, count: np.ndarray) -> np.ndarray:
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    mean = of(np.nansum(gaps, axis=1), known)
    spread = of(np.nansum((gaps - mean[:, None]) ** 2, axis=1), known - 1)
    values = np.stack([60 / mean, 60 / median(gaps), 1000 * np.sqrt(spread),
                       1000 * np.sqrt(of(np.nansum(steps**2, axis=1), pairs)),
                       of((np.abs(np.nan_to_num(steps)) > 0.05).sum(axis=1), pairs),
                       np.isfinite(detected.times).sum(axis=1), share], axis=1)
    values[(share < ENOUGH) | (known < 3), :5] = np.nan
    return SignalFeatures(NAMES, UNITS, values)
