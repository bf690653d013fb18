"""Packets -> decoded frames with true time stamps -> `Frame`s; what gets lost on the way is counted."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from ..types import Frame
from .clock import Tally, in_order
from .opening import VideoError
from .picture import Converter, display_matrix, square_size

Stamped = tuple[float | None, av.VideoFrame]

SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Formats with an index to be trusted; all others are decoded from their beginning to reach `start`."""

SEEK_FROM = 30.0
"""s. Nearer than that, decoding from the beginning is about as fast and needs no trust. Our choice."""

NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS of FFmpeg's avformat.h: a stream without a container."""

TS_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Bytes of a transport packet, and where in it the sync byte 0x47 is: ISO 13818-1; m2ts; with error correction."""

LATE = 1.0
"""s by which pictures may end before the container where its end may be that of its sound. Our choice."""


class Decoding:
    """One pass over one open stream. Raises VideoError at once where nothing decodes.

    `size` (width, height) px of every frame, upright and with square pixels. `span` s is what `frames` hands on.
    """

    def __init__(self, name: str, container: InputContainer, stream: VideoStream, *, path: Path | None = None,
                 span: tuple[float, float] = (0.0, math.inf)) -> None:
        self.container, self.stream, self.path, self.span = container, stream, path, span
        self.tally = Tally(tick=float(stream.time_base or 0))
        self._ordered = self._order()
        first = next(self._ordered, None)
        if first is None:
            raise VideoError(_nothing(name, stream, self.tally))
        self._origin, frame = first
        self._ordered = chain([first], self._ordered)
        self._matrix = display_matrix(frame)
        self._stored = frame.width, frame.height
        square = square_size(*self._stored, stream.sample_aspect_ratio)
        self._convert = Converter(square)
        self.size = square[::-1] if self._matrix[1] else square

    def frames(self) -> Iterator[Frame]:
        """Once. Ends with what the recording lacks noted in `tally`."""
        start, end = self.span
        if start >= SEEK_FROM and self.container.format.name in SEEKABLE:
            self._seek(start)
        tally, begin = self.tally, self._origin
        for time, frame in self._ordered:
            if time - begin < start:
                continue
            if time - begin >= end:
                return
            tally.times.append(time - begin)
            tally.last_duration = self._duration(frame)
            tally.interlaced += frame.interlaced_frame
            tally.resized += (frame.width, frame.height) != self._stored
            yield Frame(time - begin, self._convert(frame, self._matrix))
        if not tally.times:
            raise VideoError(f"expected frames from {start:g} s on, got none: choose a start before the last one")
        if self.path is not None:
            tally.notes += _cut_short(self.container, self.stream, self.path, tally, whole=start == 0)

    def _order(self) -> Iterator[tuple[float, av.VideoFrame]]:
        frames = _decoded(self.container, self.stream, self.tally)
        stamped = _stamped(frames, self.container, self.stream, self.tally)
        return in_order(stamped, self.tally, ahead=self.path is not None)

    def _seek(self, start: float) -> None:
        """To the key frame at or before `start`; the beginning stays where the index fails or leads beyond."""
        base = self.stream.time_base or Fraction(1, av.time_base)
        for target in (self._origin + start, self._origin):
            try:
                self.container.seek(math.floor(target / base), stream=self.stream)
            except av.FFmpegError:
                return  # no index: nothing has moved
            self._ordered = self._order()
            first = next(self._ordered, None)
            if first is not None and first[0] - self._origin <= start:
                self._ordered = chain([first], self._ordered)
                return

    def _duration(self, frame: av.VideoFrame) -> float:
        format = self.container.format.name
        if format == "image2" or format.endswith("_pipe"):
            return 0.0  # a still: FFmpeg's 1/25 s is nobody's
        return float(frame.duration * (frame.time_base or self.stream.time_base or 0))


def _decoded(container: InputContainer, stream: VideoStream, tally: Tally) -> Iterator[av.VideoFrame]:
    """Every frame that decodes without damage. A concealed frame is a guess at the picture: it is left out."""
    damaged: set[int] = set()
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.BlockingIOError:  # a camera that has no new picture yet
            clock.sleep(0.001)
            packets = container.demux(stream)
            continue
        except av.FFmpegError as error:
            tally.notes.append(f"reading stopped after {tally.decoded} frames: {error.strerror}")
            packet = None
        if packet is not None:
            tally.discarded += packet.is_discard
            if packet.is_corrupt and packet.pts is not None:
                damaged.add(packet.pts)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            tally.undecodable += 1
            tally.why = error.strerror or str(error)
            frames = []
        for frame in frames:
            tally.decoded += 1
            if frame.is_corrupt or frame.pts in damaged:
                tally.damaged += 1
            else:
                yield frame
        if packet is None:
            return


def _stamped(frames: Iterator[av.VideoFrame], container: InputContainer, stream: VideoStream,
             tally: Tally) -> Iterator[Stamped]:
    """Frames with their time in s, None where a frame has no stamp.

    Only a stream that has no time stamps at all (raw h264, mpeg video or mjpeg; or the first frames without any) counts
    frames by the rate of its header, and says so in `tally`.
    """
    head = list(islice(frames, 3))
    if not head:
        return
    if container.format.flags & NO_TIMESTAMPS or all(frame.pts is None for frame in head):
        rate = stream.guessed_rate or stream.average_rate
        if not rate:
            raise VideoError("expected time stamps or a frame rate, got neither: convert the file to mp4")
        tally.notes.append(
            f"the file has no time stamps: times are frame numbers at {float(rate):g} Hz, the rate in its header "
            "(FFmpeg says 25 where there is none)"
        )
        tally.rate = float(rate)
        for number, frame in enumerate(chain(head, frames)):
            yield number / tally.rate, frame
        return
    for frame in chain(head, frames):
        base = frame.time_base or stream.time_base
        stamp = frame.pts
        yield (None if stamp is None or base is None else stamp * base.numerator / base.denominator), frame


def announced(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """The recording's end in s by its container, and whether that is surely the end of the pictures."""
    if container.format.flags & NO_TIMESTAMPS:
        return None, False  # FFmpeg guesses from the size of the file
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base), True
    tag = stream.metadata.get("DURATION", "").split(":")  # Matroska
    if len(tag) == 3:
        return int(tag[0]) * 3600 + int(tag[1]) * 60 + float(tag[2]), True
    if container.duration:
        return container.duration / av.time_base, len(container.streams) == 1
    return None, False


