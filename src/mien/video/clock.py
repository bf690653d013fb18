"""Time stamps: put in order, judged, and the losses of a recording in words."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

JITTER = 0.1
"""Intervals within a tenth of the median are of one rate. Our choice: remuxed files keep the ms rounding of an earlier
container (1 ms of 33 at 30 fps, twice) under a finer clock, and a rate that really varies moves by more."""

FEW = 0.01
MANY = 0.1
"""Share of odd intervals (`FEW`) and of gaps (`MANY`) that a constant rate may have. Our choice: a camera that drops
one frame in ten no longer has its rate."""


@dataclass
class Tally:
    """What happened while one recording was read. Written by the reading thread, read when that has ended."""

    times: array = field(default_factory=lambda: array("d"))  # s, of each frame handed on
    tick: float = 0.0  # s, the container's clock
    last_duration: float = 0.0  # s, of the newest frame handed on; 0: not known
    decoded: int = 0
    undecodable: int = 0  # packets
    damaged: int = 0  # frames that the decoder or the container marks as damaged
    discarded: int = 0  # packets that the file itself says are not to be shown (an edit list)
    unstamped: int = 0
    backwards: int = 0
    interlaced: int = 0
    resized: int = 0
    skipped: int = 0  # live only: taken from the camera, never from the queue
    why: str = ""  # the newest failure to decode, in FFmpeg's words
    rate: float = 0.0  # Hz, of a stream without time stamps; 0: it has them
    notes: list[str] = field(default_factory=list)  # whole statements: no time stamps, read error, cut short

    def skip(self) -> None:
        self.skipped += 1

    def stamps(self) -> np.ndarray:
        """(N,) s, a copy: the reading thread may still be adding to `times`."""
        return np.asarray(self.times[:])

    def lost(self) -> str:
        """Everything that is not as recorded, in words; empty when nothing is missing."""
        said = [
            _count(self.undecodable, "packet", "could not be decoded"),
            _count(self.damaged, "frame", "damaged and dropped"),
            _count(self.unstamped, "frame", "without a time stamp dropped"),
            _count(self.backwards, "frame", "dropped: the time stamp repeats or goes backwards"),
            _count(self.skipped, "frame", "skipped: the camera was faster than the analysis"),
            _count(self.resized, "frame", "of another size scaled to the first frame's"),
            _count(self.interlaced, "frame", "interlaced: moving edges are combed"),
            gaps(self.stamps(), self.tick),
            *self.notes,
        ]
        return "; ".join(each for each in said if each)


def in_order(stamped: Iterable[tuple[float | None, Item]], tally: Tally,
             ahead: bool = True) -> Iterator[tuple[float, Item]]:
    """(s or None or NaN, item), in order of presentation -> the items whose time stamps strictly increase.

    What is dropped is counted in `tally`. With `ahead`, one item is held back, and of a pair that goes backwards the
    one that stands out is dropped: one stamp far in the future would otherwise take the rest of the recording with it.
    """
    last = -math.inf
    held: tuple[float, Item] | None = None
    for time, item in stamped:
        if time is None or not math.isfinite(time):
            tally.unstamped += 1
            continue
        if not ahead and time > last:
            last = time
            yield time, item
        elif not ahead:
            tally.backwards += 1
        elif held is None:
            held = time, item
        elif time > held[0]:
            yield held
            last, held = held[0], (time, item)
        else:
            tally.backwards += 1
            if last < time < held[0]:
                held = time, item
    if held is not None:
        yield held


def is_variable(times: np.ndarray, tick: float) -> bool:
    """times (N,) s, tick s -> does the frame rate vary?

    It does not when all but 1 % of the intervals are one interval or a multiple of it (frames are missing: `gaps`),
    within a tick of the container's clock (rounding: 1/100 s in GIF, 1/1000 s in Matroska) or a tenth of the interval
    (`JITTER`), and no more than a tenth are multiples.
    """
    steps, _ = _steps(times, tick)
    return len(steps) > 1 and bool(np.mean(steps == 0) > FEW or np.mean(steps > 1) > MANY)


def gaps(times: np.ndarray, tick: float) -> str:
    """times (N,) s, tick s -> the holes in a recording of constant rate, in words.

    A damaged stretch may vanish without any error: it shows in the time stamps alone.
    """
    steps, intervals = _steps(times, tick)
    holes = steps > 1
    if is_variable(times, tick) or not holes.any():
        return ""
    found = _count(int(holes.sum()), "gap", "in the time stamps")
    missing = _count(int((steps[holes] - 1).sum()), "frame")
    return f"{found}, as long as {missing} (the longest {intervals[holes].max():.2f} s)"


def mean_rate(times: np.ndarray) -> float:
    """times (N,) s -> Hz; 0 for a single frame, which has none."""
    return float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 0.0


def _steps(times: np.ndarray, tick: float) -> tuple[np.ndarray, np.ndarray]:
    """-> how many times the usual interval each interval is (N - 1,), 0 where it is no multiple; the intervals in s."""
    intervals = np.diff(times)
    if not len(intervals):
        return np.zeros(0, int), intervals
    median = np.sort(intervals)[(len(intervals) - 1) // 2]  # one of them, also when their number is even
    slack = max(1.01 * tick, JITTER * float(median))
    usual = intervals[np.abs(intervals - median) <= slack].mean()
    steps = np.round(intervals / usual).astype(int)
    return np.where(np.abs(intervals - steps * usual) <= slack, steps, 0), intervals


def _count(number: int, noun: str, what: str = "") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {what}".strip() if number else ""
