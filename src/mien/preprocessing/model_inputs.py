"""Convert windows to model inputs; training, file analysis and the live stream all use this function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from mien import face, video
from mien.core.batch import Batch
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.preprocessing import rppg_inputs, sequences


def prepare_batch(windows: Sequence[Window], needs: ModelRequirements, rng: np.random.Generator | None = None) -> Batch:
    """Convert windows of one person each to the tensors that a model needs, on the CPU.

    Pixels stay uint8; the model normalises them. `video.pick_frames` selects the frames: a random one per segment with
    `rng` (training), else the middle one; too few pictures repeat the last. A window without pulse has an image of
    zeros and quality 0. Signals and video series are `ModelRequirements.seconds` long and masked, see `to_series`.

    Args:
        windows: one or more windows.
        needs: inputs of the model.
        rng: generator for training, None for inference.

    Raises:
        ValueError: there is no window, a window has no picture, or the windows cannot meet the needs.
    """
    if not windows:
        raise ValueError("prepare: expected one or more windows, got none")
    tensors: dict[str, Tensor] = {}
    if needs.frames is not None and needs.size is not None:
        tensors["frames"] = torch.stack([_frames(window, needs.frames, needs.size, rng) for window in windows])
    if needs.tfr is not None:
        tensors["tfr"], tensors["pulse_quality"] = rppg_inputs.tfr_images(windows, needs)
    if (needs.signals, needs.aus, needs.clips) != (None, None, None):
        tensors |= sequences.to_series(windows, needs, rng)
    if not tensors:
        return Batch(trial=("",) * len(windows))
    return Batch(**tensors)  # type: ignore[arg-type]


def _frames(window: Window, count: int, size: int, rng: np.random.Generator | None) -> Tensor:
    """Select and resize pictures -> uint8 (T, 3, S, S)."""
    if window.faces is None or not len(window.faces):
        raise ValueError(f"prepare: expected pictures of a face between {window.start:g} and {window.end:g} s, got "
                         "none: leave such a window out")
    picked = window.faces[video.pick_frames(len(window.faces), count, rng)]
    if picked.shape[1:3] != (size, size):
        picked = np.stack([face.fit(picture, size) for picture in picked])
    return torch.from_numpy(np.ascontiguousarray(picked)).permute(0, 3, 1, 2)


def collate(batches: Sequence[Batch]) -> Batch:
    """Concatenate batches of the same needs, in their order."""
    joined: dict[str, Tensor] = {}
    for field in fields(Batch):
        values = [getattr(batch, field.name) for batch in batches]
        if field.name != "trial" and any(value is not None for value in values):
            joined[field.name] = torch.cat(values)
    return Batch(**joined, trial=tuple(name for batch in batches for name in batch.trial))  # type: ignore[arg-type]
