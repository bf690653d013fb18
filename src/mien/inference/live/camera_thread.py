"""Analyse a camera in background threads; the newest event is available at any time without waiting."""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Iterator

from mien.core.settings import Settings
from mien.inference.live.camera import Camera
from mien.inference.live.event import LiveEvent
from mien.inference.live.frame_queue import DropOldestQueue
from mien.inference.live.session import LiveSession

WAITING = 256
"""Longest queue of events for a slow reader; the oldest is dropped first. Our choice: 2 min of steps of 0.5 s."""


class Live:
    """`with Live("0") as live: live.latest()`.

    One thread reads the camera, one tracks faces, and a third runs a model of windows. Memory is bounded for any source
    and reader. `events` raises what a thread raised; `latest` and `close` still work then.

    Args:
        source: As in `Camera`, or a `Camera`.
        settings: As in `LiveSession`.
        language: As in `LiveSession`.
        person: As in `LiveSession`.
        reuse: As in `LiveSession`.
        session: A session to use instead of a new one.

    Raises:
        VideoError: The file or camera does not exist.
    """

    def __init__(self, source: str | Camera, settings: Settings | None = None, *, language: str = "en",
                 person: int | None = None, reuse: bool = False, session: LiveSession | None = None) -> None:
        self.camera = Camera(source) if isinstance(source, str) else source
        self.session = session or LiveSession(settings, language=language, person=person, worker=True,
                                          reuse=reuse)
        self.latencies: deque[float] = deque(maxlen=1024)
        self.last_event_at = 0.0  # perf_counter s
        self.error: BaseException | None = None
        self._over = False
        self._events: DropOldestQueue[LiveEvent] = DropOldestQueue(WAITING)
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

    def latest(self) -> LiveEvent | None:
        """The newest event; None before the first. Never waits."""
        return self.session.latest

    def events(self) -> Iterator[LiveEvent]:
        """Iterate over the events until the source ends or `close` is called. For one reader.

        Yields:
            Each event.

        Raises:
            Exception: the error that ended the session, such as VideoError for a camera that cannot be opened.
        """
        while not self._events.ended:
            event = self._events.get(0.5)
            if event is not None:
                yield event
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Stop all threads after their current frame and window, and free the tracker."""
        self._over = True
        self.camera.close()
        self.session.leave()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            while not self.camera.frames.ended and not self._over:
                arrived = self.camera.frames.get(0.5)
                if arrived is None:
                    self._publish(self.session.due())
                else:
                    self._publish(self.session.push(arrived.frame, arrived.at))
            self._publish(self.session.due(wait=not self._over))
        except BaseException as error:  # noqa: BLE001 - `events` raises it again
            self.error = error
        finally:
            self.camera.close()
            self._events.close()
            self.session.close()

    def _publish(self, events: list[LiveEvent]) -> None:
        for event in events:
            self.last_event_at = clock.perf_counter()
            self.latencies.append(event.latency)
            self._events.put(event)
