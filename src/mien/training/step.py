"""One training step: random draws, augmentation, losses, checks for finite values, gradient and optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from mien import checkpoints
from mien.core.batch import Batch
from mien.preprocessing.augmentation import Augmenter
from mien.preprocessing.samplers import EpochSampler
from mien.recipes.recipe import Recipe, Schedule
from mien.training.fabric import gather_names
from mien.training.memory import WHOLE_BATCH, MemoryPlan, split_batch


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """The constant parts of a training."""

    fabric: Fabric
    model: Any  # the module as Fabric wraps it
    optimiser: Any
    recipe: Recipe
    steps: EpochSampler
    seed: int
    card: checkpoints.Card
    out: Path
    precision: str
    exact: bool | Literal["warn"]
    memory: MemoryPlan = WHOLE_BATCH


def training_step(run: TrainingRun, change: Augmenter, batch: Batch, number: int) -> dict[str, Any]:
    """Do one optimiser step.

    The random draws depend on the seed, the step and the place in the global batch, not on the number of processes.

    Args:
        run: the training.
        change: augmentation of the frames.
        batch: the rows of this process.
        number: number of the step, from 0.

    Returns:
        The row of the log.

    Raises:
        ValueError: a loss or a gradient is not finite; raised in all processes.
    """
    drawn = np.random.SeedSequence([run.seed, number, 0]).generate_state(2)
    if batch.frames is not None:
        batch = replace(batch, frames=change(batch.frames, int(drawn[0]), run.steps.rank, run.steps.ranks))
    torch.manual_seed(int(drawn[1]))
    epoch, per_epoch = number // run.steps.per_epoch, run.steps.per_epoch
    learning_rate = learning_rate_at(run.recipe.schedule, epoch)
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate
    run.optimiser.zero_grad()
    run.model.module.progress = number / (per_epoch * run.recipe.schedule.epochs)
    known, norms = _backward(run, batch, number, norms=number % per_epoch == 0)
    loss = torch.stack(list(known.values())).sum()
    norm, scaler = _gradient(run.optimiser), getattr(run.fabric.strategy.precision, "scaler", None)
    if scaler is None:
        _expect_finite(run, norm, known, "gradient", batch, number)
    else:
        norm = norm / scaler.get_scale()  # the scaler skips a step that overflows, and lowers the scale
    if run.recipe.schedule.clip:
        run.fabric.clip_gradients(run.model, run.optimiser, max_norm=run.recipe.schedule.clip)
    run.optimiser.step()
    parts = " ".join(f"{name}={float(value):.6g}" for name, value in known.items())
    parts += "".join(f" |{name}|={value:.6g}" for name, value in norms.items())
    return {"step": number + 1, "epoch": epoch + 1, "rate": f"{learning_rate:g}", "loss": f"{float(loss):.6g}",
            "gradient": f"{float(norm):.6g}", "parts": parts}


def _backward(run: TrainingRun, batch: Batch, number: int, norms: bool) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Add the gradients of the losses, part by part of the batch.

    Returns:
        The losses of the global batch by name, and with `norms` the norm of each loss's gradient.
    """
    parts = split_batch(batch, run.memory.part, run.model.module.share.gather)
    known: dict[str, Tensor] = {}
    each: dict[str, float] = {}
    for place, (part, share) in enumerate(parts, 1):
        with run.fabric.no_backward_sync(run.model, enabled=place < len(parts)):
            with run.fabric.autocast():  # on one device, Fabric's wrapper applies it to forward alone
                losses = {name: share * value for name, value in run.model.loss(part).items()}
            if norms and len(parts) == 1:
                each = _each_norm(run, losses)
            values = _of_all(run.fabric, torch.stack([value.detach() for value in losses.values()]))
            known = {name: known.get(name, 0) + value for name, value in zip(losses, values, strict=True)}
            _expect_finite(run, torch.stack(list(known.values())).sum(), known, "loss", batch, number)
            run.fabric.backward(torch.stack(list(losses.values())).sum())
    return known, each


def _of_all(fabric: Fabric, losses: Tensor) -> Tensor:
    """The losses (L,) of the global batch: their mean over processes, which changes nothing for a gathered loss."""
    if fabric.world_size == 1:
        return losses
    return cast(Tensor, fabric.all_reduce(losses, reduce_op="mean"))


def _expect_finite(
    run: TrainingRun, value: Tensor, losses: Mapping[str, Tensor], what: str, batch: Batch, number: int
) -> None:
    if math.isfinite(float(value)):
        return
    parts = ", ".join(f"{name} {float(part):g}" for name, part in losses.items())
    names, odd = _suspects(run, batch)
    which = ""
    if 0 < len(odd) < len(names):
        which = f"; of these {', '.join(odd)} alone gave outputs that are not finite"
    raise ValueError(f"step {number + 1}: expected a finite {what}, got {float(value)} ({parts}) for the trials "
                     f"{', '.join(names)}{which}: look at these, or lower schedule.rate; the weights before this "
                     "step are kept")


@torch.no_grad()
def _suspects(run: TrainingRun, batch: Batch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The trials of the global batch, and those of them with outputs that are not finite."""
    module = run.model.module
    module.eval()
    with run.fabric.autocast():
        finite = torch.isfinite(module(batch)).flatten(1).all(dim=1).tolist()
    module.train()
    names = gather_names(run.fabric, batch.trial)
    marks = gather_names(run.fabric, tuple(map(str, finite)))
    return names, tuple(name for name, mark in zip(names, marks, strict=True) if mark == "False")


def _each_norm(run: TrainingRun, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """The norm of each loss's gradient if there are several losses and one process; empty otherwise."""
    if len(losses) < 2 or run.fabric.world_size > 1:
        return {}
    return gradient_norms(losses, run.model.parameters())


def gradient_norms(losses: Mapping[str, Tensor], parameters: Iterable[Tensor]) -> dict[str, float]:
    """The norm of each loss's gradient by its name, for the log. The graph is kept for the step itself."""
    learning = [value for value in parameters if value.requires_grad]
    norms = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, learning, retain_graph=True, allow_unused=True)
        norms[name] = float(torch.nn.utils.get_total_norm([value for value in gradients if value is not None]))
    return norms


def _gradient(optimiser: Any) -> Tensor:
    """The norm of the gradient of all parameters."""
    gradients = [value.grad for group in optimiser.param_groups for value in group["params"] if value.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)


def learning_rate_at(schedule: Schedule, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    if schedule.curve == "cosine":
        if epoch < schedule.warmup:
            return schedule.rate * (epoch + 1) / (schedule.warmup + 1)
        share = (epoch - schedule.warmup) / (schedule.epochs - schedule.warmup)
        return schedule.rate * 0.5 * (1 + math.cos(math.pi * share))
    passed = sum(epoch >= round(share * schedule.epochs) for share in schedule.milestones)
    return schedule.rate * schedule.gamma**passed
