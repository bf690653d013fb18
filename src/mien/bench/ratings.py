"""A benchmark of a recipe that guesses ratings: concordance and errors in points, and what the cut makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mien import rating, writing
from mien.bench import figures, scores, tables
from mien.bench.answers import GUESS, RATING
from mien.bench.run import PREDICTIONS, Judged

NAMES = {"ccc": "CCC", "pearson": "Pearson r", "rmse": "RMSE, points", "mae": "MAE, points",
         "ccc_within": "CCC within people"}
"""Measure -> what the table calls it."""

LIMITS = {"ccc_low": "CCC, low", "ccc_high": "high"}

_EXPLAINED = (
    "mean of training: always guessing that of the fold's training, whose CCC is 0 in each fold, and a little below "
    "where folds with other means are put together; own mean: of each person the mean of these very test ratings, "
    "which nobody knows beforehand: so much is in who it is, not in what the trial did. Within people: both less each "
    "person's own mean, so that who rates high in general counts for nothing.")

CUT = ("uar", "war", "macro_f1")

Pair = tuple[np.ndarray, np.ndarray]
"""Ratings and guesses (N,), in points."""


def pairs(frame: pd.DataFrame) -> dict[str, Pair]:
    """Of all as it is, under ''; where people are known also less each one's own mean, under '_within'."""
    truth, guess, who = frame[RATING].to_numpy(), frame[GUESS].to_numpy(), scores.people(frame)
    found = {"": (truth, guess)}
    if who is not None and len(frame):
        found["_within"] = rating.apart(truth, who), rating.apart(guess, who)
    return found


def values(frame: pd.DataFrame) -> dict[str, float]:
    """Every measure of a table of one checkpoint by name."""
    whole = {f"{name}{kind}": value for kind, pair in pairs(frame).items()
             for name, value in rating.values(rating.sums(*pair)).items()}
    return {name: value for name, value in whole.items() if name in NAMES}


