"""Other views of the same clip, for training: one change for all of its frames, another for each clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """How far pictures are changed; DuSE names the four kinds, section IV-A2, and no strength.

    The strengths are those of DFER-CLIP (Zhao & Patras 2023, arXiv 2308.13382), which shares its data and backbone.
    `area` share of the picture that is kept and `ratio` of its sides; `flip` probability; `rotation` degrees to both
    sides; `brightness` share by which it varies. MAE-DFER's authors advise area (0.8, 1.0) for aligned faces.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    rotation: float = 4.0
    brightness: float = 0.5
    on: bool = True

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("area", 0 < self.area[0] <= self.area[1] <= 1, "low and high in 0..1"),
            ("ratio", 0 < self.ratio[0] <= self.ratio[1], "low and high above 0"),
            ("flip", 0 <= self.flip <= 1, "0..1"), ("rotation", 0 <= self.rotation <= 180, "0..180 degrees"),
            ("brightness", 0 <= self.brightness <= 1, "0..1"),
        ):
            if not good:
                raise ValueError(f"Augment.{name}: expected {expected}, got {getattr(self, name)}")


class Augmenter:
    """(B, T, 3, S, S) uint8 -> float 0..1, changed; on the device of the frames, and the same for the same seed."""

    def __init__(self, size: int, how: Augment) -> None:
        from kornia import augmentation as kornia  # slow to import, and inference has no use for it

        self.on = how.on
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
