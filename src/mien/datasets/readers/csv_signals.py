"""Read signals from a table with a time column, uneven and with gaps, and resample them to a constant rate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien import signals
from mien.core.observations import Signal
from mien.core.text_tables import TableError, TextTable, listed, read_table
from mien.datasets.index import DatasetProblem
from mien.datasets.readers import tables
from mien.datasets.readers.clock_columns import INDEX, best_clock, index_tells_time, is_clock, with_index
from mien.datasets.readers.clock_parts import join_time_columns
from mien.datasets.readers.clock_repair import without_strays
from mien.datasets.readers.clocks import Clock, read_clock
from mien.datasets.readers.device_exports import plain_table

GAP = 0.5
"""Longest interpolated gap in s, or two and a half steps of a slower channel: see `signals.resample`."""

LONG = 20
"""Ratio to the video's length above which signals are doubtful. Our choice: times in ms are 1000 times too long."""

ROW_NUMBER = re.compile(r"index|level_0|unnamed: \d+|row|row[ _]?number", re.IGNORECASE)
"""Names of a column that counts rows, as data frames of pandas and R write it."""


@dataclass(frozen=True, eq=False)
class _Recording:
    """Increasing `times` (T,) s; `values` (T, C), NaN for cells without a number; `doubts`: line and reason."""

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    doubts: tuple[tuple[int, str], ...]


def read_signal(path: Path, zero: float = 0.0) -> Signal:
    """Read the channels of a table and interpolate them linearly to its most common rate; long gaps are NaN.

    A unit in brackets after a name, such as eda [uS], or in a row of units, becomes the unit of the channel. Times that
    count from the device's 0 are those of the video; dates, times of day and times since 1970 begin with the video.

    Args:
        path: the file.
        zero: time in s of the file that becomes time 0.

    Raises:
        TableError: there is no time column, no other column, or no numbers.
    """
    recording = _read(path)
    rate = _rate(recording.times)
    channels = []
    for values in recording.values.T:
        known_times = recording.times[np.isfinite(values)]
        gap = GAP
        if len(known_times) > 1:
            gap = max(GAP, 2.5 * float(np.median(np.diff(known_times))))
        channels.append(signals.resample(recording.times, values, rate, gap).values)
    start = float(recording.times[0]) - zero
    return Signal(np.array(channels), rate, recording.names, recording.units, start)


def check_signal(path: Path, seconds: float | None, item: str) -> tuple[bool, list[DatasetProblem]]:
    """Whether a table of signals is usable with a video of `seconds` s, and its problems."""
    try:
        recording = _read(path)
    except TableError as error:
        return False, [tables.as_problem(error, path, item)]
    problems = [DatasetProblem("doubtful", item, reason, path, line) for line, reason in recording.doubts]
    first, last = float(recording.times[0]), float(recording.times[-1])
    if seconds is not None and (last <= 0 or first >= seconds or last - first > LONG * seconds):
        reason = f"its times are {first:g} to {last:g}, the video's 0 to {seconds:.1f} s: is time in s of the video?"
        problems.append(DatasetProblem("doubtful", item, reason, path))
    return True, problems


def _rate(times: np.ndarray) -> float:
    """The most common rate in Hz: gaps do not count, and times rounded to ms average out."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    return 1 / float(steps[np.abs(steps - usual) <= 0.5 * usual].mean())


def _read(path: Path) -> _Recording:
    """Raises TableError."""
    table = read_table(path, lambda cells: sum(map(is_clock, cells)) * (len(cells) > 1), needed=(), units=True,
                       rewrite=plain_table)
    joined = join_time_columns(table)
    others = [name for name in table.columns
              if not is_clock(name) and name not in joined.used and not _is_row_number(table, name)]
    table = joined.table
    candidates = [name for name in table.columns if is_clock(name) and name not in joined.used]
    if not candidates and index_tells_time(table):
        table, candidates = with_index(table), [INDEX]
    if not candidates or not others:
        raise TableError(f"expected a header with time (s) and signals, got {listed(table.columns)}", path,
                         table.header_line)
    if not len(table):
        table.expect_complete()
    doubts = [(table.header_line, note) for note in table.notes]
    doubts += [(line, f"left out: {reason}") for line, reason in table.bad_rows[:1]]
    clock = read_clock(table, best_clock(table, candidates))
    kept = _usable_rows(table, clock, doubts)
    times = clock.times[kept]
    if clock.guessed and not clock.absolute:
        doubts.append((table.header_line, f"{clock.name}: taken as {clock.words}"))
    if clock.absolute and len(kept):
        doubts.append((table.header_line, f"{clock.name}: {clock.words}: the first row is taken as the start of the "
                                          "video"))
        times = times - times[0]
    columns = []
    for name in others:
        numbers, wrong = table.number_format.numbers(table.cells[name])
        columns.append(numbers)
        if wrong:
            doubts.append((table.lines[wrong[0]], f"{name}: {len(wrong)} cells are no numbers, first "
                           f"{table.cells[name][wrong[0]]!r}: taken as missing"))
    values = np.stack(columns, axis=1)[kept]
    if len(kept) < 2 and table.bad_rows:
        table.expect_complete()
    if len(kept) < 2 or not np.isfinite(values).any():
        raise TableError(f"expected two times or more with numbers beside them, got {len(kept)} times", path)
    named = [(_named(name)[0], _named(name)[1] or table.units.get(name, "")) for name in others]
    names, units = zip(*named, strict=True)
    return _Recording(times, values, names, units, tuple(sorted(doubts)))


def _is_row_number(table: TextTable, name: str) -> bool:
    """Whether a column counts the rows, as the index of a data frame that was read and written again."""
    if ROW_NUMBER.fullmatch(name.strip()) is None:
        return False
    numbers, wrong = table.number_format.numbers(table.cells[name])
    return not wrong and bool((np.diff(numbers) == 1).all())


def _usable_rows(table: TextTable, clock: Clock, doubts: list[tuple[int, str]]) -> np.ndarray:
    """Indices of the rows whose times increase; `doubts` gets what is left out."""
    kept = signals.ordered(clock.times)
    kept = kept[signals.increasing(clock.times[kept])]
    back = np.setdiff1d(np.flatnonzero(np.isfinite(clock.times)), kept)
    inner = without_strays(clock.times, kept)
    stray = np.setdiff1d(kept, inner)
    unknown = np.flatnonzero(~np.isfinite(clock.times))
    cells = table.cells[clock.name]
    if len(stray):
        doubts.append((table.lines[stray[0]], f"{len(stray)} rows at the start or the end are left out: a hole parts "
                       f"their stamps, first {cells[stray[0]]!r}, from all others"))
    if len(back):
        doubts.append((table.lines[back[0]], f"time does not increase in {len(back)} lines: they are left out"))
    if len(unknown):
        doubts.append((table.lines[unknown[0]], f"{clock.name}: {len(unknown)} cells are no times, first "
                       f"{cells[unknown[0]]!r}: their rows are left out"))
    return inner


def _named(column: str) -> tuple[str, str]:
    """Split `eda [uS]` into eda and uS."""
    hit = re.fullmatch(r"(.*?)\s*[\[(](.*)[\])]", column)
    if hit is None or not hit[1]:
        return column, ""
    return hit[1], hit[2]