def intervals(frame: pd.DataFrame, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Measure -> its 95 % interval, drawing people, or trials where nobody is known."""
    who = scores.people(frame)
    return {f"{name}{kind}": rating.bootstrap(measure, *pair, who, seed=seed) for kind, pair in pairs(frame).items()
            for name, measure in rating.MEASURES.items() if f"{name}{kind}" in NAMES}


def references(frame: pd.DataFrame, folds: tuple[dict[str, Any], ...]) -> dict[str, dict[str, float]]:
    """What guesses have that look at nothing. `mean`: always that of the fold's training; `own`: of each person the
    mean of these very ratings, which nobody knows beforehand: what telling people apart could bring at most."""
    means = {fold["name"]: fold["mean"] for fold in folds}
    found = {"mean": values(frame.assign(**{GUESS: frame["fold"].map(means)}))}
    who = scores.people(frame)
    if who is not None and len(frame):
        found["own"] = values(frame.assign(**{GUESS: rating.own(frame[RATING].to_numpy(), who)}))
    return found


def main(judged: Judged) -> pd.DataFrame:
    """A row a measure: last, last_low, last_high, chosen, ..., mean, own (`references`), then `CUT` of what ratings and
    guesses are cut to, 0..1, with frequency and majority (`scores.references`)."""
    task, parts = judged.recipe.task, _parts(judged)
    known = references(parts["last"], judged.folds)
    classes = {kind: one.values() for kind, one in scores.references(parts["last"], judged.folds, task).items()}
    found = {name: values(part) | {key: scores.scored(part, task).values()[key] for key in CUT}
             for name, part in parts.items()}
    limits = {name: intervals(part) | scores.intervals(part, task) for name, part in parts.items()}
    rows = []
    for measure in found["last"]:
        row: dict[str, Any] = {"measure": measure}
        for name in scores.CHECKPOINTS:
            row[name] = found[name][measure]
            row[f"{name}_low"], row[f"{name}_high"] = limits[name][measure]
        guesses = classes if measure in CUT else known
        rows.append(row | {kind: guesses[kind].get(measure, np.nan) for kind in (
            ("frequency", "majority") if measure in CUT else known)})
    return pd.DataFrame(rows)


def by_fold(judged: Judged) -> pd.DataFrame:
    """A row a fold: trials of test, CCC and RMSE of both checkpoints; then mean and standard deviation."""
    parts, rows = _parts(judged), []
    for fold in judged.folds:
        row: dict[str, Any] = {"fold": fold["name"]}
        for name, part in parts.items():
            kept = part[part["fold"] == fold["name"]]
            found = values(kept)
            row |= {"test": len(kept), **{f"{NAMES[key]}, {name}": found[key] for key in ("ccc", "rmse")}}
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = frame.columns[2:]
    last = [{"fold": "mean", "test": frame["test"].sum(), **frame[numbers].mean()},
            {"fold": "standard deviation", "test": "", **frame[numbers].std()}]
    return pd.concat([frame, pd.DataFrame(last)], ignore_index=True)


def grouped(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row a group of `column`, as `scores.grouped`: trials, people, the measures, and the interval of CCC."""
    rows = []
    for value, part in scores.groups(frame, column):
        low, high = intervals(part)["ccc"] if len(part) >= scores.LEAST else (np.nan, np.nan)
        rows.append({**scores.size(column, value, part), **values(part), "ccc_low": low, "ccc_high": high})
    return pd.DataFrame(rows)


def markdown(judged: Judged) -> str:
    """The page `table.md`."""
    frame, who = main(judged), scores.people(judged.predictions) is not None
    rated, cut = frame[~frame["measure"].isin(CUT)], frame[frame["measure"].isin(CUT)]
    low, high = judged.recipe.task.scale or (np.nan, np.nan)
    lines = [*tables.head(judged), *_page(rated, 1.0, NAMES, {"mean": "mean of training", "own": "own mean"}), "",
             f"Ratings and guesses in points of the scale of {low:g} to {high:g}, all test trials together. In "
             f"brackets 95 % intervals, bootstrap over {'people' if who else 'trials'}; {_EXPLAINED}",
             "", "## Cut into classes", "",
             *_page(cut, 100.0, tables.NAMES, {"frequency": "chance (frequency)", "majority": "majority"}), "",
             "In %: what ratings and guesses are when both are cut where the rule of the labels cuts.",
             "", "## Folds", "", *tables.pages(by_fold(judged), ".3f")]
    chosen = _parts(judged)["chosen"]
    for column in judged.by:
        lines += ["", f"## By {column} (checkpoint chosen on validation)", "",
                  *tables.pages(grouped(chosen, column).rename(columns=NAMES | LIMITS), ".3f")]
    return "\n".join([*lines, "", "## Notes", "", *(f"- {note}" for note in tables.notes(judged))]) + "\n"


def write(judged: Judged) -> None:
    """Everything about `judged` into its folder."""
    out, chosen = judged.out, _parts(judged)["chosen"]
    page = markdown(judged)
    writing.table(out / PREDICTIONS, judged.predictions)
    writing.text(out / "scores.json", writing.json_line(_scores(judged)) + "\n")
    writing.table(out / "table.csv", main(judged))
    for column in judged.by:
        writing.table(out / f"by-{column}.csv", grouped(chosen, column))
    figures.confusion(out / "confusion.png", scores.scored(chosen, judged.recipe.task).confusion,
                      judged.recipe.task.classes)
    figures.guesses(out / "guesses.png", *pairs(chosen)[""], judged.recipe.task.scale or (0.0, 1.0))
    writing.text(out / "table.md", page)


def told(judged: Judged) -> list[str]:
    """What the command prints of it, a line each."""
    frame = main(judged).set_index("measure")
    lines = []
    for name, title in (("last", "last epoch"), ("chosen", "chosen on validation")):
        ccc = tables.within(frame[name]["ccc"], frame[f"{name}_low"]["ccc"], frame[f"{name}_high"]["ccc"], ".3f")
        lines.append(f"  {title}: CCC {ccc}, r {frame[name]['pearson']:.3f}, RMSE "
                     f"{frame[name]['rmse']:.2f}, MAE {frame[name]['mae']:.2f} points")
    return [*lines, f"  always the mean of training: CCC {frame['mean']['ccc']:.3f}, RMSE {frame['mean']['rmse']:.2f}, "
                    f"MAE {frame['mean']['mae']:.2f} points"]


def _parts(judged: Judged) -> dict[str, pd.DataFrame]:
    frame = judged.predictions
    return {name: frame[frame["checkpoint"] == name] for name in scores.CHECKPOINTS}


def _page(frame: pd.DataFrame, by: float, names: dict[str, str], guesses: dict[str, str]) -> list[str]:
    """A table as lines of markdown, its numbers times `by`."""
    form = ".2f" if by > 1 else ".3f"
    guesses = {name: title for name, title in guesses.items() if name in frame}

    def cell(row: Any, name: str) -> str:
        return tables.within(row[name] * by, row[f"{name}_low"] * by, row[f"{name}_high"] * by, form)

    rows = [[names[row["measure"]], cell(row, "last"), cell(row, "chosen"),
             *(tables.number(row[name] * by, form) for name in guesses)] for _, row in frame.iterrows()]
    return tables.grid(["", "last epoch", "chosen on validation", *guesses.values()], rows)


def _scores(judged: Judged) -> dict[str, Any]:
    """Everything that was counted as JSON data: ratings in points, what the cut makes of them 0..1."""
    task, parts = judged.recipe.task, _parts(judged)
    whole: dict[str, Any] = {
        "recipe": judged.recipe.name, "tiny": judged.recipe.tiny, "seed": judged.seed, "split": judged.split,
        "scale": task.scale, "classes": task.classes, "folds_judged": len(judged.folds), "folds": judged.count,
        "statements": [fold["stated"] for fold in judged.folds], **references(parts["last"], judged.folds)}
    for name, part in parts.items():
        each = {f"by_{kind}": {str(key): {"trials": len(rows)} | values(rows) for key, rows in part[
            part[kind] != ""].groupby(kind, sort=False)} for kind in ("fold", "subject")}
        cut = scores.scored(part, task)
        whole[name] = {"all": values(part), "intervals": intervals(part), "cut": cut.values(),
                       "confusion": cut.confusion.tolist(), **each}
    return whole
