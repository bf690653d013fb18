"""`mien bench`: a recipe judged by its protocol; two benchmarks compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.asking import (
    CacheAt,
    Changes,
    Data,
    Debug,
    Device,
    Folds,
    PrecisionName,
    Quiet,
    RecipeName,
    Seed,
    Tiny,
    Workers,
    names,
)
from mien.cli.telling import bar, busy, one_line, say
from mien.cli.train import asked, expect_usable

if TYPE_CHECKING:
    from mien.bench import Judged
    from mien.recipes import Recipe


SHOWN = ("uar", "war", "macro_f1", "positive_f1", "weighted_f1")
"""What is printed of a benchmark: the first three of these in the table."""


def bench(
    recipe: RecipeName = "",
    root: Data = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="Where it goes: runs/bench-RECIPE-seedN when not given.")
    ] = "",
    cache: CacheAt = "",
    folds: Folds = "",
    by: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Scores of each group too: gender, subject, scene ...")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Test two finished benchmarks against each other.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Classic classifiers on hand-crafted features instead.")
    ] = False,
    device: Device = "auto",
    precision: PrecisionName = "auto",
    seed: Seed = 0,
    workers: Workers = 0,
    tiny: Tiny = False,
    changes: Changes = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Cross-validate RECIPE by its protocol; write table.md, scores, figures and predictions into DIR.

    Stopped in any way, a kill included, the same command goes on and ends with the same table.
    """
    with one_line(debug):
        if compare is not None:
            return _compare(*compare)
        if not recipe or root is None:
            raise ValueError("bench: expected RECIPE and --data ROOT, or --compare A B: see mien bench --help")
        chosen = asked(recipe, tiny, changes or [])
        expect_usable(precision, device, chosen)
        from mien.bench import cross_validate, write

        place = Path(out or f"runs/bench-{recipe.replace('/', '-')}{'-tiny' * tiny}-seed{seed}")
        wanted = names(folds)
        if baselines:
            return _baselines(chosen, root, place, quiet, cache=cache, seed=seed, folds=wanted, workers=workers)
        with bar(f"bench {chosen.name}", 1, quiet) as (tick, above):
            judged = cross_validate(
                chosen, root, place, cache=cache, seed=seed, folds=wanted,
                by=by or (), device=device, precision=precision, workers=workers, told=above,  # type: ignore[arg-type]
                heard=lambda _, share: tick(share))
            write(judged)
    if not quiet:
        print(_sum(judged))


def _compare(first: Path, second: Path) -> None:
    from mien.bench import compare

    for found in compare(first, second):
        print("\n".join(found.lines(first.name, second.name)))


def _baselines(recipe: Recipe, root: Path, place: Path, quiet: bool, **how: Any) -> None:
    from mien.bench.baselines import baselines

    with busy(lambda: f"baselines of {recipe.name}", quiet):
        baselines(recipe, root, place, told=say, **how)
    if not quiet:
        print((place / "baselines.md").read_text(encoding="utf-8"), end="")


def _sum(judged: Judged) -> str:
    from mien.bench import tables

    frame = tables.main(judged).set_index("measure")
    lines = [f"{judged.recipe.name}, {len(judged.folds)} of {judged.count} folds"
             + (", tiny: it knows nothing" if judged.recipe.tiny else "")]
    names = [name for name in frame.index if name in SHOWN][:3]
    for name, title in (("last", "last epoch"), ("chosen", "chosen on validation")):
        told = (f"{tables.NAMES[one]} {frame[name][one]:.2f} % (chance {frame['guess'][one]:.2f})" for one in names)
        lines.append(f"  {title}: {', '.join(told)}")
    told = (f"{tables.NAMES[one]} {frame['last'][f'{one}, majority']:.2f} %" for one in ("uar", "war", "macro_f1"))
    lines.append(f"  always the majority: {', '.join(told)}")
    return "\n".join([*lines, f"see {judged.out / 'table.md'}"])
