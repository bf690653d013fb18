"""Initialise a small CLIP from ridge regression on whitened patches, so that few pictures and minutes are enough.

A randomly initialised tower spends much of its training on differences of light and skin. This one starts as a
regression of the phrases on whitened patches. Each head of the first layer attends to one patch and outputs the patch's
share of the evidence for each phrase. All other layers start at zero.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import Tower, normalise_pixels

POSITION_SHARE = 9
"""One in `PLACES` channels encodes the position of the patch; our choice."""

VARIANCE_FLOOR = 0.01
"""Added to the variance of each component before whitening, in mean variances, so that noise stays small."""

RIDGE_PENALTY = 0.003
"""Ridge penalty relative to the mean variance; our choice: the best of 0.03 to 0.0003 on held-out people."""

ATTENTION_LOGIT = 10.0
"""Initial logit by which a head prefers its patch; our choice: the patch gets practically all of the weight."""

UNNAMED_DEVIATION = 0.3
"""Deviation of the features without a phrase, which are random projections of the patches; those with a phrase have 1.

Our choice: a tenth of the length, so that a model trained on these features can use them."""

AMPLITUDE = 2.0
"""Amplitude of the position channels; the other channels have a deviation of 1."""


@torch.no_grad()
def whiten(image: Tower, rgb: Tensor) -> None:
    """Set the patch embedding to the whitened principal components of patches minus the mean patch of their position.

    The channels after the components encode the position.

    Args:
        image: the image tower, changed in place.
        rgb: uint8 (N, 3, S, S) pictures.

    References:
        arXiv 2404.00498, which whitens patches too.
    """
    plan, embed = image.plan, image.embed
    patches = F.unfold(normalise_pixels(rgb, plan), plan.patch, stride=plan.patch).transpose(1, 2)  # (N, places, 3 p p)
    mean = patches.mean(dim=0)
    flat = (patches - mean).flatten(0, 1)
    value, vector = torch.linalg.eigh(flat.T @ flat / len(flat))
    count = min(content_channels(plan.width), len(value))
    white = vector[:, -count:] / (value[-count:] + VARIANCE_FLOOR * value.mean()).sqrt()
    embed.patch.weight.zero_()
    embed.patch.weight[:count] = white.T.reshape(count, 3, plan.patch, plan.patch)
    embed.positions.zero_()
    embed.positions[1:, :count] = -mean @ white
    embed.cls.zero_()
    for place in range(len(embed.positions)):
        embed.positions[place, fit_code(plan.width, len(embed.positions), place)] = AMPLITUDE


def content_channels(width: int) -> int:
    """Number of channels of a token for the picture; the rest encodes the position."""
    return width - width // POSITION_SHARE


def fit_code(width: int, places: int, place: int) -> slice:
    """The channels that are set at one of `places` positions."""
    each = width // POSITION_SHARE // places
    return slice(content_channels(width) + place * each, content_channels(width) + (place + 1) * each)


class Regression:
    """Ridge regression of the phrases on the input of the first layer, summed over batches of pictures."""

    def __init__(self, image: Tower) -> None:
        self.image, self.count = image, content_channels(image.plan.width)
        self.square: Tensor = torch.zeros((), dtype=torch.float64)
        self.cross, self.sum, self.seen = self.square, self.square, 0

    @torch.no_grad()
    def add(self, frames: Tensor, holds: np.ndarray) -> None:
        """Add a batch: frames (B, 3, S, S) 0..1, and bool (B, P) which phrases hold."""
        tokens = self._first_input(normalise_pixels(frames, self.image.plan))
        rows = F.pad(tokens[:, 1:, : self.count].flatten(1), (0, 1), value=1.0).double()
        true = torch.from_numpy(holds).double()
        self.square, self.cross = self.square + rows.T @ rows, self.cross + rows.T @ true
        self.sum, self.seen = self.sum + true.sum(dim=0), self.seen + len(rows)

    def _first_input(self, x: Tensor) -> Tensor:
        return self.image.blocks[0].attend.norm(self.image.embed(x))

    @torch.no_grad()
    def plant(self) -> None:
        """Write the solution into the tower; its features become the evidence for each phrase, in their order."""
        image = self.image
        share = (self.sum / self.seen).clamp(0.01, 0.99)
        cross = self.cross - self.square[:, -1:] * share  # the offset is the share of pictures
        ridge = RIDGE_PENALTY * self.square.diagonal().mean() * torch.eye(len(self.square), dtype=torch.float64)
        weights = torch.linalg.solve(self.square + ridge, cross) / (share * (1 - share))  # approximate log odds
        power = (weights * (self.square @ weights)).sum(dim=0).div(self.seen).mean()
        weights = (weights / power.sqrt()).float()
        for block in image.blocks:
            for layer in (block.attend.out, block.mlp.down):
                layer.weight.zero_()
                layer.bias.zero_()
        self._set_attention(weights)
        project = cast(nn.Linear, image.finish.project).weight
        project.zero_()
        project.fill_diagonal_(1.0)

    def _set_attention(self, weights: Tensor) -> None:
        """Set the first layer: head h attends to patch h and sums its evidence; weights (places C + 1, P)."""
        plan, attend = self.image.plan, self.image.blocks[0].attend
        wide, places = plan.width // plan.heads, plan.patches
        phrases = weights.shape[1]
        query, key, value = attend.qkv.weight.view(3, plan.heads, wide, plan.width)
        bias = attend.qkv.bias.view(3, plan.heads, wide)
        query.zero_()
        key.zero_()
        bias.zero_()
        tokens = self._first_input(torch.zeros(1, 3, plan.size, plan.size))[0]
        shares = weights[:-1].view(places, self.count, -1)
        for head in range(plan.heads):
            class_code, patch_code = (fit_code(plan.width, places + 1, place) for place in (0, head + 1))
            query[head, 0, class_code] = ATTENTION_LOGIT * wide**0.5 / tokens[0, class_code].sum()
            key[head, 0, patch_code] = 1 / (AMPLITUDE * (patch_code.stop - patch_code.start))
            value[head, :phrases] = 0
            value[head, :phrases, : self.count] = shares[head].T
            value[head, phrases:].normal_(std=self.count**-0.5)
            attend.out.weight[range(phrases), range(head * wide, head * wide + phrases)] = 1.0
            rest = attend.out.weight[phrases : plan.out, head * wide + phrases : (head + 1) * wide]
            rest.normal_(std=UNNAMED_DEVIATION * (plan.heads * (wide - phrases)) ** -0.5)
        bias[2, 0, :phrases] = weights[-1]
