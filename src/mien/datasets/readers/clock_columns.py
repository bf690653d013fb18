"""Find the time column of a table by its name, and join times that are spread over several columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mien.core.text_tables import TextTable, is_missing
from mien.datasets.readers import dates

UNITS: dict[str, float] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sekunden"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "usecs", "micros", "microsec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanosec", "nanosecs", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
"""Unit of time, in lower case -> s."""

FINE = {word: size for word, size in UNITS.items() if size < 1}
"""Units below one second."""

WORDS = frozenset((
    "time", "times", "timestamp", "timestamps", "timepoint", "ts", "t", "datetime", "date", "clock", "seconds", "sec",
    "secs", "stamp", "unix", "unixtime", "epoch", "posix", "utc", "gmt", "localtime", "elapsed", "uptime", "zeit",
    "uhrzeit", "zeitpunkt", "zeitstempel", "datum", "temps", "heure", "horodatage", "tiempo", "hora", "tempo", "ora",
    "tijd", "czas", "čas", "aika", "zaman", "время", "时间", "时间戳", "時間", "時刻", "시간",
))
"""Words in the name of a time column, in lower case."""

ALONE = frozenset((*FINE, "minutes", "x value"))
"""Whole names of time columns. `X_Value` is that of LabVIEW."""

NO_CLOCKS = frozenset(("response", "reaction", "duration", "zone", "rr", "ibi", "interval", "transit", "marker",
                       "event", "diff", "delta"))
"""Words that make the name one of a duration or an event instead."""

PROBED = 50
"""Cells that decide how a column is written."""

PARTS = {"year": ("year", "yyyy"), "month": ("month",), "day": ("day",), "hour": ("hour", "hours", "hh"),
         "minute": ("minute", "minutes", "min", "mm"), "second": ("second", "seconds", "sec", "ss")}
"""Part of a date -> names of the column that holds it alone, in lower case."""

RISING = 0.9
"""Least share of rows whose joined time does not go back. Our choice: columns that do not belong together have less."""


def is_clock(name: str) -> bool:
    """Whether a column has the name of a time column, such as `unix_time`, `Elapsed Time`, `arduino_ts` or `millis`."""
    words = _words_in_order(name)
    if set(words) & NO_CLOCKS:
        return False
    whole = " ".join(words)
    return bool(set(words) & WORDS) or whole in ALONE or whole.endswith("ed at") or name in ("[s]", "(s)")


def has_clock(names: Sequence[str]) -> bool:
    """Whether one of the columns, or three for hour, minute and second, tell the time."""
    return any(map(is_clock, names)) or _parts(names) != {}


def name_words(name: str) -> set[str]:
    """The words of a column's name in lower case: `LocalTimestamp (ms)` -> local, timestamp, ms."""
    return set(_words_in_order(name))


