"""Waveforms of a method that looks at pictures: a second look at the video, at the faces that were followed in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
from scipy.ndimage import uniform_filter1d

from mien.core.observations import Frame, Signal, Window
from mien.face.crop import BELOW, LONG, crop
from mien.rppg.frame_methods import FrameMethod

STILL = 1.0
"""s over which the place of a face is averaged: a cut that trembles changes every pixel (our choice)."""

GAP = 0.5
"""s without the face after which a new clip begins (our choice)."""


def frame_waves(frames: Iterable[Frame], people: Mapping[int, Window], method: FrameMethod) -> dict[int, Signal]:
    """Compute the waveform of everybody in a video.

    Args:
        frames: Of the video, in the order of time.
        people: What was measured of each person in each frame.
        method: The method; it gets clips of `frames` pictures, each half over the one before.

    Returns:
        The waveforms by person: `method.rate` Hz, one deviation, NaN where no clip is whole.
    """
    clips = {id_: _Clips(window, method) for id_, window in people.items() if len(window.times)}
    for frame in frames:
        for clip in clips.values():
            clip.push(frame)
    return {id_: clip.signal() for id_, clip in clips.items()}


class _Clips:
    """Cuts one person out of the frames and adds up the waveforms of the clips."""

    def __init__(self, window: Window, method: FrameMethod) -> None:
        self._method, self._times = method, np.asarray(window.times, np.float64)
        place = np.asarray(window.position, np.float64)
        self._seen: np.ndarray = np.all(np.isfinite(place), axis=1)
        self._place = _steady(place, self._seen, self._times)
        self._start = float(self._times[0])
        count = int((self._times[-1] - self._start) * method.rate) + 1
        self._sum, self._weight = np.zeros(count), np.zeros(count)
        self._last: deque[np.ndarray] = deque(maxlen=method.frames)  # pictures of this stretch
        self._next = 0  # sample of the next picture
        self._fresh, self._due = 0, method.frames  # pictures since the last clip, and before the next

    def push(self, frame: Frame) -> None:
        """The next frame of the video."""
        row = int(np.searchsorted(self._times, frame.time - 1e-6))
        if row >= len(self._times) or abs(self._times[row] - frame.time) > 1e-6 or not self._seen[row]:
            return
        due = int((frame.time - self._start) * self._method.rate + 1e-6)
        if due - self._next > GAP * self._method.rate:
            self._end_stretch()
            self._next = due
        if due < self._next:
            return
        x, y, width = self._place[row]
        half = LONG * width / 2
        box = np.array([x - half, y + BELOW * width - half, x + half, y + BELOW * width + half])
        picture = crop(frame.rgb, box, self._method.size, self._method.box_factor - 1)
        for _ in range(due - self._next + 1):  # a video of a lower rate shows a picture for longer
            self._last.append(picture)
            self._next, self._fresh = self._next + 1, self._fresh + 1
            if len(self._last) == self._method.frames and self._fresh >= self._due:
                self._clip()

    def signal(self) -> Signal:
        """The waveform after the last frame."""
        self._end_stretch()
        with np.errstate(invalid="ignore", divide="ignore"):
            wave = np.where(self._weight > 0, self._sum / self._weight, np.nan)
        return Signal(wave[None], self._method.rate, ("pulse",), ("1",), self._start)

    def _clip(self) -> None:
        """Add the waveform of the last `frames` pictures."""
        wave = np.asarray(self._method.waveform(np.stack(self._last)), np.float64)
        first = self._next - len(wave)
        wave = (wave - wave.mean()) / max(float(wave.std()), 1e-12)
        taper = np.minimum(np.arange(1, len(wave) + 1), np.arange(len(wave), 0, -1))
        part = slice(first, min(self._next, len(self._sum)))
        kept = part.stop - part.start
        self._sum[part] += (taper * wave)[:kept]
        self._weight[part] += taper[:kept]
        self._fresh, self._due = 0, self._method.frames // 2

    def _end_stretch(self) -> None:
        """The face is gone: one more clip, that ends with its last picture."""
        if self._fresh and len(self._last) == self._method.frames:
            self._clip()
        self._last.clear()
        self._fresh, self._due = 0, self._method.frames


def _steady(place: np.ndarray, seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The place (T, 3) of a face, averaged over `STILL` s; gaps are filled from both sides."""
    if not seen.any():
        return place
    filled = np.stack([np.interp(times, times[seen], column[seen]) for column in place.T], axis=1)
    rate = (len(times) - 1) / max(float(times[-1] - times[0]), 1e-6)
    return np.asarray(uniform_filter1d(filled, max(1, round(STILL * rate)), axis=0, mode="nearest"))
