"""Decode the packets of a video stream to `Frame`s with true time stamps, and count the losses."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.core.observations import Frame
from mien.core.recording_timeline import NOTICEABLE
from mien.video.completeness import STATE_THE_END, announced, cut_short
from mien.video.convert import UPRIGHT, Converter, conversion_notes, display_matrix, square_size
from mien.video.decode_stats import DecodeStats
from mien.video.errors import VideoError
from mien.video.frame_times import with_times
from mien.video.joined_files import Numbered, with_later
from mien.video.limits import expect_size
from mien.video.packets import decode_packets, read_packets
from mien.video.stills import TURNS, orientation_of_jpeg
from mien.video.timestamps import JUMP_SECONDS, in_order

SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Formats with a reliable index; all others are decoded from their beginning up to `start`."""

SEEK_FROM = 30.0
"""Least start in s for seeking. Below it, decoding from the beginning is about as fast and safer. Our choice."""


class Decoding:
    """A single pass over an open video stream.

    Attributes:
        container: The open container.
        stream: Its picture stream.
        path: The file; None for a live source.
        span: Start and end in s of the frames that `frames` yields.
        size: Width and height in px of every frame, upright and with square pixels.
        tally: Counts of what happened during the pass.
        is_still: Whether the file has a single frame.

    Args:
        fps: Hz for a stream without time stamps; None for the rate in its header.
        later: First and last byte (exclusive) of the recordings that were joined to the first one.

    Raises:
        VideoError: Nothing decodes.
    """

    def __init__(self, name: str, container: InputContainer, stream: VideoStream, *, path: Path | None = None,
                 span: tuple[float, float] = (0.0, math.inf), fps: float | None = None,
                 later: Sequence[tuple[int, int]] = ()) -> None:
        self.container, self.stream, self.path, self.span = container, stream, path, span
        self._name, self._fps, self._later = name, fps, later
        self._first_jpeg = b""
        self.tally = DecodeStats(time_base=float(stream.time_base or 0), is_part=span[0] > 0)
        self._ordered = self._order()
        first = next(self._ordered, None)
        if first is None:
            raise VideoError(_no_frame_message(name, stream, self.tally))
        shown, (frame, _) = first
        self._origin = self.tally.origin = self._start_of_clock(shown)
        second: list[tuple[float, tuple[av.VideoFrame, int]] | None] = []
        if path is not None:  # a camera would make us wait
            second = [next(self._ordered, None)]
        self.is_still = second == [None]
        self._ordered = chain([first], filter(None, second), self._ordered)
        self._matrices = {0: self._turn_of(frame)}
        self._stored = frame.width, frame.height
        expect_size(*self._stored, name)
        square = square_size(*self._stored, stream.sample_aspect_ratio)
        expect_size(*square, name)
        self._converters = {False: Converter(square), True: Converter(square[::-1])}
        self.tally.notes += conversion_notes(frame, int(stream.codec_context.color_trc))
        self.size = square
        if self._matrices[0][1]:
            self.size = square[::-1]

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of `span`, once. At the end, note in `tally` what the recording lacks."""
        start, end = self.span
        if start >= SEEK_FROM and self.container.format.name in SEEKABLE:
            self._seek(start)
        tally, begin = self.tally, self._origin
        for time, (frame, recording) in self._ordered:
            if time - begin < start:
                continue
            if time - begin >= end:
                tally.finish(ended=False)
                return
            tally.times.append(time - begin)
            tally.last_duration = self._duration(frame)
            tally.interlaced += frame.interlaced_frame
            if (frame.width, frame.height) != self._stored:
                expect_size(frame.width, frame.height, self._name)
                tally.resized += 1
            yield Frame(time - begin, self._upright(frame, recording))
        tally.finish(ended=True)
        if not tally.times:
            raise VideoError(f"expected frames from {start:g} s on, got none: choose a start before the last one")
        if self.path is not None:
            tally.notes += self._late_clock()
            tally.notes += cut_short(self.container, self.stream, self.path, tally, from_start=start == 0,
                                     is_joined=bool(self._later))

    def _upright(self, frame: av.VideoFrame, recording: int) -> np.ndarray:
        """Convert a frame; every joined recording has its own orientation, and all frames one size."""
        if recording not in self._matrices:
            self._matrices[recording] = self._turn_of(frame)
        matrix = self._matrices[recording]
        return self._converters[bool(matrix[1]) != bool(self._matrices[0][1])](frame, matrix)

    def _late_clock(self) -> list[str]:
        """A note where the clock of the file should begin at 0 and does not: its beginning may be missing."""
        format, origin = self.container.format.name, self._origin
        least = self.tally.timeline().interval / 2 if format == "asf" else NOTICEABLE  # ASF's clock begins at 0
        if format not in STATE_THE_END or self.span[0] or not 0 < least <= origin:
            return []
        return [f"the time stamps of the file begin at {origin:.2f} s, which is time 0 here"]

    def hints(self) -> tuple[float | None, int | None]:
        """Duration in s and number of frames stated by the file, for progress bars only."""
        if self.path is None:
            return None, None
        stream, (start, end) = self.stream, self.span
        announced_end, _ = announced(self.container, stream, self._origin)
        rate = stream.average_rate or stream.guessed_rate
        if announced_end is None:
            return None, stream.frames or None
        seconds = max(0.0, min(announced_end, end) - start)
        if stream.frames and not start and end >= announced_end:
            return seconds, stream.frames
        if not rate:
            return seconds, None
        return seconds, round(seconds * rate)

    def sha256(self) -> str:
        """SHA-256 of the file; empty for a live source. Raises OSError when the file can no longer be read."""
        if self.path is None:
            return ""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        """Close the file or camera."""
        self.container.close()

    def _start_of_clock(self, first: float) -> float:
        """The stamp in s at which a player's clock is 0: where the earliest stream of a file begins, often the sound.

        It is the first frame in a file of pictures alone, whose stated start may be that of a frame shown later; where
        the file states no start, or one that cannot be (later, or more than a day before); and for a live source.
        """
        stated = self.container.start_time
        if self.path is None or stated is None or self.tally.rate or len(self.container.streams) == 1:
            return first
        start = stated / av.time_base  # rounded to microseconds
        return start if 2 / av.time_base < first - start <= JUMP_SECONDS else first

    def _order(self) -> Iterator[tuple[float, tuple[av.VideoFrame, int]]]:
        """Yield the time of each frame, the frame and the number of its recording, from 0."""
        frames = decode_packets(self._packets(), self.stream, self.tally)
        stamped = with_times(frames, self.container, self.stream, self.tally, self._fps)
        numbered: Iterator[Numbered] = ((time, (frame, 0)) for time, frame in stamped)
        if self.path is not None and self._later:
            numbered = with_later(numbered, self.path, self._later, self.tally, self._fps)
        return in_order(numbered, self.tally, ahead=self.path is not None)

    def _packets(self) -> Iterator[av.Packet]:
        """Keep the first packet of a JPEG stream: only it states the camera's orientation."""
        for packet in read_packets(self.container, self.stream, self.tally, live=self.path is None):
            if self.stream.codec_context.name == "mjpeg" and not self._first_jpeg:
                self._first_jpeg = bytes(packet)
            yield packet

    def _turn_of(self, frame: av.VideoFrame) -> tuple[int, int, int, int]:
        try:
            return display_matrix(frame)
        except ValueError:  # PyAV 15 to 18 do not know the EXIF block of FFmpeg 8, and then report nothing
            stated = orientation_of_jpeg(self._first_jpeg)
            quarters = round(getattr(frame, "rotation", 0) / 90) % 4  # counter-clockwise, stated by the container
            by_container = (UPRIGHT, TURNS[8], TURNS[3], TURNS[6])[quarters]
            return TURNS.get(stated, by_container)

    def _seek(self, start: float) -> None:
        """Seek to the key frame at or before `start`; stay at the beginning if the index fails or leads beyond it."""
        base = self.stream.time_base or Fraction(1, av.time_base)
        for target in (self._origin + start, self._origin):
            try:
                self.container.seek(math.floor(target / base), stream=self.stream)
            except av.FFmpegError:
                return  # no index: the position is unchanged
            self.tally.restart()
            self._ordered = self._order()
            first = next(self._ordered, None)
            if first is not None and first[0] - self._origin <= start:
                self._ordered = chain([first], self._ordered)
                return

    def _duration(self, frame: av.VideoFrame) -> float:
        format = self.container.format.name
        if format == "image2" or format.endswith("_pipe"):
            return 0.0  # a still: the 1/25 s is FFmpeg's assumption
        ticks = getattr(frame, "duration", 0) or 0  # PyAV before 15 has no duration
        return float(ticks * (frame.time_base or self.stream.time_base or 0))


def _no_frame_message(name: str, stream: VideoStream, tally: DecodeStats) -> str:
    context = stream.codec_context
    if not context.width or not context.height:
        return (
            f"expected pictures with pixels, got {context.width}x{context.height} in {name}: "
            "the header is broken; record or export the file again"
        )
    got = "no whole packet"
    if tally.undecodable or tally.damaged:
        got = f"{tally.undecodable} packets of {context.name} that fail and {tally.damaged} damaged frames"
    if tally.why:
        got += f" ({tally.why})"
    return f"expected at least one frame, got {got} in {name}: copy or record the file again"
