"""One step of a training: what is drawn, the losses, what must be finite, the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien import checkpoint
from mien.batch import Batch
from mien.data.augment import Augmenter
from mien.data.order import Steps
from mien.models.scpt import gradient_norms
from mien.recipes import Recipe
from mien.train.devices import everywhere


@dataclass(frozen=True, eq=False)
class Run:
    """What does not change in a training."""

    fabric: Fabric
    model: Any  # what Fabric makes of the module
    optimiser: Any
    recipe: Recipe
    steps: Steps
    seed: int
    card: checkpoint.Card
    out: Path
    precision: str
    exact: bool | Literal["warn"]


def step(run: Run, change: Augmenter, batch: Batch, number: int) -> dict[str, Any]:
    """One step of Adam, counted from 0 -> its row in the log. What is drawn depends on seed, step and place in the
    batch, not on how many processes share it. ValueError for a loss or a gradient that is not finite, in all of them.
    """
    drawn = np.random.SeedSequence([run.seed, number, 0]).generate_state(2)
    if batch.frames is not None:
        batch = replace(batch, frames=change(batch.frames, int(drawn[0]), run.steps.rank, run.steps.ranks))
    torch.manual_seed(int(drawn[1]))
    epoch, per_epoch = number // run.steps.per_epoch, run.steps.per_epoch
    learning_rate = rate(run.recipe, epoch)
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate
    run.optimiser.zero_grad()
    run.model.module.progress = number / (per_epoch * run.recipe.schedule.epochs)
    with run.fabric.autocast():  # Fabric has it around forward alone where there is one device
        losses = run.model.loss(batch)
    norms = _each_norm(run, losses) if number % per_epoch == 0 else {}
    total = torch.stack(list(losses.values())).sum()
    known = dict(zip(losses, _of_all(run.fabric, torch.stack([value.detach() for value in losses.values()])),
                     strict=True))
    loss = torch.stack(list(known.values())).sum()
    _expect_finite(run, loss, known, "loss", batch, number)
    run.fabric.backward(total)
    norm, scaler = _gradient(run.optimiser), getattr(run.fabric.strategy.precision, "scaler", None)
    if scaler is None:
        _expect_finite(run, norm, known, "gradient", batch, number)
    else:
        norm = norm / scaler.get_scale()  # an overflow is skipped and mended
    if run.recipe.schedule.clip:
        run.fabric.clip_gradients(run.model, run.optimiser, max_norm=run.recipe.schedule.clip)
    run.optimiser.step()
    told = " ".join(f"{name}={float(value):.6g}" for name, value in known.items())
    told += "".join(f" |{name}|={value:.6g}" for name, value in norms.items())
    return {"step": number + 1, "epoch": epoch + 1, "rate": f"{learning_rate:g}", "loss": f"{float(loss):.6g}",
            "gradient": f"{float(norm):.6g}", "parts": told}


def _of_all(fabric: Fabric, losses: Tensor) -> Tensor:
    """Losses (L,) of a process -> of the whole batch: their mean over processes, which a gathered one is already."""
    return losses if fabric.world_size == 1 else cast(Tensor, fabric.all_reduce(losses, reduce_op="mean"))


def _expect_finite(run: Run, value: Tensor, losses: Mapping[str, Tensor], what: str, batch: Batch, number: int) -> None:
    if math.isfinite(float(value)):
        return
    told = ", ".join(f"{name} {float(part):g}" for name, part in losses.items())
    names, odd = _suspects(run, batch)
    which = f"; of these {', '.join(odd)} alone gave answers that are not finite" * (0 < len(odd) < len(names))
    raise ValueError(f"step {number + 1}: expected a finite {what}, got {float(value)} ({told}) for the trials "
                     f"{', '.join(names)}{which}: look at these, or lower schedule.rate; the weights before this "
                     "step are kept")


@torch.no_grad()
def _suspects(run: Run, batch: Batch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The trials of the whole batch, and those of them whose own answers are not finite."""
    module = run.model.module
    module.eval()
    with run.fabric.autocast():
        finite = torch.isfinite(module(batch)).flatten(1).all(dim=1).tolist()
    module.train()
    names = everywhere(run.fabric, batch.trial)
    marks = everywhere(run.fabric, tuple(map(str, finite)))
    return names, tuple(name for name, mark in zip(names, marks, strict=True) if mark == "False")


def _each_norm(run: Run, losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Norm of each loss's own gradient, where there are several; on one device, where nothing waits for others."""
    if len(losses) < 2 or run.fabric.world_size > 1:
        return {}
    return gradient_norms(losses, run.model.parameters())


def _gradient(optimiser: Any) -> Tensor:
    """Norm of the whole gradient."""
    found = [value.grad for group in optimiser.param_groups for value in group["params"] if value.grad is not None]
    return torch.nn.utils.get_total_norm(found)


def rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate in an epoch, counted from 0."""
    schedule = recipe.schedule
    if schedule.curve == "cosine":
        if epoch < schedule.warmup:
            return schedule.rate * (epoch + 1) / (schedule.warmup + 1)
        share = (epoch - schedule.warmup) / (schedule.epochs - schedule.warmup)
        return schedule.rate * 0.5 * (1 + math.cos(math.pi * share))
    passed = sum(epoch >= round(share * schedule.epochs) for share in schedule.milestones)
    return schedule.rate * schedule.gamma**passed
