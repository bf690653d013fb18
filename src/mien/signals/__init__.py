"""Sampled signals: resample by time, filter, detrend, spectra; and what wires carry: ECG, PPG, EDA, respiration.

The general tools take (N,) or (N, ...) with time first. The rooms of the wires, `ecg`, `ppg`, `eda`, `respiration` and
`faults`, take many trials at once: (B, N), a row a trial, all at one rate; (N,) is one trial. Rates and frequencies in
Hz, times in s. All functions are pure.
"""

from . import ecg, eda, faults, ppg, respiration
from .features import Features
from .filters import bandpass, detrend, smoothness
from .grid import Uniform, increasing, resample
from .spectra import TEMPLATE, peak, quality, snr, spectrum, time_frequency
from .wires import features

__all__ = ["TEMPLATE", "Features", "Uniform", "bandpass", "detrend", "ecg", "eda", "faults", "features", "increasing",
           "peak", "ppg", "quality", "resample", "respiration", "smoothness", "snr", "spectrum", "time_frequency"]
