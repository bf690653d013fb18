"""From a window of one person to evenly sampled traces that a pulse may be looked for in, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import signals
from ..types import Window
from .methods import BAND

SHORTEST = 10.0
"""s: the shortest recording a rate is read from; 0.1 Hz of resolution."""

SLOWEST = BAND[1] / 0.45
"""Frames a second: below it 4 Hz comes too close to half the rate. Our choice: 45 % leaves the filters room."""

FASTEST = 60.0
"""Frames a second: faster recordings are averaged down to it. Our choice: no pulse needs more; it bounds the cost."""

DARKEST, BRIGHTEST = 16.0, 245.0
"""Mean green of skin, 0..255. Our choice: at 16 a pulse of 0.6 % is a tenth of a grey level, and 8-bit video has
nothing of it left; from 245 on most pixels of textured skin are clipped."""

MISSED = 0.05
"""Share of `SHORTEST` that the longest stretch with a face may lack. Our choice: a face is found some frames after it
came into the picture, and half a second changes little."""

COVERAGE = 0.5
"""Share of the frames in which the face must be seen. Our choice: less says little about the whole."""


@dataclass(frozen=True, eq=False)
class Traces:
    """Evenly sampled, without gaps: the longest stretch of a window in which the face was seen.

    `skin` (N, R, 3) mean RGB of forehead, left and right cheek, of which two are enough; `light` (N, 3) of the
    background, constant when there is none; `motion` (N, 6): x, y and width of the face in face widths, pitch, yaw,
    roll in radians; `start` s, `rate` Hz.
    """

    start: float
    rate: float
    skin: np.ndarray
    light: np.ndarray
    motion: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.skin) / self.rate


def traces(window: Window) -> Traces | str:
    """A window -> its traces, or a reason of `types.REASONS` why no pulse can be looked for in it."""
    times = np.asarray(window.times, dtype=np.float64)
    times = times[np.isfinite(times)]
    if len(times) < 2:
        return "too_short"
    shown = float(np.median(np.diff(np.sort(times))))  # s that a frame is shown, the last one, too
    if times.max() - times.min() + shown < SHORTEST * (1 - 1e-6):
        return "too_short"
    skin = np.asarray(window.skin, dtype=np.float64)
    known = np.isfinite(skin[:, :3]).all(axis=2)
    often = known.sum(axis=0) >= 0.8 * max(known.any(axis=1).sum(), 1)  # the picture's edge may cut one off
    regions = np.flatnonzero(often)
    seen = known[:, regions].all(axis=1)
    if len(regions) < 2 or seen.mean() < COVERAGE:
        return "no_face"
    mean_rate = (len(times) - 1) / (times.max() - times.min())
    if mean_rate < SLOWEST:
        return "low_rate"
    light = float(np.median(skin[seen][:, regions, 1]))
    if not DARKEST <= light <= BRIGHTEST:
        return "too_dark" if light < DARKEST else "too_bright"
    rate = float(min(max(round(min(1.0 / max(shown, 1e-3), 2 * mean_rate)), 1), FASTEST))
    return _even(window, skin[:, regions], skin[:, 3], rate)


def _even(window: Window, skin: np.ndarray, light: np.ndarray, rate: float) -> Traces | str:
    moves = np.concatenate([window.position, window.pose], axis=1).astype(np.float64)
    known = np.concatenate([_filled(light), _filled(moves), skin.reshape(len(skin), -1)], axis=1)
    even = signals.resample(window.times, known, rate)
    first, last = longest(even.seen)
    if (last - first) / rate < (1 - MISSED) * SHORTEST:
        return "no_face"
    values = even.values[first:last]
    motion = values[:, 3:9].copy()
    motion[:, :3] /= max(float(np.median(motion[:, 2])), 1.0)
    motion[:, 3:] *= np.pi / 180
    regions = values[:, 9:].reshape(len(values), -1, 3)
    return Traces(even.start + first / rate, rate, regions, values[:, :3], motion)


def _filled(values: np.ndarray) -> np.ndarray:
    """values (T, C) with NaN -> the same with each gap of a column bridged, zero in a column that was never known."""
    out = values.copy()
    for column in out.T:
        known = np.isfinite(column)
        if not known.any():
            column[:] = 0.0
        elif not known.all():
            column[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), column[known])
    return out


def longest(seen: np.ndarray) -> tuple[int, int]:
    """seen (N,) -> start and end of the longest run of True; 0, 0 when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(np.int8))).reshape(-1, 2)
    if not len(edges):
        return 0, 0
    first, last = edges[int(np.argmax(edges[:, 1] - edges[:, 0]))]
    return int(first), int(last)
