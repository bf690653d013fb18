"""Averaged weights (EMA): an exponential moving average of the trained parameters, validated and saved in their place.

Polyak & Juditsky 1992, Acceleration of Stochastic Approximation by Averaging, 10.1137/0330046. The decay is ramped as
min(decay, (1 + n) / (10 + n)) over the first n updates, so that the average does not remember the initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mien.models.method import trainable


class WeightAverage:
    """The average of a model's trained parameters; with decay 0 it does nothing."""

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay, self.count = model, decay, 0
        self.values: dict[str, Tensor] = {}
        if decay:
            self.values = {name: value.clone() for name, value in trainable(model).items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step."""
        if not self.decay:
            return
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, value in trainable(self.model).items():
            self.values[name].lerp_(value, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the context the model has the averaged weights."""
        original: dict[str, Tensor] = {}
        if self.decay:
            original = {name: value.clone() for name, value in trainable(self.model).items()}
        self._copy(self.values)
        try:
            yield
        finally:
            self._copy(original)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        parameters = trainable(self.model)
        for name, value in values.items():
            parameters[name].copy_(value)

    @property
    def state(self) -> dict[str, Any]:
        """What `restore` needs, on the CPU."""
        return {"count": self.count, "values": {name: value.cpu() for name, value in self.values.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.count = state["count"]
        for name, value in state["values"].items():
            self.values[name].copy_(value)
