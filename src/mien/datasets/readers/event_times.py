"""Parse the start and the end of events: seconds, other units, min:s, h:min:s, or what a clock showed."""

from __future__ import annotations

import re

import numpy as np

from mien.core.text_tables import TableError, TextTable, is_missing
from mien.datasets.readers import dates
from mien.datasets.readers.clock_columns import PROBED, UNITS, unit_of_name, words_in_order
from mien.datasets.readers.clocks import Clock, era_unit, read_clock

LONGEST = 1e6
"""s from which on a time in a column with a unit is a date. Our choice: 11 days from the start of a video."""


def event_times(table: TextTable, name: str, start: str = "") -> np.ndarray:
    """Times of events in a column, (N,) s of the video.

    Without `start` they count from the start of the video: numbers in s or in the unit that the column's name or the
    row of units says, or durations such as 1:05 (min:s), 0:01:05.5 and 2 min 5 s.

    Args:
        table: the table.
        name: the column.
        start: what the clock of the table shows at the start of the video: a date, a time of day such as 14:00:00, or a
            number.

    Raises:
        TableError: a cell is no time; it names the file and the line.
        ValueError: `start` does not fit the column.
    """
    cells = table.cells[name]
    known = [cell for cell in cells if not is_missing(cell)][:PROBED]
    numeric = 2 * sum(table.number(cell) is not None for cell in known) >= max(1, len(known))
    if start and not numeric:
        clock = read_clock(table, name)
        return _all_known(table, name, clock.times, "a time by the clock of --segments-start") - clock.reading(start)
    unit = (_unit_of_event(name) or table.units.get(name, "")).lower()
    step = UNITS.get(unit, 1.0)
    times = np.array([_seconds(table, cell, step) for cell in cells])
    era = era_unit(times[0] / step) if len(times) else None
    if unit in UNITS and era != step and times[0] < LONGEST:
        era = None
    if not start:
        if era is not None:
            raise TableError(f"expected {name} in s from the start of the video, got {cells[0]!r}, a date: say with "
                             "--segments-start what that clock shows at the start of the video", table.path,
                             table.lines[0])
        return _all_known(table, name, times, "seconds such as 12.5, or min:s such as 1:05.5")
    clock = Clock(name, times, "elapsed", unit or "s", step)
    if era is not None:
        clock = Clock(name, times / step * era, "since 1970", "since 1970", era)
    return _all_known(table, name, clock.times, "a number") - clock.reading(start)


def _unit_of_event(name: str) -> str | None:
    """The unit in a name such as `Begin Time - ss.msec`, `start (ms)` or `onset_min`; None without one."""
    if re.search(r"\bss?\.m", name):
        return "s"
    last = words_in_order(name)[-1:]
    if last and last[0] in UNITS:
        return last[0]
    return unit_of_name(name)


def _seconds(table: TextTable, cell: str, step: float) -> float:
    number = table.number(cell)
    if number is not None:
        return number * step
    seconds = dates.duration(cell)
    return np.nan if seconds is None else seconds


def _all_known(table: TextTable, name: str, times: np.ndarray, expected: str) -> np.ndarray:
    unknown = np.flatnonzero(~np.isfinite(times))
    if not len(unknown):
        return times
    cell = table.cells[name][unknown[0]]
    remedy = ""
    if re.fullmatch(r"\d+:\d+:\d+[:;]\d\d", cell):
        remedy = ", a time code with frames: write seconds"
    elif cell and dates.find_format([cell]) is not None and dates.duration(cell) is None:
        remedy = ": say with --segments-start what that clock shows at the start of the video"
    raise TableError(f"expected {name} in {expected}, got {cell!r}{remedy}", table.path, table.lines[unknown[0]])