def _words_in_order(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def unit_of_name(name: str) -> str | None:
    """The unit in the name of a time column: `time (ms)`, `timestamp_us`, `sec`; None without one."""
    bracket = re.search(r"[(\[]\s*([^)\]]*?)\s*[)\]]", name)
    if bracket is not None and bracket[1].lower() in UNITS:
        return bracket[1].lower()
    words = _words_in_order(name)
    if len(words) == 1 and words[0] in UNITS:
        return words[0]
    return next((word for word in reversed(words[1:]) if word in UNITS and word not in ("h", "min")), None)


def best_clock(table: TextTable, candidates: Sequence[str]) -> str:
    """The time column whose rows repeat the time of the row before least; of equally good ones the first."""
    def repeats(name: str) -> float:
        cells = table.cells[name]
        if len(cells) < 2:
            return 0.0
        same = sum(a == b for a, b in pairwise(cells)) / (len(cells) - 1)
        known = [cell for cell in cells[:PROBED] if not is_missing(cell)]
        readable = known and (table.number(known[0]) is not None or dates.find_format(known) is not None)
        return same + (not readable)

    return min(candidates, key=repeats)


def with_date(table: TextTable, name: str) -> Sequence[str]:
    """The cells of a column; those of a column of dates stand before the times of day of another column."""
    cells = table.cells[name]
    known = next((cell for cell in cells if not is_missing(cell)), "")
    if dates.time_of_day(known) is None:
        return cells
    for other, column in table.cells.items():
        first = next((cell for cell in column if not is_missing(cell)), "")
        if other == name or not name_words(other) & {"date", "datum", "fecha"}:
            continue
        found = dates.find_format([f"{first} {known}"])
        if found is not None and found[0].startswith("dates"):
            return [f"{date} {time}" for date, time in zip(column, cells, strict=True)]
    return cells


def join_time_columns(table: TextTable) -> tuple[TextTable, Mapping[str, str]]:
    """Join times that are spread over columns: s and ns as ROS writes them, or hour, minute and second.

    Returns:
        The table with the joined columns in front, and the joined column by the name of its first part.
    """
    joined: dict[str, tuple[str, list[str]]] = {}
    parts = _parts([name for name in table.columns if name in table.cells])
    if parts and len(table):
        joined[parts["hour"]] = f"time ({', '.join(parts.values())})", _dates_of_parts(table, parts)
    for fine in table.cells:
        words = _words_in_order(fine)
        units = [word for word in words if word in FINE]
        if not units:
            continue
        prefix = set(words) - set(UNITS)
        for coarse in table.cells:
            if coarse == fine or not is_clock(coarse) or (prefix and name_words(coarse) - set(UNITS) != prefix):
                continue
            cells = _with_fraction(table, coarse, fine, FINE[units[-1]])
            if cells is not None:
                joined[coarse] = f"{coarse}, {fine} (s)", cells
                break
    if not joined:
        return table, {}
    columns = dict(joined.values())
    return (replace(table, columns=(*columns, *table.columns), cells={**columns, **table.cells}),
            {first: name for first, (name, _) in joined.items()})


def _parts(names: Sequence[str]) -> dict[str, str]:
    """Part of a date -> its column, in order; empty without hour, minute and second."""
    lower = {name.lower(): name for name in reversed(names)}
    found = {part: next((lower[word] for word in words if word in lower), "") for part, words in PARTS.items()}
    times = [found[part] for part in ("hour", "minute", "second")]
    if not all(times):
        return {}
    days = [found[part] for part in ("year", "month", "day")]
    return {part: name for part, name in found.items() if name in times or all(days)}


def _dates_of_parts(table: TextTable, parts: Mapping[str, str]) -> list[str]:
    """Texts such as 2025-11-29 14:00:05.250, or without the date; empty where a part is missing."""
    columns = [table.number_format.numbers(table.cells[name])[0] for name in parts.values()]
    out = []
    for row in zip(*columns, strict=True):
        if not np.isfinite(row).all():
            out.append("")
            continue
        *day, hour, minute, second = row
        text = f"{int(hour):02d}:{int(minute):02d}:{second:09.6f}"
        if day:
            year, month, number = map(int, day)
            text = f"{year + 2000 * (year < 100):04d}-{month:02d}-{number:02d} {text}"
        out.append(text)
    return out


def _with_fraction(table: TextTable, coarse: str, fine: str, step: float) -> list[str] | None:
    """Texts of whole seconds, or dates and times of day to the second, with the fraction of another column.

    None where the two columns are no such pair: the fraction must be a whole number below one second that begins anew,
    and the joined time must not go back.
    """
    parts, _ = table.number_format.numbers(table.cells[fine])
    known = parts[np.isfinite(parts)]
    if len(known) < 2 or (known % 1 != 0).any() or known.min() < 0 or known.max() >= 1 / step or known.max() == 0:
        return None
    if not (np.diff(known) < 0).any() and len(set(table.cells[coarse])) > 1:
        return None
    seconds, others = table.number_format.numbers(table.cells[coarse])
    digits = round(-np.log10(step))
    mark = "," if table.number_format.comma else "."
    if not others:
        whole = seconds[np.isfinite(seconds)]
        rising = np.diff(seconds + parts * step) >= 0
        if not len(whole) or (whole % 1 != 0).any() or rising.mean() < RISING:
            return None
        return [f"{int(a)}{mark}{int(b):0{digits}d}" if np.isfinite(a + b) else ""
                for a, b in zip(seconds, parts, strict=True)]
    if not all(re.search(r":\d\d$", cell) for cell in table.cells[coarse][:PROBED]):
        return None
    return [f"{cell}.{int(b):0{digits}d}" if np.isfinite(b) else cell
            for cell, b in zip(table.cells[coarse], parts, strict=True)]
