"""Clips whose classes differ in the order of events alone, and a random CLIP with ordinary attention to see them.

"A then B": two of three textures appear, each in one of eight frames; the class is which pair, and in which order.
"Onset or offset": one of three textures grows or fades over two to four frames; an offset is an onset in reverse. In
both, every set of frames is equally likely in both orders, so a model without order is right in half of the clips at
most. Frames are noise otherwise; nothing is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mien.backbones.config import CLIP_MEAN, CLIP_STD, BackboneConfig
from mien.backbones.tower import Tower, normalise_pixels

FRAMES, SIDE, TEXTURES = 8, 32, 3
SHORTEST, LONGEST = 2, 4  # frames in which a texture grows
CLASSES, ORDERS = 6, 2
STRENGTH, NOISE = 45.0, 10.0  # grey levels of a texture and of the noise
PAIRS = tuple(permutations(range(TEXTURES), 2))
WORDS = 1000  # of the random text tower; the last one ends a text
TEXT_LENGTH = 6

Kind = Literal["A then B", "onset or offset"]

IMAGE = BackboneConfig("clip-image", 48, 3, 4, 96, "quick_gelu", out=32, size=SIDE, patch=8, mean=CLIP_MEAN,
                       std=CLIP_STD)
TEXT = BackboneConfig("clip-text", 48, 3, 4, 96, "quick_gelu", out=32, vocab=WORDS, context=16, end=WORDS - 1,
                      pool="end")
"""Our choice: three layers, so that prompts of the first two pass a layer without prompts."""


@dataclass(frozen=True, eq=False)
class OrderedClips:
    """`frames` uint8 (N, T, 3, S, S), `target` (N,) 0..5, `textures` (3, 3, S, S), deviation 1."""

    frames: Tensor
    target: Tensor
    textures: np.ndarray

    def __len__(self) -> int:
        return len(self.target)


def draw_clips(kind: Kind, rng: np.random.Generator, textures: np.ndarray, count: int) -> OrderedClips:
    """Draw `count` clips, all classes equally often."""
    target = rng.permutation(np.arange(count) % CLASSES)
    shown = np.zeros((count, FRAMES, TEXTURES))
    for strength, label in zip(shown, target, strict=True):
        if kind == "A then B":
            strength[np.sort(rng.choice(FRAMES, 2, replace=False)), PAIRS[label]] = 1
        else:
            strength[:, label // ORDERS] = _ramp(rng)[:: 1 - 2 * (label % ORDERS)]
    frames = 128 + STRENGTH * np.einsum("ntk,kcij->ntcij", shown, textures)
    frames += NOISE * rng.standard_normal(frames.shape)
    return OrderedClips(torch.tensor(np.clip(frames, 0, 255), dtype=torch.uint8), torch.tensor(target), textures)


def _ramp(rng: np.random.Generator) -> np.ndarray:
    """An onset: strength (T,) of a texture that grows to 1 from a random frame on, in a random number of frames."""
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    start = int(rng.integers(0, FRAMES - length))
    return np.clip((np.arange(FRAMES) - start) / length, 0, 1)


def matched_filter(kind: Kind, clips: OrderedClips) -> np.ndarray:
    """The classes (N,) that the true textures give: about the limit for every model."""
    flat = clips.textures.reshape(TEXTURES, -1)
    seen = clips.frames.numpy().reshape(len(clips), FRAMES, -1).astype(np.float64) - 128
    strength = seen @ flat.T / (STRENGTH * flat.shape[1])  # (N, T, 3)
    if kind == "onset or offset":
        which = strength.sum(axis=1).argmax(axis=1)
        slope = np.einsum("nt,t->n", strength[np.arange(len(clips)), :, which], np.arange(FRAMES) - (FRAMES - 1) / 2)
        return ORDERS * which + (slope < 0)
    first, second = np.triu_indices(FRAMES, 1)
    scores = [(strength[:, first, a] + strength[:, second, b]).max(axis=1) for a, b in PAIRS]
    return np.argmax(scores, axis=0)


def random_clip(rng: np.random.Generator) -> tuple[Tower, Tower, Tensor]:
    """A frozen random CLIP -> image tower, text tower, and token ids (6, L) of a random text for each class."""
    towers = []
    for plan in (IMAGE, TEXT):
        tower = Tower(plan)
        with torch.no_grad():
            for name, value in tower.named_parameters():
                if "norm" not in name and "pre" not in name:
                    size = value[0].numel() if value.ndim > 1 else np.inf  # biases and the class token are 0
                    value.copy_(torch.from_numpy(rng.standard_normal(value.shape) / size**0.5 + 0.0))
        towers.append(tower.requires_grad_(False).eval())
    ids = rng.integers(1, WORDS - 1, (CLASSES, TEXT_LENGTH))
    ids[:, 0], ids[:, -1] = 0, WORDS - 1
    return towers[0], towers[1], torch.from_numpy(ids)


@torch.no_grad()
def attended_tokens(tower: Tower, frames: Tensor) -> float:
    """How many tokens the class token attends to, of 1 + P: the exponential of the entropy, mean over layers, heads."""
    tokens, counts = tower.embed(normalise_pixels(frames.flatten(0, 1), tower.plan)), []
    for block in tower.blocks:
        q, k, _ = block.attend.qkv(block.attend.norm(tokens)).chunk(3, dim=-1)
        q, k = (part.unflatten(-1, (tower.plan.heads, -1)).transpose(1, 2) for part in (q, k))
        weight = (q[:, :, :1] @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
        counts.append(torch.special.entr(weight).sum(dim=-1).exp().mean())
        tokens = block(tokens)
    return float(torch.stack(counts).mean())
