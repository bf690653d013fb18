"""Face detection, tracking, landmarks, skin colour, action units, head pose, gaze, blinks and expression.

The default expression method works from landmarks alone, with a small network that was trained on simulated faces.
"""

from mien.core.tasks import ACTION_UNITS
from mien.face.association import RIGID
from mien.face.au_estimator import FURTHEST_PITCH, FURTHEST_YAW, AUEstimator, FaceMeasurements, PoseReader
from mien.face.backend import FaceBackend, OnnxFaceBackend
from mien.face.blinks import blinks
from mien.face.crop import crop, fit
from mien.face.detector import THRESHOLD
from mien.face.expression import PROTOTYPES, expression
from mien.face.located import Located
from mien.face.mesh import LANDMARKS
from mien.face.region import Detection, Region
from mien.face.setup import tracker
from mien.face.thumbnails import frontality, portrait
from mien.face.tracker import Tracker
from mien.face.tracker_settings import TrackerSettings

__all__ = ["ACTION_UNITS", "FURTHEST_PITCH", "FURTHEST_YAW", "LANDMARKS", "PROTOTYPES", "RIGID", "THRESHOLD",
           "AUEstimator", "Detection", "FaceBackend", "FaceMeasurements", "Located", "OnnxFaceBackend", "PoseReader",
           "Region", "Tracker", "TrackerSettings", "blinks", "crop", "expression", "fit", "frontality", "portrait",
           "tracker"]
