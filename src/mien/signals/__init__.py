"""Filters, spectra, and features of ECG, PPG, EDA and respiration. Also resampling and detrending.

The general functions take (N,) or (N, ...) with time first. The modules `ecg`, `ppg`, `eda`, `respiration` and `faults`
take many trials at once: (B, N), one row per trial, all at the same rate; (N,) is a single trial. Rates and
frequencies are in Hz, times in s. All functions are pure.
"""

from mien.signals import ecg, eda, ppg, quality, respiration
from mien.signals.feature_table import SignalFeatures
from mien.signals.features import features
from mien.signals.filters import bandpass, detrend, smoothness
from mien.signals.resample import RegularSignal, increasing, ordered, resample
from mien.signals.spectra import TEMPLATE, peak, snr, spectral_quality, spectrum, time_frequency

__all__ = [
           "TEMPLATE",
           "RegularSignal",
           "SignalFeatures",
           "bandpass",
           "detrend",
           "ecg",
           "eda",
           "features",
           "increasing",
           "ordered",
           "peak",
           "ppg",
           "quality",
           "resample",
           "respiration",
           "smoothness",
           "snr",
           "spectral_quality",
           "spectrum",
           "time_frequency",
]
