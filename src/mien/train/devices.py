"""Where a training computes, and in what numbers: Lightning Fabric, told once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from lightning.fabric.strategies import DDPStrategy
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor, nn

from mien.checkpoint.parts import Precision
from mien.models import scpt
from mien.models.shared import ALONE, Share
from mien.recipes import Recipe
from mien.towers import Tower, fast_dtype


class _Whole(MixedPrecision):
    """Fabric's, without taking the batch apart: its frames stay bytes, and it is frozen."""

    def convert_input(self, data: Any) -> Any:
        """The same."""
        return data


def fabric_on(kind: str, devices: int, nodes: int, strategy: str, precision: Precision, *, unread: bool = False
              ) -> Fabric:
    """Fabric, its processes started. `unread`: some of what learns has no part in the losses of a step."""
    device = torch.device(kind)
    which: Any = [device.index] if device.index is not None else devices
    how: dict[str, Any] = {"plugins": _Whole("16-mixed", device.type)} if precision == "16" else {
        "precision": "32-true"}
    plan: Any = strategy
    if unread and devices * nodes > 1 and strategy in ("auto", "ddp"):
        plan = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=device.type, devices=which, num_nodes=nodes, strategy=plan, **how)
    fabric.launch()
    return fabric


class _Gathered(torch.autograd.Function):
    """(b, ...) of each process -> (B, ...) in the order of the batch; each process gets the gradient that all of them
    have of its rows. Together with the mean over processes that Fabric takes of gradients, a loss of gathered values
    counts once: its gradient goes through each row in one process and through what follows in all."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        parts = [torch.empty_like(value) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, value.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(whole)
        return whole[torch.distributed.get_rank() :: torch.distributed.get_world_size()]


def _gather(value: Tensor) -> Tensor:
    """Whatever its type; yes and no travel as bytes."""
    return _gather(value.byte()).bool() if value.dtype == torch.bool else _Gathered.apply(value.contiguous())


def shared(fabric: Fabric, model: nn.Module) -> None:
    """Tell every part of a model that asks for it (`share`) which rows of a batch this process has."""
    share = ALONE if fabric.world_size == 1 else Share(fabric.global_rank, fabric.world_size, _gather)
    for part in model.modules():
        if hasattr(part, "share"):
            part.share = share  # type: ignore[assignment]


def everywhere(fabric: Fabric, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a process's rows -> those of the whole batch, in its order."""
    if fabric.world_size == 1:
        return names
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, names)
    return tuple(name for row in zip(*parts, strict=True) for name in row)


@contextmanager
def exact(how: bool | Literal["warn"]) -> Iterator[None]:
    """Inside, torch takes only what adds in one order, if `how`; what has no such way is a RuntimeError, or with "warn"
    a warning. Afterwards all is as it was. cuBLAS reads its word when it is first used: start with this, or set
    CUBLAS_WORKSPACE_CONFIG yourself."""
    if not how:
        yield
        return
    cudnn = torch.backends.cudnn
    before = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
              cudnn.deterministic, cudnn.benchmark, os.environ.get(_CUBLAS))
    try:
        os.environ.setdefault(_CUBLAS, ":4096:8")
        cudnn.deterministic, cudnn.benchmark = True, False
        torch.use_deterministic_algorithms(True, warn_only=how == "warn")
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before[2:4]
        if before[4] is None:
            os.environ.pop(_CUBLAS, None)


_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""docs.nvidia.com/cuda/cublas, "Results reproducibility": :4096:8 or :16:8; PyTorch asks for one of them."""


def leads() -> bool:  # Fabric learns it from the surroundings of each process when it is imported
    """Whether this process speaks for all: the first of those that train together."""
    return not getattr(rank_zero_only, "rank", 0)


def cast(model: nn.Module, kind: str, precision: Precision) -> str:
    """Frozen towers in the precision asked for, what learns stays float32 -> what "auto" became, in a word."""
    dtype = {"auto": fast_dtype(kind), "bf16": torch.bfloat16}.get(precision, torch.float32)
    for part in model.children():
        if isinstance(part, Tower) and not any(value.requires_grad for value in part.parameters()):
            part.to(dtype)
    return "16" if precision == "16" else str(dtype).removeprefix("torch.")


def expect_learning(recipe: Recipe, model: nn.Module) -> list[nn.Parameter]:
    """What learns. ValueError where nothing does."""
    found = [value for value in model.parameters() if value.requires_grad]
    if not found:
        raise ValueError(f"{recipe.name}: expected something that learns, got a model whose parts are all switched "
                         "off: leave options.prompts or options.lsea on")
    return found


def expect_shared(recipe: Recipe, devices: int, nodes: int) -> None:
    """ValueError where a batch cannot be shared evenly, and where SCPT's losses would have nobody to compare in it: two
    people and, for the kernel, two windows of one of them. They look at the batch of all devices together."""
    schedule, count = recipe.schedule, devices * nodes
    if schedule.batch % count:
        raise ValueError(f"schedule.batch: expected a multiple of the {count} devices, got {schedule.batch}")
    options = recipe.options
    if not isinstance(options, scpt.Options) or not (options.adapter == "dssa" and options.decouple):
        return
    least = 3 if options.adversary == "kernel" else 2
    if schedule.batch < least or schedule.people == 1:
        raise ValueError(f"schedule.batch, schedule.people: expected {least} or more windows of two or more people in "
                         f"a batch, for the losses that tell people apart, got {schedule.batch} windows, people "
                         f"{schedule.people}: give more, or --set options.decouple=false")
