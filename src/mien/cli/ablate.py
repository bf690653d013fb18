"""`mien ablate`: the papers' ablations, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.asking import (
    CacheAt,
    Changes,
    Debug,
    Deterministic,
    Device,
    Folds,
    PrecisionName,
    Quiet,
    Seed,
    Tiny,
    Workers,
    names,
)
from mien.cli.telling import bar, one_line, say, settings
from mien.cli.train import expect_usable


def ablate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as duse/table3, mvp/length or scpt/modules.")],
    root: Annotated[Path, typer.Option("--data", metavar="ROOT", help="The folder that holds the dataset.")],
    recipe: Annotated[
        str, typer.Option(metavar="RECIPE", help="What it starts from, such as duse/ferv39k; the table's first if not.")
    ] = "",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="Where it goes: runs/ablate-NAME when not given.")
    ] = "",
    cache: CacheAt = "",
    rows: Annotated[str, typer.Option(metavar="N,N", help="Only these rows, by number from 1.")] = "",
    parallel: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows judged at a time, each in a process of its own.")
    ] = 1,
    devices: Annotated[
        str, typer.Option(metavar="K,K", help="A row at a time on each of these: GPUs by number, or cuda:1, cpu.")
    ] = "",
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Dask scheduler to send rows to, such as tcp://host:8786.")
    ] = "",
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
    """Judge every row of an ablation and write the table of the paper, with its numbers beside ours, into DIR.

    Stopped in any way, the same command goes on. Several machines may each take some --rows of one DIR. A row that
    fails does not stop the others; then the command ends with 1.
    """
    with one_line(debug):
        from mien.bench import ablate as ablation
        from mien.bench.rows import named

        ways = {"--parallel": parallel > 1, "--devices": devices, "--cluster": cluster, "--device": device != "auto"}
        clash = [way for way, given in ways.items() if given]
        if len(clash) > 1 and (devices or "--device" not in clash):
            raise ValueError(f"expected one of --parallel, --devices and --cluster, got {' and '.join(clash)}")
        grid, base = ablation.asked(name, recipe)
        wrong = [text for text in names(rows) if not text.isdigit()]
        if wrong:
            raise ValueError(f"--rows: expected numbers from 1 with commas, got {wrong[0]!r}")
        given = settings(changes or [])
        for row in grid.rows:
            expect_usable(precision, "auto" if cluster else device, ablation.changed(row, base, tiny, given))
        place = Path(out or f"runs/ablate-{name.replace('/', '-')}{'-tiny' * tiny}")
        with bar(f"ablate {name}", 1, quiet) as (tick, above):
            found = ablation.ablate(
                name, root, place, recipe=base, cache=cache, tiny=tiny, rows=list(map(int, names(rows))),
                settings=given, parallel=parallel, devices=named(names(devices)), cluster=cluster, heard=tick,
                told=lambda line: above(f"mien: {line}"), seed=seed, workers=workers, folds=names(folds),
                device=device, precision=precision, deterministic=deterministic)
        if debug and found.failed:
            say("\n".join(outcome.trace for _, outcome in found.failed if outcome.trace))
    if not quiet:
        print(found.page, end="")
        print(f"see {place / 'table.md'}")
    if found.failed:
        say(f"expected {found.asked} judged rows, got {found.asked - len(found.failed)} without "
            f"{', '.join(title for title, _ in found.failed)}; see above; the same command goes on")
        raise typer.Exit(1)
