"""Other views of the same clip, for training: one change for all of its frames, another for each clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mien.recipes import Augment


class Augmenter:
    """(B, T, 3, S, S) uint8 -> float 0..1, changed; on the device of the frames, and the same for the same seed."""

    def __init__(self, size: int, how: Augment) -> None:
        self.on = how.on and size > 0
        if not self.on:
            return
        from kornia import augmentation as kornia  # slow to import, and inference has no use for it

        self._change = kornia.VideoSequential(
            kornia.RandomResizedCrop((size, size), scale=how.area, ratio=how.ratio),
            kornia.RandomHorizontalFlip(p=how.flip),
            kornia.RandomRotation(how.rotation, p=1.0),
            kornia.ColorJitter(brightness=how.brightness, p=1.0),
            data_format="BTCHW", same_on_frame=True)

    @torch.no_grad()
    def __call__(self, frames: Tensor, seed: int) -> Tensor:
        """`seed` alone decides what is drawn; the global generators stay as they are."""
        if not self.on:
            return frames
        with torch.random.fork_rng(devices=[frames.device] if frames.is_cuda else []):
            torch.manual_seed(seed)
            return self._change(frames.float() / 255).clamp(0, 1)
