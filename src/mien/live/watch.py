"""One camera followed in the background; the newest event at any time, without waiting."""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Iterator

from mien.live.event import Event
from mien.live.queue import Buffer
from mien.live.session import Session
from mien.live.source import Camera
from mien.settings import Settings

WAITING = 256
"""Events that wait for a slow reader, the oldest dropped first. Our choice: two minutes of half seconds."""


class Live:
    """`with Live("0") as live: live.latest()`. `source` as in `Camera`, or one; the rest as in `Session`.

    One thread reads the camera, one follows faces, and one is the model's where it reads windows of pictures. Memory is
    bounded whatever the source and the reader do. Raises VideoError where there is no such file or camera; what the
    work raises comes out of `events`, `latest` and `close` go on.
    """

    def __init__(self, source: str | Camera, settings: Settings | None = None, *, language: str = "en",
                 person: int | None = None, reuse: bool = False, session: Session | None = None) -> None:
        self.camera = Camera(source) if isinstance(source, str) else source
        self.session = session or Session(settings, language=language, person=person, apart=True,
                                          reuse=reuse)
        self.latencies: deque[float] = deque(maxlen=1024)
        self.heard = 0.0  # when the newest event came, perf_counter s
        self.error: BaseException | None = None
        self._over = False
        self._events: Buffer[Event] = Buffer(WAITING)
        self._thread = threading.Thread(target=self._work, name="mien-live", daemon=True)

    def __enter__(self) -> Live:
        try:
            self.camera.start()
        except BaseException:
            self.session.close()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def latest(self) -> Event | None:
        """The newest event; None before the first. Never waits."""
        return self.session.latest

    def events(self) -> Iterator[Event]:
        """Every event as it comes, until the source ends or `close`. One reader."""
        while not self._events.ended:
            event = self._events.get(0.5)
            if event is not None:
                yield event
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Stop all threads, after the frame and the window that they are at, and free the tracker."""
        self._over = True
        self.camera.close()
        self.session.leave()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            while not self.camera.frames.ended and not self._over:
                arrived = self.camera.frames.get(0.5)
                self._tell(self.session.due() if arrived is None else self.session.push(arrived.frame, arrived.at))
            self._tell(self.session.due(wait=not self._over))
        except BaseException as error:  # raised again where the events are read
            self.error = error
        finally:
            self.camera.close()
            self._events.close()
            self.session.close()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self.heard = clock.perf_counter()
            self.latencies.append(event.latency)
            self._events.put(event)
