"""Join times that are spread over columns, such as hour, minute and second, or s and ns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mien.core.text_tables import TextTable
from mien.datasets.readers.clock_columns import FINE, PROBED, UNITS, is_clock, name_words, words_in_order

PARTS = {"year": ("year", "yyyy", "jahr"), "month": ("month", "monat"), "day": ("day", "tag"),
         "hour": ("hour", "hours", "hh", "stunde"), "minute": ("minute", "minutes", "min", "mm"),
         "second": ("second", "seconds", "sec", "ss", "sekunde"),
         "fraction": ("ms", "millis", "millisecond", "milliseconds", "millisec", "msec", "us", "micros", "microsecond",
                      "microseconds", "usec", "ns", "nanosecond", "nanoseconds", "nsec")}
"""Part of a date -> names of the column that holds it alone, in lower case."""

LARGEST_PART = {"month": 12, "day": 31, "hour": 24, "minute": 59, "second": 60}
"""Largest value of a part of a date."""

RISING = 0.9
"""Least share of rows whose joined time does not go back. Our choice: columns that do not belong together have less."""


def has_clock(names: Sequence[str]) -> bool:
    """Whether one of the columns, or several for hour, minute and second, may tell the time."""
    return any(map(is_clock, names)) or _parts(names) != {}


@dataclass(frozen=True)
class JoinedTimes:
    """A table with joined times of several columns.

    Attributes:
        table: the table with the joined columns in front.
        by_first: the joined column by the name of its first part.
        used: the columns that are parts of a joined one.
    """

    table: TextTable
    by_first: Mapping[str, str]
    used: frozenset[str]


def join_time_columns(table: TextTable) -> JoinedTimes:
    """Join times that are spread over columns: s and ns as ROS writes them, or hour, minute and second."""
    joined: dict[str, tuple[str, list[str]]] = {}
    parts, cells = _joined_parts(table)
    used = set(parts.values())
    if parts:
        first = parts.get("hour", parts["minute"])
        unit = "" if "hour" in parts else " (s)"
        plain = ", ".join(re.sub(r"[(\[].*", "", name).strip() for name in parts.values())
        joined[first] = f"time of {plain}{unit}", cells
    for fine in table.cells:
        words = words_in_order(fine)
        units = [word for word in words if word in FINE]
        if not units or fine in used:
            continue
        prefix = set(words) - set(UNITS)
        for coarse in table.cells:
            if coarse == fine or not is_clock(coarse) or (prefix and name_words(coarse) - set(UNITS) != prefix):
                continue
            if coarse in used:
                continue
            with_fraction = _with_fraction(table, coarse, fine, FINE[units[-1]])
            if with_fraction is not None:
                joined[coarse] = f"{coarse}, {fine} (s)", with_fraction
                used |= {coarse, fine}
                break
    if not joined:
        return JoinedTimes(table, {}, frozenset())
    columns = dict(joined.values())
    joined_table = replace(table, columns=(*columns, *table.columns), cells={**columns, **table.cells})
    return JoinedTimes(joined_table, {first: name for first, (name, _) in joined.items()}, frozenset(used))


def _parts(names: Sequence[str]) -> dict[str, str]:
    """Part of a date -> its column, in order; empty without minute and second.

    The columns may share other words, such as `rtc` in `rtc_hour`, `rtc_min`, `rtc_sec`.
    """
    parts_by_rest: dict[frozenset[str], dict[str, str]] = {}
    for name in names:
        words = words_in_order(name)
        for part, known in PARTS.items():
            rest = [word for word in words if word not in known]
            if len(rest) == len(words) - 1:
                parts_by_rest.setdefault(frozenset(rest), {}).setdefault(part, name)
    for parts in parts_by_rest.values():
        if {"minute", "second"} <= set(parts):
            days = "hour" in parts and {"year", "month", "day"} <= set(parts)
            return {part: parts[part] for part in PARTS
                    if part in parts and (days or part not in ("year", "month", "day"))}
    return {}


def _joined_parts(table: TextTable) -> tuple[dict[str, str], list[str]]:
    """The columns of the parts of a date, and their texts; empty where the columns are no such parts.

    Texts are dates such as 2025-11-29 14:00:05.250, times of day, or seconds without a column of hours.
    """
    parts = _parts([name for name in table.columns if name in table.cells])
    columns = {part: table.number_format.numbers(table.cells[name])[0] for part, name in parts.items()}
    if not parts or not all(_is_part(columns[part], largest, integers=part != "second")
                            for part, largest in LARGEST_PART.items() if part in columns):
        return {}, []
    seconds = columns["second"]
    if "fraction" in parts:
        step = FINE[next(word for word in words_in_order(parts["fraction"]) if word in FINE)]
        if _is_part(columns["fraction"], 1 / step - 1, integers=True) and _is_part(seconds, 60, integers=True):
            seconds = seconds + columns["fraction"] * step
        else:
            del parts["fraction"]
    times = columns.get("hour", np.zeros(len(table))) * 3600 + columns["minute"] * 60 + seconds
    if not _rises(times):
        return {}, []
    if "hour" in parts:
        return parts, _dates_of_parts(columns, seconds)
    if is_clock(parts["second"]) and not (np.diff(columns["second"]) < 0).any():
        return {}, []  # seconds that never begin anew are the whole time
    mark = "," if table.number_format.comma else "."
    return parts, ["" if np.isnan(time) else f"{time:.6f}".replace(".", mark) for time in times]


def _is_part(values: np.ndarray, largest: float, integers: bool) -> bool:
    """Whether numbers lie from 0 to the largest value of a part of a date."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() < 0 or known.max() >= largest + 1:
        return False
    return not integers or bool((known % 1 == 0).all())


def _rises(times: np.ndarray) -> bool:
    """Whether times go back seldom, as at midnight, or never."""
    steps = np.diff(times[np.isfinite(times)])
    return not len(steps) or bool((steps >= 0).mean() >= RISING and (steps < 0).sum() <= 1)


def _dates_of_parts(columns: Mapping[str, np.ndarray], seconds: np.ndarray) -> list[str]:
    """Texts such as 2025-11-29 14:00:05.250, or without the date; empty where a part is missing."""
    integers = [columns[part] for part in ("year", "month", "day", "hour", "minute") if part in columns]
    out = []
    for *day, hour, minute, second in zip(*integers, seconds, strict=True):
        if not np.isfinite((*day, hour, minute, second)).all():
            out.append("")
            continue
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
        finite = seconds[np.isfinite(seconds)]
        rising = np.diff(seconds + parts * step) >= 0
        if not len(finite) or (finite % 1 != 0).any() or rising.mean() < RISING:
            return None
        return [f"{int(a)}{mark}{int(b):0{digits}d}" if np.isfinite(a + b) else ""
                for a, b in zip(seconds, parts, strict=True)]
    if not all(re.search(r":\d\d$", cell) for cell in table.cells[coarse][:PROBED]):
        return None
    return [f"{cell}.{int(b):0{digits}d}" if np.isfinite(b) else cell
            for cell, b in zip(table.cells[coarse], parts, strict=True)]
