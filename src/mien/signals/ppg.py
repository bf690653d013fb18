"""Photoplethysmogram: cleaning, systolic peaks, pulse rate and its variability. (B, N) or (N,), time last; any unit."""

from __future__ import annotations

import numpy as np

from .beats import Beats, beats, stretches, variability
from .features import Features
from .rows import between, bridged, highest, passed, rows, spaced

BAND = (0.5, 8.0)
"""Hz, order 2: Elgendi et al. 2013, 10.1371/journal.pone.0076585."""

SHORT, LONG, OFFSET = 0.111, 0.667, 0.02
"""Windows in s of a systolic peak and of a beat, and threshold: Elgendi et al. 2013, the same."""

REFRACTORY = 0.3
"""s: 200 bpm. Our choice: the shortest interval that is believed."""

ALIKE = 0.86
"""Correlation with the mean beat: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351, for PPG."""

SLOWEST_RATE = 16.0
"""Hz: twice the high edge of the band."""


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """(B, N), Hz -> (B, N): band-passed to `BAND`, without phase shift; gaps bridged."""
    return passed(bridged(rows(values, "ppg"))[0], rate, *BAND, order=2)


def beats_of(values: np.ndarray, rate: float) -> Beats:
    """(B, N), Hz -> the systolic peaks of each row, placed between samples; a wave that is upside down is read so.

    Blood comes faster than it goes: where the steepest rises are gentler than the steepest falls, the row is turned.

    Raises:
        ValueError: the rate is too low for the shape of a beat, or there is less than a second.
    """
    values = rows(values, "ppg")
    if rate < SLOWEST_RATE or values.shape[1] < max(rate, 5):
        raise ValueError(f"ppg: expected {SLOWEST_RATE:g} Hz or more and a second or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.2f} s")
    whole, good = bridged(values)
    tidy = passed(whole, rate, *BAND, order=2)
    slope = np.diff(tidy, axis=1)
    tidy = np.where((slope**3).sum(axis=1, keepdims=True) < 0, -tidy, tidy)
    row, start, end = stretches(np.maximum(tidy, 0.0) ** 2, rate, SHORT, LONG, OFFSET)
    at = highest(tidy, row, start, end)
    kept = spaced(row, at, tidy[row, at], round(REFRACTORY * rate))
    row, at = row[kept], at[kept]
    return beats(tidy, good, rate, row, between(tidy, row, at), ALIKE)


def features(values: np.ndarray, rate: float) -> Features:
    """(B, N), Hz -> mean and median pulse rate (bpm), SDNN, RMSSD (ms), pNN50, beats, share of the time believed.

    Variability of the pulse is that of the heart and of the arteries' delay: no substitute for an ECG's.
    """
    values = rows(values, "ppg")
    return variability(beats_of(values, rate), values.shape[1] / rate)
