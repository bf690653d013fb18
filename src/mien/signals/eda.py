"""Electrodermal activity: tonic level and phasic responses. (B, N) or (N,), time last, in uS.

Boucsein et al. 2012, 10.1111/j.1469-8986.2012.01384.x, for terms and measures: a response (SCR) is a rise from its
onset to its peak, and its amplitude is the difference of the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.signals.feature_table import SignalFeatures
from mien.signals.peaks import bandpass, find_signal_peaks, interpolate_gaps, pad_to_table, rows

HIGH = 3.0
"""Hz, order 4: NeuroKit2, Makowski et al. 2021, 10.3758/s13428-020-01516-y."""

SMALLEST = 0.05
"""uS: the smallest rise that counts, of the 0.01-0.05 in use: Boucsein et al. 2012."""

NOISE = 8.0
"""Least rise as a multiple of the noise. Our choice: white noise rarely rises as far from trough to peak."""

GRID = 16.0
"""Hz at which responses are searched. Our choice: the filter leaves nothing above 3 Hz."""

RISE = 5.0
"""Longest time from onset to peak in s; a longer rise is drift. Our choice: Boucsein et al. 2012 give 1-3 s."""

SPAN = 10.0
"""Longest time in s after its peak in which a response hides the tonic level: five time constants of 2 s, Greco et al.
2016, 10.1109/TBME.2015.2474131. The response ends earlier when a tenth of the rise is left."""

NAMES = ("scr_count", "scr_rate", "scr_amplitude", "scr_rise", "tonic", "tonic_slope", "phasic_sd")
UNITS = ("1", "1/min", "uS", "s", "uS", "uS/min", "uS")


@dataclass(frozen=True, eq=False)
class Responses:
    """Skin conductance responses and the two components of the signal.

    Attributes:
        onset: (B, K) s from the first sample; NaN after the last response of a row.
        peak: (B, K) s, as `onset`.
        amplitude: (B, K) in the unit of the signal, as `onset`.
        tonic: (B, N) level without responses.
        phasic: (B, N) responses; `tonic` + `phasic` is the filtered signal.
    """

    onset: np.ndarray
    peak: np.ndarray
    amplitude: np.ndarray
    tonic: np.ndarray
    phasic: np.ndarray


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate gaps and low-pass (B, N) at `HIGH` where the rate allows, without phase shift."""
    return bandpass(interpolate_gaps(rows(values, "eda"))[0], rate, None, HIGH, order=4)


def responses(values: np.ndarray, rate: float, smallest: float | None = SMALLEST) -> Responses:
    """Find skin conductance responses and the tonic level.

    A response rises by at least `smallest` and by `NOISE` times the noise, relative to the drift of the row. Its onset
    is the last sample before the steepest rise with a slope below a tenth of that rise. It lasts at most `RISE`.

    The tonic level is the signal between responses and a straight line below them. So more responses do not raise it,
    as they raise a low-passed signal. These are the inter-response points of Benedek & Kaernbach 2010 without their
    deconvolution.

    Args:
        values: (B, N) or (N,) in uS.
        rate: Hz.
        smallest: least rise in uS. None, for an unknown unit: a tenth of the largest rise of the row (the rule of
            NeuroKit2) and a hundredth of its standard deviation, which finds responses in most rows.

    References:
        Benedek & Kaernbach 2010, 10.1016/j.jneumeth.2010.04.028.
    """
    tidy = clean(values, rate)
    step = max(1, int(rate / GRID))
    coarse, pace = tidy[:, ::step], rate / step
    floor = smallest
    if floor is None:
        floor = 0.01 * coarse.std(axis=1)
    least = np.maximum(_noise(rows(values, "eda"), rate) * NOISE, floor) + 1e-12
    row, top = find_signal_peaks(coarse, least)
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
    full_tonic = np.stack([np.interp(at, np.arange(len(level)), level) for level in tonic])
    starts, tops, sizes = (pad_to_table(row, part, len(tidy)) for part in (onset / pace, top / pace, size))
    return Responses(starts, tops, sizes, full_tonic, tidy - full_tonic)


def _noise(values: np.ndarray, rate: float) -> np.ndarray:
    """(B,) standard deviation of white noise after the filter, from second differences, which responses hardly affect.

    The median deviation is 0.6745 standard deviations; that of second differences is sqrt(6) times that of the noise.
    """
    bend = np.diff(interpolate_gaps(values)[0], n=2, axis=1)
    if not bend.shape[1]:
        return np.zeros(len(values))
    return np.median(np.abs(bend), axis=1) / 0.6745 / np.sqrt(6) * np.sqrt(min(1.0, 2 * HIGH / rate))


def _onsets(coarse: np.ndarray, slope: np.ndarray, row: np.ndarray, top: np.ndarray) -> np.ndarray:
    """(K,) index of the onset between the previous peak and each peak; slope (B, N) is relative to the row's drift."""
    before = np.where(np.diff(row, prepend=-1) == 0, np.concatenate([[0], top[:-1]]), 0)
    onset = np.empty(len(top), dtype=np.int64)
    for k in range(len(top)):  # a few in each trial
        rise = slope[row[k], before[k] + 1 : top[k] + 1]
        low = before[k] + int(np.argmin(coarse[row[k], before[k] : top[k] + 1]))
        steep = before[k] + 1 + int(np.argmax(rise))
        gentle = np.flatnonzero(slope[row[k], low + 1 : steep + 1] < 0.1 * rise.max())
        onset[k] = low
        if len(gentle):
            onset[k] += 1 + int(gentle[-1])
    return onset


def _tonic(coarse: np.ndarray, row: np.ndarray, onset: np.ndarray, top: np.ndarray, size: np.ndarray, pace: float
           ) -> np.ndarray:
    """(B, N) the level between responses, and straight lines below them."""
    out = coarse.copy()
    at = np.arange(coarse.shape[1])
    free = np.ones(coarse.shape, dtype=bool)
    for k in range(len(top)):
        tail = coarse[row[k], top[k] : top[k] + round(SPAN * pace) + 1]
        over = np.flatnonzero(tail <= coarse[row[k], onset[k]] + 0.1 * size[k])
        length = int(over[0]) if len(over) else len(tail)
        free[row[k], onset[k] + 1 : top[k] + length] = False
    for i in np.flatnonzero(~free.all(axis=1)):
        out[i] = np.interp(at, at[free[i]], coarse[i, free[i]])
    return out


def features(values: np.ndarray, rate: float, smallest: float | None = SMALLEST) -> SignalFeatures:
    """Number and rate of responses, mean amplitude and rise time, tonic level and slope, phasic SD, (B, 7).

    Mean amplitude and rise time are NaN without responses. All features of a row without a finite sample are NaN.
    """
    values = rows(values, "eda")
    detected = responses(values, rate, smallest)
    minutes = values.shape[1] / rate / 60
    count = np.isfinite(detected.peak).sum(axis=1)
    some = np.where(count > 0, count, np.nan)
    at = np.arange(values.shape[1]) / rate / 60
    at = at - at.mean()
    slope = detected.tonic @ at / max(float(at @ at), 1e-12)
    out = np.stack([count, count / minutes, np.nansum(detected.amplitude, axis=1) / some,
                    np.nansum(detected.peak - detected.onset, axis=1) / some,
                    detected.tonic.mean(axis=1), slope, detected.phasic.std(axis=1)], axis=1).astype(np.float64)
    out[~np.isfinite(values).any(axis=1)] = np.nan
    return SignalFeatures(NAMES, UNITS, out)
