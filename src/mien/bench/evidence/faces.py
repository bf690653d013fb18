"""Short films of synthetic people whose expression shows for a part of the time only: what DuSE's parts are judged on.

Of every person each expression is filmed once. It stands in the face from a drawn frame on for a drawn number of
frames; before and after, the face is at rest. Head, light and a mouth that talks vary and say nothing of the class.
Faces are framed, lit and averaged down as in the pictures that the small CLIP learns from; no film is encoded and no
face is looked for.
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

from mien import synthetic
from mien.lookalikes import acting
from mien.tasks import EXPRESSION

FIRST = 100_000
"""Number of the first person filmed here: neither the small CLIP nor a lookalike has any of these."""

FRAMES = 8
"""Of a film. Our choice: half of DuSE's 16, for twice as many films in the same time."""

SHORTEST, LONGEST = 2, 4
"""Frames that an expression shows. Our choice: a quarter to a half, so that a mean over frames dilutes it and no single
frame has it for certain."""

TALKING = 2.0
"""Intensity up to which lips and jaw move as in speech. Our choice: below what an expression plants."""


@dataclass(frozen=True, eq=False)
class Films:
    """`frames` uint8 (N, T, 3, S, S), `target` (N,) in the order of `tasks.EXPRESSION`, `shown` bool (N, T): where the
    expression stands in the face; of a neutral one, nowhere."""

    frames: Tensor
    target: Tensor
    shown: Tensor

    def __len__(self) -> int:
        return len(self.target)


def films(first: int, count: int, side: int, workers: int = 1) -> Films:
    """Seven films each of the people numbered `FIRST` + first, ..., `side` px wide."""
    parts = joblib.Parallel(n_jobs=workers)(
        joblib.delayed(person)(FIRST + first + number, side) for number in range(count))
    return Films(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(3)))


def person(number: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> frames (7, T, 3, S, S), target (7,), shown (7, T) of one person, who comes from `number` alone."""
    rng = np.random.default_rng([number, 31])
    plans = [_plan(number, name, rng) for name in EXPRESSION.classes]
    count, wide = len(plans) * FRAMES, 2 * side  # averaged down, so that nothing aliases
    light = [plan["light"] for plan in plans]
    actor = synthetic.Actor(
        synthetic.identity(number), aus=_joined([plan["units"] for plan in plans]), pulse=None, respiration=None,
        pose=np.repeat([plan["pose"] for plan in plans], FRAMES, axis=0), position=(wide / 2, 0.47 * wide),
        scale=acting.ALIGNED * wide / 480)
    coarse = float(np.clip(480 / (acting.ALIGNED * wide), 1, 2.5))  # texels as wide as pixels, nearly
    scene = synthetic.Scene((actor,), size=(wide, wide), fps=1, seconds=count, coarse=coarse, seed=number,
                            light=lambda t: light[int(t) // FRAMES],
                            cuts=tuple(range(FRAMES, count, FRAMES)))
    rgb = np.stack([cv2.resize(frame.rgb, (side, side), interpolation=cv2.INTER_AREA) for frame in scene.frames()])
    return (rgb.reshape(len(plans), FRAMES, side, side, 3).transpose(0, 1, 4, 2, 3).copy(),
            np.arange(len(plans)), np.stack([plan["shown"] for plan in plans]))


def _plan(number: int, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """What one film shows: `units` name -> (T,), `shown` bool (T,), `pose` degrees, `light`."""
    look = acting.clip(number, name, FRAMES, 0, rng)
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    start = int(rng.integers(0, FRAMES - length + 1))
    stands = (np.arange(FRAMES) >= start) & (np.arange(FRAMES) < start + length)
    units = {unit: top * stands for unit, top in look.look.items()}
    talk = TALKING * rng.random(FRAMES) * (rng.random(FRAMES) < 0.5) * look.talks
    for unit in ("AU25", "AU26"):
        units[unit] = np.maximum(units.get(unit, 0.0), talk)
    return {"units": units, "shown": stands & (name != "neutral"), "pose": look.pose, "light": look.brightness}


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The units of one film after the other."""
    names = sorted({name for part in parts for name in part})
    return {name: np.concatenate([part.get(name, np.zeros(FRAMES)) for part in parts]) for name in names}
