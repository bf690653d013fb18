"""Fit a training step into the memory of a device: smaller parts of the batch, and checkpointing of the towers' blocks.

Both give the gradients of the whole batch, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mien.backbones.tower import Block, Tower
from mien.core.batch import Batch
from mien.models.registry import method

USABLE = 0.8
"""Share of the free memory that a plan fills. Our choice: gradients, workspaces and fragmentation need the rest."""


@dataclass(frozen=True)
class MemoryPlan:
    """How a step uses memory.

    Attributes:
        part: largest number of rows that pass the model at once; 0 for the whole batch.
        checkpointing: whether blocks compute their activations again in the backward pass.
    """

    part: int = 0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.part < 0:
            raise ValueError(f"MemoryPlan.part: expected 0 or more rows, got {self.part}")


WHOLE_BATCH = MemoryPlan()
"""Every row at once, and every activation kept."""


def saved_bytes(model: Any, batch: Batch) -> int:
    """Bytes that autograd keeps for the backward pass of `model.loss(batch)`, without the model's own tensors."""
    parameters = {value.untyped_storage()._cdata for value in (*model.parameters(), *model.buffers())}
    kept: dict[int, tuple[Tensor, int]] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage._cdata not in parameters:
            kept[storage._cdata] = (value, storage.nbytes())  # holding the tensor keeps its address from reuse
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        model.loss(batch)
    return sum(count for _, count in kept.values())


def set_checkpointing(model: nn.Module, on: bool) -> None:
    """Switch the checkpointing of every block of the model's towers."""
    for block in model.modules():
        if isinstance(block, Block):
            block.checkpointing = on


def expect_parts(name: str, plan: MemoryPlan) -> None:
    """Check that a method allows a split batch.

    Args:
        name: name of the method.
        plan: the plan for the memory.

    Raises:
        ValueError: the plan splits the batch, and the losses of the method compare rows.
    """
    if plan.part and not method(name).rows_independent:
        raise ValueError(f"--micro-batch: expected 0 for {name}, as its losses or random draws need the whole "
                         f"batch, got {plan.part}: use --checkpointing, or lower schedule.batch")


def _blocks(model: nn.Module) -> int:
    """Number of blocks of the model's deepest tower."""
    return max((len(part.blocks) for part in model.modules() if isinstance(part, Tower)), default=0)


def plan_memory(model: Any, batch: Batch, rows: int, free: int) -> MemoryPlan:
    """Choose the fastest plan that fits: the whole batch, then checkpointing, then ever smaller parts.

    Args:
        model: a method in training mode; its towers' checkpointing is set to that of the plan.
        batch: an example with two rows, on the model's device.
        rows: number of rows of this process.
        free: bytes of free memory.

    Raises:
        ValueError: a single row does not fit, or the method cannot split a batch and the whole does not fit.
    """
    room = USABLE * free
    need = block = 0.0
    for on in (False, True):
        set_checkpointing(model, on)
        single, double = (saved_bytes(model, batch[slice(0, count)]) for count in (1, 2))
        row, fixed = max(double - single, 0) + block, max(2 * single - double, 0)
        block = row / max(_blocks(model), 1)  # with checkpointing, one block at a time is computed again
        part = rows
        while part > 1 and on and model.rows_independent and fixed + part * row > room:
            part = -(-part // 2)
        need = fixed + part * row
        if need <= room:
            return MemoryPlan(part % rows, on)
    raise ValueError(f"memory: expected room for {need / 2**30:.1f} GiB of activations, the least that a step needs, "
                     f"got {room / 2**30:.1f} GiB: lower schedule.batch, or take a smaller tower")


def split_batch(batch: Batch, part: int, gather: Callable[[Tensor], Tensor]) -> list[tuple[Batch, float]]:
    """Split a batch into parts of at most `part` rows, 0 for one part, each with its share of the loss.

    The loss of a batch, a weighted mean over its rows, is the sum of share x loss over its parts: a part divides by the
    mean weight of its own rows, so its share contains that weight.

    Args:
        batch: the rows of this process.
        part: largest number of rows.
        gather: collects values of all processes, as in `DistributedBatch`.
    """
    count = len(batch)
    parts = [batch[slice(start, start + (part or count))] for start in range(0, count, part or count)]
    sizes = [float(len(piece)) for piece in parts]
    if batch.weight is not None:
        sizes = [size * float(gather(piece.weight).mean())  # type: ignore[arg-type]
                 for size, piece in zip(sizes, parts, strict=True)]
    return [(piece, size / sum(sizes)) for piece, size in zip(parts, sizes, strict=True)]
