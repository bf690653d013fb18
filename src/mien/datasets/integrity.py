"""Check that a clip's pictures or video file are complete, by their first and last bytes, without decoding."""

from __future__ import annotations

import re
from pathlib import Path

from mien.datasets.scan import list_entries

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".mov", ".m4v", ".avi")

_BEGINS = {".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8", ".png": b"\x89PNG"}
_ENDS = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND"}
_TAIL = 64
"""Bytes at the end of a picture that may hold its end mark. Our choice: some writers append a few bytes."""


def check_pictures(folder: Path) -> list[Path]:
    """The pictures of a clip in the order of their numbers (10.jpg after 2.jpg), padded or not."""
    paths = [Path(entry.path) for entry in list_entries(folder) if Path(entry.name).suffix.lower() in PICTURES]
    return sorted(paths, key=lambda path: ([int(digits) for digits in re.findall(r"\d+", path.stem)], path.name))


def is_truncated(paths: list[Path]) -> str:
    """Describe what is wrong with the first or last picture of a clip, "" for nothing; the others are not opened."""
    for path in dict.fromkeys(paths[:1] + paths[-1:]):
        suffix = path.suffix.lower()
        try:
            with path.open("rb") as file:
                head = file.read(4)
                file.seek(max(0, path.stat().st_size - _TAIL))
                tail = file.read()
        except OSError as error:
            return f"expected pictures that can be read, got: {error.strerror} ({path.name})"
        if not head.startswith(_BEGINS[suffix]) or _ENDS[suffix] not in tail:
            got = "one that is cut short or damaged"
            if not head:
                got = "an empty file"
            return f"expected whole pictures, got {got} ({path.name}): unpack the clip again"
    return ""


def is_cut_video(path: Path) -> str:
    """Describe what is wrong with the sizes in a video's container, "" for nothing or for other containers."""
    try:
        size = path.stat().st_size
        if not size:
            return "expected a video, got an empty file: unpack or copy it again"
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF":
                stated = 8 + int.from_bytes(head[4:8], "little")
            elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                stated, boxes = _boxes(file, size)
                if stated <= size and b"moov" not in boxes:
                    return "expected a whole mp4 or mov, got one without its index (moov): copy it again"
            else:
                if path.suffix.lower() not in VIDEOS:
                    return ""
                return "expected a video, got something else"
    except OSError as error:
        return f"expected a video that can be read, got: {error.strerror}"
    if stated <= size:
        return ""
    return f"expected {stated} bytes as its header says, got {size}: cut short; copy it again"


def _boxes(file, size: int) -> tuple[int, set[bytes]]:
    """End of the last box of an mp4, and the names of all boxes."""
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
