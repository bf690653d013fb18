"""Where a small CLIP begins: at what linear regression sees in patches, so that few pictures and minutes are enough.

A tower that begins at random spends them on finding out that faces differ in light and skin. This one begins as a
regression of the phrases on whitened patches: each head of the first layer looks at one patch, and what it takes from
there is the patch's share of the evidence for each phrase; all other layers begin at zero and learn from there.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.towers import Tower, pixels

PLACES = 9
"""Of so many channels one tells places apart; our choice."""

ROUGH = 0.01
"""What is added to the variance of each component before it becomes 1, in mean variances: noise stays small."""

RIDGE = 0.003
"""Of the regression, in mean variances; our choice: the best of 0.03 to 0.0003 on people not learnt from."""

LOOK = 10.0
"""Logit by which a head prefers its patch at first; our choice: practically all of its weight."""

BESIDE = 0.3
"""Deviation of the features that no phrase names, where those of the phrases have 1 in the mean: random projections of
the patches. Our choice: a tenth of the length, for a model that learns from these features to go by."""

AMPLITUDE = 2.0
"""Of the channels that tell places apart, where the others have a deviation of 1."""


@torch.no_grad()
def whiten(image: Tower, rgb: Tensor) -> None:
    """The patch embedding becomes the whitened principal components of patches, less the mean patch of their place:
    what faces differ in, in equal parts (2404.00498 whitens patches too). The channels behind them tell places apart.
    rgb uint8 (N, 3, S, S)."""
    plan, door = image.plan, image.embed
    patches = F.unfold(pixels(rgb, plan), plan.patch, stride=plan.patch).transpose(1, 2)  # (N, places, 3 p p)
    mean = patches.mean(dim=0)
    flat = (patches - mean).flatten(0, 1)
    value, vector = torch.linalg.eigh(flat.T @ flat / len(flat))
    count = min(content(plan.width), len(value))
    white = vector[:, -count:] / (value[-count:] + ROUGH * value.mean()).sqrt()
    door.patch.weight.zero_()
    door.patch.weight[:count] = white.T.reshape(count, 3, plan.patch, plan.patch)
    door.positions.zero_()
    door.positions[1:, :count] = -mean @ white
    door.cls.zero_()
    for place in range(len(door.positions)):
        door.positions[place, code(plan.width, len(door.positions), place)] = AMPLITUDE


def content(width: int) -> int:
    """Channels of a token that hold what is seen."""
    return width - width // PLACES


def code(width: int, places: int, place: int) -> slice:
    """The channels that tell one place."""
    each = width // PLACES // places
    return slice(content(width) + place * each, content(width) + (place + 1) * each)


class Regression:
    """Ridge regression of what holds on what the first layer is given, added up from views of pictures."""

    def __init__(self, image: Tower) -> None:
        self.image, self.count = image, content(image.plan.width)
        self.square: Tensor = torch.zeros((), dtype=torch.float64)
        self.cross, self.sum, self.seen = self.square, self.square, 0

    @torch.no_grad()
    def add(self, frames: Tensor, holds: np.ndarray) -> None:
        """frames (B, 3, S, S) 0..1, holds bool (B, P)."""
        tokens = self._given(pixels(frames, self.image.plan))
        rows = F.pad(tokens[:, 1:, : self.count].flatten(1), (0, 1), value=1.0).double()
        true = torch.from_numpy(holds).double()
        self.square, self.cross = self.square + rows.T @ rows, self.cross + rows.T @ true
        self.sum, self.seen = self.sum + true.sum(dim=0), self.seen + len(rows)

    def _given(self, x: Tensor) -> Tensor:
        return self.image.blocks[0].attend.norm(self.image.embed(x))

    @torch.no_grad()
    def plant(self) -> None:
        """Put the solution into the tower: its features become the evidence for each phrase, in their order."""
        image = self.image
        share = (self.sum / self.seen).clamp(0.01, 0.99)
        cross = self.cross - self.square[:, -1:] * share  # the offset is the share of pictures
        ridge = RIDGE * self.square.diagonal().mean() * torch.eye(len(self.square), dtype=torch.float64)
        found = torch.linalg.solve(self.square + ridge, cross) / (share * (1 - share))  # as log odds, nearly
        found = (found / (found * (self.square @ found)).sum(dim=0).div(self.seen).mean().sqrt()).float()
        for block in image.blocks:
            for layer in (block.attend.out, block.mlp.down):
                layer.weight.zero_()
                layer.bias.zero_()
        self._look(found)
        project = cast(nn.Linear, image.finish.project).weight
        project.zero_()
        project.fill_diagonal_(1.0)

    def _look(self, found: Tensor) -> None:
        """The first layer: head h looks at patch h and adds up its share of the evidence. found (places C + 1, P)."""
        plan, attend = self.image.plan, self.image.blocks[0].attend
        wide, places = plan.width // plan.heads, plan.patches
        phrases = found.shape[1]
        query, key, value = attend.qkv.weight.view(3, plan.heads, wide, plan.width)
        bias = attend.qkv.bias.view(3, plan.heads, wide)
        query.zero_()
        key.zero_()
        bias.zero_()
        tokens = self._given(torch.zeros(1, 3, plan.size, plan.size))[0]
        shares = found[:-1].view(places, self.count, -1)
        for head in range(plan.heads):
            asks, is_there = (code(plan.width, places + 1, place) for place in (0, head + 1))
            query[head, 0, asks] = LOOK * wide**0.5 / tokens[0, asks].sum()
            key[head, 0, is_there] = 1 / (AMPLITUDE * (is_there.stop - is_there.start))
            value[head, :phrases] = 0
            value[head, :phrases, : self.count] = shares[head].T
            value[head, phrases:].normal_(std=self.count**-0.5)
            attend.out.weight[range(phrases), range(head * wide, head * wide + phrases)] = 1.0
            rest = attend.out.weight[phrases : plan.out, head * wide + phrases : (head + 1) * wide]
            rest.normal_(std=BESIDE * (plan.heads * (wide - phrases)) ** -0.5)
        bias[2, 0, :phrases] = found[-1]
