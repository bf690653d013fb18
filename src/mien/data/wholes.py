"""Whole trials of a cache, with their signals and, where a tower reads clips, the features of those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mien import face, video
from mien.data.cache import Cache
from mien.data.features import Features
from mien.face.crop import MARGIN
from mien.models.mvp import CLIP_SECONDS
from mien.types import Trial, Window

LEAST = 4
"""Pictures that a clip must have. Our choice: a quarter of VideoMAE's 16; the others repeat them."""


@dataclass(frozen=True, eq=False)
class Wholes:
    """Called with a trial of `cache` it is a `Source`: the whole trial from 0 s on, without pictures.

    `features`: of the tower that reads its clips, `CLIP_SECONDS` from one to the next; None for action units. `crop`
    of the clips: the kept pictures, a head with hair line, chin and some background, or only the face in them.
    """

    cache: Cache
    features: Features | None = None
    crop: Literal["large", "tight"] = "large"

    def __call__(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        window = self.cache.window(trial.id)
        window = replace(window, signals=self.cache.signals(trial.id, 0.0, window.end))
        if self.features is None:
            return window
        content = f"{self.cache.entries[trial.id].folder} {CLIP_SECONDS} {LEAST}{self.crop.removeprefix('large')}"
        plan = self.features.tower.plan
        places = self.places(trial, plan.frames)
        there = [k for k, rows in enumerate(places) if len(rows)]
        found = self.features(trial, content, lambda: [self.clip(trial, places[k], plan.size) for k in there])
        clips = np.full((len(places), found.shape[1]), np.nan, np.float32)
        clips[there] = found
        return replace(window, clips=clips)

    def places(self, trial: Trial, frames: int) -> list[np.ndarray]:
        """Of each clip, which of the trial's pictures; none where too few were kept."""
        pictured = self.cache.pictured(trial.id)
        count = int(np.ceil(self.cache.entries[trial.id].end / CLIP_SECONDS - 1e-6))
        inside = [np.flatnonzero((pictured >= k * CLIP_SECONDS) & (pictured < (k + 1) * CLIP_SECONDS))
                  for k in range(count)]
        return [rows[video.pick_frames(len(rows), frames)] if len(rows) >= LEAST else rows[:0] for rows in inside]

    def clip(self, trial: Trial, rows: np.ndarray, size: int) -> Tensor:
        """The pictures of these indices -> uint8 (T, 3, S, S)."""
        faces = self.cache.window(trial.id, 0.0, 0.0, pictures=rows).faces
        return fitted(() if faces is None else faces, size, self.crop)


def fitted(pictures: Sequence[np.ndarray] | np.ndarray, size: int, crop: str) -> Tensor:
    """Pictures (T, P, P, 3), cut as they are kept -> uint8 (T, 3, S, S), `crop` large or tight."""
    edge = round(len(pictures[0]) * (1 - 1 / (1 + MARGIN)) / 2) if crop == "tight" else 0
    inner = [picture[edge : len(picture) - edge, edge : len(picture) - edge] for picture in pictures]
    same = [picture if len(picture) == size else face.fit(picture, size) for picture in inner]
    return torch.from_numpy(np.ascontiguousarray(np.stack(same))).permute(0, 3, 1, 2)
