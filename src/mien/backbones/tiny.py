"""A small, randomly initialised CLIP and VideoMAE, identical on every machine, for tests and dry runs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mien.backbones.config import CLIP_MEAN, CLIP_STD, BackboneConfig, Kind
from mien.backbones.tower import Tower, weights_digest

SOURCE = "tiny"
_END = 999
TINY: dict[Kind, BackboneConfig] = {
    "clip-image": BackboneConfig("clip-image", 32, 2, 2, 64, "quick_gelu", out=16, size=32, patch=16, mean=CLIP_MEAN,
                       std=CLIP_STD),
    "clip-text": BackboneConfig("clip-text", 32, 2, 2, 64, "quick_gelu", out=16, vocab=_END + 1, context=77, end=_END,
                      pool="end"),
    "videomae": BackboneConfig("videomae", 32, 2, 2, 64, size=32, patch=8, frames=4, pool="norm-mean"),
}


def tiny_tower(kind: Kind) -> Tower:
    """Create a small frozen tower with fixed random weights; torch's generators do not change.

    Args:
        kind: "clip-image", "clip-text" or "videomae".

    Returns:
        The tower, float32, in evaluation mode.
    """
    with torch.random.fork_rng(devices=[]):
        tower = Tower(TINY[kind])
    rng = np.random.default_rng(0)  # torch's random numbers depend on the processor's instructions
    with torch.no_grad():
        for name, value in tower.named_parameters():
            if "norm" not in name and "pre" not in name:
                size = value[0].numel() if value.ndim > 1 else np.inf  # biases are 0
                value.copy_(torch.from_numpy(rng.standard_normal(value.shape) / size**0.5 + 0.0))
    tower.source, tower.hash = SOURCE, weights_digest(tower)
    return tower.requires_grad_(False).eval()


def tiny_tokens(texts: Sequence[str]) -> Tensor:
    """Hash each word of texts (K,) to a token id -> ids (K, L).

    Raises:
        ValueError: there are no texts, or a text is empty.
    """
    if not texts or any(not text.strip() for text in texts):
        raise ValueError(f"texts: expected one or more texts with words in them, got {list(texts)}")
    rows = [[0, *(1 + zlib.crc32(word.encode()) % (_END - 1) for word in text.lower().split()), _END] for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [_END] * (longest - len(row)) for row in rows])
