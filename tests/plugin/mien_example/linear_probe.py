"""A linear probe over frames: a method in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.models.distributed_loss import cross_entropy
from mien.models.method import Method, Output, TowerSet


@dataclass(frozen=True)
class ProbeOptions:
    """`grid`: number of cells along each side of a frame; the mean colours of the cells are the features."""

    grid: int = 4


class LinearProbe(nn.Module, Method):
    """One linear map from the mean colours of a grid, averaged over frames, to the classes."""

    options_type: ClassVar[Any] = ProbeOptions
    frames_independent = True

    def __init__(self, options: ProbeOptions, classes: int) -> None:
        super().__init__()
        self.options = options
        self.linear = nn.Linear(3 * options.grid**2, classes)

    @classmethod
    def build(cls, options: ProbeOptions, towers: TowerSet | None, task: Task, subjects: int) -> LinearProbe:
        return cls(options, len(task.classes))

    @property
    def needs(self) -> ModelRequirements:
        return ModelRequirements(frames=4, size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def frame_features(self, frames: Tensor, places: Sequence[int] = ()) -> Tensor:
        """Frames (B, T, 3, S, S), uint8 or float 0..1 -> (B, T, 3 grid^2)."""
        scaled = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
        cells = F.avg_pool2d(scaled.flatten(0, 1), frames.shape[-1] // self.options.grid)
        return (cells.flatten(1) - 0.5).unflatten(0, frames.shape[:2])

    def predict_features(self, video: Tensor) -> Output:
        features = video.mean(dim=1)
        return Output(self.linear(features), features)

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        if batch.frames is None:
            raise ValueError("LinearProbe: expected frames (B, T, 3, S, S), got None: prepare the batch by `needs`")
        return self.predict_features(self.frame_features(batch.frames))

    def forward(self, batch: Batch) -> Tensor:
        return self.predict(batch).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"cross_entropy": cross_entropy(self(batch), batch, self.share)}

    def export_graph(self) -> nn.Module:
        return _Graph(self)


class _Graph(nn.Module):
    """Frames uint8 (1, T, 3, S, S) -> logits (1, K), features (1, T, d)."""

    def __init__(self, probe: LinearProbe) -> None:
        super().__init__()
        self.probe = probe.eval().requires_grad_(False)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        video = self.probe.frame_features(frames)
        return self.probe.linear(video.mean(dim=1)), video
