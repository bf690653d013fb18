"""The camera pulse: from the colour of skin to heart rate, respiration and variability, or the reason why not.

`METHODS` holds the seven published ways to a waveform; `heart_rate`, `waveform` and `vitals` are what the program uses.
"""

from .methods import BAND, METHODS
from .rate import heart_rate
from .recording import Vitals, vitals, waveform

__all__ = ["BAND", "METHODS", "Vitals", "heart_rate", "vitals", "waveform"]
