"""Read the frames of a trial from a video or a folder of pictures, and fingerprint its source files."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from mien import video
from mien.core import parallel
from mien.core.observations import Frame
from mien.core.trials import Trial
from mien.video.errors import VideoError
from mien.video.stills import read_picture

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp"))

DEFAULT_FRAME_RATE = 25.0
"""Hz of a folder of pictures without a stated rate, as in FERV39k. Our choice: the rate of movies and television in
Europe and China; movies elsewhere have 24."""


class TrialFrames:
    """Iterate once over the frames of a trial, with times relative to the trial.

    Attributes:
        trial: the trial.
        crops: whether the frames are face crops already.
        seconds: expected duration for progress bars, None if unknown.
        lost: description of undecodable parts, complete after the last frame.

    Raises:
        ValueError: nothing can be decoded.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.crops = trial.video is not None and trial.video.is_dir()
        self.lost = ""
        self.seconds: float | None = None

    def __iter__(self) -> Iterator[Frame]:
        if self.trial.video is None:
            return iter(())
        if self.crops:
            return self._pictures(self.trial.video)
        return self._film(self.trial.video)

    def _film(self, path: Path) -> Iterator[Frame]:
        start, end = self.trial.span
        limit = None if math.isinf(end) else end
        with video.open_video(path, start=start, end=limit, alone=True) as recording:
            self.seconds = end - start
            if limit is None:
                self.seconds = recording.duration_hint
            for frame in recording:
                yield Frame(frame.time - start, frame.rgb) if start else frame
            self.lost = recording.source.lost

    def _pictures(self, folder: Path) -> Iterator[Frame]:
        rate = self.trial.frame_rate or DEFAULT_FRAME_RATE
        start, end = self.trial.span
        names = picture_files(folder)
        if not names:
            raise ValueError(
                f"{folder}: expected pictures ({' '.join(sorted(PICTURE_SUFFIXES))}), got none; unpack it again"
            )
        steps = _steps(names)
        self.seconds = (steps[-1] + 1) / rate
        broken: list[str] = []
        for step, path in zip(steps, names, strict=True):
            time = step / rate
            if not start <= time < end:
                continue
            try:
                rgb = read_picture(path)
            except VideoError as error:
                broken.append(f"{path.name}: {error}")
                continue
            yield Frame(time - start, rgb)
        if len(broken) == len(names):
            raise ValueError(f"{folder}: expected pictures that can be read, got {len(broken)} broken "
                             f"({broken[0]}); unpack it again")
        if broken:
            self.lost = f"{len(broken)} of {len(names)} pictures cannot be read, first {broken[0]}"


def _steps(pictures: list[Path]) -> list[int]:
    """Frame index of each picture, relative to the first, from the last number of its name.

    A gap in the numbers is a gap in time. Names without increasing numbers are numbered consecutively.
    """
    digits_of = [re.findall(r"\d+", path.stem) for path in pictures]
    numbers = [int(digits[-1]) for digits in digits_of if digits]
    rising = all(a < b for a, b in pairwise(numbers))
    if len(numbers) < len(pictures) or not rising:
        return list(range(len(pictures)))
    return [number - numbers[0] for number in numbers]


def picture_files(folder: Path) -> list[Path]:
    """List the pictures of a folder in numeric order: 2.jpg comes before 10.jpg."""
    def numeric_order(path: Path) -> tuple[list[int], str]:
        return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name

    return sorted((path for path in folder.iterdir()
                   if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")), key=numeric_order)


def video_rate(trial: Trial) -> tuple[float, int]:
    """Frame rate in Hz and number of frames of the trial's full video, from the file header; 0 if it states none."""
    rate = trial.frame_rate or DEFAULT_FRAME_RATE
    if trial.video is None:
        return rate, 0
    if trial.video.is_dir():
        return rate, len(picture_files(trial.video))
    with video.open_video(trial.video, alone=True) as recording:
        frames, seconds = recording.frames_hint or 0, recording.duration_hint or 0.0
    if not (frames and seconds):
        return 0.0, 0
    return frames / seconds, frames


def file_fingerprints(trial: Trial, aus: Path | None = None) -> dict[str, list[list[object]]]:
    """Size and SHA-256 of every source file of a trial, and the names of the pictures in a folder.

    Args:
        trial: the trial.
        aus: its file of another program's action units.
    """
    sources: dict[str, list[list[object]]] = {"video": [], "signals": []}
    if trial.video is not None and trial.video.is_dir():
        sources["video"] = [[path.name, *_print(path)] for path in picture_files(trial.video)]
    elif trial.video is not None:
        sources["video"] = [["", *_print(trial.video)]]
    if trial.signals is not None:
        sources["signals"] = [["", *_print(trial.signals)]]
    if aus is not None:
        sources["aus"] = [["", *_print(aus)]]
    return sources


def cache_key(*parts: object) -> str:
    """Hash JSON values to sixteen hex digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _print(path: Path) -> tuple[int, str]:
    stat = os.stat(path)
    return stat.st_size, _sha256(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)  # one file may contain the signals of many trials
def _sha256(path: str, size: int, changed: int) -> str:
    return parallel.sha256(path)