def _cut_short(container: InputContainer, stream: VideoStream, path: Path, tally: Tally, whole: bool) -> list[str]:
    """What the container announced and the file does not hold."""
    if tally.rate:
        return []
    expected = stream.frames - tally.discarded
    if whole and expected > tally.decoded + tally.undecodable:
        found = f"{tally.decoded} were found"
        return [f"the container announces {expected} frames, {found}: the file is cut short or damaged"]
    if container.format.name == "gif" and not _ends_like_gif(path):
        return ["the file has no end mark: it is cut short"]
    if container.format.name == "mpegts" and not _ends_with_a_packet(path):
        return ["the file ends in the middle of a packet: it is cut short"]
    end, sure = announced(container, stream)
    period = float(np.median(np.diff(tally.times))) if len(tally.times) > 1 else 0.0
    last = tally.times[-1] + max(tally.last_duration, period)
    if end is not None and end - last > (max(1.5 * period, 0.1) if sure else LATE):
        return [f"the container announces {end:.2f} s, the pictures end at {last:.2f} s"]
    return []


def _ends_like_gif(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024))
        return file.read().rstrip(b"\0").endswith(b"\x3b")


def _ends_with_a_packet(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    sizes = [size for size, sync in TS_PACKETS if set(head[sync::size]) == {0x47}]
    return not sizes or path.stat().st_size % sizes[0] == 0


def _nothing(name: str, stream: VideoStream, tally: Tally) -> str:
    context = stream.codec_context
    if not context.width or not context.height:
        return (
            f"expected pictures with pixels, got {context.width}x{context.height} in {name}: "
            "the header is broken; record or export the file again"
        )
    got = "no whole packet"
    if tally.undecodable or tally.damaged:
        got = f"{tally.undecodable} packets of {context.name} that fail and {tally.damaged} damaged frames"
    why = f" ({tally.why})" if tally.why else ""
    return f"expected at least one frame, got {got}{why} in {name}: copy or record the file again"
