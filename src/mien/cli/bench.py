"""`mien bench`: cross-validate a recipe, compare two benchmarks, or run the studies on synthetic people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import bench_pulse, train_expression
from mien.cli.console import exit_on_error, print_line, progress_bar, run_folder, spinner
from mien.cli.options import (
    CacheFolder,
    Changes,
    Cluster,
    Data,
    Debug,
    Deterministic,
    Device,
    Folds,
    JobDevices,
    Parallel,
    PrecisionName,
    PulseMethod,
    Quiet,
    RecipeName,
    Seed,
    Tiny,
    Workers,
    expect_one_way,
    split_names,
)
from mien.cli.train import expect_root, expect_usable, recipe_from_options
from mien.core.plain_text import listed_after

if TYPE_CHECKING:
    from mien.evaluation.cross_validation import CrossValidationResult
    from mien.recipes.recipe import Recipe


EVIDENCE = "evidence/"
"""Prefix of the names of studies; the other names are recipes."""

SHOWN = 3
"""Number of metrics that are printed: the first ones of the table."""

MAJORITY = ("uar", "war", "macro_f1")
"""Scores printed for a classifier that always predicts the most frequent class."""

Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results. Default: "
                      "runs/bench-RECIPE-seedN, or runs/evidence.")
]
GroupBy = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Also report the scores of each group of this column: "
                                   "gender, subject, scene ... You may repeat it.")
]
Compare = Annotated[
    tuple[Path, Path] | None, typer.Option(metavar="A B", help="Compare two finished benchmarks with paired "
                                           "statistical tests.")
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Run classic classifiers on hand-crafted features instead.")
]
Seeds = Annotated[
    int, typer.Option(metavar="N", min=0, help="Number of seeds, counted from --seed; seeds.md has their mean and "
                      "deviation. 0 means 1, for evidence/... 3.")
]
Page = Annotated[
    Path | None, typer.Option(metavar="FILE", help="For evidence/...: also write one page about all studies in "
                                    "DIR to this file.")
]


def bench(
    recipe: RecipeName = "",
    root: Data = None,
    out: Out = "",
    cache: CacheFolder = "",
    folds: Folds = "",
    by: GroupBy = None,
    compare: Compare = None,
    baselines: Baselines = False,
    seeds: Seeds = 0,
    page: Page = None,
    parallel: Parallel = 1,
    devices: JobDevices = "",
    cluster: Cluster = "",
    layout: bench_pulse.Layout = "",
    predictions: bench_pulse.Predictions = None,
    pulse_method: PulseMethod = "auto",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    deterministic: Deterministic = False,
    seed: Seed = 0,
    workers: Workers = 0,
    tiny: Tiny = False,
    changes: Changes = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Cross-validate RECIPE by its protocol. Write table.md, scores, figures and predictions to DIR.

    Interrupted runs resume with the same command, even after SIGKILL, and end with the same table.

    The names evidence/duse, evidence/scpt, evidence/mvp and evidence/all run studies instead: they test on synthetic
    people whether the parts of a method do what its paper says. They need no --data. Each study has a folder in DIR.
    expression/NAME cross-validates expression heads on the labelled faces in ROOT and compares them with the built-in
    model; docs/datasets.md lists the NAMEs. pulse compares the heart rate from the camera with that of a contact
    sensor, for every video in ROOT that has one.
    """
    with exit_on_error(debug):
        if recipe == bench_pulse.NAME:
            return bench_pulse.run(root, out, layout, predictions, pulse_method, quiet)
        _refuse({"--layout": layout, "--predictions": predictions}, f"{recipe or '--compare'}: they belong to pulse")
        if recipe.startswith(EVIDENCE):
            return _studies(recipe, out, page, quiet, seeds, seed, workers, tiny, data=root, cache=cache, folds=folds,
                            by=by, compare=compare, baselines=baselines, set=changes, devices=devices, cluster=cluster,
                            precision=precision not in ("auto", "32"), device=device not in ("auto", "cpu"),
                            parallel=parallel > 1)
        _refuse({"--page": page}, f"{recipe or '--compare'}: it belongs to evidence/...")
        if compare is not None or not recipe:
            return _compare(compare)
        if train_expression.is_expression(recipe):
            return train_expression.bench_expression(recipe, root, out, quiet)
        chosen, root = recipe_from_options(recipe, tiny, changes or []), expect_root(root, recipe)
        folder, names = run_folder(out, f"bench-{recipe}", tiny=tiny, tail=f"-seed{seed}"), split_names(folds)
        if baselines:
            return _baselines(chosen, root, folder, quiet, cache=cache, seed=seed, folds=names, workers=workers)
        expect_usable(precision, "auto" if cluster else device, chosen)
        expect_one_way(parallel, devices, cluster, device)
        _benchmark(chosen, root, folder, quiet, seeds=range(seed, seed + max(seeds, 1)), cache=cache, folds=names,
                   by=by or (), parallel=parallel, devices=split_names(devices), cluster=cluster, device=device,
                   precision=precision, workers=workers, deterministic=deterministic)


