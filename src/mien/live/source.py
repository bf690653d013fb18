"""Where live frames come from: a camera, a network camera, or a file at its own pace; what is lost comes back."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mien import video
from mien.live.queue import Buffer
from mien.types import Frame
from mien.video import Video, VideoError

BACK_OFF = (0.5, 30.0)
"""s until a lost camera is tried again: at first, then twice as long each time, at most. Our choice: a cable that is
plugged in again is seen at once, and a camera that is gone for the night costs nothing."""

DEPTH = 15
"""Frames that wait. Our choice: half a second at 30 fps, as long as a step: a large model may read for most of that,
and what waits longer is no longer now."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """A frame, and when it arrived (`time.perf_counter()`, s)."""

    frame: Frame
    at: float


class Camera:
    """`source`: a camera's number ("0"), an address (rtsp://...), or a file, played at its own pace and in a loop if
    `loop`. `told` hears in words when a camera is lost and when it is back. `open`: for tests, what opens it.

    Runs a thread that fills `frames`, drop-oldest. A camera that is lost, or not there yet, is opened again after
    `BACK_OFF`; times go on from when it was lost. A file that ends, ends. `state` says in words how it is.
    """

    def __init__(self, source: str, *, loop: bool = False, depth: int = DEPTH, back_off: tuple[float, float] = BACK_OFF,
                 told: Callable[[str], None] | None = None, open: Callable[[], Video] | None = None) -> None:
        self.source, self.state, self.error = source, "opening", ""
        self.frames: Buffer[Arrived] = Buffer(depth)
        self.read = self.opened = 0
        self._file = not source.isdigit() and "://" not in source
        self._loop, self._back_off = loop, back_off
        self._open = open or self._usual
        self._told = told or (lambda _: None)
        self._stop = threading.Event()
        self._base = self._last = 0.0
        self._lost: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"mien-camera {source}", daemon=True)

    def start(self) -> None:
        """Raises VideoError where a file or a camera's number cannot be opened; an address may come later."""
        first = self._open() if self._file or self.source.isdigit() else None
        self._first = first
        self._thread.start()

    def close(self) -> None:
        """Stop reading. A camera that does not answer is left to its thread, which ends with its answer."""
        self._stop.set()
        self.frames.close()
        if self._thread.is_alive():
            self._thread.join(2.0)

    @property
    def dropped(self) -> int:
        """Frames that came faster than they were taken."""
        return self.frames.dropped

    def _usual(self) -> Video:
        if self.source.isdigit():
            return video.webcam(int(self.source))
        return video.read(Path(self.source)) if self._file else video.rtsp(self.source)

    def _run(self) -> None:
        wait = self._back_off[0]
        try:
            while not self._stop.is_set():
                before = self.read
                try:
                    self._play()
                    self.error = "the camera sends no more pictures"
                except VideoError as error:
                    self.error = str(error)
                if self._file and (not self._loop or self.read == before):
                    return
                wait = self._back_off[0] if self.read > before else min(2 * wait, self._back_off[1])
                if not self._file:
                    if self.state != "lost":
                        self._told(f"no picture any more: {self.error}; it is tried again and again")
                    self.state, self._lost = "lost", self._lost or clock.perf_counter()
                    self._stop.wait(wait)
        finally:
            self.state = "ended"
            self.frames.close()

    def _play(self) -> None:
        """One opening of the source, to its end. Raises VideoError."""
        frames, self._first = self._first or self._open(), None
        with frames:
            self.opened += 1
            begun: float | None = None
            for frame in frames:
                now = clock.perf_counter()
                if begun is None:
                    begun = now - frame.time
                    self._go_on(now)
                    if self.state == "lost":
                        self._told("the picture is back")
                if self._file and self._stop.wait(max(0.0, begun + frame.time - now)):
                    return
                if self._stop.is_set():
                    return
                self.state, self.read, self._last = "running", self.read + 1, self._base + frame.time
                self.frames.put(Arrived(Frame(self._last, frame.rgb), clock.perf_counter()))

    def _go_on(self, now: float) -> None:
        """The clock of a camera that was opened again goes on from where it stood, by the time that has passed."""
        if self.opened > 1:
            passed = 0.04 if self._lost is None else max(now - self._lost, 0.04)  # a file's loop: one frame on
            self._base = self._last + passed
        self._lost = None
