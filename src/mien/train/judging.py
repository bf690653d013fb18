"""How well a model does on validation, and which epoch is the better one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien import metrics, rating
from mien.batch import Batch
from mien.data.pieces import whose
from mien.models.duse import DuSE
from mien.models.mvp import MVP
from mien.tasks import Task

MEASURED = ("uar", "war", "macro_f1", "ccc", "rmse")
"""What the log has of validation, of classes or of ratings."""

ENOUGH = 30
"""Trials of validation from which on a temperature is fitted. Our choice: of fewer it follows chance."""


@torch.no_grad()
def judged(fabric: Fabric, model: Any, judge: Iterable[Batch] | None, task: Task, windowed: bool,
           taught: np.ndarray) -> dict[str, float]:
    """Every measure (`metrics.measures`) on validation, over all devices, with `chance_` before its name that of a
    guess that names each class as often as training had it, `taught` (N,); and the temperature that fits, 1 below
    `ENOUGH` trials. Measures of windows are of the trials they belong to. A text tower is run once. Of ratings those of
    `rating.MEASURES` in points, `chance_` being always the mean of training."""
    if judge is None:
        return {}
    module = model.module
    module.eval()
    if task.scale is not None:
        return _rated(fabric, module, judge, task, float(task.points(taught).mean()))
    classes = len(task.classes)
    trained = np.bincount(taught, minlength=classes)
    if isinstance(module, DuSE):
        module.baked = module.text_features()
    where: Any = {"dtype": torch.float64 if fabric.device.type != "mps" else torch.float32, "device": fabric.device}
    confusion, costs = torch.zeros(classes, classes, **where), torch.zeros(len(metrics.TEMPERATURES), **where)
    known: dict[str, tuple[int, Tensor]] = {}
    for number, batch in enumerate(judge):
        if number % fabric.world_size == fabric.global_rank or windowed:
            with fabric.autocast():  # the module itself: its wrapper would wait for devices that have no batch left
                logits = module(batch.to(fabric.device)).float()
            targets = cast(Tensor, batch.target)
            costs += torch.from_numpy(metrics.costs(logits.cpu().numpy(), targets.cpu().numpy())).to(**where)
            for id, target, row in zip(batch.trial, targets.tolist(), logits.softmax(dim=-1), strict=True):
                name = whose(id) if windowed else str(len(known))
                known[name] = (target, row + known[name][1] if name in known else row)
    for number, (target, row) in enumerate(known.values()):
        if number % fabric.world_size == fabric.global_rank or not windowed:
            confusion[target, row.argmax()] += 1
    if isinstance(module, DuSE):
        module.baked = None
    module.train()
    sums = [cast(Tensor, fabric.all_reduce(value, reduce_op="sum")) for value in (confusion, costs)]
    counts, cost = (value.cpu().numpy() for value in sums)
    guess = np.outer(counts.sum(axis=1), trained / max(trained.sum(), 1))
    two = isinstance(module, MVP) and module.options.heads == "two"
    return {**_measured(counts, two), **{f"chance_{name}": value for name, value in _measured(guess, two).items()},
            "temperature": metrics.temperature(cost) if counts.sum() >= ENOUGH else 1.0}


def _rated(fabric: Fabric, module: Any, judge: Iterable[Batch], task: Task, usual: float) -> dict[str, float]:
    """`usual`: the mean rating of training. What has no value, as the correlation with a constant, is left out."""
    found = np.zeros((2, rating.SUMS))
    for number, batch in enumerate(judge):
        if number % fabric.world_size == fabric.global_rank:
            with fabric.autocast():
                guess = task.points(module(batch.to(fabric.device))[:, 0].double().cpu().numpy())
            truth = task.points(cast(Tensor, batch.target).double().cpu().numpy())
            found += np.stack([rating.sums(truth, guess), rating.sums(truth, np.full_like(truth, usual))])
    module.train()
    if fabric.world_size > 1:
        kind = torch.float64 if fabric.device.type != "mps" else torch.float32
        whole = torch.from_numpy(found).to(kind).to(fabric.device)
        found = cast(Tensor, fabric.all_reduce(whole, reduce_op="sum")).cpu().double().numpy()
    values, chance = (rating.values(row) for row in found)
    every = values | {f"chance_{name}": value for name, value in chance.items()}
    return {name: value for name, value in every.items() if np.isfinite(value)}


def _measured(counts: np.ndarray, two: bool) -> dict[str, float]:
    """Every measure of all classes; of `two` heads also macro-F1 of each dimension, by its name."""
    found = {name: float(measure(counts)) for name, measure in metrics.measures(len(counts)).items()}
    each = metrics.dimensions(counts) if two else {}
    return found | {f"{name}_macro_f1": float(metrics.macro_f1(one)) for name, one in each.items()}


def better(scores: Mapping[str, float], best: Mapping[str, float], choose: str) -> bool:
    """Whether an epoch is the one to keep: by its score, the other score deciding between equals; else the last."""
    if not best or not scores.keys() & {"uar", "rmse"}:
        return True
    if choose == "ccc":  # there is none where all of validation rated alike
        new, old = ((found.get("ccc", -np.inf), -found["rmse"]) for found in (scores, best))
        return new > old
    other = "war" if choose == "uar" else "uar"
    return (scores[choose], scores[other]) > (best[choose], best[other])
