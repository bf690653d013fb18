"""Faces: found, followed under stable ids, with their landmarks and the colour of their skin."""

from .crop import crop, fit
from .finder import LANDMARKS, Detection, Finder, MediapipeFinder, Region, TaskFinder
from .track import RIGID, Tracker

__all__ = ["LANDMARKS", "RIGID", "Detection", "Finder", "MediapipeFinder", "Region", "TaskFinder", "Tracker", "crop",
           "fit"]
