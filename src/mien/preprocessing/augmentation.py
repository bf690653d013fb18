"""Data augmentation of clips for training: one random change per clip, the same for all of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mien.recipes.recipe import AugmentOptions


class Augmenter:
    """Augment (B, T, 3, S, S) uint8 -> float 0..1, on the device of the frames; the same seed gives the same result."""

    def __init__(self, size: int, how: AugmentOptions) -> None:
        self.on = how.on and size > 0
        if not self.on:
            return
        from kornia import augmentation as kornia  # slow to import, and inference does not need it

        self._change = kornia.VideoSequential(
            kornia.RandomResizedCrop((size, size), scale=how.area, ratio=how.ratio),
            kornia.RandomHorizontalFlip(p=how.flip),
            kornia.RandomRotation(how.rotation, p=1.0),
            kornia.ColorJitter(how.brightness, how.contrast, how.saturation, how.hue, p=1.0),
            data_format="BTCHW", same_on_frame=True)

    @torch.no_grad()
    def __call__(self, frames: Tensor, seed: int, rank: int = 0, ranks: int = 1) -> Tensor:
        """Augment a batch.

        Args:
            frames: (B, T, 3, S, S) uint8, the rows of this process.
            seed: it alone determines the random parameters; the global generators do not change.
            rank, ranks: this process and the number of processes that share the batch (`preprocessing.samplers`). The
                parameters are drawn for the batch of all processes, and each process uses those of its rows.

        Returns:
            Float 0..1 of the same shape; the frames themselves if augmentation is off.
        """
        if not self.on:
            return frames
        with torch.random.fork_rng(devices=[frames.device] if frames.is_cuda else []):
            torch.manual_seed(seed)
            drawn = self._change.forward_parameters(torch.Size((len(frames) * ranks, *frames.shape[1:])))
            if ranks > 1:
                count = len(frames)
                drawn = [item._replace(data=_rows_of(cast(dict, item.data), count, rank, ranks)) for item in drawn]
            return self._change(frames.float() / 255, params=drawn).clamp(0, 1)


_PER_BATCH = ("forward_input_shape", "video_batch_size", "order")
"""Parameters that kornia keeps once per batch; all others have an entry for each of its B T frames."""


def _rows_of(drawn: dict[str, Tensor], count: int, rank: int, ranks: int) -> dict[str, Tensor]:
    """Select the parameters of this rank's `count` clips from those of all count * ranks clips."""
    rows = dict(drawn)
    for name, value in drawn.items():
        if name not in _PER_BATCH and value.numel():
            rows[name] = value.unflatten(0, (count * ranks, -1))[rank::ranks].flatten(0, 1)
    return rows
