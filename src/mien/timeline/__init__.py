"""What a recording says of everyone in it: rows in time, and one `Person` each.

`Timeline.save` writes tables (`tables`) and texts (`texts`); docs/columns.md says what each column means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from mien import tasks, writing
from mien.timeline import tables, texts
from mien.timeline.spans import runs, shares
from mien.types import Emotion, Person, Session, Source

__all__ = ["FORMATS", "Timeline", "Track", "event", "runs", "shares"]

event = texts.event


@dataclass(frozen=True, eq=False)
class Track:
    """The rows of one person in order; row i speaks for `begin[i]`..`end[i]` (N,) s, which do not overlap."""

    rows: tuple[Emotion, ...]
    begin: np.ndarray
    end: np.ndarray

    def at(self, time: float) -> Emotion | None:
        """The row that speaks for `time` s, None where there is none."""
        i = int(np.searchsorted(self.begin, time, side="right")) - 1
        return self.rows[i] if i >= 0 and time <= self.end[i] else None


@dataclass(frozen=True, eq=False)
class Timeline:
    """The result of an analysis.

    `emotions`: a row for each person and step, in order of time; `faces`: each person's whole recording;
    `settings`: what was asked for; `seconds`: wall time of `decode`, `track`, `pulse`, `model`, `total`;
    `versions`: of what computed it; `session`: the answer of a model that reads whole recordings.
    """

    emotions: tuple[Emotion, ...]
    faces: tuple[Person, ...]
    source: Source
    settings: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    session: Session | None = None

    def __post_init__(self) -> None:
        rows = sorted(self.emotions, key=lambda row: (row.start, row.end, row.face))
        object.__setattr__(self, "emotions", tuple(rows))
        object.__setattr__(self, "faces", tuple(sorted(self.faces, key=lambda person: person.id)))
        names = {row.task for row in self.emotions} | {person.task for person in self.faces}
        if len(names) > 1:
            raise ValueError(f"Timeline: expected one task, got {sorted(names)}")
        for row in self.emotions:
            shapes = (np.shape(row.probs), np.shape(row.aus), np.shape(row.box), np.shape(row.pose), np.shape(row.gaze))
            expected = ((len(self.task.classes),), (len(tasks.ACTION_UNITS),), (4,), (3,), (2,))
            if shapes != expected:
                raise ValueError(f"Timeline.emotions: expected probs, aus, box, pose, gaze of the shapes {expected}, "
                                 f"got {shapes} at {row.start} s")

    @property
    def task(self) -> tasks.Task:
        """The label space of every row."""
        names = [*(row.task for row in self.emotions[:1]), *(person.task for person in self.faces[:1])]
        return tasks.named(names[0]) if names else tasks.EXPRESSION

    @cached_property
    def tracks(self) -> dict[int, Track]:
        """The rows of each person by id."""
        people: dict[int, list[Emotion]] = {}
        for row in self.emotions:
            people.setdefault(row.face, []).append(row)
        return {
            face: Track(tuple(rows), *shares(np.array([r.start for r in rows]), np.array([r.end for r in rows])))
            for face, rows in sorted(people.items())
        }

    def at(self, time: float) -> list[Emotion]:
        """What is said at `time` s, at most one row a person, by id."""
        return [row for track in self.tracks.values() if (row := track.at(time)) is not None]

    def to_pandas(self) -> pd.DataFrame:
        """A row for each person and step; docs/columns.md is the codebook. NaN where nothing was measured."""
        return tables.frame(self.emotions, self.task)

    def to_fex(self) -> pd.DataFrame:
        """The rows in the columns and units of py-feat's `Fex` (intensities 0..1, radians)."""
        return tables.fex(self.to_pandas(), self.task, self.source)

    def to_openface(self) -> pd.DataFrame:
        """The rows in the columns and units of OpenFace's output (intensities 0..5, radians)."""
        return tables.openface(self.to_pandas(), self.source)

    def save(self, path: str | Path) -> None:
        """Write the rows by the suffix of `path`, one of `FORMATS`; whole or not at all.

        `.parquet` and `.csv` are `to_pandas`; `.jsonl` holds the stream's events, one a line; `.srt` subtitles;
        `.txt` tab-delimited text for ELAN.
        """
        path = Path(path)
        write = FORMATS.get(path.suffix.lower())
        if write is None:
            raise ValueError(f"Timeline.save: expected a name that ends in {', '.join(FORMATS)}, got {path.name!r}")
        write(self, path)


def _table(timeline: Timeline, path: Path) -> None:
    writing.table(path, timeline.to_pandas())


def _events(timeline: Timeline, path: Path) -> None:
    with writing.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in timeline.emotions:
            file.write(writing.json_line(texts.event(row), digits=writing.DIGITS) + "\n")


def _subtitles(timeline: Timeline, path: Path) -> None:
    tracks = {face: (track.rows, track.begin, track.end) for face, track in timeline.tracks.items()}
    writing.text(path, texts.subtitles(tracks))


def _elan(timeline: Timeline, path: Path) -> None:
    tracks = {face: (track.rows, track.begin, track.end) for face, track in timeline.tracks.items()}
    writing.text(path, texts.elan(tracks))


FORMATS: dict[str, Callable[[Timeline, Path], None]] = {
    ".parquet": _table, ".csv": _table, ".jsonl": _events, ".srt": _subtitles, ".txt": _elan,
}
"""What `Timeline.save` can write, by suffix."""
