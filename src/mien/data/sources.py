"""What a trial is made from: the frames of its part of a video, or of a folder of pictures; and by what it is known."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2

from mien import video, work
from mien.types import Frame, Trial

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp"))

UNSTATED = 25.0
"""Hz of a folder of pictures whose rate nobody states, as that of FERV39k. Our choice: films and television in Europe
and China; films elsewhere have 24."""


class Frames:
    """The frames of a trial, once, with times of the trial. `crops`: they are pictures of a face already.

    `seconds`: how long it is expected to be, for progress bars, None where nobody says; `lost`: in words, what could
    not be decoded, complete after the last frame. Raises ValueError where nothing decodes.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.crops = trial.video is not None and trial.video.is_dir()
        self.lost = ""
        self.seconds: float | None = None

    def __iter__(self) -> Iterator[Frame]:
        if self.trial.video is None:
            return iter(())
        return self._pictures(self.trial.video) if self.crops else self._film(self.trial.video)

    def _film(self, path: Path) -> Iterator[Frame]:
        start, end = self.trial.span
        with video.read(path, start=start, end=None if math.isinf(end) else end, alone=True) as film:
            self.seconds = film.duration_hint if math.isinf(end) else end - start
            for frame in film:
                yield Frame(frame.time - start, frame.rgb) if start else frame
            self.lost = film.source.lost

    def _pictures(self, folder: Path) -> Iterator[Frame]:
        rate = self.trial.frame_rate or UNSTATED
        start, end = self.trial.span
        names = picture_files(folder)
        if not names:
            raise ValueError(f"{folder}: expected pictures ({' '.join(sorted(PICTURES))}), got none; unpack it again")
        steps = _steps(names)
        self.seconds = (steps[-1] + 1) / rate
        broken: list[str] = []
        for step, path in zip(steps, names, strict=True):
            time = step / rate
            if not start <= time < end:
                continue
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if bgr is None:
                broken.append(path.name)
                continue
            yield Frame(time - start, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        if len(broken) == len(names):
            raise ValueError(f"{folder}: expected pictures that can be read, got {len(broken)} broken; unpack it again")
        if broken:
            self.lost = f"{len(broken)} of {len(names)} pictures cannot be read, first {broken[0]}"


def _steps(pictures: list[Path]) -> list[int]:
    """When each was taken, in frames since the first, by the last number of its name: a gap in the numbers is a gap in
    time. Names without such an order are taken as they come."""
    found = [re.findall(r"\d+", path.stem) for path in pictures]
    numbers = [int(digits[-1]) for digits in found if digits]
    rising = all(a < b for a, b in pairwise(numbers))
    if len(numbers) < len(pictures) or not rising:
        return list(range(len(pictures)))
    return [number - numbers[0] for number in numbers]


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers: 2.jpg comes before 10.jpg."""
    def place(path: Path) -> tuple[list[int], str]:
        return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name

    return sorted((path for path in folder.iterdir()
                   if path.suffix.lower() in PICTURES and not path.name.startswith(".")), key=place)


def pace(trial: Trial) -> tuple[float, int]:
    """Hz and frames of the trial's whole video, as its file states; 0 where it states none."""
    if trial.video is None or trial.video.is_dir():
        return trial.frame_rate or UNSTATED, len(picture_files(trial.video)) if trial.video else 0
    with video.read(trial.video, alone=True) as film:
        frames, seconds = film.frames_hint or 0, film.duration_hint or 0.0
        return (frames / seconds, frames) if frames and seconds else (0.0, 0)


def prints(trial: Trial, aus: Path | None = None) -> dict[str, list[list[object]]]:
    """Size and SHA-256 of every file that the trial is made from; of folders, with the names of their pictures.

    `aus`: another program's action units of it.
    """
    films = [] if trial.video is None else picture_files(trial.video) if trial.video.is_dir() else [trial.video]
    wires = [] if trial.signals is None else [trial.signals]
    named = trial.video is not None and trial.video.is_dir()
    return {"video": [[path.name if named else "", *_print(path)] for path in films],
            "signals": [["", *_print(path)] for path in wires], **({"aus": [["", *_print(aus)]]} if aus else {})}


def key(*parts: object) -> str:
    """Sixteen hex digits that stand for these JSON values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _print(path: Path) -> tuple[int, str]:
    stat = os.stat(path)
    return stat.st_size, _sha256(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)  # one file may hold the signals of many trials
def _sha256(path: str, size: int, changed: int) -> str:
    return work.sha256(path)
