"""Times of decoded frames: their stamps, or frame numbers where a stream has none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.video.completeness import NO_TIMESTAMPS
from mien.video.decode_stats import DecodeStats
from mien.video.errors import VideoError

Stamped = tuple[float | None, av.VideoFrame]


def with_times(frames: Iterator[av.VideoFrame], container: InputContainer, stream: VideoStream, tally: DecodeStats,
               fps: float | None) -> Iterator[Stamped]:
    """Yield frames with their time in s, None for a frame without a stamp.

    A stream without time stamps (raw h264, mpeg video or mjpeg; or none on the first frames) counts frames at `fps` Hz,
    or at the rate of its header, and notes that in `tally`.
    """
    head = list(islice(frames, 3))
    if not head:
        return
    if container.format.flags & NO_TIMESTAMPS or all(frame.pts is None for frame in head):
        rate = fps or stream.guessed_rate or stream.average_rate
        if not rate:
            raise VideoError("expected time stamps or a frame rate, got neither: give the rate with --fps")
        origin = "as given" if fps else "the rate in its header (FFmpeg says 25 where there is none)"
        tally.notes.append(f"the file has no time stamps: times are frame numbers at {float(rate):g} Hz, {origin}")
        tally.rate = float(rate)
        for number, frame in enumerate(chain(head, frames)):
            yield number / tally.rate, frame
        return
    for frame in chain(head, frames):
        base = frame.time_base or stream.time_base
        time = None
        if frame.pts is not None and base is not None:
            time = frame.pts * base.numerator / base.denominator
        yield time, frame
