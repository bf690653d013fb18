"""From crests to beats to heart rate and its variability, for many trials at once.

Beats are sought as stretches in which a short moving average of the energy exceeds a long one: Elgendi 2013,
10.1371/journal.pone.0073557 (ECG) and Elgendi et al. 2013, 10.1371/journal.pone.0076585 (PPG). A beat is believed when
it looks like the others: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .features import Features
from .rows import averaged, highest, runs, table

SLOWEST, FASTEST = 30.0, 200.0
"""bpm that an interval may mean. Our choice: the range of adults from sleep to effort."""

JUMP = 0.3
"""Share by which an interval may differ from the median of the nine around it. Our choice: between the 20 % often used
for ECG and what breathing does in the young, as for the camera's pulse."""

ENOUGH = 0.5
"""Share of the time that believed intervals must cover for a rate to be named. Our choice: more seen than not."""

_POINTS = 64  # of a beat's picture, over one median interval

NAMES = ("mean_hr", "median_hr", "sdnn", "rmssd", "pnn50", "beats", "believed")
UNITS = ("bpm", "bpm", "ms", "ms", "1", "1", "1")


@dataclass(frozen=True, eq=False)
class Beats:
    """`times` (B, P) s from the first sample on, NaN after a row's last; `match` (B, P) -1..1: how much each looks like
    the mean beat of its row; `believed` (B, P - 1): the interval after each is among beats that do, on samples that
    were there, of a length a heart can have, and like those around it."""

    times: np.ndarray
    match: np.ndarray
    believed: np.ndarray

    @property
    def intervals(self) -> np.ndarray:
        """(B, P - 1) s, NaN after a row's last."""
        return np.diff(self.times, axis=1)


def stretches(energy: np.ndarray, rate: float, short: float, long: float, offset: float
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """energy (B, N) -> row, start and end of each stretch of `short` s or more in which its mean over `short` s exceeds
    that over `long` s by `offset` times the mean of the row."""
    limit = averaged(energy, round(long * rate)) + offset * energy.mean(axis=1, keepdims=True)
    return runs(averaged(energy, round(short * rate)) > limit, max(1, round(short * rate)))


def crest(values: np.ndarray, row: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """The place of the largest value of (B, N) within `reach` samples of each place."""
    return highest(values, row, np.maximum(at - reach, 0), np.minimum(at + reach + 1, values.shape[1]))


def beats(clean: np.ndarray, good: np.ndarray, rate: float, row: np.ndarray, at: np.ndarray, alike: float) -> Beats:
    """Cleaned signal (B, N), where it was there (B, N), and the row and fractional place of beats in order -> `Beats`.

    `alike`: the correlation with the mean beat that beats must have where intervals are believed, in the median of the
    nine around. Orphanidou et al. take the mean over 10 s; the median lets an ectopic beat look otherwise.
    """
    count = len(clean)
    times = table(row, at / rate, count)
    match = table(row, _match(clean, row, at, times * rate), count)
    gaps = np.diff(times, axis=1)
    sound = median(_nine(match)) >= alike
    lost = np.concatenate([np.zeros((count, 1)), np.cumsum(~good, axis=1)], axis=1)
    place = np.nan_to_num(times * rate).astype(np.int64)
    holes = np.diff(np.take_along_axis(lost, place, axis=1), axis=1)
    likely = (gaps >= 60 / FASTEST) & (gaps <= 60 / SLOWEST) & sound[:, 1:] & sound[:, :-1] & (holes == 0)
    return Beats(times, match, likely & _steady(np.where(likely, gaps, np.nan)))


def _match(clean: np.ndarray, row: np.ndarray, at: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(K,) the correlation of each beat, over one median interval, with the mean beat of its row."""
    if not len(at):
        return np.empty(0)
    width = median(np.diff(places, axis=1))[row]
    steps = np.linspace(-0.5, 0.5, _POINTS)
    where = np.clip(at[:, None] + steps * np.nan_to_num(width, nan=1.0)[:, None], 0, clean.shape[1] - 1.001)
    left = where.astype(np.int64)
    part = (where - left).astype(np.float32)
    looks = clean[row[:, None], left].astype(np.float32) * (1 - part)
    looks += clean[row[:, None], left + 1].astype(np.float32) * part
    looks -= looks.mean(axis=1, keepdims=True)
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-12)
    mean = np.zeros((len(clean), _POINTS))
    np.add.at(mean, row, looks)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return (looks * mean[row]).sum(axis=1)


def _steady(gaps: np.ndarray) -> np.ndarray:
    """(B, P) with NaN -> bool: within `JUMP` of the median of the nine around it."""
    if not gaps.size:
        return np.zeros(gaps.shape, dtype=bool)
    middle = median(_nine(gaps))
    return np.abs(gaps - middle) <= JUMP * middle


def _nine(values: np.ndarray) -> np.ndarray:
    """(B, P) -> (B, P, 9): each with the four before and after it."""
    padded = np.pad(values, ((0, 0), (4, 4 + (not values.shape[1]))), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, 9, axis=1)


def median(values: np.ndarray) -> np.ndarray:
    """Median along the last axis of what is not NaN; NaN where all is. Sorting puts NaN last."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    order = np.sort(values, axis=-1)
    known = np.isfinite(values).sum(axis=-1)
    pick = [np.clip(k, 0, values.shape[-1] - 1) for k in ((known - 1) // 2, known // 2)]
    low, high = (np.take_along_axis(order, k[..., None], axis=-1)[..., 0] for k in pick)
    return np.where(known > 0, (low + high) / 2, np.nan)


def variability(found: Beats, seconds: float) -> Features:
    """Beats of trials of this length -> rate and time-domain variability, (B, 7).

    Task Force of the ESC and NASPE 1996, 10.1161/01.CIR.93.5.1043: SDNN over all believed intervals, RMSSD and pNN50
    over neighbours. They grow with the length: compare trials of one length. NaN where believed intervals cover less
    than `ENOUGH` of the time or are fewer than three.
    """
    believed = found.believed
    gaps = np.where(believed, found.intervals, np.nan)
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
                       np.isfinite(found.times).sum(axis=1), share], axis=1)
    values[(share < ENOUGH) | (known < 3), :5] = np.nan
    return Features(NAMES, UNITS, values)
