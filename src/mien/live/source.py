"""Where live frames come from: a camera, a network camera, or a file at its own pace; what is lost comes back."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien import video
from mien.live.queue import Buffer
from mien.types import Frame
from mien.video import Video, VideoError

BACK_OFF = (0.5, 30.0)
"""s until a lost camera is tried again: at first, then twice as long each time, at most. Our choice: a cable that is
plugged in again is seen at once, and a camera that is gone for the night costs nothing."""

STALL = 15.0
"""s without a frame after which a camera that says nothing is given up. Our choice: FFmpeg gives up what it can after
10 s (video/opening.py), and says why."""

HANGING = 3
"""Openings that may hang at a time, each a thread that nothing ends but the camera; then one of them is waited for."""

DEPTH = 15
"""Frames that wait. Our choice: half a second at 30 fps, as long as a step; what waits longer is no longer now."""


@dataclass(frozen=True, eq=False)
class Arrived:
    """A frame, and when it arrived (`time.perf_counter()`, s)."""

    frame: Frame
    at: float


class Camera:
    """`source`: a camera's number ("0"), an address (rtsp://...), or a file, played at its own pace and in a loop if
    `loop`. `told` hears in words when a camera is lost and when it is back. `open`: for tests, what opens it.

    Runs a thread that fills `frames`, drop-oldest. A camera that is lost, not there yet, or silent for `stall` s is
    opened again after `BACK_OFF`; times go on from when it was lost. A file that ends, ends. `state` says in words how
    it is: opening, running, lost, stalled or ended.
    """

    def __init__(self, source: str, *, loop: bool = False, depth: int = DEPTH, back_off: tuple[float, float] = BACK_OFF,
                 stall: float = STALL, told: Callable[[str], None] | None = None,
                 open: Callable[[], Video] | None = None) -> None:
        self.source, self.state, self.error = source, "opening", ""
        self.frames: Buffer[Arrived] = Buffer(depth)
        self.read = self.opened = 0
        self._file = not source.isdigit() and "://" not in source
        self._loop, self._back_off, self._stall = loop, back_off, stall
        self._open = open or self._usual
        self._told = told or (lambda _: None)
        self._stop = threading.Event()
        self._base = self._last = self._beat = 0.0
        self._lost: float | None = None
        self._first: Video | None = None
        self._hanging: list[_Opening] = []
        self._thread = threading.Thread(target=self._run, name=f"mien-camera {source}", daemon=True)

    def start(self) -> None:
        """Raises VideoError where a file or a camera's number cannot be opened; an address may come later."""
        self._first = self._open() if self._file or self.source.isdigit() else None
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
                self._hanging = [each for each in self._hanging if each.thread.is_alive()]
                if len(self._hanging) >= HANGING:
                    self._stop.wait(self._back_off[0])
                    continue
                before = self.read
                state = self._watched()
                if self._file and (not self._loop or self.read == before):
                    return
                wait = self._back_off[0] if self.read > before else min(2 * wait, self._back_off[1])
                if not self._file and not self._stop.is_set():
                    if self._lost is None:
                        self._told(f"no picture any more: {self.error}; it is tried again and again")
                        self._lost = self._beat
                    self.state = state
                    self._stop.wait(wait)
        finally:
            self.state = "ended"
            self.frames.close()

    def _watched(self) -> Literal["lost", "stalled"]:
        """One opening of the source, to its end or until it hangs -> what it is then."""
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
        """The first frame of an opening: the clock goes on from where it stood, by the time that has passed."""
        self.opened += 1
        if self.opened > 1:  # a file's loop: one frame on
            passed = 0.04 if self._lost is None else max(clock.perf_counter() - self._lost, 0.04)
            self._base = self._last + passed
        if self._lost is not None and self.state != "opening":
            self._told("the picture is back")
        self._lost = None

    def _take(self, frame: Frame) -> None:
        self._beat = clock.perf_counter()
        self.state, self.read, self._last = "running", self.read + 1, self._base + frame.time
        self.frames.put(Arrived(Frame(self._last, frame.rgb), self._beat))


class _Opening:
    """A camera opened once, in a thread of its own: nothing but the camera ends a reading that hangs."""

    def __init__(self, camera: Camera, first: Video | None) -> None:
        self.error = "the camera sends no more pictures"
        self._camera, self._first = camera, first
        self._over = self._taken = False
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, name=f"mien-camera {camera.source} open", daemon=True)

    def abandoned(self, after: float) -> bool:
        """Whether nothing has come for that long (s); then nothing of it counts any more, whatever comes."""
        with self._lock:
            self._over = clock.perf_counter() - self._camera._beat > after
            return self._over

    def _run(self) -> None:
        try:
            self._play()
        except VideoError as error:
            self.error = str(error)

    def _play(self) -> None:
        camera, begun = self._camera, None
        with self._first or camera._open() as frames:
            for frame in frames:
                now = clock.perf_counter()
                begun = now - frame.time if begun is None else begun
                if camera._file and camera._stop.wait(max(0.0, begun + frame.time - now)):
                    return
                with self._lock:
                    if self._over or camera._stop.is_set():
                        return
                    if not self._taken:
                        camera._begin()
                    self._taken = True
                    camera._take(frame)
