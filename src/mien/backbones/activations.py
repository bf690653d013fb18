"""The activations of the towers' MLPs by the names of `BackboneConfig.act`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x) = silu(1.702 x) / 1.702, computed in place: no other code refers to x."""
    return F.silu(x.mul_(1.702), inplace=not x.requires_grad).mul_(1 / 1.702)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": quick_gelu,
}
"""`gelu_tanh` is the approximation by tanh of Hendrycks & Gimpel 2016 (1606.08415), which SigLIP uses."""
