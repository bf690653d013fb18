"""Live analysis of a camera: stable events about one person, with reconnection when the camera fails.

>>> with Live("0") as live:
...     for event in live.events():
...         print(event.text)
...     live.latest()               # from any thread; never waits
"""

from mien.inference.live.camera import Camera, TimedFrame
from mien.inference.live.camera_thread import Live
from mien.inference.live.debounce import Debouncer
from mien.inference.live.event import FRESH, LiveEvent
from mien.inference.live.frame_queue import DropOldestQueue
from mien.inference.live.session import LiveSession, load_live_model
from mien.inference.live.target_selection import select_person
from mien.inference.live.worker import InferenceWorker

__all__ = [
           "FRESH",
           "Camera",
           "Debouncer",
           "DropOldestQueue",
           "InferenceWorker",
           "Live",
           "LiveEvent",
           "LiveSession",
           "TimedFrame",
           "load_live_model",
           "select_person",
]
