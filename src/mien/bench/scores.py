"""From predictions to scores: of all, of each fold, of each person, of any group; with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mien import metrics
from mien.bench.answers import ABOUT, CALIBRATED, PROBS
from mien.tasks import Task

CHECKPOINTS = ("last", "chosen")
LEAST = 30
"""Answers from which the interval of a group is given. Our choice: of fewer it is as wide as chance is away."""


def places(frame: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """label and predicted of a table -> classes by number (N,), (N,)."""
    number = {name: k for k, name in enumerate(task.classes)}
    return frame["label"].map(number).to_numpy(), frame["predicted"].map(number).to_numpy()


def scored(frame: pd.DataFrame, task: Task) -> metrics.Scores:
    """The table of one checkpoint -> its confusion."""
    return metrics.Scores(task, metrics.confusion(*places(frame, task), len(task.classes)))


def calibration(frame: pd.DataFrame, task: Task) -> dict[str, float]:
    """ece, ece_calibrated: 0..1."""
    target, _ = places(frame, task)
    kinds = {"ece": PROBS, "ece_calibrated": CALIBRATED}
    return {name: metrics.ece(frame[[f"{kind}{c}" for c in task.classes]].to_numpy(), target)
            for name, kind in kinds.items()}


def people(frame: pd.DataFrame) -> np.ndarray | None:
    """(N,) who each trial is of, None where the dataset does not say it of everybody."""
    return (frame["dataset"] + " " + frame["subject"]).to_numpy() if (frame["subject"] != "").all() else None


def intervals(frame: pd.DataFrame, task: Task, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Measure -> its 95 % interval, drawing people, or clips where nobody is known."""
    target, predicted = places(frame, task)
    classes, who = len(task.classes), people(frame)
    found = {name: metrics.bootstrap(measure, target, predicted, classes, who, seed=seed)
             for name, measure in metrics.measures(classes).items()}
    for k, name in enumerate(task.classes):
        found[f"recall_{name}"] = metrics.bootstrap(partial(_recall, k), target, predicted, classes, who, seed=seed)
    return found


def _recall(k: int, counts: np.ndarray) -> np.ndarray:
    return metrics.recall(counts)[..., k]


def references(frame: pd.DataFrame, folds: tuple[Mapping[str, Any], ...], task: Task) -> dict[str, metrics.Scores]:
    """What guessing brings on average. `chance`: every class equally often; `frequency`: as often as the fold's
    training has it; `majority`: always the one that it has most."""
    classes = len(task.classes)
    found = {name: np.zeros((classes, classes)) for name in ("chance", "frequency", "majority")}
    for fold in folds:
        target, _ = places(frame[frame["fold"] == fold["name"]], task)
        counts = np.bincount(target, minlength=classes)
        trained = np.array([fold["train"][name] for name in task.classes])
        found["chance"] += np.outer(counts, np.full(classes, 1 / classes))
        found["frequency"] += np.outer(counts, trained / trained.sum())
        found["majority"] += np.outer(counts, np.arange(classes) == trained.argmax())
    return {name: metrics.Scores(task, value) for name, value in found.items()}


def grouped(frame: pd.DataFrame, column: str, task: Task) -> pd.DataFrame:
    """A row a group of `column` (of the trial table, or subject, fold, dataset): trials, people, UAR, WAR, %, and the
    interval of WAR."""
    rows = []
    for value, part in groups(frame, column):
        found = scored(part, task)
        low, high = float("nan"), float("nan")
        if len(part) >= LEAST:
            low, high = metrics.bootstrap(metrics.war, *places(part, task), len(task.classes), people(part))
        rows.append({**size(column, value, part),
                     **{key: 100 * found.values()[key] for key in ("uar", "war", "macro_f1")},
                     "war_low": 100 * low, "war_high": 100 * high})
    return pd.DataFrame(rows)


def groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each value of `column` (of the trial table, or subject, fold, dataset), in order; where a trial has
    none, among "not told"."""
    name = column if column in ("subject", "fold", "dataset") else f"{ABOUT}{column}"
    told = frame[name] if name in frame else pd.Series("", index=frame.index)
    return [(str(value), part) for value, part in frame.groupby(told.fillna("").replace("", "not told"), sort=True)]


def size(column: str, value: str, part: pd.DataFrame) -> dict[str, Any]:
    """A group's name, and how many trials and people it has."""
    return {column: value, "trials": len(part), "people": part.loc[part["subject"] != "", "subject"].nunique()}
