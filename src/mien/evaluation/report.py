"""Write the folder of a benchmark: tables, scores, figures and predictions, each file atomically."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mien.core import atomic_files
from mien.evaluation import plots, regression, scores, tables
from mien.evaluation.cross_validation import PREDICTIONS, CrossValidationResult
from mien.evaluation.predict import CALIBRATED_PREFIX, PROBS_PREFIX


def write_report(result: CrossValidationResult) -> None:
    """Write table.md, table.csv, scores.json, predictions and figures.

    Args:
        result: of `cross_validate`; its folder `out` gets the files.
    """
    if result.recipe.task.scale is not None:
        return regression.write_regression_report(result)
    out, task = result.out, result.recipe.task
    chosen = result.predictions[result.predictions["checkpoint"] == "chosen"]
    page = tables.to_markdown(result)
    atomic_files.table(out / PREDICTIONS, result.predictions)
    atomic_files.text(out / "scores.json", atomic_files.json_line(_scores(result)) + "\n")
    atomic_files.table(out / "table.csv", tables.main_table(result))
    for column in result.by:
        atomic_files.table(out / f"by-{column}.csv", scores.group_scores(chosen, column, task))
    target, _ = scores.class_indices(chosen, task)
    plots.plot_confusion(out / "confusion.png", scores.score(chosen, task).confusion, task.classes)
    kinds = {title: chosen[[f"{kind}{name}" for name in task.classes]].to_numpy()
             for title, kind in (("as trained", PROBS_PREFIX), ("with temperature", CALIBRATED_PREFIX))}
    plots.plot_calibration(out / "calibration.png", kinds, target)
    name = result.folds[0]["name"]
    plots.plot_tsne(out / "tsne.png", result.features, result.target, task.classes,
                 f"t-SNE of {result.recipe.name}, test side of {name}, checkpoint chosen on validation")
    atomic_files.text(out / "table.md", page)


def _scores(result: CrossValidationResult) -> dict[str, Any]:
    """All scores, 0..1, as JSON data."""
    task = result.recipe.task
    data: dict[str, Any] = {"recipe": result.recipe.name, "tiny": result.recipe.tiny, "seed": result.seed,
                            "split": result.split, "classes": task.classes, "folds_judged": len(result.folds),
                            "folds": result.count, "statements": [fold["stated"] for fold in result.folds]}
    for name in scores.CHECKPOINTS:
        part = result.predictions[result.predictions["checkpoint"] == name]
        total = scores.score(part, task)
        data[name] = {
            "all": total.values() | scores.calibration_errors(part, task), "intervals": scores.intervals(part, task),
            "confusion": total.confusion.tolist(),
            "by_fold": _each(part, part["fold"], result), "by_subject": _each(part, part["subject"], result)}
    part = result.predictions[result.predictions["checkpoint"] == "last"]
    data |= {
        name: reference.values() for name, reference in scores.guessing_baselines(part, result.folds, task).items()
    }
    return data


def _each(part: pd.DataFrame, group: pd.Series, result: CrossValidationResult) -> dict[str, Any]:
    """Group -> its number of trials and its scores, None for NaN. Trials without a group are left out."""
    groups: dict[str, Any] = {}
    for name, rows in part[group != ""].groupby(group[group != ""], sort=False):
        total = scores.score(rows, result.recipe.task)
        values = {key: None if np.isnan(value) else value for key, value in total.values().items()}
        groups[str(name)] = {"trials": len(total), **values}
    return groups
