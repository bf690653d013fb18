"""Remote photoplethysmography: heart rate, respiration and variability from skin colour, or a reason to abstain.

`METHODS` holds seven published waveform methods; the program itself uses `heart_rate`, `waveform` and `vitals`.
"""

from mien.rppg.heart_rate import METHOD, PulseReading, heart_rate, read_pulse
from mien.rppg.methods import AUTO, BAND, METHODS, expect_method, installed, rppg_method
from mien.rppg.vitals import Vitals, vitals, waveform

__all__ = ["AUTO", "BAND", "METHOD", "METHODS", "PulseReading", "Vitals", "expect_method", "heart_rate", "installed",
           "read_pulse", "rppg_method", "vitals", "waveform"]
