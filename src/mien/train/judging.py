"""How well a model does on validation, and which epoch is the better one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from mien import metrics
from mien.batch import Batch
from mien.data.pieces import whose
from mien.models.duse import DuSE
from mien.models.mvp import MVP

ENOUGH = 30
"""Trials of validation from which on a temperature is fitted. Our choice: of fewer it follows chance."""


@torch.no_grad()
def judged(fabric: Fabric, model: Any, judge: Iterable[Batch] | None, classes: int, windowed: bool,
           trained: np.ndarray) -> dict[str, float]:
    """Every measure (`metrics.measures`) on validation, over all devices, with `chance_` before its name that of a
    guess that names each class as often as training had it, `trained` (K,) trials of each; and the temperature that
    fits, 1 below `ENOUGH` trials. Measures of windows are of the trials they belong to. A text tower is run once."""
    if judge is None:
        return {}
    module = model.module
    module.eval()
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


def _measured(counts: np.ndarray, two: bool) -> dict[str, float]:
    """Every measure of all classes; of `two` heads also macro-F1 of each dimension, by its name."""
    found = {name: float(measure(counts)) for name, measure in metrics.measures(len(counts)).items()}
    each = metrics.dimensions(counts) if two else {}
    return found | {f"{name}_macro_f1": float(metrics.macro_f1(one)) for name, one in each.items()}


def better(scores: Mapping[str, float], best: Mapping[str, float], choose: str) -> bool:
    """Whether an epoch is the one to keep: by its score, the other score deciding between equals; else the last."""
    if "uar" not in scores or not best:
        return True
    other = "war" if choose == "uar" else "uar"
    return (scores[choose], scores[other]) > (best[choose], best[other])
