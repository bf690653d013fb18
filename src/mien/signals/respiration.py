"""Respiration from a belt, a thermistor or impedance: filtering, breaths and their rate. (B, N) or (N,), time last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from mien.signals.feature_table import SignalFeatures
from mien.signals.peaks import bandpass, find_signal_peaks, interpolate_gaps, pad_to_table, refine_parabolic, rows

BAND = (0.05, 3.0)
"""Hz, order 2: NeuroKit2 (Makowski et al. 2021, 10.3758/s13428-020-01516-y) after Khodadad et al. 2018,
10.1088/1361-6579/aad7e6."""

BREATHS = (0.05, 1.0)
"""Hz: the searched range, 3 to 60 breaths a minute. Our choice: Karlen et al. 2013, 10.1109/TBME.2013.2246160,
take 4 to 65 with children."""

RISE = 1.0
"""Least rise and fall of a breath in standard deviations. Our choice: a sine has 2.8; a breath half as deep as the
others still counts, a heartbeat on the belt does not."""

WIDE = 0.08
"""Hz, at most a third of the rate: the spread of breathing around its rate. Our choice: five breaths a minute."""

REGULAR = 0.5
"""Least share of the power within `WIDE` of the strongest frequency and its first harmonic for a rate to be reported.
Our choice: white noise has less in six of seven minutes. Drifting noise may have more, and real breathing at rest may
have less. No measure that we tried separates those two, so the share is a feature, too."""

NAMES = ("rate", "depth", "interval_sd", "regularity", "breaths")
UNITS = ("1/min", "signal", "s", "1", "1")


@dataclass(frozen=True, eq=False)
class Breaths:
    """The breaths of many trials.

    Attributes:
        times: (B, P) s of the ends of inspiration; NaN after the last breath of a row.
        depth: (B, P) rise from the trough before, as `times`.
        regularity: (B,) share of the power at the breathing rate, 0..1.
    """

    times: np.ndarray
    depth: np.ndarray
    regularity: np.ndarray


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate gaps and band-pass (B, N) to `BAND` without phase shift."""
    return bandpass(interpolate_gaps(rows(values, "respiration"))[0], rate, *BAND, order=2)


def breaths_of(values: np.ndarray, rate: float) -> Breaths:
    """Find the breaths of each row.

    Args:
        values: (B, N) or (N,); inspiration is up.
        rate: Hz.

    Raises:
        ValueError: the rate is below 2 Hz, or the signal is shorter than five seconds.
    """
    values = rows(values, "respiration")
    if rate < 2 or values.shape[1] < 5 * rate:
        raise ValueError(f"respiration: expected 2 Hz and five seconds or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.1f} s")
    tidy = bandpass(interpolate_gaps(values)[0], rate, BAND[0], BREATHS[1], order=2)
    row, at = find_signal_peaks(tidy, RISE * tidy.std(axis=1) + 1e-12)
    before = np.where(np.diff(row, prepend=-1) == 0, np.concatenate([[0], at[:-1]]), 0)
    low = np.array([tidy[r, a : b + 1].min() for r, a, b in zip(row, before, at, strict=True)])
    times = pad_to_table(row, refine_parabolic(tidy, row, at) / rate, len(values))
    return Breaths(times, pad_to_table(row, tidy[row, at] - low, len(values)), _regularity(tidy, rate))


def _regularity(tidy: np.ndarray, rate: float) -> np.ndarray:
    """(B,) share of the power within `BREATHS` that lies near the strongest frequency or its first harmonic."""
    count = tidy.shape[1]
    size = fft.next_fast_len(max(count, int(rate / 0.005)), real=True)
    power = np.abs(fft.rfft(tidy * np.hanning(count), size, axis=1)) ** 2
    hertz = np.arange(power.shape[1]) * rate / size
    inside = (hertz >= BREATHS[0]) & (hertz <= BREATHS[1])
    hertz, power = hertz[inside], power[:, inside]
    top = hertz[np.argmax(power, axis=1)][:, None]
    wide = np.minimum(top / 3, WIDE)
    near = (np.abs(hertz - top) <= wide) | (np.abs(hertz - 2 * top) <= wide)
    return (power * near).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-300)


def features(values: np.ndarray, rate: float) -> SignalFeatures:
    """Breaths a minute (median interval), mean depth, SD of the intervals, regularity and count, (B, 5).

    The first three are NaN with fewer than three breaths or below `REGULAR`.
    """
    detected = breaths_of(values, rate)
    gaps = np.diff(detected.times, axis=1)
    count = np.isfinite(detected.times).sum(axis=1)
    out = np.full((len(count), len(NAMES)), np.nan)
    out[:, 3], out[:, 4] = detected.regularity, count
    for k in np.flatnonzero((count >= 3) & (detected.regularity >= REGULAR)):
        intervals = gaps[k, : count[k] - 1]
        out[k, :3] = 60 / np.median(intervals), np.nanmean(detected.depth[k]), intervals.std(ddof=1)
    return SignalFeatures(NAMES, UNITS, out)
