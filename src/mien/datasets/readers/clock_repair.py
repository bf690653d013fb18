"""Repair time columns whose rows come in packets with one stamp, or whose clock was set during the recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mien import signals
from mien.core.text_tables import is_missing
from mien.datasets.readers.clocks import LEAP, Clock

AGAIN = 0.01
"""Largest share of rows with the time of the previous row that is left alone. Our choice: devices that send packets,
and times with too few digits, repeat a third of them and more."""

EVEN_SHARE, EVEN_SIZE = 0.8, 0.2
"""Share of the packets whose number of rows must differ by at most this share, or by one row, from the usual one. Our
choice: packets are of one size, and lost rows are few."""

MOST_PARTS, SHORTEST_PART = 20, 10
"""Largest number of times that a clock may be set, and fewest rows between two of them. Our choice: more and shorter
ones are rows in disorder, which we do not sort."""

STRAY_ROWS, STRAY_STEPS, STRAY_PAUSE = 3, 10.0, 1.0
"""Most rows at the start or the end with stamps of another moment, and the hole that sets them apart, in usual steps
and in s. Our choice: a buffer that was not emptied, or a clock that was not set yet, leaves one to three rows."""


def without_strays(times: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Leave out a few rows at the start and the end that a hole parts from all others.

    Args:
        times: (N,) s.
        kept: (K,) indices of the rows whose times increase.

    Returns:
        The indices without those of stray rows.
    """
    steps = np.diff(times[kept])
    if len(steps) < STRAY_STEPS * STRAY_ROWS:
        return kept
    hole = max(STRAY_PAUSE, STRAY_STEPS * float(np.median(steps)))
    first = max((i + 1 for i in range(STRAY_ROWS) if steps[i] > hole), default=0)
    last = max((i + 1 for i in range(STRAY_ROWS) if steps[-1 - i] > hole), default=0)
    return kept[first : len(kept) - last]


def spread_packets(clock: Clock, cells: Sequence[str]) -> tuple[np.ndarray, str]:
    """Give each row of a packet its own time.

    Rows that share the stamp of the row before, or have none, lie evenly between their packet's stamp and the next.
    The first packet may be cut: its rows end at the second stamp.

    Args:
        clock: the time column.
        cells: its cells.

    Returns:
        The times (N,) s, and a phrase for a note, "" where nothing was changed.
    """
    blank = np.array([is_missing(cell) for cell in cells])
    times = clock.times
    stamped = np.flatnonzero(~blank)
    if len(stamped) < 2 or (blank & np.isfinite(times)).any():
        return times, ""
    filled = times[stamped[np.clip(np.searchsorted(stamped, np.arange(len(times)), side="right") - 1, 0, None)]]
    starts = np.flatnonzero(np.concatenate([[True], ~(np.diff(filled) == 0)]))
    again = 1 - len(starts) / len(times)
    sizes = np.diff(np.append(starts, len(times)))
    inner = sizes[1:-1]
    if again <= AGAIN or not len(inner) or not np.isfinite(filled).all():
        return times, ""
    usual = float(np.median(inner))
    if usual < 2 or np.mean(np.abs(inner - usual) <= max(1.0, EVEN_SIZE * usual)) < EVEN_SHARE:
        return times, ""
    stamps = filled[starts]
    pace = float(np.median(np.diff(stamps) / sizes[:-1]))
    rows = np.arange(len(times))
    out = np.interp(rows, starts, stamps)
    first, last = starts[1], starts[-1]
    out[:first] = stamps[1] - (first - rows[:first]) * pace
    out[last:] = stamps[-1] + (rows[last:] - last) * pace
    kind = "no time of their own" if blank.any() else "the time of the row before"
    return out, f"{clock.name}: {again:.0%} of the rows have {kind}: spread evenly between the stamps of {usual:g} rows"


def join_parts(clock: Clock, times: np.ndarray, most_bad: float) -> tuple[np.ndarray, str]:
    """Continue the times where the clock was set, at the usual pace; the longest part keeps its times.

    Leaps ahead by more than `LEAP` count for every clock. Steps back count for dates, times of day and times since
    1970, if they leave more than a share of `most_bad` of the rows without an increasing time; a device's own clock
    that begins anew is another recording.

    Args:
        clock: the time column.
        times: (N,) s.
        most_bad: see above.

    Returns:
        The times (N,) s, and a phrase for a note, "" where nothing was changed.
    """
    known = np.flatnonzero(np.isfinite(times))
    bad = len(times) - len(signals.ordered(times)) if clock.absolute else 0
    kept = known
    if bad <= max(1, most_bad * len(times)):
        kept = signals.ordered(times)
    steps = np.diff(times[kept])
    cuts = np.flatnonzero((steps > LEAP) | (steps < 0)) + 1
    edges = [0, *cuts.tolist(), len(kept)]
    lengths = np.diff(edges)
    if not len(cuts) or len(cuts) > MOST_PARTS or lengths.min() < SHORTEST_PART:
        return times, ""
    usual = float(np.median(steps[(steps > 0) & (steps <= LEAP)]))
    times = times.copy()
    for begin, end in pairwise(edges):  # a clock that was not set yet may stand still
        rows = kept[begin:end]
        if times[rows[0]] == times[rows[-1]]:
            times[rows] += usual * np.arange(len(rows))
    shifts = np.zeros(len(lengths))
    for part in range(1, len(lengths)):
        here = kept[edges[part]]
        shifts[part] = shifts[part - 1] + times[kept[edges[part] - 1]] + usual - times[here]
    shifts -= shifts[int(np.argmax(lengths))]
    out = np.full(len(times), np.nan)
    out[kept] = times[kept] + np.repeat(shifts, lengths)
    ahead = int((steps > LEAP).sum())
    return out, (f"{clock.name}: the clock leaps {ahead} times ahead and {len(cuts) - ahead} times back: all rows are "
                 "used, times continue without the leaps, by the clock of the longest part, "
                 f"{lengths.max()} of {len(times)} rows")
