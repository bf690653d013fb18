"""Electrodermal activity: tonic level and phasic responses. (B, N) or (N,), time last, in uS.

Boucsein et al. 2012, 10.1111/j.1469-8986.2012.01384.x, for terms and measures: a response (SCR) is a rise from its
onset to its peak, its amplitude the difference of the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .features import Features
from .rows import bridged, crests, passed, rows, table

HIGH = 3.0
"""Hz, order 4: NeuroKit2, Makowski et al. 2021, 10.3758/s13428-020-01516-y."""

SMALLEST = 0.05
"""uS: the smallest rise that counts, of the 0.01-0.05 in use: Boucsein et al. 2012."""

NOISE = 8.0
"""Times the noise that a rise must be in any case. Our choice: from trough to peak white noise hardly goes as far."""

GRID = 16.0
"""Hz at which responses are sought. Our choice: after the filter there is nothing above 3 Hz."""

RISE = 5.0
"""s from onset to peak at most; a longer rise is drift. Our choice: Boucsein et al. 2012 give 1-3."""

SPAN = 10.0
"""s after its peak for which a response may hide the tonic level: five time constants of 2 s, Greco et al. 2016,
10.1109/TBME.2015.2474131. It ends before, when a tenth of the rise is left."""

NAMES = ("scr_count", "scr_rate", "scr_amplitude", "scr_rise", "tonic", "tonic_slope", "phasic_sd")
UNITS = ("1", "1/min", "uS", "s", "uS", "uS/min", "uS")


@dataclass(frozen=True, eq=False)
class Responses:
    """`onset`, `peak` (B, K) s from the first sample, `amplitude` (B, K) in the signal's unit, NaN after a row's last;
    `tonic`, `phasic` (B, N), whose sum is the cleaned signal."""

    onset: np.ndarray
    peak: np.ndarray
    amplitude: np.ndarray
    tonic: np.ndarray
    phasic: np.ndarray


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """(B, N), Hz -> (B, N): low-passed at `HIGH` where the rate allows, without phase shift; gaps bridged."""
    return passed(bridged(rows(values, "eda"))[0], rate, None, HIGH, order=4)


def responses(values: np.ndarray, rate: float, smallest: float | None = SMALLEST) -> Responses:
    """(B, N) uS, Hz -> skin conductance responses, and the level beneath them.

    A response rises by `smallest` or more and by `NOISE` times the noise, over the row's drift; None, for signals of
    unknown unit: by a tenth of the row's largest (NeuroKit2's rule) and a hundredth of its standard deviation, which
    finds some in most rows. Its onset is where, before the steepest rise, the slope was last below a tenth of it; it
    takes `RISE` at most.

    The tonic level is the signal where no response is, and a straight line beneath one, so that more responses do not
    lift it as they lift a low-passed signal: the points between responses of Benedek & Kaernbach 2010,
    10.1016/j.jneumeth.2010.04.028, without their deconvolution.
    """
    tidy = clean(values, rate)
    step = max(1, int(rate / GRID))
    coarse, pace = tidy[:, ::step], rate / step
    floor = 0.01 * coarse.std(axis=1) if smallest is None else smallest
    least = np.maximum(_noise(rows(values, "eda"), rate) * NOISE, floor) + 1e-12
    row, top = crests(coarse, least)
    slope = np.diff(coarse, axis=1, prepend=coarse[:, :1])
    drift = np.median(slope, axis=1)
    onset = _onsets(coarse, slope - drift[:, None], row, top)
    size = coarse[row, top] - coarse[row, onset]
    kept = (top - onset <= RISE * pace) & (size - np.maximum(drift[row], 0) * (top - onset) >= least[row])
    if smallest is None:
        largest = np.zeros(len(coarse))
        np.maximum.at(largest, row[kept], size[kept])
        kept &= size >= 0.1 * largest[row]
    row, top, onset, size = row[kept], top[kept], onset[kept], size[kept]
    tonic = _tonic(coarse, row, onset, top, size, pace)
    at = np.arange(tidy.shape[1]) / step
    whole = np.stack([np.interp(at, np.arange(len(level)), level) for level in tonic])
    starts, tops, sizes = (table(row, part, len(tidy)) for part in (onset / pace, top / pace, size))
    return Responses(starts, tops, sizes, whole, tidy - whole)


def _noise(values: np.ndarray, rate: float) -> np.ndarray:
    """(B,) standard deviation of white noise after the filter, from second differences, where responses hardly show.

    Their median deviation is 0.6745 standard deviations, and theirs sqrt(6) times the noise's.
    """
    bend = np.diff(bridged(values)[0], n=2, axis=1)
    if not bend.shape[1]:
        return np.zeros(len(values))
    return np.median(np.abs(bend), axis=1) / 0.6745 / np.sqrt(6) * np.sqrt(min(1.0, 2 * HIGH / rate))


def _onsets(coarse: np.ndarray, slope: np.ndarray, row: np.ndarray, top: np.ndarray) -> np.ndarray:
    """(K,) the place of the onset before each crest, after the crest before; slope (B, N) over the row's drift."""
    before = np.where(np.diff(row, prepend=-1) == 0, np.concatenate([[0], top[:-1]]), 0)
    onset = np.empty(len(top), dtype=np.int64)
    for k in range(len(top)):  # a few in each trial
        rise = slope[row[k], before[k] + 1 : top[k] + 1]
        low = before[k] + int(np.argmin(coarse[row[k], before[k] : top[k] + 1]))
        steep = before[k] + 1 + int(np.argmax(rise))
        gentle = np.flatnonzero(slope[row[k], low + 1 : steep + 1] < 0.1 * rise.max())
        onset[k] = low + 1 + int(gentle[-1]) if len(gentle) else low
    return onset


