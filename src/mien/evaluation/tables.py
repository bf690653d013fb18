"""Tables of a benchmark as data frames and as markdown: the paper's numbers, ours, and their difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation import scores
from mien.evaluation.cross_validation import CrossValidationResult
from mien.evaluation.epochs_on_test import NAME as BEST_ON_TEST
from mien.metrics.classification import METRICS
from mien.models.registry import method
from mien.recipes.published import OTHER_WORKS, PEER_COLUMNS, PEER_RECALLS, PEERS, PUBLISHED_SCORES, S2D, PublishedValue

CALIBRATION_NAMES = {"ece": "ECE", "ece_calibrated": "ECE, with temperature"}

TINY_NOTE = ("A tiny run: small random towers and few steps. It only checks that the pipeline runs; its numbers are "
             "meaningless.")


def names() -> dict[str, str]:
    """Metric -> its title in tables; recalls have the name of their class."""
    return {**{name: metric.title for name, metric in METRICS.items()}, **CALIBRATION_NAMES}


def main_table(result: CrossValidationResult) -> pd.DataFrame:
    """The main table: one row for each measure, in %, in the method's order.

    Columns: measure, paper, last, last_low, last_high, folds_last, chosen, chosen_low, chosen_high, folds_chosen, guess
    (random classes at their training frequency), difference_last and difference_chosen. `last` and `chosen` count all
    test trials together; `folds_last` and `folds_chosen` are the means over the folds. The differences are these means
    minus the paper's; NaN for changed settings and tiny runs. `best_on_test` is there if the recipe has `test_epochs`:
    the mean over the folds at the epoch that is best on the test side, which is too high. The rows at the end are those
    of `scores.guessing_baselines`, the same for both checkpoints.
    """
    task = result.recipe.task
    printed = PUBLISHED_SCORES.get(result.recipe.name, PublishedValue()).values
    parts = {name: result.predictions[result.predictions["checkpoint"] == name] for name in scores.CHECKPOINTS}
    values = {
        name: scores.score(part, task).values() | scores.calibration_errors(part, task) for name, part in parts.items()
    }
    limits = {name: scores.intervals(part, task) for name, part in parts.items()}
    means = {name: scores.fold_mean(part, task) for name, part in parts.items()}
    references = scores.guessing_baselines(parts["last"], result.folds, task)
    guess = references["frequency"].values()
    alike = not (result.recipe.changed or result.recipe.tiny)
    first = method(result.recipe.method).measures
    rows: list[dict[str, Any]] = []
    rank = {name: number for number, name in enumerate(first)}
    for measure in sorted(values["last"], key=lambda name: rank.get(name, len(first))):
        row: dict[str, Any] = {"measure": measure, "paper": printed.get(measure, np.nan)}
        for name in scores.CHECKPOINTS:
            row[name] = 100 * values[name][measure]
            low, high = limits[name].get(measure, (np.nan, np.nan))
            mean = 100 * means[name].get(measure, np.nan)
            row |= {f"{name}_low": 100 * low, f"{name}_high": 100 * high, f"folds_{name}": mean}
        row["guess"] = 100 * guess.get(measure, np.nan)
        if all(BEST_ON_TEST in fold for fold in result.folds):
            row[BEST_ON_TEST] = 100 * float(np.mean([fold[BEST_ON_TEST].get(measure, np.nan) for fold in result.folds]))
        rows.append(row | differences(row, alike))
    for kind, reference in references.items():
        for measure in ("uar", "war", "macro_f1"):
            value = 100 * reference.values()[measure]
            rows.append({"measure": f"{measure}, {kind}", "last": value, "chosen": value})
    return pd.DataFrame(rows)


def differences(row: Mapping[str, Any], alike: bool) -> dict[str, float]:
    """How far a row's means of folds lie from the paper's score; NaN for a run that is not `alike` the paper's."""
    if not alike:
        return {f"difference_{name}": np.nan for name in scores.CHECKPOINTS}
    return {f"difference_{name}": row[f"folds_{name}"] - row["paper"] for name in scores.CHECKPOINTS}


