"""Frames with time stamps, from files, cameras and network streams.

The time stamps are those of the file. Time is that of a player: 0 is where the earliest stream of a file begins, which
may be the sound, and for a live source the first frame. `Source.timeline` holds the first picture's time, the gaps and
jumps, and the counts of frames. Inputs without time stamps get times from a frame rate (`open_video`), and
`Source.lost` says so. Frames are upright (the display matrix or EXIF orientation is applied), in RGB uint8, with square
pixels and the size of the first frame. A damaged file is read as far as possible; `Source.lost` describes what is
missing.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.core.observations import Frame
from mien.core.results import Source
from mien.video import image_sequences
from mien.video.decoding import Decoding
from mien.video.errors import VideoError
from mien.video.joined_files import open_recordings
from mien.video.open import camera, open_file, open_live, read_head, without_password
from mien.video.picture_decoding import DEFAULT_FPS, PictureDecoding, PictureFile, PictureSequence
from mien.video.prefetch import Prefetcher
from mien.video.stills import picture_format
from mien.video.timestamps import is_variable, mean_rate

__all__ = ["DEFAULT_FPS", "Video", "VideoError", "is_picture", "open_video", "pick_frames", "rtsp", "webcam"]

WAITING_BYTES = 32 * 2**20
WAITING_FRAMES = 16
"""Largest queue of decoded frames: 16 frames and 32 MiB, but at least two frames. Our choice: enough to smooth over a
slow step of the consumer."""

FASTEST = 1000.0
"""Highest frame rate of image sequences in Hz. Our choice: more is a typing error."""


def open_video(path: str | Path, *, start: float = 0.0, end: float | None = None, alone: bool = False,
         fps: float | None = None) -> Video:
    """Open a recording and decode its first frame.

    Args:
        path: A video file; a picture; an image sequence, which is a folder of numbered pictures or a pattern such as
            `frame_%04d.png`. Pictures are turned upright by their EXIF orientation.
        start: s on the player's clock. Frames with start <= time < end are returned, with their time in the whole
            recording.
        end: s, or None for the end of the recording.
        alone: Decode in the calling thread only: less work in total, for one of many processes.
        fps: Hz, for inputs without time stamps: image sequences, TIFF files with several pages, and raw
            streams. None: 25 for pictures, and `Source.lost` says so; the header's rate for raw streams. A file with
            time stamps keeps them.

    Returns:
        The open recording; iterate it once.

    Raises:
        VideoError: The file is missing, empty, unreadable, too large, or not a video or picture; or nothing in it
            decodes.
    """
    stop = math.inf
    if end is not None:
        stop = float(end)
    if not (math.isfinite(start) and 0 <= start < stop):
        raise VideoError(f"expected 0 <= start < end in s, got start {start} and end {end}: change them")
    if fps is not None and not 0 < fps <= FASTEST:
        raise VideoError(f"expected a frame rate above 0 and up to {FASTEST:g} Hz, got {fps}: change fps")
    path, span = Path(path), (float(start), stop)
    if image_sequences.is_sequence(path):
        return Video(path.name, PictureDecoding(PictureSequence(path, fps), span), alone)
    if is_picture(path):
        return Video(path.name, PictureDecoding(PictureFile(path, fps), span), alone)
    container, stream, later = open_recordings(path)
    if alone:
        stream.codec_context.thread_count = 1
    try:
        decoding = Decoding(str(path), container, stream, path=path, span=span, fps=fps, later=later)
        return Video(path.name, decoding, alone)
    except BaseException:
        container.close()
        raise


def is_picture(path: Path) -> bool:
    """Detect by its content whether a file is a picture.

    Animated WebP and PNG are pictures. A raw stream of JPEGs is not.

    Args:
        path: the file.

    Returns:
        Whether it is a picture.

    Raises:
        VideoError: the file cannot be read.
    """
    kind = picture_format(read_head(path))
    if kind != "JPEG" or path.suffix.lower() in image_sequences.SUFFIXES:
        return bool(kind)
    container, _ = open_file(path)  # a stream of JPEGs begins as a single one does
    with container:
        return container.format.name != "mjpeg"


def webcam(index: int = 0) -> Video:
    """Open a camera of this machine.

    Times come from the camera's capture clock. Frames that a slow consumer misses are skipped and counted in
    `Source.lost`.

    Args:
        index: number of the camera, from 0.

    Returns:
        The frames, to iterate over.

    Raises:
        VideoError: there is no such camera.
    """
    format, device = camera(index)
    remedy = "close other programs that use it, and check that you may read it (group 'video')"
    return _live(f"camera {index}", device, remedy, format)


def rtsp(url: str) -> Video:
    """Open a network camera over TCP.

    Args:
        url: its address, rtsp://...

    Returns:
        The frames, as of `webcam`.

    Raises:
        VideoError: the address is invalid, or the camera does not respond in 10 s.
    """
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
    """The frames of a recording or camera in order of presentation; a context manager that you iterate once.

    Decoding runs a few frames ahead in a background thread. The thread starts and ends with the iteration, also when
    the loop breaks or raises.

    Attributes:
        name: The file or camera.
        width: Of every frame in px.
        height: Of every frame in px.
        duration_hint: Duration in s stated by the container, for progress bars only; None if it states none.
        frames_hint: Number of frames stated by the container, as `duration_hint`.
        is_still: Whether it has a single frame.
        rate_is_assumed: Whether the rate of an image sequence was not given.
        origin: The file's own time stamp in s at which time is 0.
    """

    def __init__(self, name: str, decoding: Decoding | PictureDecoding, alone: bool = False) -> None:
        self.name = name
        size: tuple[int, int] = decoding.size
        self.width, self.height = size
        self._decoding = decoding
        self._tally = decoding.tally
        self.origin = decoding.tally.origin
        self._sha256 = ""
        self._iterated = False
        live = decoding.path is None
        depth = 0
        if not alone:
            depth = min(WAITING_FRAMES, max(2, WAITING_BYTES // (3 * self.width * self.height)))
        self._ahead = Prefetcher(decoding.frames(), depth, f"mien-video {name}", self._tally.skip if live else None)
        self._end = weakref.finalize(self, _end, self._ahead, decoding)
        self.duration_hint, self.frames_hint = decoding.hints()
        self.is_still = decoding.is_still
        self.rate_is_assumed = isinstance(decoding, PictureDecoding) and decoding.rate_is_assumed

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
        """Stop decoding and close the file; safe to call twice."""
        self._end()

    @property
    def source(self) -> Source:
        """The source's properties, from all frames decoded so far; complete once the frames are exhausted.

        `duration` in s goes from the first frame to the end of the last one. The container states the duration of the
        last frame; otherwise it is the median interval, or 0 for a still. `fps_mean` in Hz comes from the time stamps,
        0 for a single frame; `variable_frame_rate` from `timestamps.is_variable`. `sha256` is that of the file or image
        sequence (`image_sequences.ImageSequence.sha256`); empty for a live source.

        Raises:
            VideoError: the file can no longer be read.
        """
        tally = self._tally
        times, timeline = tally.stamps(), tally.timeline()
        return Source(
            name=self.name, sha256=self._hash(), width=self.width, height=self.height, frames=len(times),
            duration=timeline.duration, fps_mean=mean_rate(times, tally.time_base),
            variable_frame_rate=is_variable(times, tally.time_base), lost=tally.lost(), start=timeline.start,
            timeline=timeline,
        )

    def _hash(self) -> str:
        if not self._sha256:
            try:
                self._sha256 = self._decoding.sha256()
            except OSError as error:
                path = self._decoding.path
                raise VideoError(f"expected {path} still to be there, got {error.strerror}: put it back") from error
        return self._sha256


def _end(ahead: Prefetcher[Frame], decoding: Decoding | PictureDecoding) -> None:
    ahead.close()
    decoding.close()


def pick_frames(count: int, frames: int = 16, rng: np.random.Generator | None = None, at: float = 0.5) -> np.ndarray:
    """Pick one frame from each of `frames` equal segments of a clip, in order.

    A clip with fewer frames repeats its last one.

    Args:
        count: number of frames of the clip, 1 or more.
        frames: number of frames to pick, 1 or more; DFER-CLIP uses 16.
        rng: picks a random frame of each segment (training). None: the one at `at` (test).
        at: place in each segment, from 0, its first frame, to 1, its last one.

    Returns:
        (frames,) indices.

    Raises:
        ValueError: `count` or `frames` is below 1.

    References:
        The segment sampling of temporal segment networks: Wang et al. 2016, 10.1007/978-3-319-46484-8_2.
    """
    if count < 1 or frames < 1:
        raise ValueError(f"expected at least one frame of at least one, got {frames} of {count}: skip empty clips")
    if count < frames:
        return np.minimum(np.arange(frames), count - 1)
    edges = np.arange(frames + 1) * count // frames
    low, high = edges[:-1], edges[1:]
    if rng is None:
        return low + ((high - low - 1) * at).astype(int)
    return rng.integers(low, high)
