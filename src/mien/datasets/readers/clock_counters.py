"""Undo how devices write numbers of time: counters that wrap around, and clock times written as hhmmss.fff."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WRAPS = (
    (2.0**16, "16 bits"),
    (2.0**24, "24 bits"),
    (2.0**31, "31 bits"),
    (2.0**32, "32 bits"),
    (2.0**32 / 1000, "32 bits of us, shown in ms"),
    (2.0**32 / 1e6, "32 bits of us, shown in s"),
    (86400.0, "a day of s"),
    (86400e3, "a day of ms"),
    (86400e6, "a day of us"),
    (604800.0, "a GPS week of s"),
    (604800e3, "a GPS week of ms"),
)
"""Values after which counters begin anew, and what they count. Arduino's millis() and micros() hold 32 bits."""

WRAP_STEPS, WRAP_SHARE = 20.0, 0.01
"""Longest step over a wrap, in usual steps or as a share of the counter. Our choice: a clock that was set back, or a
second recording in the file, hits so small a window by chance only."""

_PADDED = re.compile(r"0\d{5}(?:[.,]\d+|\d{3})?")
_NAMED = re.compile(r"hh:?mm:?ss", re.IGNORECASE)


def unwrapped(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Continue a counter that wraps around.

    Args:
        values: (N,) what the counter shows, NaN for missing cells.

    Returns:
        The values without wraps, and what the counter counts; the values as they are and "" where nothing wraps.
    """
    known = np.flatnonzero(np.isfinite(values))
    steps = np.diff(values[known])
    back = np.flatnonzero(steps < 0)
    ahead = steps[steps > 0]
    if not len(back) or not len(ahead):
        return values, ""
    usual = float(np.median(ahead))
    low, high = float(values[known].min()), float(values[known].max())
    for size, words in WRAPS:
        if low < -size / 2 or high >= size or high - low >= size or ahead.max() > size / 2:
            continue
        longest = max(WRAP_STEPS * usual, WRAP_SHARE * size)
        wraps = back[(steps[back] + size >= 0) & (steps[back] + size <= longest)]
        if not len(wraps):
            continue
        turns = np.zeros(len(known))
        turns[wraps + 1] = 1
        out = values.copy()
        out[known] += size * np.cumsum(turns)
        return out, words
    return values, ""


def clock_digits(values: np.ndarray, cells: Sequence[str], name: str) -> np.ndarray | None:
    """The times of day in numbers such as 093015.250 or 93015250, (N,) s since midnight; None if they are none.

    They are times of day if the column's name or a zero in front says so, or if their steps show minutes of 60
    seconds.

    Args:
        values: (N,) the numbers in the cells, NaN for missing ones.
        cells: the cells.
        name: the column and its unit.
    """
    known = np.isfinite(values)
    likely = _NAMED.search(name) is not None or any(_PADDED.fullmatch(cell.strip()) for cell in cells)
    for scale in (1.0, 1e-3):
        numbers = values * scale
        hours, minutes, seconds = numbers // 10_000, numbers // 100 % 100, numbers % 100
        shown = numbers[known]
        if not (shown >= 0).all() or not (shown.max(initial=-1.0) >= 100):
            continue
        if (hours[known] > 23).any() or (minutes[known] > 59).any() or (seconds[known] >= 61).any():
            continue
        times = hours * 3600 + minutes * 60 + seconds
        if likely or _shows_minutes(shown, times[known]):
            return times
    return None


def _shows_minutes(numbers: np.ndarray, times: np.ndarray) -> bool:
    """Whether numbers leap by 40 at each full minute and nowhere else."""
    steps, leaps = np.diff(times), np.diff(numbers)
    forward = (leaps > 0) & (steps > 0)
    full = np.floor(numbers[1:] / 100) != np.floor(numbers[:-1] / 100)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    crossed = forward & full
    return bool(crossed.any() and (steps[crossed] <= max(WRAP_STEPS * usual, 1.0)).mean() > 0.5
                and (leaps[crossed] >= 40).all())