def fold_table(result: CrossValidationResult) -> pd.DataFrame:
    """One row for each fold: test trials, UAR, WAR and macro F1 of both checkpoints in %; then mean and deviation."""
    rows = []
    for fold in result.folds:
        row: dict[str, Any] = {"fold": fold["name"]}
        for name in scores.CHECKPOINTS:
            kept = result.predictions.query("fold == @fold['name'] and checkpoint == @name")
            values = scores.score(kept, result.recipe.task).values()
            row |= {"test": len(kept), **{f"{kind}_{name}": 100 * values[kind] for kind in ("uar", "war", "macro_f1")}}
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = frame.columns[2:]
    mean, spread = frame[numbers].mean(), frame[numbers].std()
    last = [{"fold": "mean", "test": frame["test"].sum(), **mean}, {"fold": "standard deviation", "test": "", **spread}]
    return pd.concat([frame, pd.DataFrame(last)], ignore_index=True)


def to_markdown(result: CrossValidationResult) -> str:
    """The page `table.md`."""
    lines = page_head(result)
    ours = main_table(result)
    lines += _page_main(ours, who=scores.scores_by_subject(result.predictions) is not None)
    lines += ["", "## Folds", "", *frame_to_markdown(_named_folds(fold_table(result)), ".2f")]
    chosen = result.predictions[result.predictions["checkpoint"] == "chosen"]
    for column in result.by:
        lines += ["", f"## By {column} (checkpoint chosen on validation)", "",
                  *frame_to_markdown(scores.group_scores(chosen, column, result.recipe.task), ".2f")]
    lines += ["", "## Notes", "", *(f"- {note}" for note in page_notes(result))]
    lines += _peers(result, ours)
    return "\n".join(lines) + "\n"


def page_head(result: CrossValidationResult) -> list[str]:
    """The first lines of a page: recipe, finished folds, seed, and changed settings."""
    recipe = result.recipe
    folds = f"{result.count} folds"
    if len(result.folds) < result.count:
        folds = f"{len(result.folds)} of {folds}"
    lines = [f"# {recipe.name}, {folds}, seed {result.seed}", ""]
    if recipe.tiny:
        lines += [TINY_NOTE, ""]
    if recipe.changed:
        lines += ["Changed: " + ", ".join(f"`{path}={value}`" for path, value in recipe.changed.items()) + ".", ""]
    return lines


def _page_main(frame: pd.DataFrame, who: bool) -> list[str]:
    def cell(row: Any, name: str) -> str:
        return format_interval(row[name], row.get(f"{name}_low", np.nan), row.get(f"{name}_high", np.nan))

    rows = []
    for _, row in frame.iterrows():
        plain = {name: format_number(row[name]) for name in ("paper", "folds_last", "folds_chosen", "guess")}
        differences = [format_number(row[f"difference_{name}"], "+.2f") for name in scores.CHECKPOINTS]
        rows.append([_title(row["measure"]), plain["paper"], cell(row, "last"), plain["folds_last"],
                     cell(row, "chosen"), plain["folds_chosen"], plain["guess"], *differences])
        if BEST_ON_TEST in frame:
            rows[-1].append(format_number(row[BEST_ON_TEST]))
    what = "people" if who else "clips"
    columns = ["%", "paper", "last epoch", "mean of folds", "chosen on validation", "mean of folds",
               "chance (frequency)", "difference, last", "difference, chosen"]
    marked = []
    if BEST_ON_TEST in frame:
        columns.append("best epoch on test, as the field often reports")
        marked = ["", "Best epoch on test: the mean of folds at the epoch with the highest score on the test side "
                  "itself. It is too high, and only for the comparison with papers that report it."]
    return [
        *markdown_grid(columns, rows),
        *marked,
        "",
        f"Last epoch and chosen: all test trials together, in brackets 95 % intervals, bootstrap over {what}. Mean of "
        "folds: the mean of each fold's score, as papers report it. Chance (frequency): random classes at their "
        "training frequency. Difference: our mean of folds minus the paper's, empty for a tiny run and for changed "
        "settings.",
    ]


