"""Models whose trainable values are moved away from where they begin: zeros and identities hide mistakes."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Made = TypeVar("Made", bound=nn.Module)


def stir(model: Made) -> Made:
    """The model itself, noise on everything that learns."""
    torch.manual_seed(5)
    for value in model.parameters():
        if value.requires_grad:
            value.data.add_(0.1 * torch.randn(value.shape))
    return model
