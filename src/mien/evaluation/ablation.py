"""Run a paper's ablation: one benchmark for each row, and a table with the paper's numbers and ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien import recipes
from mien.core import atomic_files
from mien.core.folder_lock import folder_lock
from mien.core.parallel.outcome import Outcome
from mien.core.parquet import read_parquet
from mien.core.plain_text import counted
from mien.core.read_json import read_json
from mien.evaluation import plots, scores, tables
from mien.evaluation.ablation_jobs import AblationJob, evaluate_row
from mien.evaluation.cross_validation import BENCH, PREDICTIONS
from mien.models.registry import method
from mien.recipes import RECIPES
from mien.recipes.ablations import ABLATIONS, Ablation, AblationRow
from mien.recipes.recipe import Recipe
from mien.training.data_module import cached_targets, prepared_cache, split


def parse_ablation(name: str, recipe: str = "") -> tuple[Ablation, str]:
    """Find an ablation by its name.

    Args:
        name: key of `ABLATIONS`.
        recipe: name of the recipe to start from; "" for the ablation's first.

    Returns:
        The ablation and the name of its recipe.

    Raises:
        ValueError: the ablation is unknown, or it has no such recipe.
    """
    if name not in ABLATIONS:
        raise ValueError(f"ablate: expected one of {', '.join(ABLATIONS)}, got {name!r}")
    grid = ABLATIONS[name]
    if recipe and recipe not in grid.recipes:
        raise ValueError(f"--recipe: expected one of {', '.join(grid.recipes)} for {name}, got {recipe!r}")
    return grid, recipe or grid.recipes[0]


def changed_recipe(row: AblationRow, base: str, tiny: bool, settings: dict[str, str]) -> Recipe:
    """The recipe of a row. The row's own settings override `settings`; a tiny recipe keeps its tiny tower."""
    merged = {**settings, **row.settings}
    if not tiny:
        return recipes.override(RECIPES[base], merged)
    small = method(RECIPES[base].method).tiny_settings(merged)
    return recipes.override(
        recipes.tiny_recipe(RECIPES[base]), {path: small[path] for path in small if path != "tower"}
    )


@dataclass(frozen=True, eq=False)
class AblationResult:
    """The result of an ablation.

    `frame`: as `table` returns it; `page`: the same as markdown; `failed`: title and outcome of each row that failed;
    `row_count`: number of rows that were to be evaluated.
    """

    frame: pd.DataFrame
    page: str
    failed: tuple[tuple[str, Outcome], ...]
    row_count: int


def run_ablation(name: str, root: str | Path, out: str | Path, *, recipe: str = "", cache: str | Path = "",
                 tiny: bool = False, rows: Sequence[int] = (), settings: dict[str, str] | None = None, seed: int = 0,
                 workers: int = 0, parallel: int = 1, devices: Sequence[str] = (), cluster: str = "",
                 on_progress: Callable[[float, str], None] | None = None,
                 log: Callable[[str], None] | None = None, **how: Any) -> AblationResult:
    """Evaluate the rows of an ablation and write table.csv and table.md into `out`.

    Each row is a benchmark in a folder of `out`; rows with the same recipe share a folder. Finished rows are kept and
    interrupted rows resume, so several machines may each evaluate some `rows` of one `out`; a row that another command
    evaluates is waited for. The dataset is preprocessed once, at the start. A row that fails does not stop the others.

    Args:
        name: key of `ABLATIONS`.
        root: folder of the dataset.
        out: folder of the results.
        recipe: recipe to start from; "" for the ablation's first.
        cache: folder of the preprocessed dataset; "" for one inside `out`.
        tiny: whether to use small random towers and few steps.
        rows: numbers of the rows to evaluate, from 1; empty for all.
        settings: changes of the recipe that apply to every row.
        seed: random seed of the training.
        workers: processes that load data.
        parallel: rows at a time, see `ablation_jobs.evaluate_row`.
        devices: devices to spread the rows over, see `ablation_jobs.evaluate_row`.
        cluster: address of a Dask scheduler, see `ablation_jobs.evaluate_row`.
        on_progress: receives the finished share, 0..1, and what is under way.
        log: receives a line for each trial or row that failed.
        **how: as in `cross_validate`.

    Raises:
        ValueError: an unknown ablation, recipe or row number, or another dataset.
    """
    grid, base = parse_ablation(name, recipe)
    out, report, settings = Path(out).absolute(), on_progress or (lambda share, activity: None), settings or {}
    _expect_rows(rows, len(grid.rows))
    row_recipes = [changed_recipe(row, base, tiny, settings) for row in grid.rows]
    place, cache = Path(root).absolute(), Path(cache or out / "cache").absolute()
    survey, _ = split(row_recipes[0], place)
    begun = 0.0 if cached_targets(survey, cache) else 0.3
    prepared_cache(survey, cache, max(workers, 1), lambda share: report(begun * share, "preparing"), log, cluster)
    jobs = _jobs(grid, row_recipes, rows, place, out, cache, {"seed": seed, "workers": workers, **how})
    failed, finished = [], 0

    def on_jobs(done: float) -> None:
        report(begun + (1 - begun) * done / len(jobs), f"{finished} of {counted(len(jobs), 'row')} finished")

    for job, outcome in evaluate_row(jobs, parallel=parallel, devices=devices, cluster=cluster, progress=on_jobs):
        finished += 1
        if outcome.status == "failed":
            failed.append((job.title, outcome))
            if log is not None:
                log(f"{job.title}: {outcome.reason}")
    with folder_lock(out, "writing the table", wait=True, log=log):
        frame = to_table(grid, base, row_recipes, out, seed, alike=not (tiny or settings))
        page = to_markdown(name, grid, base, frame, tiny, settings, seed)
        note = tables.TINY_NOTE if tiny else ", ".join(f"{path}={value}" for path, value in settings.items())
        _write_results(out, grid, frame, page, note)
    return AblationResult(frame, page, tuple(failed), len(jobs))


