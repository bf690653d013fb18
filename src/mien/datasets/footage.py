"""What a film's container says of it, without decoding: how long, how fast, and whether the file is all there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.video import VideoError
from mien.video.opening import open_file

from . import films
from .survey import Problem


@dataclass(frozen=True)
class Footage:
    """`rate` Hz and `seconds` as the container states them, None where it does not."""

    rate: float | None
    seconds: float | None


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
    return Footage(float(rate) if rate else None, seconds)


def judge(path: Path, item: str) -> tuple[Footage | None, list[Problem]]:
    """A film's header, None where it cannot be used; and what is wrong with it. One that is cut short is used."""
    try:
        seen = look(path)
    except VideoError as error:
        return None, [Problem("unreadable", item, str(error), path)]
    cut = films.cut(path)
    return seen, [Problem("doubtful", item, f"{cut}; what is there is used", path)] if cut else []
