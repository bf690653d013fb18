"""Means over the conditions of an experiment, and their change from a baseline.

An events file has the columns start, end and condition, and optionally video and baseline (docs/columns.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from mien.core.text_tables import TableError, TextTable, is_missing, read_table
from mien.datasets.readers.elan import read_eaf
from mien.datasets.readers.event_times import event_times
from mien.datasets.readers.xml import MarkupError
from mien.reporting.condition_statistics import ConditionStatistics, condition_statistics, merged, overlap
from mien.reporting.event_columns import REQUIRED_COLUMNS, event_columns, header_score, role_of
from mien.reporting.event_layouts import headerless_table, paired_rows, row_pairs
from mien.reporting.timeline import Timeline
from mien.reporting.timeline.segments import time_shares

OPTIONAL_TEXT = ("text", "annotation")
"""Columns of labels in which programs for annotation leave the cells of pauses empty."""

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


def read_events(path: str | Path, start: str = "", notes: list[str] | None = None) -> tuple[Event, ...]:
    """Read an events file.

    It is an ELAN file (.eaf), whose annotations are the conditions, or a text table in any form that
    `mien.core.text_tables` reads. The columns are start, end or duration, and condition, or one of their other names in
    `event_columns.NAMES`, such as onset, duration and trial_type of BIDS. A table without a header is read if its
    values show which column is which (`event_layouts.headerless_table`). Rows that say start and stop are paired.

    Args:
        path: The file.
        start: What the clock of the table shows at the start of the video: a date, a time of day or a number; "" for
            times that count from the start of the video.
        notes: Gets a phrase for what was concluded and for what was left out: events without a length, which BIDS and
            BORIS write for key presses, and pauses without a label.

    Returns:
        The events, in order.

    Raises:
        EventsError: The file is invalid.
    """
    path = Path(path)
    notes = [] if notes is None else notes
    if path.suffix.lower() == ".eaf":
        return _elan_events(path, start)
    try:
        table = headerless_table(path) or read_table(path, header_score, needed=(), units=True)
        notes += table.notes
        if table.bad_rows:
            table.expect_complete()
        table, columns = _spans(table, event_columns(table))
        if not len(table):
            raise TableError(f"expected a header ({','.join(REQUIRED_COLUMNS)}) and a line for each condition, got "
                             "only a header", path)
        kept = _events_with_length(table, columns, notes)
        begins = event_times(table.picked(kept), columns["start"], start)
        if "end" in columns:
            ends = event_times(table.picked(kept), columns["end"], start)
        else:
            ends = begins + event_times(table.picked(kept), columns["duration"])
    except TableError as error:
        raise EventsError(str(error)) from error
    except EventsError:
        raise
    except ValueError as error:
        raise EventsError(f"--segments-start: {error}") from error
    rows = table.picked(kept).rows
    return tuple(_event({role: cells[name] for role, name in columns.items()}, begin, end, f"{path}, line {line}")
                 for (line, cells), begin, end in zip(rows, begins.tolist(), ends.tolist(), strict=True))


def _spans(table: TextTable, columns: dict[str, str]) -> tuple[TextTable, dict[str, str]]:
    """The table with a start and an end in each row: rows that start and stop an event are paired."""
    if "start" in columns or not {"moment", "change", "condition"} <= set(columns):
        return table, columns
    shared = [table.cells[columns[role]] for role in ("condition", "video", "subject") if role in columns]
    pairs = paired_rows(table, table.cells[columns["change"]], shared)
    others = {role: name for role, name in columns.items() if role not in ("moment", "change")}
    return row_pairs(table, pairs, columns["moment"]), {**others, "start": "start", "end": "end"}


def _events_with_length(table: TextTable, columns: Mapping[str, str], notes: list[str]) -> list[int]:
    """The rows that are events: not the points of BIDS and BORIS, and not pauses without a label."""
    labels = table.cells[columns["condition"]]
    pauses = {i for i, label in enumerate(labels)
              if (columns["condition"].lower() in OPTIONAL_TEXT and not label)
              or (role_of(columns["condition"])[1] == "trial type" and label.lower() == "n/a")}
    points: set[int] = set()
    if "end" not in columns:
        points = {i for i, cell in enumerate(table.cells[columns["duration"]])
                  if cell.lower() == "n/a" or table.number(cell) == 0}
    elif "change" in columns:
        points = {i for i, cell in enumerate(table.cells[columns["change"]]) if cell.lower() == "point"}
    if pauses:
        notes.append(f"{len(pauses)} rows without a label are left out, first line {table.lines[min(pauses)]}")
    if points - pauses:
        notes.append(f"{len(points - pauses)} events without a length are left out, first line "
                     f"{table.lines[min(points - pauses)]}")
    kept = [i for i in range(len(table)) if i not in pauses | points]
    if not kept:
        raise TableError("expected an event with a length and a label, got none", table.path, table.header_line)
    return kept


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


def _event(row: dict[str, str], start: float, end: float, where: str) -> Event:
    if end <= start:
        raise EventsError(f"{where}: expected an end after the start of {start:g} s, got {end:g} s; correct one")
    if not row["condition"]:
        raise EventsError(f"{where}: expected a condition's name, got an empty cell")
    mark = row.get("baseline", "").lower()
    if mark not in YES + NO:
        raise EventsError(f"{where}: expected yes or no in baseline, got {mark!r}")
    video = row.get("video", "")
    return Event(start, end, row["condition"], "" if is_missing(video) else video, mark in YES)
