"""Compute scores with intervals from predictions: of all trials, or of each fold, person or other group."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mien.core.tasks import Task
from mien.evaluation.predict import ABOUT_PREFIX, CALIBRATED_PREFIX, PROBS_PREFIX
from mien.metrics import classification

CHECKPOINTS = ("last", "chosen")
MIN_TRIALS = 30
"""Smallest number of trials for the interval of a group. Our choice: with fewer, the interval often includes chance."""


def class_indices(frame: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The columns label and predicted as class numbers (N,), (N,)."""
    number = {name: k for k, name in enumerate(task.classes)}
    return frame["label"].map(number).to_numpy(), frame["predicted"].map(number).to_numpy()


def score(frame: pd.DataFrame, task: Task) -> classification.Scores:
    """The scores of one checkpoint's predictions."""
    return classification.Scores(task, classification.confusion(*class_indices(frame, task), len(task.classes)))


def fold_mean(frame: pd.DataFrame, task: Task) -> dict[str, float]:
    """Measure -> its mean over the folds, 0..1, as papers report it; NaN in no fold counts.

    `frame` holds the predictions of one checkpoint. A recall is the mean over the folds that test its class.
    """
    return {str(name): float(value) for name, value in _of_folds(frame, task).mean(skipna=True).items()}


def fold_deviation(frame: pd.DataFrame, task: Task) -> dict[str, float]:
    """Measure -> its standard deviation (n - 1) over the folds, 0..1; NaN for a single fold. `frame` as `fold_mean`."""
    return {str(name): float(value) for name, value in _of_folds(frame, task).std(skipna=True, ddof=1).items()}


def _of_folds(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    return pd.DataFrame([score(part, task).values() for _, part in frame.groupby("fold", sort=False)])


def calibration_errors(frame: pd.DataFrame, task: Task) -> dict[str, float]:
    """The expected calibration error, 0..1, of the raw (`ece`) and calibrated (`ece_calibrated`) probabilities."""
    target, _ = class_indices(frame, task)
    kinds = {"ece": PROBS_PREFIX, "ece_calibrated": CALIBRATED_PREFIX}
    return {name: classification.ece(frame[[f"{kind}{c}" for c in task.classes]].to_numpy(), target)
            for name, kind in kinds.items()}


def scores_by_subject(frame: pd.DataFrame) -> np.ndarray | None:
    """The subject of each trial (N,); None if a trial has no subject."""
    if not (frame["subject"] != "").all():
        return None
    return (frame["dataset"] + " " + frame["subject"]).to_numpy()


def intervals(frame: pd.DataFrame, task: Task, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Measure -> its 95 % interval, by a bootstrap over people, or over clips if a trial has no subject."""
    target, predicted = class_indices(frame, task)
    classes, who = len(task.classes), scores_by_subject(frame)
    limits = {name: classification.bootstrap(measure, target, predicted, classes, who, seed=seed)
              for name, measure in classification.measures(classes).items()}
    for k, name in enumerate(task.classes):
        limits[f"recall_{name}"] = classification.bootstrap(
            partial(_recall, k), target, predicted, classes, who, seed=seed
        )
    return limits


def _recall(k: int, counts: np.ndarray) -> np.ndarray:
    return classification.recall(counts)[..., k]


def guessing_baselines(
    frame: pd.DataFrame, folds: tuple[Mapping[str, Any], ...], task: Task
) -> dict[str, classification.Scores]:
    """The expected scores of guessing.

    `chance`: random classes, all equally often; `frequency`: random classes at the frequency of the fold's training
    trials; `majority`: always the most frequent class of the training trials.
    """
    classes = len(task.classes)
    expected = {name: np.zeros((classes, classes)) for name in ("chance", "frequency", "majority")}
    for fold in folds:
        target, _ = class_indices(frame[frame["fold"] == fold["name"]], task)
        counts = np.bincount(target, minlength=classes)
        trained = np.array([fold["train"][name] for name in task.classes])
        expected["chance"] += np.outer(counts, np.full(classes, 1 / classes))
        expected["frequency"] += np.outer(counts, trained / trained.sum())
        expected["majority"] += np.outer(counts, np.arange(classes) == trained.argmax())
    return {name: classification.Scores(task, value) for name, value in expected.items()}


def group_scores(frame: pd.DataFrame, column: str, task: Task) -> pd.DataFrame:
    """One row for each group: trials, people, UAR, WAR and macro F1 in %, and the 95 % interval of WAR.

    `column` is a column of the trial table, or subject, fold or dataset. The interval is NaN below `LEAST` trials.
    """
    rows = []
    for value, part in group_rows(frame, column):
        values = score(part, task).values()
        low, high = float("nan"), float("nan")
        if len(part) >= MIN_TRIALS:
            low, high = classification.bootstrap(
                classification.war, *class_indices(part, task), len(task.classes), scores_by_subject(part)
            )
        rows.append({**group_size(column, value, part),
                     **{key: 100 * values[key] for key in ("uar", "war", "macro_f1")},
                     "war_low": 100 * low, "war_high": 100 * high})
    return pd.DataFrame(rows)


def group_rows(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows for each value of `column`, in sorted order; trials without a value form the group "not stated".

    `column` is a column of the trial table, or subject, fold or dataset.
    """
    name = column if column in ("subject", "fold", "dataset") else f"{ABOUT_PREFIX}{column}"
    values = pd.Series("", index=frame.index)
    if name in frame:
        values = frame[name]
    return [(str(value), part) for value, part in frame.groupby(values.fillna("").replace("", "not stated"), sort=True)]


def group_size(column: str, value: str, part: pd.DataFrame) -> dict[str, Any]:
    """The name of a group, and its numbers of trials and people."""
    return {column: value, "trials": len(part), "people": part.loc[part["subject"] != "", "subject"].nunique()}
