"""Whether a clip's pictures or its video file are whole, told from their first and last bytes: nothing is decoded."""

from __future__ import annotations

import re
from pathlib import Path

from .layout import entries

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".mov", ".m4v", ".avi")

_BEGINS = {".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8", ".png": b"\x89PNG"}
_ENDS = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND"}
_TAIL = 64
"""Bytes at a picture's end in which its end is looked for. Our choice: some writers put a few more behind it."""


def pictures(folder: Path) -> list[Path]:
    """The pictures of a clip in the order of their numbers (10.jpg after 2.jpg), whether padded or not."""
    found = [Path(entry.path) for entry in entries(folder) if Path(entry.name).suffix.lower() in PICTURES]
    return sorted(found, key=lambda path: ([int(digits) for digits in re.findall(r"\d+", path.stem)], path.name))


def torn(found: list[Path]) -> str:
    """What is wrong with the first or the last of a clip's pictures, "" for nothing: the others are not opened."""
    for path in dict.fromkeys(found[:1] + found[-1:]):
        suffix = path.suffix.lower()
        try:
            with path.open("rb") as file:
                head = file.read(4)
                file.seek(max(0, path.stat().st_size - _TAIL))
                tail = file.read()
        except OSError as error:
            return f"expected pictures that can be read, got: {error.strerror} ({path.name})"
        if not head.startswith(_BEGINS[suffix]) or _ENDS[suffix] not in tail:
            got = "an empty file" if not head else "one that is cut short or damaged"
            return f"expected whole pictures, got {got} ({path.name}): unpack the clip again"
    return ""


def cut(path: Path) -> str:
    """What is wrong with a video file, told from its container's sizes, "" for nothing or for other containers."""
    try:
        size = path.stat().st_size
        if not size:
            return "expected a video, got an empty file: unpack or copy it again"
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF":
                said = 8 + int.from_bytes(head[4:8], "little")
            elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                said, boxes = _boxes(file, size)
                if said <= size and b"moov" not in boxes:
                    return "expected a whole mp4 or mov, got one without its index (moov): copy it again"
            else:
                return "" if path.suffix.lower() not in VIDEOS else "expected a video, got something else"
    except OSError as error:
        return f"expected a video that can be read, got: {error.strerror}"
    return f"expected {said} bytes as its header says, got {size}: cut short; copy it again" if said > size else ""


def _boxes(file, size: int) -> tuple[int, set[bytes]]:
    """Where the last box of an mp4 ends, and the names of all."""
    at, names = 0, set()
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        names.add(head[4:8])
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            return size, names
        if length < 8:
            return size + 1, names
        at += length
    return at, names
