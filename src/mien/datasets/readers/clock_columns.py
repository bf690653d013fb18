"""Find the time column of a table by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

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

INDEX = "index"
"""Name of a first column that has none."""

PROBED = 50
"""Cells that decide how a column is written."""


def is_clock(name: str) -> bool:
    """Whether a column has the name of a time column, such as `unix_time`, `Elapsed Time`, `arduino_ts` or `millis`."""
    words = words_in_order(name)
    if set(words) & NO_CLOCKS:
        return False
    text = " ".join(words)
    return bool(set(words) & WORDS) or text in ALONE or text.endswith("ed at") or name in ("[s]", "(s)")


def name_words(name: str) -> set[str]:
    """The words of a column's name in lower case: `LocalTimestamp (ms)` -> local, timestamp, ms."""
    return set(words_in_order(name))


def words_in_order(name: str) -> list[str]:
    """The words of a column's name in lower case and in order."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def unit_of_name(name: str) -> str | None:
    """The unit in the name of a time column: `time (ms)`, `timestamp_us`, `sec`; None without one."""
    bracket = re.search(r"[(\[]\s*([^)\]]*?)\s*[)\]]", name)
    if bracket is not None and bracket[1].lower() in UNITS:
        return bracket[1].lower()
    words = words_in_order(name)
    if len(words) == 1 and words[0] in UNITS:
        return words[0]
    return next((word for word in reversed(words[1:]) if word in UNITS and word not in ("h", "min")), None)


def best_clock(table: TextTable, candidates: Sequence[str]) -> str:
    """The time column whose rows repeat the time of the row before least; of equally good ones the first."""
    def repeats(name: str) -> float:
        """Compute the share of rows that repeat the time of the row before, plus 1 if the cells hold no times."""
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
        date_format = dates.find_format([f"{first} {known}"])
        if date_format is not None and date_format[0].startswith("dates"):
            return [f"{date} {time}" for date, time in zip(column, cells, strict=True)]
    return cells


def index_tells_time(table: TextTable) -> bool:
    """Whether a first column without a name holds times, as the index of a data frame does; row numbers are none."""
    known = [cell for cell in table.row_names if not is_missing(cell)][:PROBED]
    if len(known) < 2:
        return False
    numbers = [table.number(cell) for cell in known]
    if any(number is None for number in numbers):
        return dates.find_format(known) is not None
    return any(number is not None and number % 1 for number in numbers)


def with_index(table: TextTable) -> TextTable:
    """The table with its first column, which has no name, as the column `INDEX`."""
    return replace(table, columns=(INDEX, *table.columns), cells={INDEX: table.row_names, **table.cells})
