"""Losses and dropout that give the same result for any number of DDP processes.

Row g of a batch of B is row g // R of process g % R (`preprocessing.samplers`). Every process draws random numbers for
all B rows from the same seed and keeps those of its rows. Losses that compare rows, or average over some of them,
gather the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core.batch import Batch


def _same(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class DistributedBatch:
    """The rows of a distributed batch that this process has: those of `rank` out of `ranks`.

    `gather`: values (b, ...) of all processes -> (B, ...), in the order of the batch and with their gradient. A loss of
    gathered values is the same in every process. Do not divide it by the number of processes: their gradients are
    averaged afterwards.
    """

    rank: int = 0
    ranks: int = 1
    gather: Callable[[Tensor], Tensor] = _same

    def draw(self, how: Callable[..., Tensor], *shape: int, axis: int = 0, **where: Any) -> Tensor:
        """Draw random numbers for this process's rows.

        Args:
            how: a generator such as torch.rand.
            shape: the shape; `axis` counts this process's rows.
            where: keyword arguments of `how`, such as the device.
        """
        if self.ranks == 1:
            return how(*shape, **where)
        full = how(*shape[:axis], shape[axis] * self.ranks, *shape[axis + 1 :], **where)
        rows = torch.arange(self.rank, full.shape[axis], self.ranks, device=full.device)
        return full.index_select(axis, rows)


SINGLE_PROCESS = DistributedBatch()


class Dropout(nn.Dropout):
    """torch's dropout with the mask that a single process would draw. The training loop sets `share`."""

    share = SINGLE_PROCESS

    def forward(self, value: Tensor) -> Tensor:
        """Apply dropout to (B, ...); the shape stays the same."""
        if not (self.training and self.p):
            return value
        return value * self.share.draw(self._kept, *value.shape, dtype=value.dtype, device=value.device)

    def _kept(self, *shape: int, **where: Any) -> Tensor:
        return torch.empty(*shape, **where).bernoulli_(1 - self.p).div_(1 - self.p)


def per_row_cross_entropy(logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """Cross entropy of each row, logits (B, K) -> (B,), against the votes of the batch, or its classes without votes.
    """
    target = batch.votes
    if target is None:
        target = batch.target
    if target is None:
        raise ValueError("loss: expected a target (B,), got none: train on trials with labels")
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)


def cross_entropy(logits: Tensor, batch: Batch, share: DistributedBatch = SINGLE_PROCESS, smoothing: float = 0.0,
                  known: Tensor | None = None) -> Tensor:
    """Average the cross entropy over the rows of all processes.

    Args:
        logits: (B, K).
        batch: targets or votes, and optional weights of the rows.
        share: this process's part of the batch.
        smoothing: label smoothing, 0..1.
        known: (B,) bool, rows that count; None for all.

    Returns:
        A scalar. Its mean over the processes equals the loss of a single process.
    """
    losses = per_row_cross_entropy(logits, batch, smoothing)
    if known is None and batch.weight is None:
        return losses.mean()
    weight = torch.ones_like(losses)
    if batch.weight is not None:
        weight = batch.weight.to(losses.dtype)
    if known is not None:
        weight, losses = weight * known, losses.masked_fill(~known, 0.0)
    return (weight * losses).mean() / share.gather(weight).mean()
