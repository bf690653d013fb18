"""What a film's container says of it, without decoding: how long, how fast, and whether the file is all there."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mien.video import VideoError
from mien.video.opening import open_file

__all__ = ["Footage", "VideoError", "look"]


@dataclass(frozen=True)
class Footage:
    """`rate` Hz and `seconds` as the container states them, None where it does not; `cut`: in words what is missing at
    the file's end, empty when it is whole."""

    rate: float | None
    seconds: float | None
    cut: str


def look(path: Path) -> Footage:
    """A film's header. Raises VideoError for a file that is missing, empty, no film or without its index."""
    container, stream = open_file(path)
    try:
        rate = stream.average_rate or stream.guessed_rate
        seconds = None
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / 1e6
    finally:
        container.close()
    return Footage(float(rate) if rate else None, seconds, _cut(path))


def _cut(path: Path) -> str:
    """What the outermost boxes of an avi, mov or mp4 claim beyond the end of the file."""
    size = os.path.getsize(path)
    with path.open("rb") as file:
        head = file.read(12)
        end = _riff(file, size) if head[:4] == b"RIFF" else _atoms(file, size) if head[4:8] == b"ftyp" else size
    return f"{size} of at least {end} bytes are there: copy or unzip it again" if end > size else ""


def _riff(file: BinaryIO, size: int) -> int:
    """Where the last of the RIFF chunks ends by its own account; the file's size where one leaves its length open."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or not length:
            return size
        at += 8 + length + length % 2
    return at - 1 if at == size + 1 else at


def _atoms(file: BinaryIO, size: int) -> int:
    """Where the last of the atoms ends by its own account; a length of 0 means to the end of the file."""
    at = 0
    while at + 16 <= size:
        file.seek(at)
        length, _, large = struct.unpack(">I4sQ", file.read(16))
        length = large if length == 1 else length
        if length < 8:
            return size
        at += length
    return at
