"""Where a training computes, and in what numbers: Lightning Fabric, told once."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import nn

from mien.checkpoint.parts import Precision
from mien.models import scpt
from mien.recipes import Recipe
from mien.towers import Tower, fast_dtype


class _Whole(MixedPrecision):
    """Fabric's, without taking the batch apart: its frames stay bytes, and it is frozen."""

    def convert_input(self, data: Any) -> Any:
        """The same."""
        return data


def fabric_on(kind: str, devices: int, nodes: int, strategy: str, precision: Precision) -> Fabric:
    """Fabric, its processes started."""
    device = torch.device(kind)
    which: Any = [device.index] if device.index is not None else devices
    how: dict[str, Any] = {"plugins": _Whole("16-mixed", device.type)} if precision == "16" else {
        "precision": "32-true"}
    fabric = Fabric(accelerator=device.type, devices=which, num_nodes=nodes, strategy=strategy, **how)
    fabric.launch()
    return fabric


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
    """ValueError where a batch cannot be shared evenly, and where SCPT's losses would have nobody to compare on a
    device: two people and, for the kernel, two windows of one of them."""
    if recipe.schedule.batch % (devices * nodes):
        raise ValueError(f"schedule.batch: expected a multiple of the {devices * nodes} devices, got "
                         f"{recipe.schedule.batch}")
    options, share = recipe.options, recipe.schedule.batch // (devices * nodes)
    if not isinstance(options, scpt.Options) or not (options.adapter == "dssa" and options.decouple):
        return
    least = 3 if options.adversary == "kernel" else 2
    if share < least or recipe.schedule.people == 1:
        raise ValueError(f"schedule.batch, schedule.people: expected {least} or more windows of two or more people on "
                         f"each device, for the losses that tell people apart, got {share} windows, people "
                         f"{recipe.schedule.people}: give more, fewer devices, or --set options.decouple=false")
