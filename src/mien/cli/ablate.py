"""`mien ablate`: the papers' ablations, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.telling import bar, one_line, settings
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
    cache: Annotated[
        str, typer.Option(metavar="CACHE", help="The prepared dataset; what it lacks is prepared. Otherwise in --out.")
    ] = "",
    rows: Annotated[str, typer.Option(metavar="N,N", help="Only these rows, by number from 1.")] = "",
    folds: Annotated[str, typer.Option(metavar="K,K", help="Only these folds, by number or name.")] = "",
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="auto (bf16 where the device computes in it), 32, bf16 or 16.")
    ] = "auto",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Decides everything that is random.")] = 0,
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Processes that prepare and load.")] = 0,
    tiny: Annotated[bool, typer.Option("--tiny", help="A small random tower and few steps: does it run?")] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the recipe of all rows.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")] = False,
) -> None:
    """Judge every row of an ablation and write the table of the paper, with its numbers beside ours, into DIR.

    Stopped in any way, the same command goes on. Several machines may each take some --rows of one DIR.
    """
    with one_line(debug):
        from mien.bench import ablate as ablation

        grid, base = ablation.asked(name, recipe)
        wrong = [text for text in rows.split(",") if text and not text.strip().isdigit()]
        if wrong:
            raise ValueError(f"--rows: expected numbers from 1 with commas, got {wrong[0]!r}")
        given = settings(changes or [])
        for row in grid.rows:
            expect_usable(precision, device, ablation.changed(row, base, tiny, given))
        place = Path(out or f"runs/ablate-{name.replace('/', '-')}{'-tiny' * tiny}")
        with bar(f"ablate {name}", 1, quiet) as (tick, above):
            frame = ablation.ablate(
                name, root, place, recipe=base, cache=cache, tiny=tiny, rows=[int(n) for n in rows.split(",") if n],
                settings=given, heard=lambda _, share: tick(share), told=above, seed=seed, workers=workers,
                folds=[one for one in folds.split(",") if one], device=device, precision=precision)
        if not quiet:
            print(ablation.markdown(name, grid, base, frame, tiny), end="")
            print(f"see {place / 'table.md'}")
