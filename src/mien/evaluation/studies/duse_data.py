"""Short videos of synthetic people that show an expression for a part of the time, for the tests of DuSE's parts.

Each person shows each expression once, from a random frame on and for a random number of frames. Before and after, the
face is at rest. Head pose, light and a talking mouth vary and carry no information about the class. Framing, light and
resampling equal those of the small CLIP's pictures. There is no video encoding and no face detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import joblib
import numpy as np
import torch
from torch import Tensor

from mien import simulation
from mien.core.tasks import EXPRESSION
from mien.simulation.datasets import acted_video

FIRST = 100_000
"""Number of the first person here; neither the small CLIP nor a lookalike uses these people."""

FRAMES = 8
"""Frames of a video. Our choice: half of DuSE's 16, for twice as many videos in the same time."""

SHORTEST, LONGEST = 2, 4
"""Frames that show the expression. Our choice: a quarter to a half, so that a mean over frames dilutes it and no single
frame always shows it."""

TALKING = 2.0
"""Largest intensity of speech movements of lips and jaw. Our choice: below the intensities of expressions."""


@dataclass(frozen=True, eq=False)
class SyntheticClips:
    """`frames` uint8 (N, T, 3, S, S), `target` (N,) in the order of `tasks.EXPRESSION`, `shown` bool (N, T): where the
    expression stands in the face; of a neutral one, nowhere."""

    frames: Tensor
    target: Tensor
    shown: Tensor

    def __len__(self) -> int:
        return len(self.target)


def render_clips(first: int, count: int, side: int, workers: int = 1) -> SyntheticClips:
    """Seven videos of each of the people numbered `FIRST` + first, ..., `side` px wide."""
    parts = joblib.Parallel(n_jobs=workers)(
        joblib.delayed(person)(FIRST + first + number, side) for number in range(count))
    return SyntheticClips(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(3)))


def person(number: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> frames (7, T, 3, S, S), target (7,), shown (7, T) of one person, who comes from `number` alone."""
    rng = np.random.default_rng([number, 31])
    plans = [_plan(number, name, rng) for name in EXPRESSION.classes]
    count, wide = len(plans) * FRAMES, 2 * side  # averaged down, so that nothing aliases
    light = [plan["light"] for plan in plans]
    actor = simulation.Actor(
        simulation.identity(number), aus=_joined([plan["units"] for plan in plans]), pulse=None, respiration=None,
        pose=np.repeat([plan["pose"] for plan in plans], FRAMES, axis=0), position=(wide / 2, 0.47 * wide),
        scale=acted_video.ALIGNED * wide / 480)
    coarse = float(np.clip(480 / (acted_video.ALIGNED * wide), 1, 2.5))  # texels as wide as pixels, nearly
    scene = simulation.Scene((actor,), size=(wide, wide), fps=1, seconds=count, coarse=coarse, seed=number,
                            light=lambda t: light[int(t) // FRAMES],
                            cuts=tuple(range(FRAMES, count, FRAMES)))
    rgb = np.stack([cv2.resize(frame.rgb, (side, side), interpolation=cv2.INTER_AREA) for frame in scene.frames()])
    return (rgb.reshape(len(plans), FRAMES, side, side, 3).transpose(0, 1, 4, 2, 3).copy(),
            np.arange(len(plans)), np.stack([plan["shown"] for plan in plans]))


def _plan(number: int, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The content of one video: `units` name -> (T,), `shown` bool (T,), `pose` degrees, `light`."""
    look = acted_video.clip(number, name, FRAMES, 0, rng)
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    start = int(rng.integers(0, FRAMES - length + 1))
    stands = (np.arange(FRAMES) >= start) & (np.arange(FRAMES) < start + length)
    units = {unit: top * stands for unit, top in look.look.items()}
    talk = TALKING * rng.random(FRAMES) * (rng.random(FRAMES) < 0.5) * look.talks
    for unit in ("AU25", "AU26"):
        units[unit] = np.maximum(units.get(unit, 0.0), talk)
    return {"units": units, "shown": stands & (name != "neutral"), "pose": look.pose, "light": look.brightness}


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Concatenate the units of the videos."""
    names = sorted({name for part in parts for name in part})
    return {name: np.concatenate([part.get(name, np.zeros(FRAMES)) for part in parts]) for name in names}
