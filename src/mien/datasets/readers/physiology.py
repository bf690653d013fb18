"""Read physiology from text tables, with one column per channel and a time column or a rate."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.core.text_tables import TableError, listed, read_table
from mien.datasets.readers.clock_columns import INDEX, best_clock, index_tells_time, is_clock, with_index
from mien.datasets.readers.clock_parts import has_clock, join_time_columns
from mien.datasets.readers.clock_repair import AGAIN, join_parts, spread_packets
from mien.datasets.readers.clocks import LEAP, Clock, read_clock
from mien.datasets.readers.device_exports import plain_table
from mien.datasets.readers.physiology_grid import to_regular_grid
from mien.datasets.readers.physiology_rows import BACK, check_rows, ordered_rows

KINDS = {"ecg": "ecg", "ekg": "ecg", "ppg": "ppg", "bvp": "ppg", "pleth": "ppg", "plethysmograph": "ppg", "eda": "eda",
         "gsr": "eda", "scl": "eda", "resp": "respiration", "rsp": "respiration", "respiration": "respiration",
         "temp": "temperature", "temperature": "temperature", "skt": "temperature"}
"""A word in a column's name, in lower case -> kind of channel."""

OTHER = frozenset(("hr", "heart", "bpm", "ibi", "rr", "range", "resistance", "quality", "sqi", "status", "index",
                   "peaks", "event", "events", "marker", "timestamp", "time", "ts"))
"""Words that make the name one of a derived quantity instead, such as `PPG_to_HR`."""

@dataclass(frozen=True, eq=False)
class PhysiologyTable:
    """The channels of a table before they are put on a regular grid.

    Attributes:
        path: the file.
        values: (N, C), NaN for missing numbers.
        names: (C,) of the channels.
        units: (C,), "" where the file names none.
        clock: the time column with the times of these rows, or None.
        notes: what was assumed and left out, one phrase each.
        columns: all columns of the file.
        header_line: line of the header, from 1.
    """

    path: Path
    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    clock: Clock | None
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    header_line: int


def read_physiology(path: Path, channels: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
                    time: str | None = None, time_unit: str | None = None, strict: bool = False) -> PhysiologyTable:
    """Read the channels and the time column of a table.

    Args:
        path: the file.
        channels: our name -> the file's column; None: all columns with a word in `KINDS` (`PPG Ear`: `ppg_ear`).
        units: our name -> unit; None: the text in brackets after the column's name, or the row of units.
        time: the time column; None: the column whose name has a word in `clock_columns.WORDS`, if there is one.
        time_unit: unit of the times, see `clocks.read_clock`.
        strict: whether to refuse cells that are no numbers and rows whose time goes back.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no channel, or the times cannot be used; names the file and mostly the line.
    """
    columns = None if channels is None else {*channels.values()}
    table = read_table(path, _header_score(columns, time), needed=lambda names: _needed(names, channels, time),
                       units=True, rewrite=plain_table)
    known = table.columns
    chosen = dict(channels) if channels is not None else known_channels(known)
    missing = [name for name in (*chosen.values(), *filter(None, [time])) if name not in known]
    if missing:
        raise TableError(f"expected the columns {', '.join(missing)}, got {listed(known)}", path, table.header_line)
    if not chosen:
        raise TableError(f"expected columns such as {', '.join(sorted(set(KINDS.values())))}, got {listed(known)}: "
                         "rename "
                         "a column in the file, or in Python name them with channels=", path, table.header_line)
    notes = [*table.notes]
    check_rows(table, strict, notes)
    values = np.stack([table.numbers(column, None if strict else notes) for column in chosen.values()], axis=1)
    named = tuple((units or {}).get(name) or unit_in_brackets(column) or table.units.get(column, "")
                  for name, column in chosen.items())
    joined = join_time_columns(table)
    table = joined.table
    candidates = [name for name in table.columns
                  if is_clock(name) and name not in chosen.values() and name not in joined.used]
    column = joined.by_first.get(time or "", time)
    if not column and candidates:
        column = best_clock(table, candidates)
    if column is None and index_tells_time(table):
        table = with_index(table)
        column = INDEX
    if column is None:
        return PhysiologyTable(path, values, tuple(chosen), named, None, tuple(notes), known, table.header_line)
    clock = read_clock(table, column, time_unit)
    if not strict:
        times, packets = spread_packets(clock, table.cells[column])
        times, leaps = join_parts(clock, times, BACK)
        notes += [phrase for phrase in (packets, leaps) if phrase]
        clock = replace(clock, times=times)
    kept = ordered_rows(table, clock, strict, notes)
    clock = replace(clock, times=clock.times[kept])
    return PhysiologyTable(path, values[kept], tuple(chosen), named, clock, tuple(notes), known, table.header_line)


