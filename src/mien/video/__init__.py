"""Video files, cameras and network streams -> `Frame`s with true presentation time stamps.

Time is 0 at the first presented frame and is the container's own: a frame rate is never assumed. Frames come upright
(rotation and mirroring of the display matrix applied), in RGB uint8, with square pixels, all of the first one's size.
What a file lacks is said in words in `Source.lost`; what decodes is analysed.
"""

from __future__ import annotations

import hashlib
import math
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..types import Frame, Source
from .ahead import Ahead
from .clock import is_variable, mean_rate
from .decoding import Decoding, announced
from .opening import VideoError, camera, open_file, open_live, without_password

__all__ = ["Video", "VideoError", "pick_frames", "read", "rtsp", "webcam"]

WAITING_BYTES = 32 * 2**20
WAITING_FRAMES = 16
"""Decoded pictures that wait at most: 16, and 32 MiB (but two of whatever size). Our choice: enough to smooth over a
slow step of the consumer."""


def read(path: str | Path, *, start: float = 0.0, end: float | None = None, alone: bool = False) -> Video:
    """Opens a video file (or a still, or GIF) and decodes its first frame at once.

    path: a file. start, end: s from the first frame; frames with start <= time < end are handed on, with their time in
    the whole recording. alone: decode in the calling thread and no other; less work in all, for a process among many.
    Raises VideoError, one line of what was expected, what came and what to do, for a file that is missing, empty, a
    folder, not to be read, no video, without pictures, or in which nothing decodes.
    """
    stop = math.inf if end is None else float(end)
    if not (math.isfinite(start) and 0 <= start < stop):
        raise VideoError(f"expected 0 <= start < end in s, got start {start} and end {end}: change them")
    path = Path(path)
    container, stream = open_file(path)
    if alone:
        stream.codec_context.thread_count = 1
    try:
        return Video(path.name, Decoding(str(path), container, stream, path=path, span=(float(start), stop)), alone)
    except BaseException:
        container.close()
        raise


def webcam(index: int = 0) -> Video:
    """The camera of that number, live.

    Times are of the camera's capture clock; frames that the consumer is too slow for are skipped and counted in
    `source.lost`. Raises VideoError where there is none.
    """
    format, device = camera(index)
    remedy = "close other programs that use it, and check that you may read it (group 'video')"
    return _live(f"camera {index}", device, remedy, format)


def rtsp(url: str) -> Video:
    """A network camera (rtsp://...), live, over TCP; as `webcam`. Raises VideoError where none answers in 10 s."""
    if "://" not in url:
        raise VideoError(f"expected an address such as rtsp://host/stream, got {url!r}: add the protocol")
    remedy = "check the address, the password and that the camera is switched on"
    return _live(without_password(url), url, remedy, None, {"rtsp_transport": "tcp"})


def _live(name: str, address: str, remedy: str, format: str | None, options: dict[str, str] | None = None) -> Video:
    container, stream = open_live(name, address, remedy, format, options)
    try:
        return Video(name, Decoding(name, container, stream))
    except BaseException:
        container.close()
        raise


class Video:
    """Frames of one recording or camera, in order of presentation; a context manager, iterated once.

    `width`, `height` px of every frame. `duration_hint` s and `frames_hint` are the container's claims, for progress
    bars only; None where it makes none. Decoding runs in a background thread, a few frames ahead, which starts with the
    iteration and ends with it, also when the loop breaks or raises.
    """

    def __init__(self, name: str, decoding: Decoding, alone: bool = False) -> None:
        self.name = name
        self.width, self.height = decoding.size
        self._decoding = decoding
        self._tally = decoding.tally
        self._sha256 = ""
        self._iterated = False
        live = decoding.path is None
        depth = 0 if alone else min(WAITING_FRAMES, max(2, WAITING_BYTES // (3 * self.width * self.height)))
        self._ahead = Ahead(decoding.frames(), depth, f"mien-video {name}", self._tally.skip if live else None)
        self._end = weakref.finalize(self, _end, self._ahead, decoding)
        self.duration_hint, self.frames_hint = _hints(decoding)

    def __iter__(self) -> Iterator[Frame]:
        if self._iterated or not self._end.alive:
            raise VideoError(f"expected one pass over {self.name}, got a second or a closed one: open it again")
        self._iterated = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        try:
            yield from self._ahead
        finally:
            self.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops decoding and lets go of the file; safe to call twice."""
        self._end()

    @property
    def source(self) -> Source:
        """What was read: complete once the frames are exhausted, before that of the frames decoded so far.

        `duration` s is from the first frame's time to the last one's, plus the last one's own duration by the container
        (by the median interval where it states none, 0 for a still). `fps_mean` Hz is of the time stamps, 0 for one
        frame; `variable_frame_rate` by `clock.is_variable`. `sha256` is of the file, empty when live.
        Raises VideoError when the file can no longer be read.
        """
        tally = self._tally
        times = tally.stamps()
        duration = 0.0
        if len(times):
            last = tally.last_duration
            if not last and len(times) > 1:
                last = float(np.median(np.diff(times)))
            duration = float(times[-1] - times[0]) + last
        return Source(
            name=self.name, sha256=self._hash(), width=self.width, height=self.height, frames=len(times),
            duration=duration, fps_mean=mean_rate(times), variable_frame_rate=is_variable(times, tally.tick),
            lost=tally.lost(),
        )

    def _hash(self) -> str:
        path = self._decoding.path
        if path is not None and not self._sha256:
            try:
                with path.open("rb") as file:
                    self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise VideoError(f"expected {path} still to be there, got {error.strerror}: put it back") from error
        return self._sha256


def _end(ahead: Ahead[Frame], decoding: Decoding) -> None:
    ahead.close()
    decoding.container.close()


def _hints(decoding: Decoding) -> tuple[float | None, int | None]:
    if decoding.path is None:
        return None, None
    stream, (start, end) = decoding.stream, decoding.span
    whole, _ = announced(decoding.container, stream)
    rate = stream.average_rate or stream.guessed_rate
    if whole is None:
        return None, stream.frames or None
    seconds = max(0.0, min(whole, end) - start)
    if stream.frames and not start and end >= whole:
        return seconds, stream.frames
    return seconds, round(seconds * rate) if rate else None


def pick_frames(count: int, wanted: int = 16, rng: np.random.Generator | None = None) -> np.ndarray:
    """count frames -> indices (wanted,): one of each of `wanted` equal segments, in order.

    With `rng` a random frame of its segment (training), else the middle one (test): the segment sampling of temporal
    segment networks (Wang et al. 2016, 10.1007/978-3-319-46484-8_2), as DFER-CLIP uses it with 16 frames; a shorter
    clip repeats its last frame. Raises ValueError for a count or wanted below 1.
    """
    if count < 1 or wanted < 1:
        raise ValueError(f"expected at least one frame of at least one, got {wanted} of {count}: skip empty clips")
    if count < wanted:
        return np.minimum(np.arange(wanted), count - 1)
    edges = np.arange(wanted + 1) * count // wanted
    low, high = edges[:-1], edges[1:]
    return (low + high - 1) // 2 if rng is None else rng.integers(low, high)
