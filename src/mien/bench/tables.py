"""The tables of a benchmark: what is printed beside what came out here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.bench import scores
from mien.bench.run import Judged
from mien.recipes.published import OTHERS, PEER_RECALLS, PEERS, PRINTED, S2D, Printed

NAMES = {"uar": "UAR", "war": "WAR (accuracy)", "macro_f1": "macro F1", "weighted_f1": "weighted F1",
         "positive_f1": "F1 of high", "ece": "ECE", "ece_calibrated": "ECE, with temperature"}
"""Measure -> what the table calls it; recalls by their class."""
FIRST = {"mvp": ("macro_f1", "positive_f1", "weighted_f1", "uar", "war")}
"""Method -> the measures that stand first; of the others in their own order. MVP reports F1."""


def main(judged: Judged) -> pd.DataFrame:
    """A row a measure, in %, the method's first measure first: measure, paper, last, last_low, last_high, chosen, ...,
    guess (naming each class as often as training has it), difference_last, difference_chosen (ours less the paper's,
    where the paper's own settings were asked for); then guesses (`scores.references`), which stand in both."""
    task = judged.recipe.task
    printed = PRINTED.get(judged.recipe.name, Printed()).values
    parts = {name: judged.predictions[judged.predictions["checkpoint"] == name] for name in scores.CHECKPOINTS}
    values = {name: scores.scored(part, task).values() | scores.calibration(part, task) for name, part in parts.items()}
    limits = {name: scores.intervals(part, task) for name, part in parts.items()}
    references = scores.references(parts["last"], judged.folds, task)
    guess = references["frequency"].values()
    alike = not (judged.recipe.changed or judged.recipe.tiny)
    first = FIRST.get(judged.recipe.method, ())
    rows: list[dict[str, Any]] = []
    for measure in sorted(values["last"], key=lambda name: first.index(name) if name in first else len(first)):
        row: dict[str, Any] = {"measure": measure, "paper": printed.get(measure, np.nan)}
        for name in scores.CHECKPOINTS:
            row[name] = 100 * values[name][measure]
            low, high = limits[name].get(measure, (np.nan, np.nan))
            row |= {f"{name}_low": 100 * low, f"{name}_high": 100 * high}
        row["guess"] = 100 * guess.get(measure, np.nan)
        rows.append(row | {f"difference_{name}": row[name] - row["paper"] if alike else np.nan
                           for name in scores.CHECKPOINTS})
    for kind, found in references.items():
        for measure in ("uar", "war", "macro_f1"):
            value = 100 * found.values()[measure]
            rows.append({"measure": f"{measure}, {kind}", "last": value, "chosen": value})
    return pd.DataFrame(rows)


def by_fold(judged: Judged) -> pd.DataFrame:
    """A row a fold: trials of test, UAR, WAR and macro-F1 of both checkpoints in %; then mean and standard deviation.
    """
    rows = []
    for fold in judged.folds:
        row: dict[str, Any] = {"fold": fold["name"]}
        for name in scores.CHECKPOINTS:
            kept = judged.predictions.query("fold == @fold['name'] and checkpoint == @name")
            found = scores.scored(kept, judged.recipe.task).values()
            row |= {"test": len(kept), **{f"{kind}_{name}": 100 * found[kind] for kind in ("uar", "war", "macro_f1")}}
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = frame.columns[2:]
    mean, spread = frame[numbers].mean(), frame[numbers].std()
    last = [{"fold": "mean", "test": frame["test"].sum(), **mean}, {"fold": "standard deviation", "test": "", **spread}]
    return pd.concat([frame, pd.DataFrame(last)], ignore_index=True)


def markdown(judged: Judged) -> str:
    """The page `table.md`."""
    lines = head(judged)
    ours = main(judged)
    lines += _page_main(ours, who=scores.people(judged.predictions) is not None)
    lines += ["", "## Folds", "", *pages(_named_folds(by_fold(judged)), ".2f")]
    chosen = judged.predictions[judged.predictions["checkpoint"] == "chosen"]
    for column in judged.by:
        lines += ["", f"## By {column} (checkpoint chosen on validation)", "",
                  *pages(scores.grouped(chosen, column, judged.recipe.task), ".2f")]
    lines += ["", "## Notes", "", *(f"- {note}" for note in notes(judged))]
    lines += _peers(judged, ours)
    return "\n".join(lines) + "\n"


def head(judged: Judged) -> list[str]:
    """How a page begins: what was judged, how far, and what was changed."""
    recipe = judged.recipe
    done = f"{len(judged.folds)} of " * (len(judged.folds) < judged.count) + f"{judged.count} folds"
    lines = [f"# {recipe.name}, {done}, seed {judged.seed}", ""]
    if recipe.tiny:
        lines += ["A trial: small random towers and few steps. It shows that everything runs, and knows nothing.", ""]
    if recipe.changed:
        lines += ["Changed: " + ", ".join(f"`{path}={value}`" for path, value in recipe.changed.items()) + ".", ""]
    return lines


def _page_main(frame: pd.DataFrame, who: bool) -> list[str]:
    def cell(row: Any, name: str) -> str:
        return within(row[name], row.get(f"{name}_low", np.nan), row.get(f"{name}_high", np.nan))

    rows = [[_title(row["measure"]), number(row["paper"]), cell(row, "last"), cell(row, "chosen"),
             number(row["guess"]), number(row["difference_last"], "+.2f"),
             number(row["difference_chosen"], "+.2f")]
            for _, row in frame.iterrows()]
    what = "people" if who else "clips"
    head = ["%", "paper", "last epoch", "chosen on validation", "chance (frequency)", "difference, last",
            "difference, chosen"]
    return [*grid(head, rows), "", f"All test trials together. In brackets 95 % intervals, bootstrap over {what}; "
            "chance (frequency): a guess that names each class as often as training has it; difference: ours less the "
            "paper's, empty for a trial and for changed settings."]


def _title(measure: str) -> str:
    name, _, kind = measure.partition(", ")
    told = NAMES.get(name, f"recall {name.removeprefix('recall_')}")
    return f"{told}, {kind}" if kind else told


def _named_folds(frame: pd.DataFrame) -> pd.DataFrame:
    titles = {"uar": "UAR", "war": "WAR", "macro_f1": "macro F1"}
    return frame.rename(columns={f"{kind}_{name}": f"{title}, {name}" for kind, title in titles.items()
                                 for name in scores.CHECKPOINTS})


def notes(judged: Judged) -> Iterable[str]:
    """What is to be known of the numbers, a line each."""
    told = PRINTED.get(judged.recipe.name)
    if told:
        yield f"Paper: {told.source}. {told.note[:1].upper()}{told.note[1:]}."
    yield "Test trials were never seen in training and chose nothing; the chosen epoch is the best on validation."
    if judged.recipe.task.scale is None:
        yield "Chance: every class guessed equally often; frequency: as often as training has it; majority: its most."
    yield f"Labels: {judged.recipe.rule}, {judged.folds[0]['labels']}."
    yield f"Split sha256 {judged.split}, of all folds together."
    for fold in judged.folds:
        yield fold["stated"]
        yield from fold["notes"]


def _peers(judged: Judged, ours: pd.DataFrame) -> list[str]:
    """What DuSE's tables I and II print of others, and this run below; or what others print of the same labels."""
    others = OTHERS.get(judged.recipe.name.partition("/")[2], ())
    if others:
        rows = [[one.work, one.protocol, one.accuracy, one.f1, one.weighted_f1] for one in others]
        return ["", "## Others on these labels, by other protocols: for orientation alone", "",
                *grid(["work", "protocol", "accuracy", "F1 of high", "weighted F1"], rows)]
    column = {"dfew": 0, "ferv39k": 2}.get(judged.recipe.dataset)
    if column is None or judged.recipe.method != "duse":
        return []
    own = ours.set_index("measure")
    runs = {"this run, last epoch": own["last"], "this run, chosen on validation": own["chosen"]}
    rows = [[name, number(values[column]), number(values[column + 1])] for name, values in PEERS.items()]
    rows += [[name, number(values[column]), number(values[column + 1])] for name, values in S2D.items()]
    rows += [[name, number(values["uar"]), number(values["war"])] for name, values in runs.items()]
    lines = ["", "## Beside others, as DuSE's tables I and II print them (arXiv 2604.12777)", "",
             *grid(["method", "UAR", "WAR"], rows), "",
             "S2D is not in DuSE's tables; its numbers are those of MSA-LMC/S2D."]
    if column == 0:
        names = [f"recall_{name}" for name in judged.recipe.task.classes]
        every = {**PEER_RECALLS, **{title: dict(values) for title, values in runs.items()}}
        rows = [[title, *(number(values[name]) for name in names)] for title, values in every.items()]
        lines += ["", *grid(["recall", *judged.recipe.task.classes], rows)]
    return lines


def pages(frame: pd.DataFrame, form: str) -> list[str]:
    """A table as lines of markdown."""
    rows = [[number(value, form) if isinstance(value, float) else str(value) for value in row]
            for row in frame.itertuples(index=False)]
    return grid([str(name) for name in frame.columns], rows)


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Cells as lines of markdown; | within a cell is kept from ending it."""
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def number(value: float, form: str = ".2f") -> str:
    """Nothing where there is no number."""
    return "" if value != value else format(value, form)


def within(value: float, low: float, high: float, form: str = ".2f") -> str:
    """A number with its interval, where there is one."""
    return number(value, form) + (f" ({low:{form}} to {high:{form}})" if low == low else "")
