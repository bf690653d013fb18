"""From landmarks to action units, head pose, gaze, blinks and expression: the default that needs no training."""

from ..tasks import ACTION_UNITS
from .blinks import blinks
from .expression import PROTOTYPES, expression
from .reader import FURTHEST_PITCH, FURTHEST_YAW, Measures, Reader

__all__ = ["ACTION_UNITS", "FURTHEST_PITCH", "FURTHEST_YAW", "PROTOTYPES", "Measures", "Reader", "blinks", "expression"]
