"""mien: reads expression from the face and the pulse from its colour, in any video.

>>> timeline = mien.analyze("talk.mp4")
>>> timeline.to_pandas()

What is named here is loaded when it is first used: importing mien costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis import analyze
    from .checkpoint import Trained, load
    from .live import Live
    from .settings import Settings
    from .stream import Stream
    from .summary import Summary
    from .timeline import Timeline
    from .types import Emotion, Face, Frame, Person, Reading, Signal, Source, Window

_HOMES = {
    "analyze": "analysis", "Settings": "settings", "Stream": "stream", "Summary": "summary", "Timeline": "timeline",
    "Live": "live", "Trained": "checkpoint", "load": "checkpoint",
    **dict.fromkeys(("Emotion", "Face", "Frame", "Person", "Reading", "Signal", "Source", "Window"), "types"),
}

__all__ = ["Emotion", "Face", "Frame", "Live", "Person", "Reading", "Settings", "Signal", "Source", "Stream", "Summary",
           "Timeline", "Trained", "Window", "analyze", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
