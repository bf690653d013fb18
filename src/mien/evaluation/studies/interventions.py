"""Remove or permute one part of a trained DuSE, to see whether the prediction depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from mien.models.duse.model import DuSE

Change = Callable[[DuSE], DuSE | None]
"""Changes a trained model in place and returns it; None if the model has no such part."""


@torch.no_grad()
def zeroed_prompts(model: DuSE) -> DuSE | None:
    """Set all prompts of both towers to zero."""
    if model.htpc is None:
        return None
    for value in model.htpc.parameters():
        value.zero_()
    return model


@torch.no_grad()
def swapped_prompts(model: DuSE) -> DuSE | None:
    """Swap the prompts between layers; the sinusoid of the frame stays in the first layer."""
    if model.htpc is None or len(model.htpc.text) < 2:
        return None
    model.htpc.text.copy_(model.htpc.text.roll(1, dims=0))
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


def permuted_texts(model: DuSE) -> DuSE | None:
    """Give each class the text of the next class."""
    model.tokens, model.ends = model.tokens.roll(1, dims=0), model.ends.roll(1, dims=0)
    return model


CHANGES: dict[str, Change] = {
    "prompts zeroed": zeroed_prompts,
    "prompts swapped between layers": swapped_prompts,
    "prompts without time": without_time,
    "mean of frames instead of LSEA": mean_of_frames,
    "equal frame weights": equal_frame_weights,
    "no class texts in LSEA": without_texts,
    "class texts permuted": permuted_texts,
}
