"""Blinks: short closures of the eyes, counted at true time stamps."""

from __future__ import annotations

import numpy as np

from ..types import Reading

# A closure that lasts longer than a blink of a person who is awake is not one: Caffier, Erdmann & Ullsperger 2003,
# Experimental evaluation of eye-blink parameters as a drowsiness measure, Eur. J. Appl. Physiol. 89:319-325
# (10.1007/s00421-003-0807-5).
SHORTEST, LONGEST = 0.05, 0.5
"""s, at half of the closure."""

# our choice: half closed is the level of AU45 at which an event starts and ends; it must reach past the second one.
_HALF, _CLOSED = 1.5, 2.5
# our choice: an eye is less than half closed for only about 0.1 s in a quick blink, so that slower cameras step over
# it.
_LOWEST_RATE = 14.5
# our choice: at the 17 blinks a minute of a person at rest (Bentivoglio et al. 1997, Analysis of blink rate patterns
# in normal subjects, Mov. Disord. 12:1028-1034, 10.1002/mds.870120629) these seconds hold five or six.
_SHORTEST_VIEW = 20.0
_LONGEST_GAP = 0.25
"""s between two frames with a face, above which the eyes count as not seen in between."""

_METHOD = "AU45 events"


def blinks(times: np.ndarray, au45: np.ndarray) -> tuple[np.ndarray, Reading]:
    """times (T,) s, increasing; au45 (T,) 0..5, NaN without a face -> starts (N,) s of the blinks, their rate in 1/min.

    The rate is by the time in which the eyes were seen. Abstains: no_face, too_short, low_rate.
    """
    times, au45 = np.asarray(times, dtype=np.float64), np.asarray(au45, dtype=np.float64)
    if times.shape != au45.shape or times.ndim != 1:
        raise ValueError(f"blinks: expected times (T,) and au45 (T,), got {times.shape} and {au45.shape}")
    seen = np.isfinite(au45)
    times_seen, level = times[seen], au45[seen]
    gaps = np.diff(times_seen)
    near = gaps <= _LONGEST_GAP
    viewed = float(gaps[near].sum())
    if viewed == 0:
        return np.empty(0), _abstain("no_face" if len(level) < 2 else "low_rate")
    if 1 / np.median(gaps[near]) < _LOWEST_RATE:
        return np.empty(0), _abstain("low_rate")
    starts = _events(times_seen, level, near)
    if viewed < _SHORTEST_VIEW:
        return starts, _abstain("too_short" if times[-1] - times[0] < _SHORTEST_VIEW else "no_face")
    quality = min(1.0, viewed / max(float(times[-1] - times[0]), _SHORTEST_VIEW))
    return starts, Reading(60 * len(starts) / viewed, "1/min", quality, _METHOD)


def _abstain(reason: str) -> Reading:
    return Reading(None, "1/min", 0.0, _METHOD, reason)


def _events(times: np.ndarray, level: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Starts (N,) s of closures that last as long as a blink; `near` (T - 1,): no gap between a frame and the next."""
    shut = level >= _HALF
    first = np.flatnonzero(~shut[:-1] & shut[1:])  # the frame before
    last = np.flatnonzero(shut[:-1] & ~shut[1:])  # the last one shut
    last = last[last > first[0]] if len(first) else last[:0]
    first = first[: len(last)]
    start, end = _crossing(times, level, first), _crossing(times, level, last)
    length = end - start
    peak = np.array([level[a + 1 : b + 1].max() for a, b in zip(first, last, strict=True)])
    whole = np.array([near[a : b + 1].all() for a, b in zip(first, last, strict=True)], dtype=bool)
    blink = whole & (peak >= _CLOSED) & (length >= SHORTEST) & (length <= LONGEST)
    return start[blink]


def _crossing(times: np.ndarray, level: np.ndarray, before: np.ndarray) -> np.ndarray:
    """When the level passes `_HALF` between each frame of `before` and the next, by a straight line."""
    share = (_HALF - level[before]) / (level[before + 1] - level[before])
    return times[before] + share * (times[before + 1] - times[before])
