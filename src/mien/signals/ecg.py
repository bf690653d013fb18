"""Electrocardiogram: filtering, R peaks, heart rate and its variability. (B, N) or (N,), time last; any unit."""

from __future__ import annotations

import numpy as np

from mien.signals.beats import Beats, beats, energy_stretches, median, peak_beats, variability
from mien.signals.feature_table import SignalFeatures
from mien.signals.peaks import bandpass, enforce_min_distance, interpolate_gaps, pad_to_table, refine_parabolic, rows

BAND = (0.5, 40.0)
"""Hz. The low edge removes drift and breathing, as in NeuroKit2, Makowski et al. 2021, 10.3758/s13428-020-01516-y. The
high edge is our choice: it removes mains noise and keeps the R peak sharp."""

QRS, SHORT, LONG, OFFSET = (8.0, 20.0), 0.097, 0.611, 0.08
"""Band in Hz, windows in s and threshold: Elgendi 2013, 10.1371/journal.pone.0073557, his optimum over 11 databases."""

REFRACTORY = 0.2
"""s after a beat in which no other beat can occur: Pan & Tompkins 1985, 10.1109/TBME.1985.325532."""

LOWEST = 0.25
"""Least height of a beat relative to the median R peak of its row; Pan & Tompkins 1985 use the running peak."""

ALIKE = 0.66
"""Correlation with the mean beat: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351, for ECG."""

SLOWEST_RATE = 50.0
"""Hz: the QRS band must lie below half the rate."""


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate gaps and band-pass (B, N) to `BAND`, order 2, without phase shift."""
    return bandpass(interpolate_gaps(rows(values, "ecg"))[0], rate, *BAND, order=2)


def beats_of(values: np.ndarray, rate: float) -> Beats:
    """Find the R peaks of each row, with sub-sample positions. An inverted lead is detected and turned.

    Args:
        values: (B, N) or (N,), any unit.
        rate: Hz.

    Raises:
        ValueError: the rate is too low for a QRS complex, or the signal is shorter than a second.
    """
    values = rows(values, "ecg")
    if rate <= SLOWEST_RATE or values.shape[1] < rate:
        raise ValueError(f"ecg: expected more than {SLOWEST_RATE:g} Hz and a second or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.2f} s")
    filled, good = interpolate_gaps(values)
    tidy = bandpass(filled, rate, *BAND, order=2)
    energy = bandpass(filled, rate, *QRS, order=3) ** 2
    row, start, end = energy_stretches(energy, rate, SHORT, LONG, OFFSET)
    reach = max(1, round(SHORT * rate / 2))
    at = peak_beats(energy, row, (start + end) // 2, reach + 1)
    upright = _upright(tidy, row, at, reach)
    at = peak_beats(upright, row, at, reach)
    height = upright[row, at]
    tall = height >= LOWEST * median(pad_to_table(row, height, len(values)))[row]
    entire = (at >= 3 * reach) & (at < values.shape[1] - 3 * reach)  # a complex that an end cuts off has no position
    row, at, height = (part[tall & entire] for part in (row, at, height))
    kept = enforce_min_distance(row, at, height, round(REFRACTORY * rate))
    row, at = row[kept], at[kept]
    return beats(upright, good, rate, row, refine_parabolic(upright, row, at), ALIKE)


def _upright(tidy: np.ndarray, row: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """Invert the rows with complexes that are deeper than high."""
    near = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, tidy.shape[1] - 1)
    segments = tidy[row[:, None], near]
    lean = np.zeros(len(tidy))
    np.add.at(lean, row, np.sign(segments.max(axis=1, initial=0.0) + segments.min(axis=1, initial=0.0)))
    return np.where(lean[:, None] < 0, -tidy, tidy)


def features(values: np.ndarray, rate: float) -> SignalFeatures:
    """Compute features of the heart rate and its variability.

    Args:
        values: (B, N), one trial per row, or (N,).
        rate: Hz.

    Returns:
        (B, 7): mean and median heart rate (bpm), SDNN and RMSSD (ms), pNN50, number of beats, and the share of the time
        with accepted intervals.
    """
    values = rows(values, "ecg")
    return variability(beats_of(values, rate), values.shape[1] / rate)
