"""Means over the conditions of an experiment, and their change from a baseline.

An events file has the columns start, end and condition, and optionally video and baseline (docs/columns.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from mien.core.text_tables import TableError, TextTable, listed, read_table
from mien.datasets.readers.elan import read_eaf
from mien.datasets.readers.event_times import event_times
from mien.datasets.readers.xml import MarkupError
from mien.reporting.condition_statistics import ConditionStatistics, condition_statistics, merged, overlap
from mien.reporting.timeline import Timeline
from mien.reporting.timeline.segments import time_shares

REQUIRED_COLUMNS = ("start", "end", "condition")
NAMES: dict[str, frozenset[str]] = {
    "start": frozenset(("start", "onset", "begin", "from", "tmin", "beginn", "anfang", "début")),
    "end": frozenset(("end", "stop", "until", "to", "tmax", "ende", "fin")),
    "duration": frozenset(("duration", "length", "dauer", "durée")),
    "condition": frozenset(("condition", "trial_type", "label", "event", "annotation", "description", "behavior",
                            "behaviour", "text", "bedingung")),
    "video": frozenset(("video", "file", "filename")),
    "baseline": frozenset(("baseline",)),
}
"""Role of a column -> its names in lower case, without the unit."""

YES, NO = ("1", "yes", "y", "true", "x"), ("", "0", "no", "n", "false")
KEY_COLUMNS = ("video", "face_id", "condition", "baseline", "seconds", "planned")


class EventsError(ValueError):
    """An events file is invalid; the message names file and line."""


@dataclass(frozen=True)
class Event:
    """A condition of an experiment.

    Args:
        start: Start in s.
        end: End in s.
        condition: Name of the condition.
        video: Name of the video; "" for every video.
        baseline: Whether this is the baseline.
    """

    start: float
    end: float
    condition: str
    video: str = ""
    baseline: bool = False

    def concerns(self, video: str) -> bool:
        """Whether the event belongs to this video; folders, suffix and case may differ."""
        return not self.video or same_video(self.video, video)


def same_video(written: str, video: str) -> bool:
    """Whether a name in a table means this video; folders, suffix and case may differ."""
    name, other = PurePath(written.lower().replace("\\", "/")), PurePath(video.lower().replace("\\", "/"))
    if not name.suffix:
        other = other.with_suffix("")
    return name.parts == other.parts[-len(name.parts):] or other.parts == name.parts[-len(other.parts):]


def condition_means(timelines: Timeline | Iterable[Timeline], events: str | Path | Sequence[Event]) -> pd.DataFrame:
    """Compute means over conditions.

    A mean weights each row by its overlap with the condition. A person has a row for every condition of their video; if
    they were absent, `seconds` is 0 and the means are NaN.

    Args:
        timelines: One or more analyses.
        events: Events, or the path of an events file.

    Returns:
        A row for each video, person and condition (docs/columns.md, segments.csv).

    Raises:
        EventsError: The events file is invalid.
    """
    if not isinstance(events, Sequence) or isinstance(events, str):
        events = read_events(events)
    if isinstance(timelines, Timeline):
        timelines = [timelines]
    tables = [means_of_table(timeline.to_pandas(), timeline.source.name, events) for timeline in timelines]
    if not tables:
        return pd.DataFrame(columns=list(KEY_COLUMNS))
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)


def means_of_table(table: pd.DataFrame, video: str, events: Sequence[Event]) -> pd.DataFrame:
    """Compute means, SD, n and coverage over conditions from the table of one recording.

    Args:
        table: The rows, as in timeline.parquet or timeline.csv.
        video: Name of the video.
        events: The events; those of other videos are ignored.

    Returns:
        A row for each person and condition, as in `means`.
    """
    events = [event for event in events if event.concerns(video)]
    conditions = {event.condition: [e for e in events if e.condition == event.condition] for event in events}
    base = baseline_events(events)
    numbers = numeric_columns(table)
    names = [f"{name}{kind}" for kind in ("", "_change", "_sd", "_n", "_coverage") for name in numbers]
    rows = []
    for face, group in table.groupby("face_id", sort=True):
        person = PersonRows.of(group)
        zero = person.statistics(base).mean
        for condition, spans in conditions.items():
            here = person.statistics(spans)
            keys: dict[str, object] = {"video": video, "face_id": face, "condition": condition,
                                       "baseline": all(event in base for event in spans), "seconds": here.seconds,
                                       "planned": here.planned}
            parts = (here.mean, here.mean - zero, here.sd, here.n, here.coverage)
            rows.append({**keys, **dict(zip(names, [value for part in parts for value in part], strict=True))})
    return pd.DataFrame(rows, columns=[*KEY_COLUMNS, *names])


@dataclass(frozen=True, eq=False)
class PersonRows:
    """The rows of one person, ready for statistics over conditions.

    Args:
        begin, end: (N,) time that each row covers in s; no two rows overlap.
        values: (N, C) the numeric columns, NaN where missing.
        tracked: (N,) whether the face was tracked.
    """

    begin: np.ndarray
    end: np.ndarray
    values: np.ndarray
    tracked: np.ndarray

    @classmethod
    def of(cls, group: pd.DataFrame, columns: Sequence[str] | None = None) -> PersonRows:
        """From the rows of one person in a timeline's table; all numeric columns, or these."""
        group = group.sort_values(["start", "end"])
        begin, end = time_shares(group["start"].to_numpy(), group["end"].to_numpy())
        numbers = numeric_columns(group)
        if columns is not None:
            numbers = numbers[list(columns)]
        return cls(begin, end, numbers.to_numpy(), (group["state"] == "tracked").to_numpy())

    def weights(self, events: Sequence[Event]) -> tuple[np.ndarray, float]:
        """Seconds (N,) of each row inside the events, and their length in s; overlapping events count once."""
        spans = merged([(event.start, event.end) for event in events])
        return overlap(self.begin, self.end, spans), sum(stop - start for start, stop in spans)

    def statistics(self, events: Sequence[Event]) -> ConditionStatistics:
        """The statistics over the time of the events."""
        weights, planned = self.weights(events)
        return condition_statistics(weights, self.values, self.tracked, planned)