def _studies(recipe: str, out: str, page: Path | None, quiet: bool, seeds: int, first: int, workers: int, tiny: bool,
             **unused: object) -> None:
    """Run studies. Raises ValueError if an option that belongs to datasets is used."""
    _refuse({f"--{name}": value for name, value in unused.items()},
            f"{recipe}: it uses synthetic people and small models, with 32 bits on the CPU")
    _evidence(recipe, Path(out or "runs/evidence"), page, quiet, seeds=seeds or 3, first=first,
              workers=max(workers, 1), tiny=tiny)


def _benchmark(recipe: Recipe, root: Path, folder: Path, quiet: bool, *, seeds: range, devices: list[str],
               **options: Any) -> None:
    """Run the benchmark for each seed, and print a summary."""
    from mien.core.folder_lock import folder_lock
    from mien.evaluation import seeds as seed_runs
    from mien.evaluation.ablation_jobs import parse_devices

    alone = folder_lock(folder, "a benchmark", log=print_line)
    with alone, progress_bar(f"bench {recipe.name}", 1, quiet) as (progress, above):
        results = seed_runs.cross_validate_seeds(recipe, root, folder, seeds=seeds, devices=parse_devices(devices),
                                               log=above, on_progress=progress, **options)
    if not quiet:
        print("\n".join(map(_sum, results)))
        if len(results) > 1:
            print(f"see {folder / seed_runs.PAGE}")


def _refuse(given: dict[str, Any], why: str) -> None:
    """Raise ValueError if one of these options is set."""
    if wrong := [name for name, value in given.items() if value]:
        raise ValueError(f"bench: expected no {' or '.join(wrong)} with {why}")


def _evidence(name: str, folder: Path, page: Path | None, quiet: bool, **options: Any) -> None:
    """Run the studies of this name, write their tables and print their findings."""
    from mien.core.folder_lock import folder_lock
    from mien.evaluation import studies

    for study in studies.find_studies(name.removeprefix(EVIDENCE)):
        place = folder / study.name
        with folder_lock(place, "a study", log=print_line):
            with progress_bar(f"{EVIDENCE}{study.name}", 1, quiet) as (progress, _):
                result = studies.run_study(study, place, progress=progress, **options)
            studies.write_page(result, place)
        if not quiet:
            print(f"{study.title}, seeds {', '.join(map(str, result.seeds))}{listed_after(', ', result.doubt)}")
            for finding in studies.study_results(result):
                print(f"  {finding.claim.text}: {finding.difference.verdict}")
            print(f"see {folder / study.name / 'table.md'}")
    if page is not None:
        studies.collect(folder, page)


def _compare(folders: tuple[Path, Path] | None) -> None:
    """Print the comparison of two benchmarks. Raises ValueError if none are given."""
    if folders is None:
        raise ValueError("bench: expected RECIPE and --data ROOT, or --compare A B: see mien bench --help")
    from mien.evaluation.comparison import compare

    first, second = folders
    for comparison in compare(first, second):
        print("\n".join(comparison.lines(first.name, second.name)))


def _baselines(recipe: Recipe, root: Path, folder: Path, quiet: bool, **options: Any) -> None:
    from mien.core.folder_lock import folder_lock
    from mien.evaluation.baselines import baselines

    with folder_lock(folder, "baselines", log=print_line), spinner(lambda: f"baselines of {recipe.name}", quiet):
        baselines(recipe, root, folder, log=print_line, **options)
    if not quiet:
        print((folder / "baselines.md").read_text(encoding="utf-8"), end="")


def _sum(judged: CrossValidationResult) -> str:
    from mien.evaluation import regression, tables
    from mien.metrics import classification

    lines = [f"{judged.recipe.name}, {len(judged.folds)} of {judged.count} folds"
             f"{listed_after(', ', judged.recipe.doubt)}"]
    if judged.recipe.task.scale is not None:
        return "\n".join([*lines, *regression.describe_regression(judged), f"see {judged.out / 'table.md'}"])
    frame = tables.main_table(judged).set_index("measure")
    titles = tables.names()
    measures = [name for name in frame.index if name in classification.METRICS][:SHOWN]
    for checkpoint, title in (("last", "last epoch"), ("chosen", "chosen on validation")):
        scores = frame[checkpoint]
        means = frame[f"folds_{checkpoint}"]
        parts = [f"{titles[name]} {scores[name]:.2f} % (mean of folds {means[name]:.2f}, chance "
                 f"{frame['guess'][name]:.2f})" for name in measures]
        lines.append(f"  {title}: {', '.join(parts)}")
    majority = [f"{titles[name]} {frame['last'][f'{name}, majority']:.2f} %" for name in MAJORITY]
    lines.append(f"  majority class: {', '.join(majority)}")
    return "\n".join([*lines, f"see {judged.out / 'table.md'}"])
