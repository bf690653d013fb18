"""Physiology in plain CSV: a column a channel, and time in a column, or a rate -> one `Signal`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mien import signals
from mien.types import Signal

from .text import Columns, columns, header

KINDS = {"ecg": "ecg", "ekg": "ecg", "ppg": "ppg", "bvp": "ppg", "pleth": "ppg", "plethysmograph": "ppg", "eda": "eda",
         "gsr": "eda", "scl": "eda", "resp": "respiration", "rsp": "respiration", "respiration": "respiration",
         "temp": "temperature", "temperature": "temperature", "skt": "temperature"}
"""First word of a column's name, in small letters -> kind of channel."""

CLOCKS = ("time", "timestamp", "t", "seconds", "sec", "datetime")
"""First words of a column of time."""

STEPS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Unit of time -> s."""

GAP = 0.5
"""s from one row to the next that is a hole, in a table that is faster than that."""

SLOWEST = 1.0
"""Hz: a recording with no more samples a second is taken for one whose unit of time is wrong. Our choice: no device
that writes ECG, PPG, EDA or respiration is as slow."""

AGAIN = 0.01
"""Share of rows with the time of the row before from which it is told. Our choice: devices that send in packets, and
times that are rounded too far, repeat a third of them and more."""

EVEN = 0.02
"""Share of a step by which times may stray from a regular grid that needs no resampling. Our choice: rounding of times
that are written with three digits or more."""


def physiology(path: str | Path, channels: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None,
               time: str | None = None, time_unit: str | None = None, rate: float | None = None,
               zero: float | str | None = None, told: list[str] | None = None) -> Signal:
    """A CSV with a header -> the `Signal` of its channels, on a regular grid.

    `channels`: our name -> the file's column; without it, columns whose first word is in `KINDS`, so that `PPG Ear`
    becomes `ppg_ear`. `units`: our name -> unit; without it, what stands in brackets after the column's name.
    `time`: its column; without it, one whose first word is in `CLOCKS`; without one, `rate` Hz says it all.
    `time_unit`: s, ms, us, ns or iso; without it, what the column's name or a date in it says, else s. With a column
    of time, `rate` is that of the result; without it, the mean rate. `zero`: the time in the file, as a number in its
    unit or a date, that shall be time 0; without it, 0, or the first row of dates. A date for a column of numbers: they
    count UTC since 1970.

    `told`: takes a phrase for each channel with cells that are no numbers, which are then missing, and for rows that
    have the time of the row before, of which only the first of each time counts.

    Gaps of up to half a second are bridged by straight lines; longer ones are NaN with a quality of 0.

    Raises:
        ValueError: no channel or no time is found, a cell is no number (without `told`), time goes back, or its unit
            cannot be right.
    """
    path = Path(path)
    known = header(path)
    wanted = dict(channels) if channels is not None else _known_channels(known)
    if not wanted:
        raise ValueError(f"{path}, line 1: expected columns such as {', '.join(sorted(set(KINDS.values())))}, got "
                         f"{', '.join(known)}: rename a column in the file, or in Python name them with channels=")
    clock = time or next((name for name in known if _first(name) in CLOCKS and name not in wanted.values()), None)
    if clock is None and rate is None:
        raise ValueError(f"{path}, line 1: expected a column of time, got {', '.join(known)}: name it with time= or "
                         "give rate=")
    table = columns(path, [*wanted.values(), *([clock] if clock else [])])
    values = np.stack([table.numbers(column, told) for column in wanted.values()], axis=1)
    named = tuple((units or {}).get(name, _bracket(column)) for name, column in wanted.items())
    if clock is None:
        pace, start = float(rate or 0), -float(zero or 0)
    else:
        times = _times(table, clock, time_unit, zero)
        again = float((np.diff(times) == 0).mean()) if len(times) > 1 else 0.0
        if told is not None and again > AGAIN:
            told.append(f"{clock}: {again:.0%} of the rows have the time of the row before and are not used: give each "
                        "row its own, or leave the column out and say how many rows a second has")
        values, pace, start = _regular(table, values, times, rate)
    quality = np.isfinite(values).all(axis=1)
    return Signal(values.T, pace, tuple(wanted), named, start, None if quality.all() else quality)


def timed(path: str | Path) -> bool:
    """Whether a table has a column of time."""
    return any(_first(name) in CLOCKS for name in header(Path(path)))


def _known_channels(known: Sequence[str]) -> dict[str, str]:
    """`EDA` -> eda, `PPG Finger (a.u.)` -> ppg_finger."""
    out = {}
    for column in known:
        kind = KINDS.get(_first(column))
        if kind is not None:
            rest = re.findall(r"[a-z0-9]+", re.sub(r"[(\[].*", "", column).lower())[1:]
            out["_".join([kind, *rest])] = column
    return out


def _first(name: str) -> str:
    return (re.findall(r"[a-z]+", name.lower()) or [""])[0]


def _bracket(name: str) -> str:
    """`EDA (uS)` -> uS."""
    found = re.search(r"[(\[]([^)\]]*)[)\]]", name)
    return found[1].strip() if found else ""


def _times(table: Columns, clock: str, unit: str | None, zero: float | str | None) -> np.ndarray:
    """(N,) s; the file and line of a time that is missing or goes back are named."""
    words = re.findall(r"[a-z]+", clock.lower())
    unit = unit or next((word for word in reversed(words) if word in STEPS and len(words) > 1), None)
    first = table.cells[clock][0].strip()
    if unit == "iso" or (unit is None and re.match(r"\d{4}-\d\d-\d\d", first)):
        times = np.array([_date(table, i, cell) for i, cell in enumerate(table.cells[clock])])
        origin = times[0] if zero is None else _date(table, 0, zero) if isinstance(zero, str) else float(zero)
        times = times - origin
    elif unit is None or unit in STEPS:
        step = STEPS[unit or "s"]
        begin = _date(table, 0, zero) / step if isinstance(zero, str) else float(zero or 0)
        times = (table.numbers(clock) - begin) * step
    else:
        raise ValueError(f"time_unit: expected {', '.join(STEPS)} or iso, got {unit!r}")
    bad = np.flatnonzero(~np.isfinite(times) | (np.diff(times, prepend=times[0]) < 0))
    if len(bad):
        i = int(bad[0])
        raise ValueError(f"{table.path}, line {table.lines[i]}: expected a time that does not go back, got "
                         f"{table.cells[clock][i]!r} after {table.cells[clock][max(i - 1, 0)]!r}")
    return times


def _date(table: Columns, row: int, text: str) -> float:
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{table.path}, line {table.lines[row]}: expected a date such as 2026-01-31T12:00:00.250, "
                         f"got {text!r}") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _regular(table: Columns, values: np.ndarray, times: np.ndarray, rate: float | None
             ) -> tuple[np.ndarray, float, float]:
    """Values (N, C) at times (N,) -> values on a grid, its rate and its start."""
    if len(times) < 2 or times[-1] <= times[0]:
        raise ValueError(f"{table.path}: expected two samples or more at different times, got {len(times)} rows")
    steps = np.diff(times)
    steady = steps[steps <= max(GAP, 3 * float(np.median(steps)))]  # rows that are missing do not slow the clock
    mean = len(steady) / float(steady.sum()) if steady.sum() > 0 else 0.0
    if mean <= SLOWEST:
        raise ValueError(f"{table.path}: expected more than {SLOWEST:g} sample a second, got {mean:.3g}: "
                         "are the times in ms? Say so with --physio-time-unit, in Python time_unit=")
    if rate is None or abs(rate - mean) < 1e-6 * rate:
        grid = times[0] + np.arange(len(times)) / mean
        if np.abs(times - grid).max() <= EVEN / mean:
            return values, rate or mean, float(times[0])
    parts = [signals.resample(times, column, rate or mean) for column in values.T]
    return np.stack([part.values for part in parts], axis=1), rate or mean, float(times[0])
