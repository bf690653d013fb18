"""Benchmark of a recipe that predicts ratings: concordance, errors in points, and scores of the cut ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mien.core import atomic_files
from mien.evaluation import plots, scores, tables
from mien.evaluation.cross_validation import PREDICTIONS, CrossValidationResult
from mien.evaluation.predict import GUESS, RATING
from mien.metrics import regression

MEASURE_TITLES = {"ccc": "CCC", "pearson": "Pearson r", "rmse": "RMSE, points", "mae": "MAE, points",
         "ccc_within": "CCC within people"}
"""Measure -> its title in the tables."""

LIMIT_TITLES = {"ccc_low": "CCC, low", "ccc_high": "high"}

_EXPLAINED = (
    "mean of training: always the mean rating of the fold's training trials; its CCC is 0 in each fold, and a little "
    "below 0 over folds with different means. Own mean: each person's mean of these very test ratings, which is "
    "unknown beforehand; it shows how much depends on the person and not on the trial. Within people: ratings and "
    "guesses minus each person's mean, so that a general tendency to rate high does not count.")

CUT_MEASURES = ("uar", "war", "macro_f1")

RatingPair = tuple[np.ndarray, np.ndarray]
"""True and predicted ratings (N,), in points."""


def rating_pairs(frame: pd.DataFrame) -> dict[str, RatingPair]:
    """True and predicted ratings under '', and minus each person's mean under '_within' if the people are known."""
    truth, guess, who = frame[RATING].to_numpy(), frame[GUESS].to_numpy(), scores.scores_by_subject(frame)
    result = {"": (truth, guess)}
    if who is not None and len(frame):
        result["_within"] = regression.within_subject(truth, who), regression.within_subject(guess, who)
    return result


def rating_scores(frame: pd.DataFrame) -> dict[str, float]:
    """Every measure of `NAMES` for the predictions of one checkpoint."""
    every = {f"{name}{kind}": value for kind, pair in rating_pairs(frame).items()
             for name, value in regression.values(regression.sums(*pair)).items()}
    return {name: value for name, value in every.items() if name in MEASURE_TITLES}


