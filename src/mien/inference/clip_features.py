"""Buffer the clips of one face during tracking, and compute VideoMAE features as each clip ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mien import video
from mien.backbones.tower import Tower
from mien.core.observations import Window
from mien.face.track_buffer import FaceCropBuffer
from mien.models.videomae import CLIP_SECONDS, clip_features
from mien.preprocessing.trial_dataset import MIN_CLIP_PICTURES, resize_and_crop

MIN_PICTURE_INTERVAL = 1 / 31
"""Minimum interval between pictures in s: about 30 Hz, as in a prepared dataset."""


@dataclass(eq=False)
class ClipFeatureBuffer(FaceCropBuffer):
    """A buffer of one clip at a time.

    Attributes:
        side: size of the pictures in px.
        seconds: length of a clip.
        gap: minimum interval between pictures in s.
        tower: the VideoMAE, None to discard the clips.
        crop: large or tight, as in `resize_and_crop`.
        features_by_clip: (d,) by clip number.
        last: time of the last picture in s, by clip number.
    """

    side: int = 0
    seconds: float = CLIP_SECONDS
    gap: float = MIN_PICTURE_INTERVAL
    tower: Tower | None = None
    crop: str = "large"
    features_by_clip: dict[int, np.ndarray] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    _clip: int = -1

    def wants(self, time: float) -> bool:
        """Whether the clip takes a picture of that time in s; always the first picture of a clip."""
        return _clip(time) != self._clip or super().wants(time)

    def push(self, time: float, picture: np.ndarray) -> None:
        """Add a picture as `FaceCropBuffer.push` does; the first picture of a clip closes the previous clip."""
        if _clip(time) != self._clip:
            self.close()
            self._clip = _clip(time)
        super().push(time, picture)

    def close(self) -> None:
        """Compute the features of the current clip if it has enough pictures."""
        if self.tower is not None and len(self._pictures) >= MIN_CLIP_PICTURES:
            plan = self.tower.plan
            rows = video.pick_frames(len(self._pictures), plan.frames)
            clip = resize_and_crop([self._pictures[row] for row in rows], plan.size, self.crop)
            self.features_by_clip[self._clip] = clip_features(self.tower, [clip])[0].numpy()
            self.last[self._clip] = self._times[-1]
        self._times.clear()
        self._pictures.clear()

    def into(self, window: Window) -> Window:
        """Return the window unchanged: models of clips do not read single pictures."""
        return window

    def forget(self, time: float) -> None:
        """Do nothing: `close` drops the pictures when a clip ends."""

    def rows(self, start: float, end: float) -> np.ndarray:
        """Return the features (S, d) of the clips from `start` to `end`, NaN for clips without a face.

        A clip with pictures after `end` is NaN. The last clip of a recording counts, as the last of a trial does in
        training.

        Args:
            start: start of a clip in s.
            end: in s.
        """
        width = 0 if self.tower is None else self.tower.plan.features
        first, last = round(start / CLIP_SECONDS), int(np.ceil(end / CLIP_SECONDS - 1e-6))
        rows = np.full((max(last - first, 0), width), np.nan, np.float32)
        for row, k in zip(rows, range(first, last), strict=True):
            if self.last.get(k, np.inf) <= end:
                row[:] = self.features_by_clip[k]
        return rows


def _clip(time: float) -> int:
    """The number of the clip of a time in s."""
    return int(np.floor(time / CLIP_SECONDS + 1e-9))
