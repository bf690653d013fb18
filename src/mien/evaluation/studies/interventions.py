"""Remove or permute one part of a trained DuSE, to see whether the prediction depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from mien.models.duse.model import DuSE

Change = Callable[[DuSE], DuSE | None]
"""Changes a trained model in place and returns it; None if the model has no such part."""


@torch.no_grad()
def without_text_prompts(model: DuSE) -> DuSE | None:
    """Set the prompts of the text tower to zero; the visual prompts, which are made from them, stay."""
    if model.htpc is None:
        return None
    kept = model.htpc.text.clone()
    model.htpc.text.zero_()
    model.cache_text_features()
    model.htpc.text.copy_(kept)
    return model


@torch.no_grad()
def without_visual_prompts(model: DuSE) -> DuSE | None:
    """Set the visual prompts to zero; the text prompts and the sinusoid of the frame stay."""
    if model.htpc is None or not model.options.htpc:
        return None
    for value in model.htpc.mlp.parameters():
        value.zero_()
    return model


@torch.no_grad()
def without_time(model: DuSE) -> DuSE | None:
    """Remove the sinusoid of the frame from the prompts."""
    if model.htpc is None or not model.options.htpc:
        return None
    model.htpc.phase.zero_()
    return model


def mean_of_frames(model: DuSE) -> DuSE | None:
    """Replace LSEA by the mean over frames."""
    if model.lsea is None:
        return None
    model.lsea = None
    return model


@torch.no_grad()
def equal_frame_weights(model: DuSE) -> DuSE | None:
    """Give all frames the same weight in LSEA."""
    if model.lsea is None:
        return None
    model.lsea.score.weight.zero_()
    return model


@torch.no_grad()
def without_texts(model: DuSE) -> DuSE | None:
    """Remove the class texts from LSEA: beta is 1."""
    if model.lsea is None:
        return None
    model.lsea.options = replace(model.lsea.options, beta=1.0)
    return model


CHANGES: dict[str, Change] = {
    "text prompts zeroed": without_text_prompts,
    "visual prompts zeroed": without_visual_prompts,
    "sinusoid zeroed": without_time,
    "mean of frames instead of LSEA": mean_of_frames,
    "equal frame weights": equal_frame_weights,
    "no class texts in LSEA": without_texts,
}
