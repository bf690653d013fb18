"""Means over the conditions of an experiment, and their change from a baseline.

An events file has the columns start, end (s) and condition, and may have video and baseline (docs/columns.md).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from mien.timeline import Timeline, shares

NEEDED = ("start", "end", "condition")
YES, NO = ("1", "yes", "y", "true", "x"), ("", "0", "no", "n", "false")
KEYS = ("video", "face_id", "condition", "baseline", "seconds")


class EventsError(ValueError):
    """An events file that cannot be read; the message names file and line."""


@dataclass(frozen=True)
class Event:
    """`condition` holds from `start` to `end` s of `video`, of every video where that is empty."""

    start: float
    end: float
    condition: str
    video: str = ""
    baseline: bool = False

    def concerns(self, video: str) -> bool:
        """Whether this is about the video of that name: with or without folders or suffix, in any case."""
        own, other = PurePath(self.video.lower().replace("\\", "/")), PurePath(video.lower().replace("\\", "/"))
        if not self.video:
            return True
        if not own.suffix:
            other = other.with_suffix("")
        return own.parts == other.parts[-len(own.parts):] or other.parts == own.parts[-len(other.parts):]


def means(timelines: Timeline | Iterable[Timeline], events: str | Path | Sequence[Event]) -> pd.DataFrame:
    """Timelines and an events file -> a row for each video, person and condition (docs/columns.md, segments.csv).

    A mean weights each row by how much of its time lies in the condition. A person has a row for every condition of
    their video, with `seconds` 0 and NaN where they were not there. Raises EventsError for a bad file.
    """
    if not isinstance(events, Sequence) or isinstance(events, str):
        events = read(events)
    several = [timelines] if isinstance(timelines, Timeline) else list(timelines)
    tables = [of_table(timeline.to_pandas(), timeline.source.name, events) for timeline in several]
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(KEYS))


def of_table(table: pd.DataFrame, video: str, events: Sequence[Event]) -> pd.DataFrame:
    """The same for one timeline's table, as read back from timeline.parquet or timeline.csv."""
    mine = [event for event in events if event.concerns(video)]
    conditions = {event.condition: [e for e in mine if e.condition == event.condition] for event in mine}
    named = any(event.baseline for event in mine)
    base = [e for e in mine if e.baseline or (not named and e.condition.lower() == "baseline")]
    numbers = table.select_dtypes(["number", "bool"]).drop(columns=["start", "end", "face_id"])
    numbers = numbers.assign(tracked=table["state"] == "tracked").astype(np.float64)
    names = [*map(str, numbers), *(f"{name}_change" for name in numbers)]
    rows = []
    for face, own in table.groupby("face_id", sort=True):
        own = own.sort_values(["start", "end"])
        begin, end = shares(own["start"].to_numpy(), own["end"].to_numpy())
        values = numbers.loc[own.index].to_numpy()
        zero, _ = _mean(begin, end, values, base)
        for condition, wanted in conditions.items():
            mean, seconds = _mean(begin, end, values, wanted)
            keys: dict[str, object] = {"video": video, "face_id": face, "condition": condition,
                                       "baseline": all(event in base for event in wanted), "seconds": seconds}
            rows.append({**keys, **dict(zip(names, [*mean, *(mean - zero)], strict=True))})
    return pd.DataFrame(rows, columns=[*KEYS, *names])


def _mean(begin: np.ndarray, end: np.ndarray, values: np.ndarray, events: Sequence[Event]) -> tuple[np.ndarray, float]:
    """Rows (N,), (N,) s with values (N, C) -> mean (C,) over the events' time, NaN without any, and seconds."""
    inside = np.zeros(len(begin))
    for start, stop in _union(events):
        inside += np.clip(np.minimum(end, stop) - np.maximum(begin, start), 0, None)
    weight = np.where(np.isfinite(values), inside[:, None], 0.0)
    total = weight.sum(axis=0)
    summed = (weight * np.nan_to_num(values)).sum(axis=0)
    return np.divide(summed, total, out=np.full(values.shape[1], np.nan), where=total > 0), float(inside.sum())


def _union(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Stretches of one condition that overlap count once."""
    merged: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda event: event.start):
        if merged and event.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], event.end))
        else:
            merged.append((event.start, event.end))
    return merged


def read(path: str | Path) -> tuple[Event, ...]:
    """Read an events file: UTF-8 with or without a byte order mark, any line ends, separated by commas, semicolons
    (then with decimal points or commas) or tabs. Raises EventsError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise EventsError(f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#04x} at {error.start}; "
                          "save it as CSV UTF-8") from error
    if "\0" in text:
        raise EventsError(f"{path}: expected text, got a zero byte; save it as CSV UTF-8")
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    events: list[Event] = []
    columns: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header([cell.strip().lower() for cell in cells], path, reader.line_num)
            else:
                events.append(_event(columns, cells, separator, f"{path}, line {reader.line_num}"))
    except csv.Error as error:
        raise EventsError(f"{path}, line {reader.line_num}: expected CSV, got {error}") from error
    if not events:
        raise EventsError(f"{path}: expected a header ({','.join(NEEDED)}) and a line for each condition, got "
                          f"{'only a header' if columns else 'an empty file'}")
    return tuple(events)


def _header(names: list[str], path: Path, line: int) -> list[str]:
    missing = [name for name in NEEDED if name not in names]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if missing:
        raise EventsError(f"{path}, line {line}: expected the columns {', '.join(NEEDED)}, got {', '.join(names)}; "
                          f"add {', '.join(missing)}")
    if twice:
        raise EventsError(f"{path}, line {line}: expected each column once, got {', '.join(twice)} twice; rename one")
    return names


def _event(columns: list[str], cells: list[str], separator: str, where: str) -> Event:
    cells = [cell.strip() for cell in cells]
    if len(cells) > len(columns) and any(cells[len(columns):]):
        raise EventsError(f"{where}: expected {len(columns)} cells ({', '.join(columns)}), got {len(cells)}; "
                          "put a cell that contains the separator in quotes")
    row = dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
    start, end = (_seconds(row[name], name, separator, where) for name in ("start", "end"))
    if end <= start:
        raise EventsError(f"{where}: expected an end after the start of {start:g} s, got {end:g} s; correct one")
    if not row["condition"]:
        raise EventsError(f"{where}: expected a condition's name, got an empty cell")
    mark = row.get("baseline", "").lower()
    if mark not in YES + NO:
        raise EventsError(f"{where}: expected yes or no in baseline, got {mark!r}")
    return Event(start, end, row["condition"], row.get("video", ""), mark in YES)


def _seconds(cell: str, name: str, separator: str, where: str) -> float:
    try:
        value = float(cell.replace(",", ".") if separator != "," else cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise EventsError(f"{where}: expected {name} in seconds, such as 12.5, got {cell!r}")
    return value
