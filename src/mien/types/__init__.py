"""The values that flow through mien: frame, face, window, signal, reading, emotion; and trial, fold.

Conventions, for every file of the package:

- time in s since the start of the recording, rate in Hz, heart rate in beats a minute (bpm);
- boxes are x0 y0 x1 y1 in px, x to the right, y down; left and right are the person's own;
- colour is RGB uint8;
- arrays are (time, ...).

All are frozen dataclasses that check themselves; an error says what was expected and what came.
"""

from .asked import Needs
from .seen import OWN_AUS, REGIONS, STATES, Face, Frame, Signal, State, Window
from .sessions import Course, Session
from .told import REASONS, Emotion, Person, Reading, Source
from .tried import Fold, Label, Trial

__all__ = ["OWN_AUS", "REASONS", "REGIONS", "STATES", "Course", "Emotion", "Face", "Fold", "Frame", "Label", "Needs",
           "Person", "Reading", "Session", "Signal", "Source", "State", "Trial", "Window"]