def intervals(frame: pd.DataFrame, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Measure -> its 95 % interval, by a bootstrap over people, or over trials if a trial has no subject."""
    who = scores.scores_by_subject(frame)
    return {
        f"{name}{kind}": regression.bootstrap(measure, *pair, who, seed=seed)
        for kind, pair in rating_pairs(frame).items()
        for name, measure in regression.MEASURES.items()
        if f"{name}{kind}" in MEASURE_TITLES
    }


def constant_baselines(frame: pd.DataFrame, folds: tuple[dict[str, Any], ...]) -> dict[str, dict[str, float]]:
    """The scores of constant predictions.

    `mean`: always the mean rating of the fold's training trials; `own`: each person's mean of these test ratings, which
    is unknown beforehand and bounds what recognising the person could bring.
    """
    means = {fold["name"]: fold["mean"] for fold in folds}
    result = {"mean": rating_scores(frame.assign(**{GUESS: frame["fold"].map(means)}))}
    who = scores.scores_by_subject(frame)
    if who is not None and len(frame):
        result["own"] = rating_scores(frame.assign(**{GUESS: regression.per_subject(frame[RATING].to_numpy(), who)}))
    return result


def main_table(result: CrossValidationResult) -> pd.DataFrame:
    """The main table: one row for each measure.

    Columns: measure, last, last_low, last_high, chosen, chosen_low, chosen_high, and the constant predictions mean and
    own (`constant_baselines`). The rows of `CUT_MEASURES`, 0..1, score the cut ratings; they have
    frequency and majority instead (`scores.guessing_baselines`).
    """
    task, parts = result.recipe.task, _parts(result)
    constant = constant_baselines(parts["last"], result.folds)
    by_class = {kind: reference.values()
                for kind, reference in scores.guessing_baselines(parts["last"], result.folds, task).items()}
    by_class = {kind: by_class[kind] for kind in ("frequency", "majority")}
    measured = {name: rating_scores(part) | {key: scores.score(part, task).values()[key] for key in CUT_MEASURES}
                for name, part in parts.items()}
    limits = {name: intervals(part) | scores.intervals(part, task) for name, part in parts.items()}
    rows = []
    for measure in measured["last"]:
        row: dict[str, Any] = {"measure": measure}
        for name in scores.CHECKPOINTS:
            row[name] = measured[name][measure]
            row[f"{name}_low"], row[f"{name}_high"] = limits[name][measure]
        guesses = by_class if measure in CUT_MEASURES else constant
        rows.append(row | {kind: guess.get(measure, np.nan) for kind, guess in guesses.items()})
    return pd.DataFrame(rows)


def fold_table(result: CrossValidationResult) -> pd.DataFrame:
    """One row for each fold: test trials, CCC and RMSE of both checkpoints; then mean and standard deviation."""
    parts, rows = _parts(result), []
    for fold in result.folds:
        row: dict[str, Any] = {"fold": fold["name"]}
        for name, part in parts.items():
            kept = part[part["fold"] == fold["name"]]
            measured = rating_scores(kept)
            row |= {"test": len(kept), **{f"{MEASURE_TITLES[key]}, {name}": measured[key] for key in ("ccc", "rmse")}}
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = frame.columns[2:]
    last = [{"fold": "mean", "test": frame["test"].sum(), **frame[numbers].mean()},
            {"fold": "standard deviation", "test": "", **frame[numbers].std()}]
    return pd.concat([frame, pd.DataFrame(last)], ignore_index=True)


def group_table(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row for each group of `column`, as `scores.group_scores`: trials, people, the measures, CCC's interval."""
    rows = []
    for value, part in scores.group_rows(frame, column):
        low, high = np.nan, np.nan
        if len(part) >= scores.MIN_TRIALS:
            low, high = intervals(part)["ccc"]
        rows.append({**scores.group_size(column, value, part), **rating_scores(part), "ccc_low": low, "ccc_high": high})
    return pd.DataFrame(rows)


def to_markdown(result: CrossValidationResult) -> str:
    """The page `table.md`."""
    frame, unit = main_table(result), "trials"
    if scores.scores_by_subject(result.predictions) is not None:
        unit = "people"
    rated, cut = frame[~frame["measure"].isin(CUT_MEASURES)], frame[frame["measure"].isin(CUT_MEASURES)]
    low, high = result.recipe.task.scale or (np.nan, np.nan)
    lines = [
        *tables.page_head(result),
        *_page(rated, 1.0, MEASURE_TITLES, {"mean": "mean of training", "own": "own mean"}),
        "",
        f"Ratings and guesses in points of the scale of {low:g} to {high:g}, all test trials together. In "
        f"brackets 95 % intervals, bootstrap over {unit}; {_EXPLAINED}",
        "",
        "## Cut into classes",
        "",
        *_page(cut, 100.0, tables.names(), {"frequency": "chance (frequency)", "majority": "majority"}),
        "",
        "In %: the scores when ratings and guesses are both cut at the boundary of the label rule.",
        "",
        "## Folds",
        "",
        *tables.frame_to_markdown(fold_table(result), ".3f"),
    ]
    chosen = _parts(result)["chosen"]
    for column in result.by:
        lines += [
            "",
            f"## By {column} (checkpoint chosen on validation)",
            "",
            *tables.frame_to_markdown(group_table(chosen, column).rename(columns=MEASURE_TITLES | LIMIT_TITLES), ".3f"),
        ]
    return "\n".join([*lines, "", "## Notes", "", *(f"- {note}" for note in tables.page_notes(result))]) + "\n"


def write_regression_report(result: CrossValidationResult) -> None:
    """Write table.md, table.csv, scores.json, predictions and figures into the folder of `result`."""
    out, chosen = result.out, _parts(result)["chosen"]
    page = to_markdown(result)
    atomic_files.table(out / PREDICTIONS, result.predictions)
    atomic_files.text(out / "scores.json", atomic_files.json_line(_scores(result)) + "\n")
    atomic_files.table(out / "table.csv", main_table(result))
    for column in result.by:
        atomic_files.table(out / f"by-{column}.csv", group_table(chosen, column))
    plots.plot_confusion(out / "confusion.png", scores.score(chosen, result.recipe.task).confusion,
                      result.recipe.task.classes)
    plots.plot_regression(out / "guesses.png", *rating_pairs(chosen)[""], result.recipe.task.scale or (0.0, 1.0))
    atomic_files.text(out / "table.md", page)


def describe_regression(result: CrossValidationResult) -> list[str]:
    """The lines that the command prints."""
    frame = main_table(result).set_index("measure")
    lines = []
    for name, title in (("last", "last epoch"), ("chosen", "chosen on validation")):
        ccc = tables.format_interval(
            frame[name]["ccc"], frame[f"{name}_low"]["ccc"], frame[f"{name}_high"]["ccc"], ".3f"
        )
        lines.append(f"  {title}: CCC {ccc}, r {frame[name]['pearson']:.3f}, RMSE "
                     f"{frame[name]['rmse']:.2f}, MAE {frame[name]['mae']:.2f} points")
    return [*lines, f"  always the mean of training: CCC {frame['mean']['ccc']:.3f}, RMSE {frame['mean']['rmse']:.2f}, "
                    f"MAE {frame['mean']['mae']:.2f} points"]


def _parts(result: CrossValidationResult) -> dict[str, pd.DataFrame]:
    frame = result.predictions
    return {name: frame[frame["checkpoint"] == name] for name in scores.CHECKPOINTS}


def _page(frame: pd.DataFrame, by: float, names: dict[str, str], guesses: dict[str, str]) -> list[str]:
    """A table as lines of markdown, its numbers multiplied by `by`."""
    form = ".2f" if by > 1 else ".3f"
    guesses = {name: title for name, title in guesses.items() if name in frame}

    def cell(row: Any, name: str) -> str:
        return tables.format_interval(row[name] * by, row[f"{name}_low"] * by, row[f"{name}_high"] * by, form)

    rows = [[names[row["measure"]], cell(row, "last"), cell(row, "chosen"),
             *(tables.format_number(row[name] * by, form) for name in guesses)] for _, row in frame.iterrows()]
    return tables.markdown_grid(["", "last epoch", "chosen on validation", *guesses.values()], rows)


def _scores(result: CrossValidationResult) -> dict[str, Any]:
    """All scores as JSON data: of ratings in points, of cut ratings 0..1."""
    task, parts = result.recipe.task, _parts(result)
    data: dict[str, Any] = {
        "recipe": result.recipe.name, "tiny": result.recipe.tiny, "seed": result.seed, "split": result.split,
        "scale": task.scale, "classes": task.classes, "folds_judged": len(result.folds), "folds": result.count,
        "statements": [fold["stated"] for fold in result.folds], **constant_baselines(parts["last"], result.folds)}
    for name, part in parts.items():
        each = {}
        for kind in ("fold", "subject"):
            groups = part[part[kind] != ""].groupby(kind, sort=False)
            each[f"by_{kind}"] = {str(key): {"trials": len(rows)} | rating_scores(rows) for key, rows in groups}
        cut = scores.score(part, task)
        data[name] = {"all": rating_scores(part), "intervals": intervals(part), "cut": cut.values(),
                      "confusion": cut.confusion.tolist(), **each}
    return data
