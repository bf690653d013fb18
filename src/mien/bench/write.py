"""A benchmark's folder: tables, scores, figures and predictions, each whole or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mien import writing
from mien.bench import figures, ratings, scores, tables
from mien.bench.answers import CALIBRATED, PROBS
from mien.bench.run import PREDICTIONS, Judged


def write(judged: Judged) -> None:
    """Everything about `judged` into its folder."""
    if judged.recipe.task.scale is not None:
        return ratings.write(judged)
    out, task = judged.out, judged.recipe.task
    chosen = judged.predictions[judged.predictions["checkpoint"] == "chosen"]
    page = tables.markdown(judged)
    writing.table(out / PREDICTIONS, judged.predictions)
    writing.text(out / "scores.json", writing.json_line(_scores(judged)) + "\n")
    writing.table(out / "table.csv", tables.main(judged))
    for column in judged.by:
        writing.table(out / f"by-{column}.csv", scores.grouped(chosen, column, task))
    target, _ = scores.places(chosen, task)
    figures.confusion(out / "confusion.png", scores.scored(chosen, task).confusion, task.classes)
    kinds = {title: chosen[[f"{kind}{name}" for name in task.classes]].to_numpy()
             for title, kind in (("as trained", PROBS), ("with temperature", CALIBRATED))}
    figures.calibration(out / "calibration.png", kinds, target)
    name = judged.folds[0]["name"]
    figures.tsne(out / "tsne.png", judged.features, judged.target, task.classes,
                 f"t-SNE of {judged.recipe.name}, test side of {name}, checkpoint chosen on validation")
    writing.text(out / "table.md", page)


def _scores(judged: Judged) -> dict[str, Any]:
    """Everything that was counted, 0..1, as JSON data."""
    task = judged.recipe.task
    told: dict[str, Any] = {"recipe": judged.recipe.name, "tiny": judged.recipe.tiny, "seed": judged.seed,
                            "split": judged.split, "classes": task.classes, "folds_judged": len(judged.folds),
                            "folds": judged.count, "statements": [fold["stated"] for fold in judged.folds]}
    for name in scores.CHECKPOINTS:
        part = judged.predictions[judged.predictions["checkpoint"] == name]
        whole = scores.scored(part, task)
        told[name] = {
            "all": whole.values() | scores.calibration(part, task), "intervals": scores.intervals(part, task),
            "confusion": whole.confusion.tolist(),
            "by_fold": _each(part, part["fold"], judged), "by_subject": _each(part, part["subject"], judged)}
    part = judged.predictions[judged.predictions["checkpoint"] == "last"]
    told |= {name: found.values() for name, found in scores.references(part, judged.folds, task).items()}
    return told


def _each(part: pd.DataFrame, group: pd.Series, judged: Judged) -> dict[str, Any]:
    """Group -> its scores and its number of trials; nobody's trials are no group."""
    found = {}
    for name, rows in part[group != ""].groupby(group[group != ""], sort=False):
        whole = scores.scored(rows, judged.recipe.task)
        found[str(name)] = {"trials": len(whole), **{key: None if np.isnan(value) else value
                                                     for key, value in whole.values().items()}}
    return found