def _tonic(coarse: np.ndarray, row: np.ndarray, onset: np.ndarray, top: np.ndarray, size: np.ndarray, pace: float
           ) -> np.ndarray:
    """(B, N) the level outside responses, and lines beneath them."""
    out = coarse.copy()
    at = np.arange(coarse.shape[1])
    free = np.ones(coarse.shape, dtype=bool)
    for k in range(len(top)):
        tail = coarse[row[k], top[k] : top[k] + round(SPAN * pace) + 1]
        over = np.flatnonzero(tail <= coarse[row[k], onset[k]] + 0.1 * size[k])
        free[row[k], onset[k] + 1 : top[k] + (int(over[0]) if len(over) else len(tail))] = False
    for k in np.flatnonzero(~free.all(axis=1)):
        out[k] = np.interp(at, at[free[k]], coarse[k, free[k]])
    return out


def features(values: np.ndarray, rate: float, smallest: float | None = SMALLEST) -> Features:
    """(B, N) uS, Hz -> responses: count, a minute, mean amplitude, mean rise time; tonic level, its slope; phasic SD.

    Mean amplitude and rise time are NaN without responses. A row without a finite sample is NaN throughout.
    """
    values = rows(values, "eda")
    found = responses(values, rate, smallest)
    minutes = values.shape[1] / rate / 60
    count = np.isfinite(found.peak).sum(axis=1)
    some = np.where(count > 0, count, np.nan)
    at = np.arange(values.shape[1]) / rate / 60
    at = at - at.mean()
    slope = found.tonic @ at / max(float(at @ at), 1e-12)
    out = np.stack([count, count / minutes, np.nansum(found.amplitude, axis=1) / some,
                    np.nansum(found.peak - found.onset, axis=1) / some,
                    found.tonic.mean(axis=1), slope, found.phasic.std(axis=1)], axis=1).astype(np.float64)
    out[~np.isfinite(values).any(axis=1)] = np.nan
    return Features(NAMES, UNITS, out)
