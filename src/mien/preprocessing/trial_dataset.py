"""Read full trials from a cache with their signals, and clip features if a tower is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mien import face, video
from mien.core.observations import Window
from mien.core.trials import Trial
from mien.face.crop import MARGIN
from mien.models.videomae import CLIP_SECONDS
from mien.preprocessing.cache import Cache
from mien.preprocessing.clip_feature_cache import ClipFeatureCache

MIN_CLIP_PICTURES = 4
"""Minimum number of pictures of a clip. Our choice: a quarter of VideoMAE's 16; pictures then repeat."""


@dataclass(frozen=True, eq=False)
class TrialSource:
    """A `Source` of full trials from 0 s, without pictures.

    Attributes:
        cache: the prepared dataset.
        features: features of clips, one every `CLIP_SECONDS`; None for action units.
        crop: the picture area of the clips: "large" is a head with hair line, chin and some background, "tight" is
            the face alone.
    """

    cache: Cache
    features: ClipFeatureCache | None = None
    crop: Literal["large", "tight"] = "large"

    def __call__(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        window = self.cache.window(trial.id)
        window = replace(window, signals=self.cache.signals(trial.id, 0.0, window.end))
        if self.features is None:
            return window
        content = (
            f"{self.cache.entries[trial.id].folder} {CLIP_SECONDS} {MIN_CLIP_PICTURES}{self.crop.removeprefix('large')}"
        )
        plan = self.features.tower.plan
        places = self.places(trial, plan.frames)
        with_face = [k for k, rows in enumerate(places) if len(rows)]
        values = self.features(trial, content, lambda: [self.clip(trial, places[k], plan.size) for k in with_face])
        clips = np.full((len(places), values.shape[1]), np.nan, np.float32)
        clips[with_face] = values
        return replace(window, clips=clips)

    def places(self, trial: Trial, frames: int) -> list[np.ndarray]:
        """Indices of the pictures of each clip, (T,); empty for clips with too few pictures."""
        pictured = self.cache.pictured(trial.id)
        count = int(np.ceil(self.cache.entries[trial.id].end / CLIP_SECONDS - 1e-6))
        places = []
        for k in range(count):
            rows = np.flatnonzero((pictured >= k * CLIP_SECONDS) & (pictured < (k + 1) * CLIP_SECONDS))
            index = video.pick_frames(len(rows), frames) if len(rows) >= MIN_CLIP_PICTURES else slice(0)
            places.append(rows[index])
        return places

    def clip(self, trial: Trial, rows: np.ndarray, size: int) -> Tensor:
        """Read the pictures with these indices -> uint8 (T, 3, S, S)."""
        faces = self.cache.window(trial.id, 0.0, 0.0, pictures=rows).faces
        return resize_and_crop(() if faces is None else faces, size, self.crop)


def resize_and_crop(pictures: Sequence[np.ndarray] | np.ndarray, size: int, crop: str) -> Tensor:
    """Crop (large or tight) and resize pictures (T, P, P, 3) of the cache -> uint8 (T, 3, S, S)."""
    edge = 0
    if crop == "tight":
        edge = round(len(pictures[0]) * (1 - 1 / (1 + MARGIN)) / 2)
    inner = [picture[edge : len(picture) - edge, edge : len(picture) - edge] for picture in pictures]
    same = [picture if len(picture) == size else face.fit(picture, size) for picture in inner]
    return torch.from_numpy(np.ascontiguousarray(np.stack(same))).permute(0, 3, 1, 2)
