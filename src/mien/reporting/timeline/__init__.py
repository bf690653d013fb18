"""The result of an analysis: rows over time, and a summary of each person.

`Timeline.save` writes tables (`tables`) and texts (`writers`); docs/columns.md defines the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.core import atomic_files, tasks
from mien.core.recording_prediction import RecordingPrediction
from mien.core.results import Person, Prediction, Source
from mien.reporting.timeline import tables, writers
from mien.reporting.timeline.segments import expression_segments, time_shares

__all__ = ["FORMATS", "Timeline", "Track", "event", "expression_segments", "time_shares"]

event = writers.event_json


@dataclass(frozen=True, eq=False)
class Track:
    """The rows of one person in order. Row i covers `begin[i]`..`end[i]` (N,) s; the intervals do not overlap."""

    rows: tuple[Prediction, ...]
    begin: np.ndarray
    end: np.ndarray

    def at(self, time: float) -> Prediction | None:
        """The row that covers `time` s; None without one."""
        i = int(np.searchsorted(self.begin, time, side="right")) - 1
        if i < 0 or time > self.end[i]:
            return None
        return self.rows[i]


@dataclass(frozen=True, eq=False)
class Timeline:
    """The result of an analysis.

    Args:
        emotions: A row for each person and step, in order of time.
        faces: A summary of each person over the whole recording.
        source: The recording.
        settings: The settings of the analysis.
        seconds: Wall time in s of `decode`, `track`, `pulse`, `model` and `total`.
        versions: Versions of the software.
        session: The prediction of a model that needs whole recordings; None for other models.

    Raises:
        ValueError: Rows have different tasks, or an array has a wrong shape.
    """

    emotions: tuple[Prediction, ...]
    faces: tuple[Person, ...]
    source: Source
    settings: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    session: RecordingPrediction | None = None

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
        return tasks.find_task(names[0]) if names else tasks.EXPRESSION

    @cached_property
    def tracks(self) -> dict[int, Track]:
        """The rows of each person by id."""
        people: dict[int, list[Prediction]] = {}
        for row in self.emotions:
            people.setdefault(row.face, []).append(row)
        return {
            face: Track(tuple(rows), *time_shares(np.array([r.start for r in rows]), np.array([r.end for r in rows])))
            for face, rows in sorted(people.items())
        }

    def at(self, time: float) -> list[Prediction]:
        """Find the rows at a time.

        Args:
            time: s.

        Returns:
            At most one row per person, ordered by id.
        """
        return [row for track in self.tracks.values() if (row := track.at(time)) is not None]

    def to_pandas(self) -> pd.DataFrame:
        """Convert the rows to a table; docs/columns.md defines the columns.

        Returns:
            A row for each person and step; missing values are NaN.
        """
        return tables.to_frame(self.emotions, self.task)

    def to_fex(self) -> pd.DataFrame:
        """Convert the rows to the columns and units of py-feat's `Fex`.

        Returns:
            A row for each person and step; intensities 0..1, angles in radians.
        """
        return tables.fex(self.to_pandas(), self.task, self.source)

    def to_openface(self) -> pd.DataFrame:
        """Convert the rows to the columns and units of OpenFace's output.

        Returns:
            A row for each person and step; intensities 0..5, angles in radians.
        """
        return tables.openface(self.to_pandas(), self.source)

    def plot(self, face: int | None = None) -> Any:
        """Draw one person over time.

        Args:
            face: Id of the person; None for the one who is seen most.

        Returns:
            A plotly figure, which a notebook shows.

        Raises:
            ValueError: There is no such person.
        """
        from mien.reporting.timeline import notebook

        return notebook.plot(self, face)

    def _repr_html_(self) -> str:
        """What a notebook shows for a timeline at the end of a cell."""
        from mien.reporting.timeline import notebook

        return notebook.html(self)

    def save(self, path: str | Path) -> None:
        """Write the rows atomically, in the format that the suffix names.

        `.parquet` and `.csv` contain `to_pandas`, `.jsonl` the events of a stream, one per line, `.srt` subtitles, and
        `.txt` tab-delimited text for ELAN.

        Args:
            path: The file to write.

        Raises:
            ValueError: The suffix is none of `FORMATS`, nor the name one of `NAMED`.
        """
        path = Path(path)
        write = NAMED.get(path.name) or FORMATS.get(path.suffix.lower())
        if write is None:
            raise ValueError(f"Timeline.save: expected a name that ends in {', '.join(FORMATS)}, got {path.name!r}")
        write(self, path)


def _table(timeline: Timeline, path: Path) -> None:
    atomic_files.table(path, timeline.to_pandas())


def _events(timeline: Timeline, path: Path) -> None:
    with atomic_files.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in timeline.emotions:
            file.write(atomic_files.json_line(writers.event_json(row), digits=atomic_files.DIGITS) + "\n")


def _subtitles(timeline: Timeline, path: Path) -> None:
    atomic_files.text(path, writers.subtitles(_shown(timeline)))


def _elan(timeline: Timeline, path: Path) -> None:
    atomic_files.text(path, writers.elan(_shown(timeline)))


def _shown(timeline: Timeline) -> writers.Tracks:
    """The rows of each person with their times. A picture has no duration: its rows last as long as a subtitle may."""
    extension = writers.MAX_CUE_SECONDS if timeline.source.frames == 1 else 0.0
    return {face: (track.rows, track.begin, track.end + extension) for face, track in timeline.tracks.items()}


def _intervals(timeline: Timeline, path: Path) -> None:
    atomic_files.table(path, tables.beat_intervals(timeline.faces))


def _kubios(timeline: Timeline, path: Path) -> None:
    table = tables.beat_intervals(timeline.faces)
    counts = table[table.accepted].face_id.value_counts()
    lines = table.ibi_ms[table.accepted & table.face_id.isin(counts.index[:1])]
    with atomic_files.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{each / 1000:.4f}\n" for each in lines)


FORMATS: dict[str, Callable[[Timeline, Path], None]] = {
    ".parquet": _table, ".csv": _table, ".jsonl": _events, ".srt": _subtitles, ".txt": _elan,
}
"""The formats of `Timeline.save` by suffix."""

NAMED: dict[str, Callable[[Timeline, Path], None]] = {"ibi.csv": _intervals, "kubios.txt": _kubios}
"""Those by the name of the file: the intervals between heartbeats of everybody, and of the person with most of them."""
