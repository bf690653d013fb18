"""Which stretch of time each row of a person speaks for, and runs of rows that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PAUSE = 0.1
"""s; a longer one ends a run. Our choice: a window may end at its last frame and the next begin at its first, and two
frames at 20 a second are no pause."""


class Run(NamedTuple):
    """Rows `first` .. `last` - 1, which all say `value` from `begin` to `end` s."""

    begin: float
    end: float
    value: str
    first: int
    last: int


def shares(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """start, end (N,) s of one person's rows, both in order -> (N,), (N,) s that do not overlap.

    Windows that are longer than the step overlap; each overlap is shared at its middle. A gap stays a gap.
    """
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    begin, stop = start.copy(), end.copy()
    overlap = end[:-1] > start[1:]
    middle = (end[:-1] + start[1:]) / 2
    stop[:-1][overlap] = middle[overlap]
    begin[1:][overlap] = middle[overlap]
    return begin, stop


def runs(begin: np.ndarray, end: np.ndarray, values: Sequence[str], longest: float = np.inf) -> list[Run]:
    """Rows (N,), (N,) s and what each says -> the runs of equal values, each at most `longest` s and one row long."""
    found: list[Run] = []
    for i, (here, stop, value) in enumerate(zip(begin.tolist(), end.tolist(), values, strict=True)):
        run = found[-1] if found else None
        if run and run.value == value and here - run.end <= PAUSE and here - run.begin < longest:
            found[-1] = run._replace(end=stop, last=i + 1)
        else:
            found.append(Run(here, stop, value, i, i + 1))
    return found
