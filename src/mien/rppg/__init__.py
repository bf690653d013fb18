"""Remote photoplethysmography: heart rate, respiration, variability, or the reason why not.

`METHODS` holds seven published waveform methods; the program itself uses `heart_rate`, `waveform` and `vitals`.
"""

from mien.rppg.frame_clips import frame_waves
from mien.rppg.frame_methods import FrameMethod, expect_method, frame_method, names_frames
from mien.rppg.heart_rate import METHOD, PulseReading, heart_rate, read_pulse
from mien.rppg.methods import AUTO, BAND, METHODS, installed, rppg_method
from mien.rppg.vitals import Vitals, vitals, waveform

__all__ = ["AUTO", "BAND", "METHOD", "METHODS", "FrameMethod", "PulseReading", "Vitals", "expect_method",
           "frame_method", "frame_waves", "heart_rate", "installed", "names_frames", "read_pulse", "rppg_method",
           "vitals", "waveform"]
