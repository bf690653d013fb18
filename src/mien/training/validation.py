"""Evaluate a model on the validation side, and select the best epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from mien.core.batch import Batch
from mien.core.tasks import QUADRANTS, Task
from mien.metrics import classification, regression
from mien.preprocessing.window_dataset import trial_id_of_window

LOGGED_MEASURES = ("uar", "war", "macro_f1", "ccc", "rmse")
"""Validation measures in the log, of classes or of ratings."""

MIN_CALIBRATION_TRIALS = 30
"""Smallest number of validation trials to fit a temperature. Our choice: with fewer, the fit is mostly noise."""


@torch.no_grad()
def validate(fabric: Fabric, model: Any, batches: Iterable[Batch] | None, task: Task, windowed: bool,
           taught: np.ndarray) -> dict[str, float]:
    """Evaluate a model on the validation side, over all devices.

    Args:
        fabric: the devices.
        model: the model as Fabric wraps it; set back to training mode afterwards.
        batches: the validation batches, None if there are none.
        task: classes, or a rating.
        windowed: whether the batches hold windows; their probabilities are summed over each trial.
        taught: (N,) targets of the training trials, for the chance level.

    Returns:
        Every measure of `classification.measures`, or of `regression.MEASURES` in points; the same with the prefix
        `chance_` for random classes at their training frequency, or for the constant mean of training; and for classes
        the `temperature` that calibrates the logits, 1 below `MIN_CALIBRATION_TRIALS` trials. Empty without batches.
    """
    if batches is None:
        return {}
    module = model.module
    module.eval()
    if task.scale is not None:
        return _rated(fabric, module, batches, task, float(task.points(taught).mean()))
    classes = len(task.classes)
    trained = np.bincount(taught, minlength=classes)
    where: Any = {"dtype": _sum_dtype(fabric), "device": fabric.device}
    confusion, costs = torch.zeros(classes, classes, **where), torch.zeros(len(classification.TEMPERATURES), **where)
    summed: dict[str, tuple[int, Tensor]] = {}
    with module.scoring():
        for number, batch in enumerate(batches):
            if number % fabric.world_size == fabric.global_rank or windowed:
                with fabric.autocast():  # not Fabric's wrapper, which would wait for devices without a further batch
                    logits = module(batch.to(fabric.device)).float()
                targets = cast(Tensor, batch.target)
                costs += torch.from_numpy(
                    classification.cross_entropy_by_temperature(logits.cpu().numpy(), targets.cpu().numpy())
                ).to(**where)
                for id, target, row in zip(batch.trial, targets.tolist(), logits.softmax(dim=-1), strict=True):
                    name = trial_id_of_window(id) if windowed else str(len(summed))
                    if name in summed:
                        row = row + summed[name][1]
                    summed[name] = (target, row)
    for number, (target, row) in enumerate(summed.values()):
        if number % fabric.world_size == fabric.global_rank or not windowed:
            confusion[target, row.argmax()] += 1
    module.train()
    sums = [cast(Tensor, fabric.all_reduce(value, reduce_op="sum")) for value in (confusion, costs)]
    counts, cost = (value.cpu().numpy() for value in sums)
    guess = np.outer(counts.sum(axis=1), trained / max(trained.sum(), 1))
    two = task.classes == QUADRANTS.classes
    return {**_measured(counts, two), **{f"chance_{name}": value for name, value in _measured(guess, two).items()},
            "temperature": classification.temperature(cost) if counts.sum() >= MIN_CALIBRATION_TRIALS else 1.0}


def _sum_dtype(fabric: Fabric) -> torch.dtype:
    """The type of sums over devices; mps has no float64."""
    return torch.float32 if fabric.device.type == "mps" else torch.float64


def _rated(fabric: Fabric, module: Any, batches: Iterable[Batch], task: Task, usual: float) -> dict[str, float]:
    """Measures of ratings; `usual`: the mean rating of training. Undefined measures are left out."""
    sums = np.zeros((2, regression.SUM_COUNT))
    for number, batch in enumerate(batches):
        if number % fabric.world_size == fabric.global_rank:
            with fabric.autocast():
                guess = task.points(module(batch.to(fabric.device))[:, 0].double().cpu().numpy())
            truth = task.points(cast(Tensor, batch.target).double().cpu().numpy())
            sums += np.stack([regression.sums(truth, guess), regression.sums(truth, np.full_like(truth, usual))])
    module.train()
    if fabric.world_size > 1:
        tensor = torch.from_numpy(sums).to(_sum_dtype(fabric)).to(fabric.device)
        sums = cast(Tensor, fabric.all_reduce(tensor, reduce_op="sum")).cpu().double().numpy()
    values, chance = (regression.values(row) for row in sums)
    every = values | {f"chance_{name}": value for name, value in chance.items()}
    return {name: value for name, value in every.items() if np.isfinite(value)}


def _measured(counts: np.ndarray, two: bool) -> dict[str, float]:
    """Every measure of a confusion matrix; for classes of `two` dimensions also macro F1 of each dimension."""
    values = {name: float(measure(counts)) for name, measure in classification.measures(len(counts)).items()}
    if two:
        for name, part in classification.quadrants_to_dimensions(counts).items():
            values[f"{name}_macro_f1"] = float(classification.macro_f1(part))
    return values


SMOOTHED, SPREAD = "smoothed", "spread"
"""Names among an epoch's scores: the mean of `choose` over the newest epochs, and its deviation over the last ten."""

SPREAD_EPOCHS = 10


def with_history(scores: Mapping[str, float], history: list[float], choose: str, smooth: int) -> dict[str, float]:
    """Add an epoch to `history`, its values of the measure `choose`, and the smoothed value and spread to its scores.

    A single epoch's value contains the noise of few validation trials, and the best of many epochs is a maximum over
    that noise. Without validation, or for a measure that is undefined, nothing is added.
    """
    if choose not in scores:
        return dict(scores)
    history.append(float(scores[choose]))
    newest = history[-SPREAD_EPOCHS:]
    return {**scores, SMOOTHED: float(np.mean(history[-smooth:])), SPREAD: float(np.std(newest, ddof=len(newest) > 1))}


def is_better(scores: Mapping[str, float], best: Mapping[str, float], choose: str) -> bool:
    """Whether an epoch is better than the best one by its smoothed measure; other measures decide ties.

    Without validation every epoch counts as better, so that the last one is kept.
    """
    if not best or not scores.keys() & {"uar", "rmse"}:
        return True
    if choose == "ccc":  # undefined if all validation ratings are equal
        new, old = ((measured.get(SMOOTHED, -np.inf), measured.get("ccc", -np.inf), -measured["rmse"])
                    for measured in (scores, best))
        return new > old
    other = {"uar": "war"}.get(choose, "uar")
    return (scores[SMOOTHED], scores[choose], scores[other]) > (best[SMOOTHED], best[choose], best[other])
