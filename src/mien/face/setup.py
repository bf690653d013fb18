"""The tracker that the settings of an analysis ask for."""

from __future__ import annotations

from mien.core.settings import Settings
from mien.face.backend import FaceBackend, OnnxFaceBackend
from mien.face.tracker import Tracker
from mien.face.tracker_settings import TrackerSettings


def tracker(settings: Settings, backend: FaceBackend | None = None) -> Tracker:
    """A tracker by the settings.

    Args:
        settings: `faces`, `detection_threshold` and `pulse_only` count.
        backend: What finds faces and landmarks; None: onnxruntime.

    Returns:
        The tracker; closing it closes the backend.
    """
    how = TrackerSettings(faces=settings.faces)
    return Tracker(backend or OnnxFaceBackend(settings.detection_threshold),
                   how.for_pulse() if settings.pulse_only else how)
