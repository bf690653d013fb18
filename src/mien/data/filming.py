"""Clips of one face while it is seen: features by a VideoMAE as each clip ends, at once forgotten as pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mien import video
from mien.data.wholes import LEAST, fitted
from mien.models.mvp import CLIP_SECONDS
from mien.models.videomae import features
from mien.towers import Tower
from mien.types import Window
from mien.windower import Album

GAP = 1 / 31
"""s between two pictures at least: as a prepared dataset keeps them, about 30 Hz."""


@dataclass(eq=False)
class Clips(Album):
    """An album that holds one clip at a time; `found`, `last`: features (d,) and s of the last picture, by the
    clip's number."""

    side: int = 0
    seconds: float = CLIP_SECONDS
    gap: float = GAP
    tower: Tower | None = None
    crop: str = "large"
    found: dict[int, np.ndarray] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    _clip: int = -1

    def push(self, time: float, rgb: np.ndarray, landmarks: np.ndarray) -> None:
        """As `Album.push`; the clip before is read when another begins."""
        clip = int(np.floor(time / CLIP_SECONDS + 1e-9))
        if clip != self._clip:
            self.close()
            self._clip = clip
        super().push(time, rgb, landmarks)

    def close(self) -> None:
        """Read the clip that is under way, where enough of it was seen."""
        if self.tower is not None and len(self._pictures) >= LEAST:
            plan = self.tower.plan
            rows = video.pick_frames(len(self._pictures), plan.frames)
            clip = fitted([self._pictures[row] for row in rows], plan.size, self.crop)
            self.found[self._clip] = features(self.tower, [clip])[0].numpy()
            self.last[self._clip] = self._times[-1]
        self._times.clear()
        self._pictures.clear()

    def into(self, window: Window) -> Window:
        """The window as it is: what looks at pictures step by step does not look here."""
        return window

    def forget(self, time: float) -> None:
        """Nothing: a clip is forgotten when it ends."""

    def rows(self, start: float, end: float) -> np.ndarray:
        """(S, d): the clips from `start` s, where one begins, to `end`; NaN where no face was seen.

        Of a clip that goes on after `end` nothing is told, as long as its pictures do: the last of a recording counts,
        as the last of a trial does in training.
        """
        width = 0 if self.tower is None else self.tower.plan.features
        first, last = (round(start / CLIP_SECONDS), int(np.ceil(end / CLIP_SECONDS - 1e-6)))
        none = np.full(width, np.nan, np.float32)
        rows = [self.found[k] if self.last.get(k, np.inf) <= end else none for k in range(first, last)]
        return np.stack(rows) if rows else none[None][:0]
