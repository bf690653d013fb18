"""Reads facial expression and the camera pulse from any video.

>>> timeline = mien.analyze("talk.mp4")
>>> timeline.to_pandas()

Each public name is imported on first use, so that `import mien` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mien.core.telemetry import switch_off

if TYPE_CHECKING:
    from mien.checkpoints.load import load
    from mien.checkpoints.predictor import Predictor
    from mien.core.observations import Face, Frame, Signal, Window
    from mien.core.results import Measurement, Person, Prediction, Source
    from mien.core.settings import Settings
    from mien.inference.analyze import analyze
    from mien.inference.live import Live
    from mien.inference.stream import Stream
    from mien.reporting.summary import Summary
    from mien.reporting.timeline import Timeline

__version__ = "0.1.0"

switch_off()

_MODULES = {
    "analyze": "inference.analyze", "load": "checkpoints.load", "Live": "inference.live", "Predictor": "checkpoints",
    "Settings": "core.settings", "Stream": "inference.stream", "Summary": "reporting.summary",
    "Timeline": "reporting.timeline",
    **dict.fromkeys(("Face", "Frame", "Signal", "Window"), "core.observations"),
    **dict.fromkeys(("Measurement", "Person", "Prediction", "Source"), "core.results"),
}  # fmt: skip

__all__ = ["Face", "Frame", "Live", "Measurement", "Person", "Prediction", "Predictor", "Settings", "Signal", "Source",
           "Stream", "Summary", "Timeline", "Window", "analyze", "load"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
