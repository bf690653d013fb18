"""Benchmarks of several seeds: folds and seeds side by side, and a table of their mean and deviation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien.core import atomic_files
from mien.core.folder_lock import folder_lock
from mien.core.plain_text import counted
from mien.core.tasks import Task
from mien.evaluation import regression, scores, tables
from mien.evaluation.ablation_jobs import AblationJob, evaluate_row
from mien.evaluation.cross_validation import (
    CrossValidationResult,
    ProgressCallback,
    cross_validate,
    expect_same_benchmark,
)
from mien.evaluation.report import write_report
from mien.recipes.published import PUBLISHED_SCORES, PublishedValue
from mien.recipes.recipe import Recipe
from mien.training.data_module import choose_fold, prepared_cache, split

TABLE, PAGE = "seeds.csv", "seeds.md"
"""Files of the table over seeds."""


def cross_validate_seeds(
    recipe: Recipe, root: str | Path, out: str | Path, *, seeds: Sequence[int], cache: str | Path = "",
    folds: Sequence[str] = (), by: Sequence[str] = (), parallel: int = 1, devices: Sequence[str] = (),
    cluster: str = "", workers: int = 0, log: Callable[[str], None] | None = None,
    on_progress: ProgressCallback | None = None, **how: Any,
) -> list[CrossValidationResult]:
    """Run the benchmark of a recipe once for each seed, and write each report and the table over seeds.

    One seed is in `out`, several are in its folders `seed0`, `seed1` and so on. Interrupted runs resume: finished folds
    are kept, wherever they ran. With `parallel`, `devices` or `cluster`, every fold of every seed is a job of its own.

    Args:
        recipe: the recipe.
        root: folder of the dataset.
        out: folder of the results.
        seeds: random seeds, each once.
        cache: folder of the preprocessed dataset; "" for one inside `out`.
        folds: names or numbers of the folds; empty for all.
        by: as in `cross_validate`.
        parallel: folds that run at the same time, each in its own process.
        devices: devices that each run one fold at a time.
        cluster: address of a Dask scheduler.
        workers: processes that load data.
        log: receives a line for each trial or fold that failed.
        on_progress: receives the finished share, 0..1, and what is under way.
        **how: device, precision and deterministic, as in `cross_validate`.

    Returns:
        The benchmark of each seed.

    Raises:
        ValueError: `out` holds another benchmark, or a fold failed.
    """
    out, report = Path(out).absolute(), on_progress or (lambda share, activity: None)
    places = {seed: out / f"seed{seed}" if len(seeds) > 1 else out for seed in seeds}
    ready = Path(cache or out / "cache").absolute()
    spread = parallel > 1 or bool(devices) or bool(cluster)
    if spread:
        _spread(recipe, Path(root).absolute(), places, ready, folds, report, log, cluster, parallel=parallel,
                devices=devices, workers=workers, **how)
    results = []
    for number, (seed, place) in enumerate(places.items()):
        def on_seed(share: float, activity: str, number: int = number, name: str = f"seed {seed}, ") -> None:
            if not spread:
                report((number + share) / len(places), f"{name * (len(places) > 1)}{activity}")

        with folder_lock(place, "a benchmark", log=log):
            result = cross_validate(recipe, root, place, cache=ready, seed=seed, folds=folds, by=by, workers=workers,
                                    log=log, on_progress=on_seed, **how)
            write_report(result)
        results.append(result)
    if len(results) > 1:
        with folder_lock(out, "writing the table", wait=True, log=log):
            atomic_files.table(out / TABLE, seed_table(results))
            atomic_files.text(out / PAGE, seed_page(results))
    return results


def _spread(recipe: Recipe, root: Path, places: dict[int, Path], cache: Path, folds: Sequence[str],
            report: ProgressCallback, log: Callable[[str], None] | None, cluster: str, *, parallel: int,
            devices: Sequence[str], workers: int, deterministic: bool = False, **how: Any) -> None:
    """Train and test every fold of every seed as a job of its own. Raises ValueError if one fails."""
    survey, every = split(recipe, root)
    chosen = [choose_fold(every, name) for name in folds] or list(every)
    prepared_cache(survey, cache, max(workers, 1), lambda share: report(0.3 * share, "preparing"), log, cluster)
    jobs = []
    for seed, place in places.items():
        with folder_lock(place, "a benchmark", wait=True, log=log):
            expect_same_benchmark(place, recipe, every, seed, deterministic)
        options = {"seed": seed, "deterministic": deterministic, "workers": workers, **how}
        jobs += [AblationJob(f"seed {seed}, {fold.name}", recipe, str(root), str(place), str(cache), options,
                             fold=fold.name) for fold in chosen]
    failed, finished = [], 0

    def on_jobs(done: float) -> None:
        report(0.3 + 0.7 * done / len(jobs), f"{finished} of {counted(len(jobs), 'fold')} finished")

    for job, outcome in evaluate_row(jobs, parallel=parallel, devices=devices, cluster=cluster, progress=on_jobs):
        finished += 1
        if outcome.status == "failed":
            failed.append(f"{job.title}: {outcome.reason}")
    if failed:
        raise ValueError(f"bench: expected {len(jobs)} finished folds, got {len(jobs) - len(failed)}; "
                         f"{'; '.join(failed)}: run the same command again to continue")


def seed_table(results: Sequence[CrossValidationResult]) -> pd.DataFrame:
    """One row for each measure, over several seeds of one recipe.

    Columns: measure, paper; for the checkpoints last and chosen: the mean and the standard deviation over seeds of the
    mean of folds (folds_last, folds_last_sd) and of the score of all test trials together (pooled_last,
    pooled_last_sd), and difference_last: the mean of folds minus the paper's, NaN for changed settings and tiny runs.
    Classes are in %, ratings as in `regression.rating_scores`.
    """
    recipe = results[0].recipe
    printed = PUBLISHED_SCORES.get(recipe.name, PublishedValue()).values
    alike = not (recipe.changed or recipe.tiny)
    columns: dict[str, pd.DataFrame] = {}
    for name in scores.CHECKPOINTS:
        parts = [result.predictions[result.predictions["checkpoint"] == name] for result in results]
        columns[f"folds_{name}"] = pd.DataFrame([_fold_mean(part, recipe.task) for part in parts])
        columns[f"pooled_{name}"] = pd.DataFrame([_scores(part, recipe.task) for part in parts])
    rows = []
    for measure in columns["folds_last"]:
        row: dict[str, Any] = {"measure": measure, "paper": printed.get(str(measure), np.nan)}
        for name, values in columns.items():
            row |= {name: values[measure].mean(), f"{name}_sd": values[measure].std()}
        rows.append(row | tables.differences(row, alike))
    return pd.DataFrame(rows)


def _scores(part: pd.DataFrame, task: Task) -> dict[str, float]:
    if task.scale is not None:
        return regression.rating_scores(part)
    return {name: 100 * value for name, value in scores.score(part, task).values().items()}


def _fold_mean(part: pd.DataFrame, task: Task) -> dict[str, float]:
    if task.scale is None:
        return {name: 100 * value for name, value in scores.fold_mean(part, task).items()}
    each = pd.DataFrame([regression.rating_scores(fold) for _, fold in part.groupby("fold", sort=False)])
    return {str(name): float(value) for name, value in each.mean(skipna=True).items()}


def seed_page(results: Sequence[CrossValidationResult]) -> str:
    """The page `seeds.md`: the table over seeds as markdown."""
    recipe, frame = results[0].recipe, seed_table(results)
    titles = {**tables.names(), **regression.MEASURE_TITLES}
    head = ["measure", "paper"]
    for title in ("last epoch", "chosen on validation"):
        head += [f"{title}, mean of folds", f"{title}, all trials together"]
    rows = []
    for _, row in frame.iterrows():
        cells = [titles.get(row["measure"], str(row["measure"]).replace("_", " ")), tables.format_number(row["paper"])]
        for name in scores.CHECKPOINTS:
            cells += [f"{row[f'{kind}_{name}']:.2f} ± {row[f'{kind}_{name}_sd']:.2f}" for kind in ("folds", "pooled")]
        rows.append([*cells, tables.format_number(row["difference_chosen"], "+.2f")])
    seeds = ", ".join(str(result.seed) for result in results)
    lines = [f"# {recipe.name}, seeds {seeds}", ""]
    if recipe.tiny:
        lines += [tables.TINY_NOTE, ""]
    return "\n".join([*lines, *tables.markdown_grid([*head, "difference, chosen"], rows), "",
                      "Mean and standard deviation over the seeds. Difference: our mean of folds minus the paper's, "
                      "empty for a tiny run and for changed settings. Each seed has a folder with all tables.", ""])
