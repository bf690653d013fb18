"""A batch that several processes share: its rows are drawn for and counted as if one process had them all.

Row g of a batch of B is row g // R of process g % R (`data.order`). What is drawn at random is drawn for all B rows in
every process, from the same seed, and each takes its own; what compares rows, or is a mean over those that count,
gathers them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.batch import Batch


def _same(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class Share:
    """Which rows a process has, its `rank` of `ranks`; `gather`: values (b, ...) of all of them -> (B, ...), in the
    order of the batch and with their gradient. A loss of gathered values is the same in every process, and is not to be
    divided by their number: the processes' gradients are averaged afterwards."""

    rank: int = 0
    ranks: int = 1
    gather: Callable[[Tensor], Tensor] = _same

    def draw(self, how: Callable[..., Tensor], *shape: int, axis: int = 0, **where: Any) -> Tensor:
        """`how`, such as torch.rand, of this shape, whose `axis` counts this process's rows."""
        if self.ranks == 1:
            return how(*shape, **where)
        whole = how(*shape[:axis], shape[axis] * self.ranks, *shape[axis + 1 :], **where)
        own = torch.arange(self.rank, whole.shape[axis], self.ranks, device=whole.device)
        return whole.index_select(axis, own)


ALONE = Share()


class Dropout(nn.Dropout):
    """torch's; (B, ...) of a shared batch loses what it would lose in one process. The loop sets `share`."""

    share = ALONE

    def forward(self, value: Tensor) -> Tensor:
        """The same shape."""
        if not (self.training and self.p):
            return value
        return value * self.share.draw(self._kept, *value.shape, dtype=value.dtype, device=value.device)

    def _kept(self, *shape: int, **where: Any) -> Tensor:
        return torch.empty(*shape, **where).bernoulli_(1 - self.p).div_(1 - self.p)


def each(logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """Cross entropy of every row, (B, K) -> (B,): against its class, or against its votes where the batch has them."""
    target = batch.target if batch.votes is None else batch.votes
    if target is None:
        raise ValueError("loss: expected a target (B,), got none: train on trials with labels")
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)


def cross_entropy(logits: Tensor, batch: Batch, share: Share = ALONE, smoothing: float = 0.0,
                  known: Tensor | None = None) -> Tensor:
    """The mean of `each` over the rows of all processes, of those that are `known` (B,), by the weights of the batch.

    The mean over processes of what they return is that of one process.
    """
    found = each(logits, batch, smoothing)
    if known is None and batch.weight is None:
        return found.mean()
    weight = torch.ones_like(found) if batch.weight is None else batch.weight.to(found.dtype)
    if known is not None:
        weight, found = weight * known, found.masked_fill(~known, 0.0)
    return (weight * found).mean() / share.gather(weight).mean()