def numeric_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The numeric columns of a timeline's table as float64, and `tracked` as 0 or 1."""
    numbers = table.select_dtypes(["number", "bool"]).drop(columns=["start", "end", "face_id"])
    return numbers.assign(tracked=table["state"] == "tracked").astype(np.float64)


def baseline_events(events: Sequence[Event]) -> list[Event]:
    """The baseline: the marked events or, if none is marked, those of the condition named baseline."""
    has_mark = any(event.baseline for event in events)
    return [e for e in events if e.baseline or (not has_mark and e.condition.lower() == "baseline")]


def read_events(path: str | Path, start: str = "") -> tuple[Event, ...]:
    """Read an events file.

    It is an ELAN file (.eaf), whose annotations are the conditions, or a text table in any form that
    `mien.core.text_tables` reads. The columns are start, end or duration, and
    condition, or one of their other names in `NAMES`, such as onset, duration and trial_type of BIDS.

    Args:
        path: The file.
        start: What the clock of the table shows at the start of the video: a date, a time of day or a number; "" for
            times that count from the start of the video.

    Returns:
        The events, in order.

    Raises:
        EventsError: The file is invalid.
    """
    path = Path(path)
    if path.suffix.lower() == ".eaf":
        return _elan_events(path, start)
    try:
        table = read_table(path, _header_score, needed=(), units=True)
        columns = _columns(table)
        if table.bad_rows:
            table.expect_complete()
        if not len(table):
            raise TableError(f"expected a header ({','.join(REQUIRED_COLUMNS)}) and a line for each condition, got "
                             "only a header", path)
        begins = event_times(table, columns["start"], start)
        if "end" in columns:
            ends = event_times(table, columns["end"], start)
        else:
            ends = begins + event_times(table, columns["duration"])
    except TableError as error:
        raise EventsError(str(error)) from error
    except EventsError:
        raise
    except ValueError as error:
        raise EventsError(f"--segments-start: {error}") from error
    return tuple(_event({role: cells[name] for role, name in columns.items()}, begin, end, f"{path}, line {line}")
                 for (line, cells), begin, end in zip(table.rows, begins.tolist(), ends.tolist(), strict=True))


def _elan_events(path: Path, start: str) -> tuple[Event, ...]:
    if start:
        raise EventsError("--segments-start: expected none with an ELAN file, whose times count from the start of the "
                          f"video, got {start}")
    try:
        annotations, video = read_eaf(path)
    except (MarkupError, OSError, KeyError, ValueError) as error:
        if isinstance(error, MarkupError):
            raise EventsError(str(error)) from error
        raise EventsError(f"{path}: expected a readable ELAN file, got {error!r}: save it again in ELAN") from error
    if not annotations:
        raise EventsError(f"{path}: expected annotations with times, got none")
    return tuple(_event({"condition": each.value, "video": video}, each.start, each.end, f"{path}, line {each.line}")
                 for each in sorted(annotations, key=lambda each: (each.start, each.end)))


def _header_score(cells: Sequence[str]) -> int:
    return len({_role(cell) for cell in cells} - {""})


def _role(column: str) -> str:
    """Which key of `NAMES` a column is, "" for another one: `Start (ms)` and `start_ms` -> start."""
    name = re.sub(r"\s*(?:[(\[]| - ).*", "", column).strip().lower().replace(" ", "_")
    plain = re.sub(r"_(m?s|sec(onds)?|time)$", "", name)
    return next((role for role, names in NAMES.items() if name in names or plain in names), "")


def _columns(table: TextTable) -> dict[str, str]:
    """The column of each role. Of two columns of a role, the one that has its name counts."""
    path, line = table.path, table.header_line
    columns: dict[str, str] = {}
    for role in NAMES:
        names = [name for name in table.columns if _role(name) == role]
        exact = [name for name in names if name.lower() == role]
        chosen = exact or names
        if len(chosen) > 1:
            raise EventsError(f"{path}, line {line}: expected each column once, got {role} twice; rename one")
        columns.update((role, name) for name in chosen)
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if "duration" in columns and missing == ["end"]:
        return columns
    if missing:
        raise EventsError(f"{path}, line {line}: expected the columns {', '.join(REQUIRED_COLUMNS)}, got "
                          f"{listed(table.columns)}; add {', '.join(missing)}")
    return columns


def _event(row: dict[str, str], start: float, end: float, where: str) -> Event:
    if end <= start:
        raise EventsError(f"{where}: expected an end after the start of {start:g} s, got {end:g} s; correct one")
    if not row["condition"]:
        raise EventsError(f"{where}: expected a condition's name, got an empty cell")
    mark = row.get("baseline", "").lower()
    if mark not in YES + NO:
        raise EventsError(f"{where}: expected yes or no in baseline, got {mark!r}")
    return Event(start, end, row["condition"], row.get("video", ""), mark in YES)
