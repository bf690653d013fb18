"""Parse the time column of a table: dates, times of day, and s, ms, us or ns since 1970 or since the device started.

The parser says what it took, in `Clock.words`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timezone
from typing import Literal

import numpy as np

from mien.core.text_tables import TableError, TextTable, is_missing
from mien.datasets.readers import dates
from mien.datasets.readers.clock_columns import PROBED, UNITS, unit_of_name, with_date
from mien.datasets.readers.clock_counters import clock_digits, unwrapped

DAY = dates.DAY
TICK = 1e-7
"""s of the unit in which .NET and Windows count."""

ORIGINS = (
    ("days of a spreadsheet", DAY, 25569 * DAY),
    ("days of MATLAB", DAY, 719529 * DAY),
    ("100 ns since 0001, as in .NET", TICK, 62135596800.0),
    ("100 ns since 1601, as in Windows", TICK, 11644473600.0),
)
"""Words, s of one unit, and s from the origin to 1970-01-01 of clocks that the size of their numbers shows."""

ERA = (946684800.0, 4102444800.0)
"""UTC in s since 1970 of the years 2000 and 2100, between which a large number is a date."""

SLOWEST, FASTEST = 1.0, 100_000.0
"""Hz between which a sampling rate lies. Our choice: no device records ECG, PPG, EDA or respiration as slowly as one
sample a second or as fast as an audio card."""

USUAL = (10.0, 5000.0)
"""Hz between which the rate must lie for a guess of the unit. Our choice: the two differ by less than 1000, so that at
most one of s, ms, us and ns fits."""

Kind = Literal["elapsed", "since 1970", "date", "time of day"]


LEAP = 3600.0
"""s without a row that are a clock that was set. Our choice: sensors do not pause for an hour during a video."""


@dataclass(frozen=True, eq=False)
class Clock:
    """A time column.

    Attributes:
        name: the column.
        times: (N,) s: UTC since 1970 for `since 1970` and `date`, since midnight for `time of day`, else since the
            column's 0; NaN for cells that are no time.
        kind: what the times count from.
        words: what was taken, such as `ms since 1970`.
        step: s of one unit of a column of numbers, 1 for others.
        zone: the zone of dates without one.
        guessed: whether the unit was concluded from the size of the numbers or their steps.
    """

    name: str
    times: np.ndarray
    kind: Kind
    words: str
    step: float = 1.0
    zone: timezone = UTC
    guessed: bool = False

    @property
    def absolute(self) -> bool:
        """Whether the times name a moment; if not, they count from some 0 of the device."""
        return self.kind != "elapsed"

    @property
    def first(self) -> float:
        """The first time in s, of the part with most rows between leaps: a wrong stamp in the first row is none."""
        known = self.times[np.isfinite(self.times)]
        if not len(known):
            return 0.0
        edges = np.concatenate([[0], np.flatnonzero(np.abs(np.diff(known)) > LEAP) + 1, [len(known)]])
        return float(known[edges[np.argmax(np.diff(edges))]])

    @property
    def origin(self) -> float:
        """The time in s at which the recording's own time 0 lies: the first one of an absolute clock, else 0."""
        if self.absolute:
            return self.first
        return 0.0

    def reading(self, text: str) -> float:
        """Convert what this clock shows at some moment to s, as in `times`.

        A date without a zone is in the zone of the column. A time of day such as 14:00:02 belongs to the day of the
        recording; in a column that counts from the device's 0 it is a duration. A number is in the unit of the column,
        or UTC in s since 1970.

        Raises:
            ValueError: the text is no such reading.
        """
        text = text.strip()
        number = float(text) if re.fullmatch(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", text) else None
        if number is not None:
            return self._number(number, text)
        when = dates.iso(text, self.zone)
        if when is None:
            date_format = dates.find_format([text])
            when = date_format[1](text) if date_format is not None and date_format[0] != "times of day" else None
        if when is not None:
            return self._date(when, text)
        seconds = dates.duration(text) if self.kind == "elapsed" else None
        if seconds is None:
            seconds = dates.time_of_day(text)
        if seconds is None:
            raise ValueError(f"expected a date such as 2026-01-31T12:00:00, a time such as 12:00:00.25 or a number, "
                             "got "
                             f"{text!r}")
        return self._near(seconds)

    def _number(self, number: float, text: str) -> float:
        if self.kind == "elapsed":
            return number * self.step
        if self.kind in ("since 1970", "date"):
            unit = era_unit(number)
            if unit is not None:
                return number * unit
        raise ValueError(f"expected a date or a time of day, as the column {self.name} holds {self.words}, got "
                         f"{text!r}")

    def _date(self, when: float, text: str) -> float:
        if self.kind in ("since 1970", "date"):
            return when
        if self.kind == "time of day":
            return self._near(datetime.fromtimestamp(when, self.zone).timestamp() % DAY)
        raise ValueError(f"expected a number or a duration, as the column {self.name} holds {self.words}, got "
                         f"{text!r}: "
                         "give the time that this column shows")

    def _near(self, seconds: float) -> float:
        """A time of day in s since midnight, on the day that is nearest to the middle of the recording."""
        if self.kind == "elapsed":
            return seconds
        known = self.times[np.isfinite(self.times)]
        middle = offset = 0.0
        if len(known):
            middle = float(known[0] + known[-1]) / 2
        if self.kind != "time of day":
            offset = self.zone.utcoffset(None).total_seconds()
        return seconds - offset + DAY * round((middle - (seconds - offset)) / DAY)


def era_unit(number: float) -> float | None:
    """The unit in s by which a number is a date between 2000 and 2100, counted since 1970; None without one."""
    return next((unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if ERA[0] <= number * unit < ERA[1]), None)


def read_clock(table: TextTable, name: str, unit: str | None = None) -> Clock:
    """Parse a time column.

    Args:
        table: the table.
        name: the column.
        unit: a key of `UNITS`, or iso for dates; None: by the column's name, the row of units, or the values.

    Raises:
        ValueError: the unit is unknown, or cannot be found out; TableError if most cells are no times.
    """
    if unit is not None and unit.lower() not in UNITS and unit != "iso":
        raise ValueError(f"time_unit: expected {', '.join(UNITS)} or iso, got {unit!r}")
    cells = with_date(table, name)
    known = [cell for cell in cells if not is_missing(cell)][:PROBED]
    numeric = sum(table.number(cell) is not None for cell in known)
    if unit != "iso" and numeric >= max(1, 0.5 * len(known)) and not dates.are_digits(known):
        return _numeric_clock(table, name, unit)
    date_format = dates.find_format(known) if known else None
    if date_format is None:
        i = next((i for i, cell in enumerate(cells) if not is_missing(cell)), 0)
        raise TableError(f"expected times under {name}, such as 12.5, 2026-01-31T12:00:00.250 or 12:00:00.250, got "
                         f"{cells[i]!r}", table.path, table.lines[i] if len(table) else None)
    words, parse = date_format
    zone = dates.zone(known[0])
    values = [dates.iso(cell, zone) if parse is dates.iso else parse(cell) for cell in cells]
    times = np.array(values, dtype=np.float64)  # None becomes NaN
    if parse is dates.time_of_day:
        return Clock(name, _unwrapped(times), "time of day", words)
    return Clock(name, times, "date", words, zone=zone)


def _unwrapped(times: np.ndarray) -> np.ndarray:
    """Times of day that go on after midnight: a step back of more than half a day is the next day."""
    known = np.flatnonzero(np.isfinite(times))
    days = np.cumsum(np.diff(times[known], prepend=times[known[:1]]) < -DAY / 2)
    out = times.copy()
    out[known] += DAY * days
    return out


def _numeric_clock(table: TextTable, name: str, unit: str | None) -> Clock:
    cells = table.cells[name]
    values, _ = table.number_format.numbers(cells)
    unit_name = unit or unit_of_name(name) or table.units.get(name, "").lower()
    if unit_name not in UNITS:
        times = clock_digits(values, cells, f"{name} {unit_name}")
        if times is not None:
            return Clock(name, _unwrapped(times), "time of day", "times of day, written hhmmss", guessed=True)
    values, counter = unwrapped(values)
    clock = _counting_clock(name, values, unit_name)
    if counter:
        return replace(clock, words=f"{clock.words}, a counter that wraps around ({counter})", guessed=True)
    return clock


def _counting_clock(name: str, values: np.ndarray, unit_name: str) -> Clock:
    """The clock of a column of numbers whose unit is `unit_name`, or "" if nothing says it."""
    known = values[np.isfinite(values)]
    pace = _usual_step(known)
    if unit_name in UNITS:
        step = UNITS[unit_name]
        era = era_unit(float(np.median(known))) == step
        kind: Kind = "since 1970" if era else "elapsed"
        return Clock(name, values * step, kind, f"{unit_name} since 1970" if era else unit_name, step)
    for words, step, origin in ORIGINS:
        since_1970 = (values - origin / step) * step
        if ERA[0] <= np.median(since_1970[np.isfinite(values)]) < ERA[1] and 0 < pace * step < 1 / SLOWEST:
            return Clock(name, since_1970, "since 1970", words, step, guessed=True)
    by_size = era_unit(float(np.median(known)))
    if by_size is not None and pace * by_size < 1 / SLOWEST:
        words = next(word for word, size in UNITS.items() if size == by_size)
        return Clock(name, values * by_size, "since 1970", f"{words} since 1970, by the size of the numbers", by_size,
                     guessed=True)
    if pace < 1 / SLOWEST:
        return Clock(name, values, "elapsed", "s, as nothing says another unit")
    for word in ("ms", "us", "ns"):
        if len(known) >= PROBED and USUAL[0] <= 1 / (pace * UNITS[word]) <= USUAL[1]:
            rate = 1 / (pace * UNITS[word])
            return Clock(name, values * UNITS[word], "elapsed", f"{word}, which makes {rate:.4g} Hz: nothing says the "
                                                                "unit",
                         UNITS[word], guessed=True)
    return Clock(name, values, "elapsed", "s, as nothing says another unit")


def _usual_step(values: np.ndarray) -> float:
    """Median positive step, 0 without one. The mean of small steps counts where times are rounded or in packets."""
    steps = np.diff(values)
    steps = steps[steps >= 0]
    if not len(steps):
        return 0.0
    low = steps[steps <= max(3 * float(np.median(steps)), np.quantile(steps, 0.9))]
    return float(low.mean())
