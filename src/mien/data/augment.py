"""Other views of the same clip, for training: one change for all of its frames, another for each clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
    def __call__(self, frames: Tensor, seed: int, rank: int = 0, ranks: int = 1) -> Tensor:
        """`seed` alone decides what is drawn; the global generators stay as they are. Of a batch that `ranks` processes
        share, what is drawn for all of it, and this one's rows, see `data.order`, are changed by it."""
        if not self.on:
            return frames
        with torch.random.fork_rng(devices=[frames.device] if frames.is_cuda else []):
            torch.manual_seed(seed)
            drawn = self._change.forward_parameters(torch.Size((len(frames) * ranks, *frames.shape[1:])))
            if ranks > 1:
                drawn = [item._replace(data=_own(cast(dict, item.data), len(frames), rank, ranks)) for item in drawn]
            return self._change(frames.float() / 255, params=drawn).clamp(0, 1)


_OF_ALL = ("forward_input_shape", "video_batch_size", "order")
"""What kornia draws or keeps once for a batch; all else has an entry for each of its B T frames."""


def _own(drawn: dict[str, Tensor], count: int, rank: int, ranks: int) -> dict[str, Tensor]:
    """What was drawn for count * ranks clips -> for the `count` of this rank."""
    return {name: value if name in _OF_ALL or not value.numel()
            else value.unflatten(0, (count * ranks, -1))[rank::ranks].flatten(0, 1) for name, value in drawn.items()}
