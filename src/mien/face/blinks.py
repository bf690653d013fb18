"""Blink detection: short closures of the eyes, timed by the time stamps of the frames."""

from __future__ import annotations

import numpy as np

from mien.core.results import Measurement

# Longer closures are not blinks of an awake person: Caffier, Erdmann & Ullsperger 2003,
# Experimental evaluation of eye-blink parameters as a drowsiness measure, Eur. J. Appl. Physiol. 89:319-325
# (10.1007/s00421-003-0807-5).
SHORTEST, LONGEST = 0.05, 0.5
"""Duration of a blink in s, measured at half closure."""

# our choice: an event starts and ends where AU45 crosses the first level; its peak must reach the second level.
_HALF, _CLOSED = 1.5, 2.5
# our choice: in a quick blink the eye is half closed for only about 0.1 s, so slower cameras miss it.
_LOWEST_RATE = 14.5
# our choice: at the 17 blinks a minute of a person at rest (Bentivoglio et al. 1997, Analysis of blink rate patterns
# in normal subjects, Mov. Disord. 12:1028-1034, 10.1002/mds.870120629) this time holds five or six.
_SHORTEST_VIEW = 20.0
_LONGEST_GAP = 0.25
"""Longest gap in s between two frames with a face. During a longer gap, the eyes count as not visible."""

_METHOD = "AU45 events"


def blinks(times: np.ndarray, au45: np.ndarray) -> tuple[np.ndarray, Measurement]:
    """Detect blinks in the intensity of AU45.

    Args:
        times: (T,) times of the frames in s, increasing.
        au45: (T,) intensity of AU45, 0..5, NaN without a face.

    Returns:
        The start times of the blinks, (N,) in s, and the blink rate in 1/min.
        The rate refers to the time in which the eyes were visible.
        The rate abstains with no_face, too_short or low_rate.

    Raises:
        ValueError: the two arrays differ in shape.
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
        return np.empty(0), _abstain("low_rate" if len(level) >= 2 else "no_face")
    if 1 / np.median(gaps[near]) < _LOWEST_RATE:
        return np.empty(0), _abstain("low_rate")
    starts = _events(times_seen, level, near)
    duration = float(times[-1] - times[0])
    if viewed < _SHORTEST_VIEW:
        return starts, _abstain("too_short" if duration < _SHORTEST_VIEW else "no_face")
    quality = min(1.0, viewed / max(duration, _SHORTEST_VIEW))
    return starts, Measurement(60 * len(starts) / viewed, "1/min", quality, _METHOD)


def _abstain(reason: str) -> Measurement:
    return Measurement(None, "1/min", 0.0, _METHOD, reason)


def _events(times: np.ndarray, level: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Start times (N,) in s of the closures that are blinks; `near` (T - 1,): no gap between a frame and the next."""
    shut = level >= _HALF
    first = np.flatnonzero(~shut[:-1] & shut[1:])  # the last open frame
    last = np.flatnonzero(shut[:-1] & ~shut[1:])  # the last closed frame
    if not len(first):
        return times[:0]
    last = last[last > first[0]]
    first = first[: len(last)]
    start, end = _crossing(times, level, first), _crossing(times, level, last)
    length = end - start
    peak = np.array([level[a + 1 : b + 1].max() for a, b in zip(first, last, strict=True)])
    no_gap = np.array([near[a : b + 1].all() for a, b in zip(first, last, strict=True)], dtype=bool)
    blink = no_gap & (peak >= _CLOSED) & (length >= SHORTEST) & (length <= LONGEST)
    return start[blink]


def _crossing(times: np.ndarray, level: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Times at which the level crosses `_HALF` after each frame of `before`, by linear interpolation."""
    share = (_HALF - level[before]) / (level[before + 1] - level[before])
    return times[before] + share * (times[before + 1] - times[before])
