"""A trained DuSE with one of its parts taken away or mixed up: does the answer rest on it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from mien.models.duse import DuSE

Change = Callable[[DuSE], DuSE | None]
"""Takes a part of a trained model, which is changed; None where it has no such part."""


@torch.no_grad()
def zeroed(model: DuSE) -> DuSE | None:
    """Every prompt of both towers is zero."""
    if model.htpc is None:
        return None
    for value in model.htpc.parameters():
        value.zero_()
    return model


@torch.no_grad()
def exchanged(model: DuSE) -> DuSE | None:
    """The prompts of one layer stand in the other; the places in time stay in the first."""
    if model.htpc is None or len(model.htpc.text) < 2:
        return None
    model.htpc.text.copy_(model.htpc.text.roll(1, dims=0))
    return model


@torch.no_grad()
def timeless(model: DuSE) -> DuSE | None:
    """The prompts say nothing of a frame's place in time."""
    if model.htpc is None or not model.options.htpc:
        return None
    model.htpc.phase.zero_()
    return model


def averaged(model: DuSE) -> DuSE | None:
    """The mean over frames takes LSEA's place."""
    if model.lsea is None:
        return None
    model.lsea = None
    return model


@torch.no_grad()
def even(model: DuSE) -> DuSE | None:
    """LSEA weighs all frames alike; the rest of it stays."""
    if model.lsea is None:
        return None
    model.lsea.score.weight.zero_()
    return model


@torch.no_grad()
def textless(model: DuSE) -> DuSE | None:
    """LSEA adds nothing of the class texts to what was seen: beta is 1."""
    if model.lsea is None:
        return None
    model.lsea.options = replace(model.lsea.options, beta=1.0)
    return model


def misnamed(model: DuSE) -> DuSE | None:
    """Each class is told by the text of the next."""
    model.tokens, model.ends = model.tokens.roll(1, dims=0), model.ends.roll(1, dims=0)
    return model


CHANGES: dict[str, Change] = {
    "prompts zeroed": zeroed, "prompts exchanged between layers": exchanged, "prompts without time": timeless,
    "mean of frames for LSEA": averaged, "frames weighed alike": even, "no texts in LSEA": textless,
    "texts exchanged": misnamed}