def _title(measure: str) -> str:
    name, _, kind = measure.partition(", ")
    title = names().get(name, f"recall {name.removeprefix('recall_')}")
    return ", ".join(filter(None, (title, kind)))


def _named_folds(frame: pd.DataFrame) -> pd.DataFrame:
    titles = {"uar": "UAR", "war": "WAR", "macro_f1": "macro F1"}
    return frame.rename(columns={f"{kind}_{name}": f"{title}, {name}" for kind, title in titles.items()
                                 for name in scores.CHECKPOINTS})


def page_notes(result: CrossValidationResult) -> Iterable[str]:
    """The notes of a page, one line each: sources, labels, split, and notes of the folds."""
    printed = PUBLISHED_SCORES.get(result.recipe.name)
    if printed:
        yield f"Paper: {printed.source}. {printed.note[:1].upper()}{printed.note[1:]}."
    yield "Training and epoch selection never saw the test trials; the chosen epoch is the best on validation."
    if result.recipe.task.scale is None:
        yield ("Chance: random classes, all equally often. Frequency: random classes at their training frequency. "
               "Majority: always the most frequent class of training.")
    yield f"Labels: {result.recipe.rule}, {result.folds[0]['labels']}."
    yield f"Split sha256 {result.split}, of all folds together."
    for fold in result.folds:
        yield fold["stated"]
        yield from fold["notes"]


def _peers(result: CrossValidationResult, ours: pd.DataFrame) -> list[str]:
    """Other works on the same labels; or DuSE's tables I and II with this run in the last rows."""
    others = OTHER_WORKS.get(result.recipe.name.partition("/")[2], ())
    if others:
        rows = [[other.work, other.protocol, other.accuracy, other.f1, other.weighted_f1] for other in others]
        return ["", "## Others on these labels, by other protocols: for orientation alone", "",
                *markdown_grid(["work", "protocol", "accuracy", "F1 of high", "weighted F1"], rows)]
    column = PEER_COLUMNS.get(result.recipe.name)
    if column is None:
        return []
    by_measure = ours.set_index("measure")
    runs = {"this run, last epoch": by_measure["last"], "this run, chosen on validation": by_measure["chosen"]}
    rows = [[name, format_number(values[column]), format_number(values[column + 1])] for name, values in PEERS.items()]
    rows += [[name, format_number(values[column]), format_number(values[column + 1])] for name, values in S2D.items()]
    rows += [[name, format_number(values["uar"]), format_number(values["war"])] for name, values in runs.items()]
    lines = ["", "## Comparison with other methods, from DuSE's tables I and II (arXiv 2604.12777)", "",
             *markdown_grid(["method", "UAR", "WAR"], rows), "",
             "S2D is not in DuSE's tables; its numbers are those of MSA-LMC/S2D."]
    if column == 0:
        names = [f"recall_{name}" for name in result.recipe.task.classes]
        every = {**PEER_RECALLS, **{title: dict(values) for title, values in runs.items()}}
        rows = [[title, *(format_number(values[name]) for name in names)] for title, values in every.items()]
        lines += ["", *markdown_grid(["recall", *result.recipe.task.classes], rows)]
    return lines


def frame_to_markdown(frame: pd.DataFrame, form: str) -> list[str]:
    """A data frame as lines of markdown; `form` formats its floats."""
    def cell(value: Any) -> str:
        if isinstance(value, float):
            return format_number(value, form)
        return str(value)

    rows = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    return markdown_grid([str(name) for name in frame.columns], rows)


def markdown_grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Cells as lines of a markdown table; a | inside a cell is escaped."""
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(columns), "|" + "---|" * len(columns), *map(line, rows)]


def format_number(value: float, form: str = ".2f") -> str:
    """A formatted number; "" for NaN."""
    if value != value:
        return ""
    return format(value, form)


def format_interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """A formatted number with its interval in brackets; without brackets if `low` is NaN."""
    if low != low:
        return format_number(value, form)
    return f"{format_number(value, form)} ({low:{form}} to {high:{form}})"
