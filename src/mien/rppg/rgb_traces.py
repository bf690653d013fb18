"""Evenly sampled RGB traces of a person's skin regions, or a reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien import signals
from mien.core.observations import Window
from mien.rppg.methods import BAND
from mien.rppg.noise_floor import middle

SHORTEST = 8.0
"""s: the shortest stretch with a face for a rate. Our choice: eight beats of a slow heart; whether they are enough, the
posterior decides."""

PAUSE = 5.0
"""s between two frames from which on the time between them is a pause, not the frame rate. Our choice."""

SLOWEST = BAND[1] / 0.45
"""Lowest frame rate in Hz: below it 4 Hz is too close to half the rate. Our choice: filters need the margin of 45 %."""

FASTEST = 60.0
"""Highest frame rate in Hz: faster recordings are averaged. Our choice: no pulse needs more, and it bounds the cost."""

DARKEST, BRIGHTEST = 16.0, 245.0
"""Mean green of skin, 0..255. Our choice: at 16 a pulse of 0.6 % is a tenth of a grey level, and 8-bit video
loses it; from 245 on most pixels of textured skin are clipped."""

MISSED = 0.05
"""Share of `SHORTEST` that the longest stretch with a face may lack. Our choice: the detector finds a face some frames
after it appears, and half a second changes little."""


@dataclass(frozen=True, eq=False)
class Traces:
    """Evenly sampled traces without gaps, from a stretch of a window with a face.

    Attributes:
        start: s of the first sample.
        rate: Hz.
        skin: (N, R, 3) mean RGB of forehead, left and right cheek; two of the three are enough.
        light: (N, 3) mean RGB of the background; constant when there is none.
        motion: (N, 6) x, y and width of the face in face widths; pitch, yaw and roll in radians.
    """

    start: float
    rate: float
    skin: np.ndarray
    light: np.ndarray
    motion: np.ndarray

    @property
    def seconds(self) -> float:
        """Length in s."""
        return len(self.skin) / self.rate


def rgb_traces(window: Window) -> Traces | str:
    """Extract the traces of the longest stretch with a face.

    Args:
        window: the window of one person.

    Returns:
        The traces, or a reason of `results.REASONS` why there are none.
    """
    runs = rgb_runs(window)
    if isinstance(runs, str):
        return runs
    return max(runs, key=lambda run: len(run.skin))


def rgb_runs(window: Window) -> list[Traces] | str:
    """Extract the traces of every stretch with a face of at least `SHORTEST` s, in the order of time.

    Args:
        window: the window of one person.

    Returns:
        The traces, or a reason of `results.REASONS` why there are none.
    """
    times = np.asarray(window.times, dtype=np.float64)
    times = times[np.isfinite(times)]
    if len(times) < 2:
        return "too_short"
    steps = np.diff(np.sort(times))
    shown = float(middle(steps))  # s that each frame lasts, also the last one
    if times.max() - times.min() + shown < SHORTEST * (1 - 1e-6):
        return "too_short"
    skin = np.asarray(window.skin, dtype=np.float64)
    known = np.all(np.isfinite(skin[:, :3]), axis=2)
    often = known.sum(axis=0) >= 0.8 * max(known.any(axis=1).sum(), 1)  # the image border may cut a region off
    regions = np.flatnonzero(often)
    seen = known[:, regions].all(axis=1)
    if len(regions) < 2 or not seen.any():
        return "no_face"
    steps = steps[steps < PAUSE]
    mean_rate = len(steps) / max(float(steps.sum()), 1e-9)
    if mean_rate < SLOWEST:
        return "low_rate"
    light = float(middle(skin[..., 1][seen][:, regions].ravel()))
    if not DARKEST <= light <= BRIGHTEST:
        if light < DARKEST:
            return "too_dark"
        return "too_bright"
    rate = float(min(max(round(min(1.0 / max(shown, 1e-3), 2 * mean_rate)), 1), FASTEST))
    return _resampled(window, skin[:, regions], skin[:, 3], rate) or "no_face"


def _resampled(window: Window, skin: np.ndarray, light: np.ndarray, rate: float) -> list[Traces]:
    moves = np.concatenate([window.position, window.pose], axis=1).astype(np.float64)
    known = np.concatenate([_interpolated(light), _interpolated(moves), skin.reshape(len(skin), -1)], axis=1)
    even = signals.resample(window.times, known, rate)
    values = even.values
    motion = values[:, 3:9].copy()
    motion[:, :3] /= max(float(np.nanmedian(motion[:, 2])), 1.0)
    motion[:, 3:] *= np.pi / 180
    regions = values[:, 9:].reshape(len(values), -1, 3)
    return [Traces(even.start + first / rate, rate, regions[first:last], values[first:last, :3], motion[first:last])
            for first, last in stretches(even.seen) if (last - first) / rate >= (1 - MISSED) * SHORTEST]


def _interpolated(values: np.ndarray) -> np.ndarray:
    """Interpolate the NaN of each column of (T, C); a column without any value becomes zero."""
    out = values.copy()
    for column in out.T:
        known = np.isfinite(column)
        if not known.any():
            column[:] = 0.0
        elif not known.all():
            column[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), column[known])
    return out


def stretches(seen: np.ndarray) -> np.ndarray:
    """Start and end (exclusive) (K, 2) of every run of True in seen (N,)."""
    return np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(np.int8))).reshape(-1, 2)


def longest_run(seen: np.ndarray) -> tuple[int, int]:
    """Start and end (exclusive) of the longest run of True in seen (N,); 0, 0 when there is none."""
    edges = stretches(seen)
    if not len(edges):
        return 0, 0
    first, last = edges[int(np.argmax(edges[:, 1] - edges[:, 0]))]
    return int(first), int(last)
