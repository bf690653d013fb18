"""A camera, followed: events that do not flicker, about the person who matters, whatever the camera does.

>>> with Live("0") as live:
...     for event in live.events():
...         print(event.text)
...     live.latest()               # at any time, from any thread: never waits
"""

from mien.live.apart import Apart
from mien.live.event import FRESH, Event
from mien.live.person import choose
from mien.live.queue import Buffer
from mien.live.session import Session, eyes
from mien.live.source import Arrived, Camera
from mien.live.steady import Steady
from mien.live.watch import Live

__all__ = ["FRESH", "Apart", "Arrived", "Buffer", "Camera", "Event", "Live", "Session", "Steady", "choose", "eyes"]
