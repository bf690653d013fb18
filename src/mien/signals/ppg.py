"""Photoplethysmogram: filtering, systolic peaks, pulse rate and its variability. (B, N) or (N,), any unit."""

from __future__ import annotations

import numpy as np

from mien.signals.beats import Beats, beats, energy_stretches, variability
from mien.signals.feature_table import SignalFeatures
from mien.signals.peaks import argmax_per_run, bandpass, enforce_min_distance, interpolate_gaps, refine_parabolic, rows

BAND = (0.5, 8.0)
"""Hz, order 2: Elgendi et al. 2013, 10.1371/journal.pone.0076585."""

SHORT, LONG, OFFSET = 0.111, 0.667, 0.02
"""Windows in s of a systolic peak and of a beat, and threshold: Elgendi et al. 2013, the same."""

REFRACTORY = 0.3
"""s: 200 bpm. Our choice: the shortest accepted interval."""

ALIKE = 0.86
"""Correlation with the mean beat: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351, for PPG."""

SLOWEST_RATE = 16.0
"""Hz: twice the high edge of the band."""


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate gaps and band-pass (B, N) to `BAND` without phase shift."""
    return bandpass(interpolate_gaps(rows(values, "ppg"))[0], rate, *BAND, order=2)


def beats_of(values: np.ndarray, rate: float) -> Beats:
    """Find the systolic peaks of each row, with sub-sample positions. An inverted wave is detected and turned.

    Blood volume rises faster than it falls. A row is turned where its steepest rises are gentler than its falls.

    Args:
        values: (B, N) or (N,), any unit.
        rate: Hz.

    Raises:
        ValueError: the rate is too low for the shape of a beat, or the signal is shorter than a second.
    """
    values = rows(values, "ppg")
    if rate < SLOWEST_RATE or values.shape[1] < max(rate, 5):
        raise ValueError(f"ppg: expected {SLOWEST_RATE:g} Hz or more and a second or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.2f} s")
    filled, good = interpolate_gaps(values)
    tidy = bandpass(filled, rate, *BAND, order=2)
    slope = np.diff(tidy, axis=1)
    tidy = np.where((slope**3).sum(axis=1, keepdims=True) < 0, -tidy, tidy)
    row, start, end = energy_stretches(np.maximum(tidy, 0.0) ** 2, rate, SHORT, LONG, OFFSET)
    at = argmax_per_run(tidy, row, start, end)
    kept = enforce_min_distance(row, at, tidy[row, at], round(REFRACTORY * rate))
    row, at = row[kept], at[kept]
    return beats(tidy, good, rate, row, refine_parabolic(tidy, row, at), ALIKE)


def features(values: np.ndarray, rate: float) -> SignalFeatures:
    """Compute features of the pulse rate and its variability.

    Args:
        values: (B, N), one trial per row, or (N,).
        rate: Hz.

    Returns:
        (B, 7): mean and median pulse rate (bpm), SDNN and RMSSD (ms), pNN50, number of beats, and the share of the time
        with accepted intervals.
    """
    values = rows(values, "ppg")
    return variability(beats_of(values, rate), values.shape[1] / rate)