def _jobs(grid: Ablation, row_recipes: Sequence[Recipe], rows: Sequence[int], place: Path, out: Path, cache: Path,
          options: dict[str, Any]) -> list[AblationJob]:
    """One job for each folder of the chosen rows."""
    folders = column_positions(grid, row_recipes)
    jobs: dict[str, AblationJob] = {}
    for number, (row, folder) in enumerate(zip(grid.rows, folders, strict=True), 1):
        if not rows or number in rows:
            row_recipe = row_recipes[folders.index(folder)]  # of the first row that shares the folder
            jobs.setdefault(folder, AblationJob(row.name, row_recipe, str(place), str(out / folder), str(cache),
                                                options, classifier=row.classifier))
    return list(jobs.values())


def _write_results(out: Path, grid: Ablation, frame: pd.DataFrame, page: str, note: str) -> None:
    atomic_files.table(out / "table.csv", frame)
    atomic_files.text(out / "table.md", page)
    plots.plot_ablation(out / "scores.png", frame, grid.measures[0], tables.names()[grid.measures[0]], note)


def _expect_rows(rows: Sequence[int], count: int) -> None:
    if strange := sorted(set(rows) - set(range(1, count + 1))):
        raise ValueError(f"--rows: expected 1 to {count}, got {strange[0]}")


def column_positions(grid: Ablation, row_recipes: Sequence[Recipe]) -> list[str]:
    """The folder of each row. Rows with the same recipe and classifier share the folder of the first of them."""
    bare = [(replace(recipe, changed={}), row.classifier) for row, recipe in zip(grid.rows, row_recipes, strict=True)]
    firsts = [grid.rows[bare.index(each)] for each in bare]
    return [slug(f"{row.group} {row.name}") for row in firsts]


