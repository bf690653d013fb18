"""Time stamps: their order, the frame rate, gaps, and a description of what a recording lost."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.ndimage import median_filter

from mien.core.plain_text import counted
from mien.core.recording_timeline import ClockJump

if TYPE_CHECKING:
    from mien.video.decode_stats import DecodeStats

Item = TypeVar("Item")

JITTER = 0.1
"""Intervals within a tenth of the median count as equal. Our choice: remuxed files keep the ms rounding of an earlier
container (1 ms of 33 at 30 fps, twice) under a finer clock, and a truly variable rate varies by more."""

FEW = 0.01
MANY = 0.1
"""Largest share of odd intervals (`FEW`) and of gaps (`MANY`) at a constant rate. Our choice: a camera that drops one
frame in ten no longer keeps its rate."""

GAP_INTERVALS, GAP_SECONDS = 1.5, 0.25
"""An interval is a gap if it is longer than this many usual intervals and than this many s. Our choice: a face moves
little in a quarter of a second, and blinks use the same limit."""

NEIGHBOURS = 31
"""Intervals around one whose median is its usual interval. Our choice: a camera that slows down in the dark has
another usual interval within a second, and a single pause among them changes no median."""

JUMP_SECONDS = 86400.0
"""Longest gap in s; a longer step ahead is a clock that was set. Our choice: longer than a night, shorter than the
26.5 h after which the 33-bit clock of MPEG streams begins anew."""

PACE = 9
"""Newest intervals whose median continues the clock after a jump. Our choice."""

FIRST_PACE = 0.04
"""s by which the clock continues if it jumps at the second frame. Our choice: 25 Hz."""


def in_order(stamped: Iterable[tuple[float | None, Item]], tally: DecodeStats,
             ahead: bool = True) -> Iterator[tuple[float, Item]]:
    """Yield the items with strictly increasing times, and count the dropped ones and the jumps in `tally`.

    A single stamp that repeats, goes back or leaps ahead is dropped. Where the clock goes back and stays there, as in a
    joined recording, or leaps ahead by more than `JUMP_SECONDS`, times continue at the pace of the frames before.

    Args:
        stamped: (time in s or None or NaN, item) in order of presentation.
        tally: gets the counts of dropped items, and the jumps.
        ahead: look two items ahead. Otherwise, for a live source, one item is dropped before a clock that was set back
            is followed, and a single stamp far ahead counts as two jumps.

    Yields:
        (time in s, item).
    """
    clock = _Clock(tally)
    waiting: deque[tuple[float, Item]] = deque()
    for time, item in stamped:
        if time is None or not math.isfinite(time):
            tally.unstamped += 1
            continue
        waiting.append((time, item))
        if not ahead:
            followed = clock.follow(time)
            waiting.clear()
            if followed is not None:
                yield followed, item
        elif len(waiting) > 2:
            yield from clock.next_of(waiting)
    while waiting:
        yield from clock.next_of(waiting)


class _Clock:
    """Follows the stamps of a file through its jumps."""

    def __init__(self, tally: DecodeStats) -> None:
        self._tally = tally
        self._offset = 0.0
        self._raw = -math.inf  # newest stamp that was followed
        self._refused = math.inf  # newest stamp that went back, of a live source
        self._steps: deque[float] = deque(maxlen=PACE)

    def next_of(self, waiting: deque[tuple[float, Item]]) -> Iterator[tuple[float, Item]]:
        """Take the first of up to three waiting items, and yield it with its time unless its stamp is an outlier."""
        time, item = waiting.popleft()
        coming = [stamp for stamp, _ in waiting]
        if time > self._raw:
            outlier = bool(coming) and self._raw < coming[0] < time
        else:
            outlier = not coming or not time < coming[0] <= self._raw
        if outlier:
            self._tally.backwards += 1
        else:
            yield self._accept(time), item

    def follow(self, time: float) -> float | None:
        """The time of the next item of a live source; None for an item to drop."""
        if time <= self._raw and not self._refused < time:
            self._refused = time
            self._tally.backwards += 1
            return None
        return self._accept(time)

    def _accept(self, raw: float) -> float:
        step = raw - self._raw
        if math.isfinite(self._raw) and not 0 < step <= JUMP_SECONDS:
            pace = float(np.median(self._steps)) if self._steps else FIRST_PACE
            self._offset += pace - step
            self._tally.jumps.append(ClockJump(raw + self._offset, step - pace))
        elif math.isfinite(self._raw):
            self._steps.append(step)
        self._raw, self._refused = raw, math.inf
        return raw + self._offset


def gap_mask(times: np.ndarray, time_base: float) -> np.ndarray:
    """Whether each interval (N - 1,) between the times (N,) s is a gap: beyond `GAP_INTERVALS` and `GAP_SECONDS`."""
    intervals = np.diff(times)
    if not len(intervals):
        return np.zeros(0, bool)
    usual = np.full(len(intervals), np.sort(intervals)[(len(intervals) - 1) // 2])
    if len(intervals) > NEIGHBOURS:
        usual = median_filter(intervals, NEIGHBOURS, mode="reflect")
    return intervals > np.maximum(GAP_INTERVALS * usual + time_base, GAP_SECONDS)


def is_variable(times: np.ndarray, time_base: float) -> bool:
    """Whether the frame rate of times (N,) s varies.

    The rate is constant if all but 1 % of the intervals equal one interval or a multiple of it (missing frames: `gaps`)
    and at most a tenth are multiples. Pauses of any length (`gap_mask`) do not count. The tolerance is one `time_base`
    in s of the container's clock (rounding: 1/100 s in GIF, 1/1000 s in Matroska) or a tenth of the interval
    (`JITTER`).
    """
    steps, _ = _interval_multiples(times, time_base)
    odd = (steps == 0) & ~gap_mask(times, time_base)
    return len(steps) > 1 and bool(np.mean(odd) > FEW or np.mean(steps > 1) > MANY)


def gaps(times: np.ndarray, time_base: float) -> str:
    """Describe the gaps in the times (N,) s of a recording; `time_base` in s is the clock's resolution.

    These are all intervals of `gap_mask`, and at a constant rate also single missing frames. A damaged stretch may be
    missing without any error: then only the time stamps show it.
    """
    steps, intervals = _interval_multiples(times, time_base)
    holes = gap_mask(times, time_base)
    if not is_variable(times, time_base):
        holes = holes | (steps > 1)
    if not holes.any():
        return ""
    usual = float(np.median(intervals[~holes])) if (~holes).any() else float(intervals.min())
    counted = count_of(int(holes.sum()), "gap", "in the time stamps")
    missing = count_of(int((np.round(intervals[holes] / usual) - 1).sum()), "frame")
    longest = int(np.argmax(np.where(holes, intervals, 0)))
    return (f"{counted}, as long as {missing or '0 frames'} (the longest {intervals[longest]:.2f} s, from "
            f"{times[longest]:.2f} s on)")


def mean_rate(times: np.ndarray, time_base: float = 0.0) -> float:
    """Mean frame rate in Hz of times (N,) s without its gaps; 0 for fewer than two frames."""
    intervals = np.diff(times)
    kept = intervals[~gap_mask(times, time_base)]
    if not len(kept):
        kept = intervals
    return float(1 / kept.mean()) if len(kept) else 0.0


def _interval_multiples(times: np.ndarray, time_base: float) -> tuple[np.ndarray, np.ndarray]:
    """Multiple of the usual interval for each interval (N - 1,), 0 where it is none; and the intervals in s."""
    intervals = np.diff(times)
    if not len(intervals):
        return np.zeros(0, int), intervals
    median = np.sort(intervals)[(len(intervals) - 1) // 2]  # an actual interval, also for an even number
    slack = max(1.01 * time_base, JITTER * float(median))
    usual = intervals[np.abs(intervals - median) <= slack].mean()
    steps = np.round(intervals / usual).astype(int)
    return np.where(np.abs(intervals - steps * usual) <= slack, steps, 0), intervals


def count_of(number: int, noun: str, what: str = "") -> str:
    """A number with its noun in words, such as "2 frames damaged"; empty for 0 and below."""
    if number <= 0:
        return ""
    return f"{counted(number, noun)} {what}".strip()
