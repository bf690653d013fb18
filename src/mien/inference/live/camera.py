"""Frames from a camera, a network camera or a file in real time; a lost camera is opened again."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien import video
from mien.core.observations import Frame
from mien.inference.live.frame_queue import DropOldestQueue
from mien.video import Video
from mien.video.errors import VideoError

BACK_OFF = (0.5, 30.0)
"""First and longest wait in s before a lost camera is opened again; the wait doubles each time. Our choice: a cable
that is plugged in again is noticed at once, and a camera that is off for the night costs nothing."""

STALL = 15.0
"""s without a frame after which a silent camera is abandoned. Our choice: FFmpeg gives up after 10 s where it can
(video/open.py), and reports the reason."""

MAX_BLOCKED_THREADS = 3
"""Most blocked threads at a time. Only the camera can end a blocked thread; with that many, we wait for one to end."""

DEPTH = 15
"""Longest queue of frames. Our choice: half a second at 30 fps, as long as a step; older frames are out of date."""


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A frame, and when it arrived (`time.perf_counter()`, s)."""

    frame: Frame
    at: float


class Camera:
    """Reads frames in a thread into the queue `frames`, which drops its oldest frame when it is full.

    A camera that is lost, not present yet, or silent for `stall` s is opened again after `BACK_OFF`. Times then
    continue from the moment of the loss. The frames end with the file, unless `loop`. `state` is opening, running,
    lost, stalled or ended.

    Args:
        source: A camera's number ("0"), an address (rtsp://...), or a file, which plays in real time.
        loop: Whether to repeat a file.
        depth: Longest queue of frames.
        back_off: First and longest wait before the camera is opened again, in s.
        stall: s without a frame after which the camera is opened again.
        log: Takes a line of text when the camera is lost and when it is back.
        open: Opens the source; tests pass their own.
    """

    def __init__(self, source: str, *, loop: bool = False, depth: int = DEPTH, back_off: tuple[float, float] = BACK_OFF,
                 stall: float = STALL, log: Callable[[str], None] | None = None,
                 open: Callable[[], Video] | None = None) -> None:
        self.source, self.state, self.error = source, "opening", ""
        self.frames: DropOldestQueue[TimedFrame] = DropOldestQueue(depth)
        self.frames_read = self.opened = 0
        self._file = not source.isdigit() and "://" not in source
        self._loop, self._back_off, self._stall = loop, back_off, stall
        self._open = open or self._open_source
        self._log = log or (lambda _: None)
        self._stop = threading.Event()
        self._base = self._last = self._beat = 0.0
        self._lost: float | None = None
        self._first: Video | None = None
        self._hanging: list[_Opening] = []
        self._thread = threading.Thread(target=self._run, name=f"mien-camera {source}", daemon=True)

    def start(self) -> None:
        """Start reading.

        Raises:
            VideoError: A file or a numbered camera cannot be opened. An address may become available later.
        """
        if self._file or self.source.isdigit():
            self._first = self._open()
        self._thread.start()

    def close(self) -> None:
        """Stop reading. The thread of a blocked camera ends when the camera responds."""
        self._stop.set()
        self.frames.close()
        if self._thread.is_alive():
            self._thread.join(2.0)

    @property
    def dropped(self) -> int:
        """Number of frames that were dropped because the queue was full."""
        return self.frames.dropped

    def _open_source(self) -> Video:
        if self.source.isdigit():
            return video.webcam(int(self.source))
        if not self._file:
            return video.rtsp(self.source)
        frames = video.open_video(Path(self.source))
        if frames.rate_is_assumed:
            frames.close()
            raise VideoError(f"expected a camera or a video, got pictures without a frame rate in {self.source}: make "
                             "a video of them, or use mien analyze --fps")
        return frames

    def _run(self) -> None:
        wait = self._back_off[0]
        try:
            while not self._stop.is_set():
                self._hanging = [opening for opening in self._hanging if opening.thread.is_alive()]
                if len(self._hanging) >= MAX_BLOCKED_THREADS:
                    self._stop.wait(self._back_off[0])
                    continue
                before = self.frames_read
                state = self._read_until_lost()
                if self._file and (not self._loop or self.frames_read == before):
                    return
                wait = min(2 * wait, self._back_off[1])
                if self.frames_read > before:
                    wait = self._back_off[0]
                if not self._file and not self._stop.is_set():
                    if self._lost is None:
                        self._log(f"the camera is lost: {self.error}; trying to open it again")
                        self._lost = self._beat
                    self.state = state
                    self._stop.wait(wait)
        finally:
            self.state = "ended"
            self.frames.close()

    def _read_until_lost(self) -> Literal["lost", "stalled"]:
        """Open the source and read it until it ends or stalls; returns the state after that."""
        self._beat = clock.perf_counter()
        opening = _Opening(self, self._first)
        self._first = None
        opening.thread.start()
        while opening.thread.is_alive() and not self._stop.is_set():
            if not self._file and opening.abandoned(self._stall):
                self._hanging.append(opening)
                self.error = f"the camera has sent nothing for {self._stall:g} s"
                return "stalled"
            opening.thread.join(min(self._stall / 4, 0.25))
        self.error = opening.error
        return "lost"

    def _begin(self) -> None:
        """Called at the first frame after opening: continue the clock by the time that has passed."""
        self.opened += 1
        if self.opened > 1:
            passed = 0.04  # a file in a loop: one frame
            if self._lost is not None:
                passed = max(clock.perf_counter() - self._lost, passed)
            self._base = self._last + passed
        if self._lost is not None and self.state != "opening":
            self._log("the camera is back")
        self._lost = None

    def _take(self, frame: Frame) -> None:
        self._beat = clock.perf_counter()
        self.state, self.frames_read, self._last = "running", self.frames_read + 1, self._base + frame.time
        self.frames.put(TimedFrame(Frame(self._last, frame.rgb), self._beat))


class _Opening:
    """Opens a camera once and reads it in a thread, since only the camera can end a blocked read."""

    def __init__(self, camera: Camera, first: Video | None) -> None:
        self.error = "the camera sends no more pictures"
        self._camera, self._first = camera, first
        self._over = self._started = False
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, name=f"mien-camera {camera.source} open", daemon=True)

    def abandoned(self, after: float) -> bool:
        """Whether no frame has come for `after` s; if so, all later frames of this thread are ignored."""
        with self._lock:
            self._over = clock.perf_counter() - self._camera._beat > after
            return self._over

    def _run(self) -> None:
        try:
            self._play()
        except VideoError as error:
            self.error = str(error)

    def _play(self) -> None:
        camera, start = self._camera, None
        with self._first or camera._open() as frames:
            for frame in frames:
                now = clock.perf_counter()
                if start is None:
                    start = now - frame.time
                if camera._file and camera._stop.wait(max(0.0, start + frame.time - now)):
                    return
                with self._lock:
                    if self._over or camera._stop.is_set():
                        return
                    if not self._started:
                        camera._begin()
                    self._started = True
                    camera._take(frame)
