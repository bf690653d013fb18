"""A pool of worker threads that analyses the frames of all clients, one frame per client in turn."""

from __future__ import annotations

import secrets
import threading
import time as clock
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from mien.core.observations import LEAST_INTERVAL
from mien.face.backend import OnnxFaceBackend
from mien.face.detector import THRESHOLD
from mien.face.region import Detection, Region
from mien.inference.live.event import LiveEvent
from mien.inference.live.session import LiveSession
from mien.server.frame_codec import FrameDecodeError, decode

WAITING = 4
"""Longest queue of frames per client; the oldest is dropped first. Our choice: a longer queue only adds delay."""

MAX_MALFORMED = 20
"""Malformed frames in a row after which the server closes the connection. Our choice."""

DECODE_SHARE = 0.5
"""s of decoding that a client has for each second. Our choice: 30 frames of 1920x1080 a second need 0.3 to 0.5 s."""

DECODE_BURST = 5.0
"""Most s of decoding that a client may save up. Our choice."""


class SharedFaceDetector:
    """A face backend that the trackers of all clients and threads share. It keeps no state, and no tracker closes it.

    Args:
        detection_threshold: Lowest score of a detected face, 0..1.
    """

    name = "shared"

    def __init__(self, detection_threshold: float = THRESHOLD) -> None:
        self._backend = OnnxFaceBackend(detection_threshold)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """As `FaceBackend.detect`."""
        return self._backend.detect(rgb)

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """As `FaceBackend.mesh`."""
        return self._backend.mesh(rgb, region)

    def close(self) -> None:
        """Does nothing: other trackers may still use the backend."""


class DecodeBudget:
    """s of decoding that a client has left, at first and at most `DECODE_BURST`."""

    def __init__(self, left: float = DECODE_BURST, time: float = 0.0) -> None:
        self.left, self._updated = left, time

    def at(self, time: float) -> float:
        """What is left at a time, perf_counter s."""
        self.left = min(DECODE_BURST, self.left + DECODE_SHARE * max(0.0, time - self._updated))
        self._updated = time
        return self.left


class ClientConnection:
    """A connected client: its session, its queue of frames and its counters.

    Args:
        session: The live session of this client.
        send: Queues a JSON message for the client. It is called from any thread.
        pixels: Largest number of pixels of a frame.
        send_frames: Whether to send a message for every frame, and the pulse wave.
    """

    def __init__(self, session: LiveSession, send: Callable[[dict[str, Any]], None], *, pixels: int,
                 send_frames: bool) -> None:
        self.id = secrets.token_urlsafe(12)
        self.session, self.send, self.pixels, self.send_frames = session, send, pixels, send_frames
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.dropped = self.malformed = self.done = 0
        self.reported = 0, 0, 0  # dropped, malformed and skipped, as far as the meters have counted them
        self.in_turn = self.gone = False
        self.busy = threading.Lock()  # held while the session is in use
        self.last_event_at: float | None = None  # perf_counter s
        self._malformed_in_a_row = 0
        self.budget = DecodeBudget()
        self.address = ""

    def work(self, message: bytes, at: float) -> list[LiveEvent]:
        """Analyse one message and send the results.

        Args:
            message: A binary message as in `frame_codec.decode`.
            at: When it arrived, perf_counter s.

        Returns:
            The events of this frame. A malformed message has none; it is counted, and the client gets an error.
        """
        if self.budget.at(at) <= 0:
            self.dropped += 1
            self.send({"type": "error", "reason": "expected frames that take less time to decode, got more than "
                       f"{DECODE_SHARE:g} s of work a second: this frame was dropped", "close": False})
            return []
        started = clock.thread_time()
        try:
            frame = decode(message, self.pixels)
        except FrameDecodeError as error:
            self.malformed += 1
            self._malformed_in_a_row += 1
            self.send({"type": "error", "reason": str(error), "close": self._malformed_in_a_row >= MAX_MALFORMED})
            return []
        finally:
            self.budget.left -= clock.thread_time() - started
        self._malformed_in_a_row = 0
        backwards = self.session.backwards
        events = self.session.push(frame, at)
        self.done += 1
        if self.session.backwards > backwards:
            reason = f"expected a capture time {LEAST_INTERVAL:g} s after the last frame's, or later"
            self.send({"type": "error", "reason": reason, "close": False})
        if self.send_frames:
            self.send({"type": "frame", "t": frame.time, "size": [frame.rgb.shape[1], frame.rgb.shape[0]],
                       "dropped": self.dropped, "chosen": self.session.chosen,
                       "faces": [{"id": face.id, "state": face.state, "box": [round(float(x), 1) for x in face.box]}
                                 for face in self.session.faces if face.state != "lost"]})
        for event in events:
            self.last_event_at = clock.perf_counter()
            self.send({"type": "event", **event.json()})
        if events and self.send_frames:
            self._send_wave(events[-1])
        return events

    def _send_wave(self, event: LiveEvent) -> None:
        wave = self.session.wave() if event.said.heart_rate is not None else None
        if wave is None:
            self.send({"type": "wave", "values": []})
            return
        values = [round(float(v), 6) if np.isfinite(v) else 0.0 for v in wave.values[0]]
        self.send({"type": "wave", "values": values, "start": wave.start, "rate": wave.rate})


class WorkerPool:
    """Worker threads that analyse frames. A client has at most one frame in progress and waits its turn.

    Args:
        workers: Number of threads.
        on_done: Called in the worker's thread with the client and the events of each analysed frame.
        on_error: Called in the worker's thread with the client and the exception of a frame that failed.
    """

    def __init__(self, workers: int, on_done: Callable[[ClientConnection, list[LiveEvent]], None],
                 on_error: Callable[[ClientConnection, Exception], None]) -> None:
        self._on_done, self._on_error = on_done, on_error
        self._ready: deque[ClientConnection] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._run, name=f"mien-worker {i}", daemon=True)
                         for i in range(workers)]
        for thread in self._threads:
            thread.start()

    def post(self, connection: ClientConnection, message: bytes) -> None:
        """Queue a message of a client. Never waits."""
        with self._changed:
            if len(connection.waiting) == WAITING:
                connection.waiting.popleft()
                connection.dropped += 1
            connection.waiting.append((message, clock.perf_counter()))
            if not connection.in_turn:
                connection.in_turn = True
                self._ready.append(connection)
                self._changed.notify()

    def leave(self, connection: ClientConnection) -> None:
        """Remove a client and discard its queued frames."""
        with self._changed:
            connection.gone = True
            connection.waiting.clear()

    def close(self) -> None:
        """Stop the threads after the frames in progress."""
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
                connection = self._ready.popleft()
                item = connection.waiting.popleft() if connection.waiting else None
            if item is not None and not connection.gone:
                try:
                    with connection.busy:
                        events = connection.work(*item)
                    self._on_done(connection, events)
                except Exception as error:  # noqa: BLE001 - the client gets the error, a meter counts it, others go on
                    self._on_error(connection, error)
            with self._changed:
                connection.in_turn = bool(connection.waiting) and not connection.gone
                if connection.in_turn:
                    self._ready.append(connection)
                    self._changed.notify()
