"""A few threads that work for many clients in turn: a frame of one, then a frame of the next."""

from __future__ import annotations

import secrets
import threading
import time as clock
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from mien.face import Detection, Finder, MediapipeFinder, Region, TaskFinder
from mien.live import Event, Session
from mien.serve.pictures import Malformed, decode

WAITING = 4
"""Frames of one client that wait, the oldest dropped first. Our choice: more would only be older."""

PATIENCE = 20
"""Malformed frames in a row until a client is let go. Our choice."""


class Lent:
    """A finder for many trackers: each of `count` threads takes one for its own; what finds faces remembers nothing.

    All are made here, one after the other: making one silences the whole process for a moment.
    """

    name = "shared"

    def __init__(self, count: int, face_model: str = "", faces: int = 8) -> None:
        self._own = threading.local()
        self._free: list[Finder] = [TaskFinder(face_model, faces) if face_model else MediapipeFinder()
                                    for _ in range(count)]

    def _mine(self) -> Finder:
        if not hasattr(self._own, "finder"):
            self._own.finder = self._free.pop()
        return self._own.finder

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """As `Finder.detect`."""
        return self._mine().detect(rgb)

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """As `Finder.mesh`."""
        return self._mine().mesh(rgb, region)

    def close(self) -> None:
        """Others may still use it."""


class Guest:
    """A client: its session, its frames that wait, and `tell`, which takes what is to be sent from any thread."""

    def __init__(self, session: Session, tell: Callable[[dict[str, Any]], None], *, pixels: int, chatty: bool) -> None:
        self.id = secrets.token_urlsafe(12)
        self.session, self.tell, self.pixels, self.chatty = session, tell, pixels, chatty
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.dropped = self.malformed = self.done = 0
        self.counted = 0, 0, 0  # of dropped, malformed and skipped, told to the meters already
        self.in_turn = self.gone = False
        self.heard: float | None = None  # when the newest event came, perf_counter s
        self._row = 0

    def work(self, message: bytes, at: float) -> list[Event]:
        """One message, which arrived at `at` s -> its events; malformed ones are told, and counted."""
        try:
            frame = decode(message, self.pixels)
        except Malformed as error:
            self.malformed += 1
            self._row += 1
            self.tell({"type": "error", "reason": str(error), "close": self._row >= PATIENCE})
            return []
        self._row = 0
        backwards = self.session.backwards
        events = self.session.push(frame, at)
        self.done += 1
        if self.session.backwards > backwards:
            told = "expected a later capture time than the last frame's"
            self.tell({"type": "error", "reason": told, "close": False})
        if self.chatty:
            self.tell({"type": "frame", "t": frame.time, "size": [frame.rgb.shape[1], frame.rgb.shape[0]],
                       "dropped": self.dropped, "chosen": self.session.chosen,
                       "faces": [{"id": face.id, "state": face.state, "box": [round(float(x), 1) for x in face.box]}
                                 for face in self.session.faces if face.state != "lost"]})
        for event in events:
            self.heard = clock.perf_counter()
            self.tell({"type": "event", **event.json()})
        if events and self.chatty:
            self._wave(events[-1])
        return events

    def _wave(self, event: Event) -> None:
        wave = self.session.wave() if event.said.heart_rate is not None else None
        values = [] if wave is None else [round(float(v), 6) if np.isfinite(v) else 0.0 for v in wave.values[0]]
        told = {"type": "wave", "values": values}
        self.tell(told | ({} if wave is None else {"start": wave.start, "rate": wave.rate}))


class Crew:
    """`workers` threads; a client has at most one frame under way, and waits for its turn behind all others.

    `after` hears of every frame that is done, in the worker's thread; `failed` of what goes wrong in one.
    """

    def __init__(self, workers: int, after: Callable[[Guest, list[Event]], None],
                 failed: Callable[[Guest, Exception], None]) -> None:
        self._after, self._failed = after, failed
        self._ready: deque[Guest] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._run, name=f"mien-crew {i}", daemon=True) for i in range(workers)]
        for thread in self._threads:
            thread.start()

    def post(self, guest: Guest, message: bytes) -> None:
        """A message of a client. Never waits."""
        with self._changed:
            if len(guest.waiting) == WAITING:
                guest.waiting.popleft()
                guest.dropped += 1
            guest.waiting.append((message, clock.perf_counter()))
            if not guest.in_turn:
                guest.in_turn = True
                self._ready.append(guest)
                self._changed.notify()

    def leave(self, guest: Guest) -> None:
        """A client has gone: what waits is thrown away."""
        with self._changed:
            guest.gone = True
            guest.waiting.clear()

    def close(self) -> None:
        """Ends after the frames under way."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._over)
                if self._over:
                    return
                guest = self._ready.popleft()
                item = guest.waiting.popleft() if guest.waiting else None
            if item is not None and not guest.gone:
                try:
                    self._after(guest, guest.work(*item))
                except Exception as error:  # one client's trouble, told to it and counted; the others go on
                    self._failed(guest, error)
            with self._changed:
                guest.in_turn = bool(guest.waiting) and not guest.gone
                if guest.in_turn:
                    self._ready.append(guest)
                    self._changed.notify()
