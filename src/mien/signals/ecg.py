"""Electrocardiogram: cleaning, R peaks, heart rate and its variability. (B, N) or (N,), time last; any unit."""

from __future__ import annotations

import numpy as np

from .beats import Beats, beats, crest, median, stretches, variability
from .features import Features
from .rows import between, bridged, passed, rows, spaced, table

BAND = (0.5, 40.0)
"""Hz. The low edge keeps drift and breath out, as in NeuroKit2, Makowski et al. 2021, 10.3758/s13428-020-01516-y. The
high one is our choice: it keeps mains out, and the R peak sharp."""

QRS, SHORT, LONG, OFFSET = (8.0, 20.0), 0.097, 0.611, 0.08
"""Band in Hz, windows in s and threshold: Elgendi 2013, 10.1371/journal.pone.0073557, his optimum over 11 databases."""

REFRACTORY = 0.2
"""s after a beat in which there can't be another: Pan & Tompkins 1985, 10.1109/TBME.1985.325532."""

LOWEST = 0.25
"""Share of the row's median R peak that a beat must reach: Pan & Tompkins 1985 ask for that of the running peak."""

ALIKE = 0.66
"""Correlation with the mean beat: Orphanidou et al. 2015, 10.1109/JBHI.2014.2338351, for ECG."""

SLOWEST_RATE = 50.0
"""Hz: the QRS band must lie below half the rate."""


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """(B, N), Hz -> (B, N): band-passed to `BAND`, order 2, without phase shift; gaps bridged."""
    return passed(bridged(rows(values, "ecg"))[0], rate, *BAND, order=2)


def beats_of(values: np.ndarray, rate: float) -> Beats:
    """(B, N), Hz -> the R peaks of each row, placed between samples; a lead that is upside down is read so.

    Raises:
        ValueError: the rate is too low to see a QRS complex, or there is less than a second.
    """
    values = rows(values, "ecg")
    if rate <= SLOWEST_RATE or values.shape[1] < rate:
        raise ValueError(f"ecg: expected more than {SLOWEST_RATE:g} Hz and a second or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.2f} s")
    whole, good = bridged(values)
    tidy = passed(whole, rate, *BAND, order=2)
    energy = passed(whole, rate, *QRS, order=3) ** 2
    row, start, end = stretches(energy, rate, SHORT, LONG, OFFSET)
    reach = max(1, round(SHORT * rate / 2))
    at = crest(energy, row, (start + end) // 2, reach + 1)
    upright = _upright(tidy, row, at, reach)
    at = crest(upright, row, at, reach)
    height = upright[row, at]
    tall = height >= LOWEST * median(table(row, height, len(values)))[row]
    entire = (at >= 3 * reach) & (at < values.shape[1] - 3 * reach)  # a complex that the end cuts has no place
    row, at, height = (part[tall & entire] for part in (row, at, height))
    kept = spaced(row, at, height, round(REFRACTORY * rate))
    row, at = row[kept], at[kept]
    return beats(upright, good, rate, row, between(upright, row, at), ALIKE)


def _upright(tidy: np.ndarray, row: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """Rows whose complexes are deeper than high, turned over."""
    near = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, tidy.shape[1] - 1)
    looks = tidy[row[:, None], near]
    lean = np.zeros(len(tidy))
    np.add.at(lean, row, np.sign(looks.max(axis=1, initial=0.0) + looks.min(axis=1, initial=0.0)))
    return np.where(lean[:, None] < 0, -tidy, tidy)


def features(values: np.ndarray, rate: float) -> Features:
    """(B, N), Hz -> mean and median heart rate (bpm), SDNN, RMSSD (ms), pNN50, beats, share of the time believed."""
    values = rows(values, "ecg")
    return variability(beats_of(values, rate), values.shape[1] / rate)
