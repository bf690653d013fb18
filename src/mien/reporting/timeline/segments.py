"""The time interval that each row covers, and segments of consecutive rows with equal values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_GAP = 0.1
"""Longest gap within a segment in s. Our choice: a window may end at its last frame, and the next one may begin at its
first. Two consecutive frames at 20 Hz should not end a segment."""


class Segment(NamedTuple):
    """Rows `first` .. `last` - 1, which all have `value`, from `begin` to `end` s."""

    begin: float
    end: float
    value: str
    first: int
    last: int


def time_shares(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn overlapping windows into intervals that do not overlap.

    Windows overlap when they are longer than the step. Each overlap is split at its middle; gaps remain.

    Args:
        start: Start of one person's rows in s (N,), in order.
        end: End of the rows in s (N,), in order.

    Returns:
        Start and end of the intervals in s (N,), (N,).
    """
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    begin, stop = start.copy(), end.copy()
    overlap = end[:-1] > start[1:]
    middle = (end[:-1] + start[1:]) / 2
    stop[:-1][overlap] = middle[overlap]
    begin[1:][overlap] = middle[overlap]
    return begin, stop


def expression_segments(
    begin: np.ndarray, end: np.ndarray, values: Sequence[str], longest: float = np.inf
) -> list[Segment]:
    """Group consecutive rows with equal values.

    Args:
        begin: Start of the rows in s (N,).
        end: End of the rows in s (N,).
        values: The value of each row (N).
        longest: No row is added to a segment of this length in s.

    Returns:
        The segments, in order.
    """
    segments: list[Segment] = []
    for i, (start, stop, value) in enumerate(zip(begin.tolist(), end.tolist(), values, strict=True)):
        last = segments[-1] if segments else None
        if last and last.value == value and start - last.end <= MAX_GAP and start - last.begin < longest:
            segments[-1] = last._replace(end=stop, last=i + 1)
        else:
            segments.append(Segment(start, stop, value, i, i + 1))
    return segments
