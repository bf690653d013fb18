"""One participant of AMIGOS: what their cells and films make together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.types import Trial

from .. import footage
from ..recording import RecordingError
from ..survey import Kind, Problem
from . import recordings
from .recordings import BASELINE, RATE, Cell

PARTICIPANTS = 40
SHORT = ("4", "5", "9", "10", "13", "18", "19", "20", "23", "30", "31", "34", "36", "58", "80", "138")
LONG = ("N1", "P1", "B1", "U1")
NO_LONG = (8, 24, 28)
MISMATCHED = ((11, "18"), (13, "58"), (39, "10"))
"""Film and segments are known not to fit."""

FITS = 1.0
"""s by which a film's length may miss the video's, or that with the baseline, which is 5 s more. Our choice."""


@dataclass(frozen=True)
class Films:
    """Films by (participant, VideoID): of that person alone, and of a group with that person in it."""

    alone: dict[tuple[int, str], Path]
    groups: dict[tuple[int, str], Path]


class Participant:
    """One participant's trials out of their file and the films."""

    def __init__(self, number: int, file: Path, films: Films, problems: list[Problem]) -> None:
        self.number, self.name, self.file, self.films, self.problems = number, f"P{number:02d}", file, films, problems

    def trials(self) -> Iterator[Trial]:
        """The trials of this participant; what is wrong with the file is said, not raised."""
        try:
            held = recordings.load(self.file)
        except RecordingError as error:
            self.say("unreadable", "", str(error), self.file)
            return
        if held.cells and held.gsr is None:
            self.say("doubtful", "", f"GSR is not in {recordings.GSR_UNIT} as is said: it is left as it is; compare it "
                     "within this participant only", self.file)
        for video in (*SHORT, *LONG):
            if video in held.cells:
                yield self.trial(video, held.cells[video])
            else:
                known = "; the dataset has no long videos of participants 8, 24 and 28" if self.without(video) else ""
                self.say("excluded", video, held.broken.get(video, "not among the VideoIDs") + known, self.file)
        for video in sorted((held.cells.keys() | held.broken.keys()) - {*SHORT, *LONG}):
            self.say("excluded", video, f"not one of AMIGOS' videos {', '.join((*SHORT, *LONG))}", self.file)

    def without(self, video: str) -> bool:
        return video in LONG and self.number in NO_LONG

    def trial(self, video: str, cell: Cell) -> Trial:
        """One video's trial: its film, its labels, where its signals are."""
        for name, gap in zip(recordings.CHANNELS, cell.gaps, strict=True):
            if gap:
                reason = f"{gap:.1%} of {name} is missing (NaN): bridged by straight lines"
                self.say("doubtful", video, reason, self.file)
        labels = dict(cell.labels)
        if not labels:
            self.say("missing", video, "no self-assessment: the trial has no ratings", self.file)
        for name in recordings.RATINGS:
            if name in labels and not 1 <= labels[name] <= 9:
                self.say("doubtful", video, f"expected {name} 1..9, got {labels.pop(name)}: left out", self.file)
        outside = np.clip(cell.outside[np.isfinite(cell.outside).all(axis=1), 1:], -1, 1)
        if len(outside):
            labels |= dict(zip(("external_valence", "external_arousal"), map(float, outside.mean(axis=0)), strict=True))
        film, start = self.film(video, cell.seconds)
        about = {"film": video, "videos": "short" if video in SHORT else "long"}
        return Trial(f"{self.name}/{video}", "amigos", self.name, film, (start, start + cell.seconds),
                     signals=self.file, entry=video, labels={**labels}, about=about)

    def film(self, video: str, seconds: float) -> tuple[Path | None, float]:
        """A video's film, and the s in it at which the video begins: its length tells if the baseline is filmed."""
        path = self.films.alone.get((self.number, video))
        if path is None:
            group = self.films.groups.get((self.number, video))
            if group:
                self.say("excluded", video, "the film shows a group, and which face is whose no source states: the "
                         "trial has signals only", group)
            elif any(number == self.number for number, _ in self.films.alone):
                self.say("missing", video, f"no P{self.number}_{video}_face.mov")
            return None, 0.0
        seen, wrong = footage.judge(path, f"{self.name}/{video}")
        self.problems += wrong
        if seen is None:
            return None, 0.0
        if (self.number, video) in MISMATCHED:
            self.say("doubtful", video, "film and segments are known to differ", path)
        before = BASELINE / RATE
        start = 0.0
        if seen.seconds is not None:
            over = seen.seconds - seconds
            start = before if abs(over - before) < abs(over) else 0.0
            if abs(over - start) > FITS:
                lasts = f"the film lasts {seen.seconds:.1f} s, the video {seconds:.1f} s and with its baseline "
                self.say("doubtful", video, f"{lasts}{seconds + before:.1f} s: where in the film the video begins is "
                         f"not sure, {start:g} s is taken", path)
        return path, start

    def say(self, kind: Kind, item: str, reason: str, path: Path | None = None) -> None:
        self.problems.append(Problem(kind, f"{self.name}/{item}" if item else self.name, reason, path))
