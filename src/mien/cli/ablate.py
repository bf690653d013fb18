"""`mien ablate`: evaluate the ablation tables of the papers, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error, print_line, progress_bar, run_folder, settings
from mien.cli.options import (
    CacheFolder,
    Changes,
    Cluster,
    Debug,
    Deterministic,
    Device,
    Folds,
    JobDevices,
    Parallel,
    PrecisionName,
    Quiet,
    Seed,
    Tiny,
    Workers,
    expect_one_way,
    split_names,
)
from mien.cli.train import expect_root, expect_usable

if TYPE_CHECKING:
    from mien.evaluation.ablation import AblationResult

AblationName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the ablation, such as duse/table3, mvp/length or scpt/modules.")
]
DataRoot = Annotated[Path, typer.Option("--data", metavar="ROOT", help="Folder that holds the dataset.")]
BaseRecipe = Annotated[
    str, typer.Option(metavar="RECIPE", help="Recipe that the rows change, such as duse/ferv39k. Default: the "
                      "first one of the table.")
]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results. Default: runs/ablate-NAME.")
]
Rows = Annotated[
    str, typer.Option(metavar="N,N", help="Run only these rows, by number from 1. Default: all rows.")
]


def ablate(
    name: AblationName,
    root: DataRoot,
    recipe: BaseRecipe = "",
    out: Out = "",
    cache: CacheFolder = "",
    rows: Rows = "",
    parallel: Parallel = 1,
    devices: JobDevices = "",
    cluster: Cluster = "",
    folds: Folds = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    seed: Seed = 0,
    workers: Workers = 0,
    deterministic: Deterministic = False,
    tiny: Tiny = False,
    changes: Changes = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train and evaluate every row of an ablation. Write the paper's table, with the published and our numbers, to DIR.

    Interrupted runs resume with the same command. Several machines may share one DIR, each with its own --rows. A row
    that fails does not stop the others. The exit status is 0 if every row succeeded, else 1.
    """
    with exit_on_error(debug):
        from mien.evaluation import ablation
        from mien.evaluation.ablation_jobs import parse_devices

        expect_one_way(parallel, devices, cluster, device)
        grid, base = ablation.parse_ablation(name, recipe)
        expect_root(root, name)
        row_numbers = _row_numbers(rows)
        given = settings(changes or [])
        for row in grid.rows:
            expect_usable(precision, "auto" if cluster else device, ablation.changed_recipe(row, base, tiny, given))
        folder = run_folder(out, f"ablate-{name}", tiny=tiny)
        with progress_bar(f"ablate {name}", 1, quiet) as (progress, above):
            result = ablation.run_ablation(
                name, root, folder, recipe=base, cache=cache, tiny=tiny, rows=row_numbers, settings=given,
                parallel=parallel, devices=parse_devices(split_names(devices)), cluster=cluster, on_progress=progress,
                log=lambda line: above(f"mien: {line}"), seed=seed, workers=workers, folds=split_names(folds),
                device=device, precision=precision, deterministic=deterministic)
        if debug and result.failed:
            print_line("\n".join(outcome.trace for _, outcome in result.failed if outcome.trace))
    if not quiet:
        print(result.page, end="")
        print(f"see {folder / 'table.md'}")
    _exit_if_failed(result)


def _exit_if_failed(result: AblationResult) -> None:
    """Name the rows that failed, and end with 1."""
    if result.failed:
        names = ", ".join(title for title, _ in result.failed)
        print_line(f"expected {result.row_count} evaluated rows, got {result.row_count - len(result.failed)}: {names} "
                   "failed; see above; run the same command again to continue")
        raise typer.Exit(1)


def _row_numbers(text: str) -> list[int]:
    """Parse `--rows`. Raises ValueError if a part is not a number."""
    wrong = [part for part in split_names(text) if not part.isdigit()]
    if wrong:
        raise ValueError(f"--rows: expected numbers from 1 with commas, got {wrong[0]!r}")
    return [int(part) for part in split_names(text)]
