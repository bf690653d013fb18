"""Windows -> tensors: the one path, for training, for files and for the stream, so that they cannot drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from mien import face, video
from mien.batch import Batch
from mien.data import pulses, series
from mien.types import Needs, Window


def prepare(windows: Sequence[Window], needs: Needs, rng: np.random.Generator | None = None) -> Batch:
    """Windows of one person each -> what `needs` ask for, on the CPU, pixels as uint8; the model normalises them.

    `frames` of the pictures are taken as `video.pick_frames` says: with `rng` a random one of each segment (training),
    else the middle one; too few repeat the last. Where there is no pulse, its image is 0 and so is its quality.
    Signals and the series of the video are `needs.seconds` long and masked, see `series`. Raises ValueError for no
    window, a window without a picture, and for needs that no window here can meet.
    """
    if not windows:
        raise ValueError("prepare: expected one or more windows, got none")
    found: dict[str, Tensor] = {}
    if needs.frames is not None and needs.size is not None:
        found["frames"] = torch.stack([_frames(window, needs.frames, needs.size, rng) for window in windows])
    if needs.tfr is not None:
        found["tfr"], found["pulse_quality"] = pulses.images(windows, needs)
    if (needs.signals, needs.aus, needs.clips) != (None, None, None):
        found |= series.series(windows, needs, rng)
    return Batch(**found) if found else Batch(trial=("",) * len(windows))  # type: ignore[arg-type]


def _frames(window: Window, count: int, size: int, rng: np.random.Generator | None) -> Tensor:
    """-> uint8 (T, 3, S, S)."""
    if window.faces is None or not len(window.faces):
        raise ValueError(f"prepare: expected pictures of a face between {window.start:g} and {window.end:g} s, got "
                         "none: leave such a window out")
    picked = window.faces[video.pick_frames(len(window.faces), count, rng)]
    if picked.shape[1:3] != (size, size):
        picked = np.stack([face.fit(picture, size) for picture in picked])
    return torch.from_numpy(np.ascontiguousarray(picked)).permute(0, 3, 1, 2)


def collate(batches: Sequence[Batch]) -> Batch:
    """Batches of the same needs -> one, in their order."""
    joined: dict[str, Tensor] = {}
    for field in fields(Batch):
        values = [getattr(batch, field.name) for batch in batches]
        if field.name != "trial" and any(value is not None for value in values):
            joined[field.name] = torch.cat(values)
    return Batch(**joined, trial=tuple(name for batch in batches for name in batch.trial))  # type: ignore[arg-type]
