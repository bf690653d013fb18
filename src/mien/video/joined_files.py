"""Recordings joined by their bytes, in formats of which FFmpeg reads only the first: mp4, mov, flv, wmv, nut."""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.core.recording_timeline import ClockJump
from mien.video.container_structure import ASF_HEADER, MP4, boxes
from mien.video.decode_stats import DecodeStats
from mien.video.errors import VideoError
from mien.video.frame_times import with_times
from mien.video.open import open_file
from mien.video.packets import decode_packets, read_packets
from mien.video.timestamps import FIRST_PACE

Numbered = tuple[float | None, tuple[av.VideoFrame, int]]

BEGINNINGS = {
    "flv": re.compile(rb"FLV\x01[\x00\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00"),
    "asf": re.compile(re.escape(ASF_HEADER)),
    "nut": re.compile(rb"nut/multimedia container\x00"),
}
"""FFmpeg's name of a format -> the bytes that begin a file: Adobe's FLV specification 10.1, E.2; ASF 3.1; NUT's
file_id_string."""

MOST = 1000
"""Largest number of joined recordings. Our choice: each is opened for itself."""


def open_recordings(path: Path) -> tuple[InputContainer, VideoStream, list[tuple[int, int]]]:
    """Open the first recording of a file, and find the others.

    Returns:
        Its container and picture stream; first and last byte (exclusive) of the recordings after it.

    Raises:
        VideoError: the file cannot be read, or holds too many recordings.
    """
    container, stream = open_file(path)
    spans = _spans(container.format.name, path)
    if len(spans) > MOST:
        container.close()
        raise VideoError(f"expected at most {MOST} recordings in a file, got {len(spans)} in {path}: split it")
    if len(spans) > 1:
        container.close()
        container, stream = open_file(path, spans[0])
    return container, stream, spans[1:]


def _spans(format: str, path: Path) -> list[tuple[int, int]]:
    """First and last byte (exclusive) of each recording; empty where there is a single one."""
    size = path.stat().st_size
    starts = [0]
    if format == MP4:
        starts += _starts_of_mp4(path, size)
    elif format in BEGINNINGS:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            starts = [match.start() for match in BEGINNINGS[format].finditer(data)]
    if len(starts) < 2 or starts[0]:
        return []
    return list(zip(starts, [*starts[1:], size], strict=True))


def _starts_of_mp4(path: Path, size: int) -> Iterator[int]:
    """Bytes at which a file type box, or any box in a file without one, follows a whole recording."""
    with path.open("rb") as file:
        top_level = list(boxes(file, size))
    indexes, marks = (sum(kind == name for kind, _ in top_level) for name in (b"moov", b"ftyp"))
    marked = marks > 1
    if indexes < 2 and not marked:
        return
    seen: set[bytes] = set()
    for kind, at in top_level:
        complete = b"moov" in seen and (b"mdat" in seen or b"moof" in seen)
        if complete and (kind == b"ftyp" if marked else kind in (b"wide", b"free", b"mdat", b"moov")):
            yield at
            seen = set()
        seen.add(kind)


def with_later(numbered: Iterator[Numbered], path: Path, spans: Sequence[tuple[int, int]], tally: DecodeStats,
               fps: float | None) -> Iterator[Numbered]:
    """Yield the frames of the first recording, then those of the later ones; their times continue at the pace.

    Args:
        numbered: time in s, frame and number of the recording, of the first one.
        path: the file.
        spans: first and last byte (exclusive) of the later recordings.
        tally: gets their counts, a jump for each, and a note on what they lack.
        fps: as of `with_times`.

    Yields:
        (time in s, (frame, number of the recording)).
    """
    last = pace = 0.0
    for time, item in numbered:
        if time is not None:
            pace = time - last if 0 < time - last <= 1 else pace
            last = time
        yield time, item
    count = len(spans) + 1
    tally.notes.append(f"the file holds {count} recordings one after the other: all are read, players show only the "
                       "first")
    for number, span in enumerate(spans, 1):
        try:
            container, stream = open_file(path, span)
        except VideoError as error:
            tally.notes.append(f"recording {number + 1} of {count} cannot be read: {error}")
            continue
        with container:
            tally.announced_later += stream.frames
            shift: float | None = None
            tally.first_pts = math.inf
            frames = decode_packets(read_packets(container, stream, tally, live=False), stream, tally)
            for time, frame in with_times(frames, container, stream, tally, fps):
                if time is not None and shift is None:
                    shift = last + (pace or FIRST_PACE) - time
                    tally.jumps.append(ClockJump(last + (pace or FIRST_PACE), -shift))
                moved = None if time is None else time + (shift or 0.0)
                last = last if moved is None else max(last, moved)
                yield moved, (frame, number)