def slug(name: str) -> str:
    """The folder name of a row's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower()


def to_table(
    grid: Ablation, base: str, row_recipes: Sequence[Recipe], out: Path, seed: int, alike: bool
) -> pd.DataFrame:
    """The results as a table with one line for each row of the ablation.

    Args:
        grid: the ablation.
        base: name of the recipe that the rows start from.
        row_recipes: the recipe of each row.
        out: folder of the results.
        seed: random seed of the training.
        alike: whether the settings are the paper's; otherwise the differences are NaN.

    Returns:
        Columns group, row, folds and, for each measure in %: paper, and for both checkpoints all test trials together
        (last, chosen), the mean of the folds (folds_last, folds_chosen), their standard deviation and the mean's
        difference from the paper. Rows that this recipe and seed have not evaluated yet have NaN for our numbers.
    """
    lines = []
    for row, recipe, place in zip(grid.rows, row_recipes, column_positions(grid, row_recipes), strict=True):
        line: dict[str, Any] = {"group": row.group, "row": row.name, "folds": 0}
        frame = _finished(out / place, recipe, seed)
        ours: dict[str, dict[str, float]] = {}
        means: dict[str, dict[str, float]] = {}
        deviations: dict[str, dict[str, float]] = {}
        if frame is not None:
            line["folds"] = frame["fold"].nunique()
            task, parts = RECIPES[base].task, {str(name): part for name, part in frame.groupby("checkpoint")}
            ours = {name: scores.score(part, task).values() for name, part in parts.items()}
            means = {name: scores.fold_mean(part, task) for name, part in parts.items()}
            deviations = {name: scores.fold_deviation(part, task) for name, part in parts.items()}
        for measure in grid.measures:
            paper = row.printed.get(base, {}).get(measure, np.nan)
            line[f"{measure}_paper"] = paper
            for name in scores.CHECKPOINTS:
                line[f"{measure}_{name}"] = 100 * ours.get(name, {}).get(measure, np.nan)
                line[f"{measure}_folds_{name}"] = 100 * means.get(name, {}).get(measure, np.nan)
                line[f"{measure}_deviation_{name}"] = 100 * deviations.get(name, {}).get(measure, np.nan)
                line[f"{measure}_difference_{name}"] = np.nan
                if alike:
                    line[f"{measure}_difference_{name}"] = line[f"{measure}_folds_{name}"] - paper
        lines.append(line)
    return pd.DataFrame(lines)


def _finished(folder: Path, recipe: Recipe, seed: int) -> pd.DataFrame | None:
    """The predictions of a row if this recipe, under any name, and this seed evaluated it; None otherwise."""
    if not (folder / PREDICTIONS).is_file():
        return None
    about = read_json(folder / BENCH)
    stored, expected = ({**data, "changed": {}} for data in (about["recipe"], recipes.to_json(recipe)))
    if stored != json.loads(json.dumps(expected)) or about["seed"] != seed:
        return None
    return read_parquet(folder / PREDICTIONS)


def to_markdown(name: str, grid: Ablation, base: str, frame: pd.DataFrame, tiny: bool, settings: dict[str, str],
             seed: int) -> str:
    """The page `table.md`."""
    head = ["row"]
    for measure in grid.measures:
        title = tables.names()[measure]
        head += [f"{title}, paper", f"{title}, last", f"{title}, chosen", f"{title}, chosen, mean of folds",
                 f"{title}, difference"]
    printed = []
    for group in frame["group"].unique():
        part = frame[frame["group"] == group]
        printed += [*([f"## {group}", ""] if group else []),
                    *tables.markdown_grid(head, [_cells(line, grid.measures) for _, line in part.iterrows()]), ""]
    lines = [f"# {name}: {grid.title}, on {base}, seed {seed}", ""]
    if tiny:
        lines += [tables.TINY_NOTE, ""]
    if settings:
        lines += ["Changed in every row: " + ", ".join(f"`{path}={value}`" for path, value in settings.items()) + ".",
                  ""]
    lines += [
        *printed,
        "All numbers in %. Last: after the last epoch, all test trials together. Chosen: the same at the epoch that is"
        " best on validation. Mean of folds: the mean of each fold's score, and its standard deviation over the folds."
        " Empty: not evaluated yet, or not public."
        " Difference: our mean of folds (chosen) minus the paper's, empty for a tiny run and for changed settings.",
        "",
        f"Folds evaluated, row by row: {', '.join(map(str, frame['folds']))}.",
        "",
    ]
    if grid.source:
        lines.append(f"Paper: {grid.source}.")
    if grid.note:
        lines.append(grid.note)
    return "\n".join(lines).rstrip() + "\n"


def _cells(line: pd.Series, measures: Sequence[str]) -> list[str]:
    """The cells of one row of `table.md`."""
    cells = [str(line["row"])]
    for measure in measures:
        cells += [tables.format_number(line[f"{measure}_{what}"]) for what in ("paper", "last", "chosen")]
        mean, deviation = (tables.format_number(line[f"{measure}_{what}_chosen"]) for what in ("folds", "deviation"))
        cells += [f"{mean} ± {deviation}" if deviation else mean,
                  tables.format_number(line[f"{measure}_difference_chosen"], "+.2f")]
    return cells
