"""From landmarks to action units, head pose, gaze, blinks and expression: the default that needs no training."""

from ..tasks import ACTION_UNITS
from .blinks import blinks
from .expression import PROTOTYPES, expression
from .reader import Measures, Reader

__all__ = ["ACTION_UNITS", "PROTOTYPES", "Measures", "Reader", "blinks", "expression"]
