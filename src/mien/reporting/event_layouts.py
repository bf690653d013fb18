"""Layouts of events files of other programs: tables without a header, and rows that start or stop an event.

The layouts are those that ELAN's manual (File > Export As > Tab-delimited Text) and the source of BORIS
(`export_observation.py`) describe. That of Audacity's label tracks is second-hand. We have not run these programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.core.text_tables import NumberFormat, TableError, TextTable, read_text
from mien.core.text_tables.layout import COMMENT, read_cells
from mien.datasets.readers import dates

SEPARATORS = "\t;,"

STARTS, STOPS, POINTS = ("start", "begin", "on"), ("stop", "end", "off"), ("point",)
"""Words that say that an event starts, ends, or has no length, in lower case."""

SAME = 0.002
"""Largest difference in s of two columns that hold the same length. Our choice: times are rounded to ms."""

_TIME = re.compile(r"-?(?:\d+:\d\d:\d\d[.,]\d{1,3}|\d+(?:[.,]\d+)?)")


def headerless_table(path: Path) -> TextTable | None:
    """Read a table without a header, whose columns are recognised by their values.

    ELAN writes tier, participant, begin, end, duration, each time in one to three formats, and the annotation last.
    Audacity writes start, end and label.

    Returns:
        The table with the columns start, end and condition; None for a table with a header.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: the file is no text, or its times are whole numbers whose unit is open.
    """
    lines = read_text(path).lines
    for separator in SEPARATORS:
        numbered = [(number, row) for number, row in read_cells(lines, separator)
                    if any(row) and not row[0].startswith("#") and not COMMENT.match(lines[number - 1])]
        if not numbered or len({len(row) for _, row in numbered}) > 1 or len(numbered[0][1]) < 3:
            continue
        columns = list(zip(*(row for _, row in numbered), strict=True))
        timed = [column for column in columns if all(_TIME.fullmatch(cell) for cell in column)]
        worded = [column for column in columns if column not in timed and any(column)]
        if len(timed) < 2 or not worded:
            continue
        begin, end = _span_columns(timed)
        if begin is None or end is None:
            continue
        if all(cell.isdigit() for cell in (*begin, *end)):
            raise TableError(f"expected a header or seconds such as 12.5, got {begin[0]} and {end[0]}, in s or ms: "
                             "write a header above, such as start (ms),end (ms),condition", path, numbered[0][0])
        cells = {"start": begin, "end": end, "text": worded[-1]}
        return TextTable(path, tuple(cells), cells, [number for number, _ in numbered],
                         notes=("no header: taken as start, end and condition by the values",),
                         header_line=numbered[0][0])
    return None


def _span_columns(timed: Sequence[Sequence[str]]) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """The columns of begin and end among those with times, in the format that shows its unit."""
    for per_time in (1, 2, 3):
        if len(timed) not in (2 * per_time, 3 * per_time):
            continue
        spans = [(timed[i], timed[i + per_time], timed[i + 2 * per_time : i + 2 * per_time + 1])
                 for i in range(per_time)]
        fitting = [(begin, end) for begin, end, length in spans if _is_span(begin, end, length)]
        if len(fitting) == per_time:
            return max(fitting, key=lambda span: any(mark in cell for cell in span[0] for mark in ":.,"))
    return None, None


def _is_span(begin: Sequence[str], end: Sequence[str], length: Sequence[Sequence[str]]) -> bool:
    starts, ends = _seconds(begin), _seconds(end)
    if not (ends >= starts).all():
        return False
    return not length or bool((np.abs(ends - starts - _seconds(length[0])) <= SAME).all())


def _seconds(cells: Sequence[str]) -> np.ndarray:
    numbers = NumberFormat(comma=any("," in cell for cell in cells))
    values = [dates.duration(cell) if ":" in cell else numbers.number(cell) for cell in cells]
    return np.array(values, dtype=np.float64)


def paired_rows(table: TextTable, changes: Sequence[str], keys: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Pair the rows that start an event with those that end it, as in BORIS' tabular events.

    Args:
        table: the table, in the order of time.
        changes: (N,) the words of the rows, one of `STARTS`, `STOPS` or `POINTS`.
        keys: columns that both rows of a pair have in common, such as video and condition.

    Returns:
        The indices of the two rows of each event; points are left out.

    Raises:
        TableError: an event starts twice, ends without a start, or does not end.
    """
    open_rows: dict[tuple[str, ...], int] = {}
    pairs = []
    for i, (change, *key) in enumerate(zip(changes, *keys, strict=True)):
        word = change.lower()
        if word in POINTS:
            continue
        if word in STARTS and tuple(key) not in open_rows:
            open_rows[tuple(key)] = i
        elif word in STOPS and tuple(key) in open_rows:
            pairs.append((open_rows.pop(tuple(key)), i))
        else:
            raise TableError(f"expected start and stop of {' '.join(key)} by turns, or point, got {change!r}: correct "
                             "the events", table.path, table.lines[i])
    for last, i in open_rows.items():
        raise TableError(f"expected a stop of {' '.join(last)}, got none: correct the events", table.path,
                         table.lines[i])
    return pairs


def are_changes(cells: Sequence[str]) -> bool:
    """Whether the cells of a column say that events start and stop, or that they are points."""
    words = {cell.lower() for cell in cells}
    return bool(words & {*STARTS, *POINTS}) and words <= {*STARTS, *STOPS, *POINTS, "state"}


def row_pairs(table: TextTable, pairs: Sequence[tuple[int, int]], time: str) -> TextTable:
    """A table with a row for each pair: the cells of the first row, `start` and `end` from the column of times."""
    def picked(cells: Sequence[str], place: int) -> list[str]:
        return [cells[pair[place]] for pair in pairs]

    cells: Mapping[str, Sequence[str]] = {
        **{name: picked(column, 0) for name, column in table.cells.items() if name != time},
        "start": picked(table.cells[time], 0), "end": picked(table.cells[time], 1)}
    return TextTable(table.path, tuple(cells), cells, [table.lines[first] for first, _ in pairs], (), table.units,
                     table.notes, table.header_line)