def physiology(path: str | Path, channels: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
               time: str | None = None, time_unit: str | None = None, rate: float | None = None,
               zero: float | str | None = None, notes: list[str] | None = None,
               to_video: Callable[[Clock], tuple[float, float]] | None = None) -> Signal:
    """Read the channels of a table with a header as a `Signal` on a regular grid.

    Gaps of up to half a second are interpolated; longer ones are NaN with a quality of 0.

    Args:
        path: the file.
        channels: our name -> the file's column, see `read_physiology`.
        units: our name -> unit, see `read_physiology`.
        time: the time column, see `read_physiology`. Without one `rate` is needed.
        time_unit: s, ms, us, ns or iso; None: from the column's name, the row of units or the size of the numbers.
        rate: Hz of the table without a time column; otherwise that of the result, None for the mean rate.
        zero: the file's time of time 0, a number in its unit, a time of day or a date; None: 0 for numbers that do not
            count from 1970, otherwise the first row.
        notes: gets a phrase for what was assumed and left out: cells that are no numbers, rows whose time goes back,
            rows with the time of the previous row, of which only the first of each time is used. Without it such cells
            and rows raise an error.
        to_video: the slope and the offset in s that turn the times of the clock into those of the result, instead of
            `zero`.

    Raises:
        ValueError: there is no channel or no time, a cell is no number (without `notes`), time goes back, or its unit
            is impossible.
    """
    path = Path(path)
    table = read_physiology(path, channels, units, time, time_unit, strict=notes is None)
    if notes is not None:
        notes += table.notes
    if table.clock is None:
        if rate is None:
            raise TableError(f"expected a column of time, got {listed(table.columns)}: name it with --physio-time or "
                             "give "
                             "--physio-rate, in Python time= or rate=", path, table.header_line)
        values, pace, start = table.values, rate, -_number(zero)
    else:
        slope, offset = (1.0, -_origin(table.clock, zero)) if to_video is None else to_video(table.clock)
        times = table.clock.times * slope + offset
        values, times = _longest_part(table, times, notes)
        _note_repeats(table.clock, times, notes)
        values, pace, start = to_regular_grid(table.path, values, times, rate)
    quality = np.isfinite(values).all(axis=1)
    return Signal(values.T, pace, table.names, table.units, start, quality=None if quality.all() else quality)


def _number(zero: float | str | None) -> float:
    if isinstance(zero, str):
        raise ValueError(f"zero: expected a number for a table without a time column, got {zero!r}")
    return float(zero or 0.0)


def _origin(clock: Clock, zero: float | str | None) -> float:
    """The clock's time of time 0 in s."""
    if zero is None:
        return clock.origin
    return clock.reading(zero if isinstance(zero, str) else repr(float(zero)))


def has_time_column(path: str | Path) -> bool:
    """Whether a table has a time column."""
    table = read_table(Path(path), _header_score(None, None), only=(), needed=(), rewrite=plain_table)
    return has_clock(table.columns) or index_tells_time(table)


def known_channels(known: Sequence[str]) -> dict[str, str]:
    """`EDA` -> eda, `PPG Finger (a.u.)` -> ppg_finger, `Shimmer_1_GSR_CAL` -> eda_cal."""
    out: dict[str, str] = {}
    for column in known:
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[(\[].*", "", column)).lower()  # EcgWaveform
        words = re.findall(r"[a-z0-9]+", re.sub(rf"\b({'|'.join(KINDS)})(?=\d)", r"\1 ", plain))  # `PPG100C`
        at = next((i for i, word in enumerate(words) if word in KINDS), None)
        if at is None or set(words) & OTHER:
            continue
        name = "_".join([KINDS[words[at]], *words[at + 1 :]])
        again = sum(other == name or other.startswith(f"{name}_again") for other in out)
        out[f"{name}_again{again}" if again else name] = column
    return out


def _header_score(columns: set[str] | None, time: str | None) -> Callable[[Sequence[str]], int]:
    def score(cells: Sequence[str]) -> int:
        known = {*cells} & columns if columns is not None else {*known_channels(cells).values()}
        return 2 * len(known) + sum(is_clock(cell) or cell == time for cell in cells)

    return score


def _needed(names: Sequence[str], channels: Mapping[str, str] | None, time: str | None) -> set[str]:
    """The columns that a row must hold."""
    chosen = known_channels(names) if channels is None else channels
    clocks = filter(is_clock, names) if time is None else [time]
    return {*chosen.values(), *clocks}


def _longest_part(table: PhysiologyTable, times: np.ndarray, notes: list[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """The values and times of the part with most rows between two leaps of the clock."""
    leaps = np.flatnonzero(np.diff(times) > LEAP) + 1
    if not len(leaps):
        return table.values, times
    edges = [0, *leaps, len(times)]
    longest = int(np.argmax(np.diff(edges)))
    part = slice(edges[longest], edges[longest + 1])
    if notes is not None:
        notes.append(f"{len(leaps)} leaps of the clock by more than {LEAP / 3600:g} h: only its longest part is used, "
                     f"{part.stop - part.start} of {len(times)} rows")
    return table.values[part], times[part]


def _note_repeats(clock: Clock, times: np.ndarray, notes: list[str] | None) -> None:
    again = 0.0
    if len(times) > 1:
        again = float((np.diff(times) == 0).mean())
    if notes is not None and again > AGAIN:
        notes.append(f"{clock.name}: {again:.0%} of the rows have the time of the row before and are not used: give "
                     "each row its own, or leave the column out and say how many rows a second has")


def unit_in_brackets(name: str) -> str:
    """`EDA (uS)` -> uS."""
    match = re.search(r"[(\[]([^)\]]*)[)\]]", name)
    if match is None:
        return ""
    return match[1].strip()
