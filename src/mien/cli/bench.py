"""`mien bench`: a recipe judged by its protocol; two benchmarks compared; evidence on synthetic people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.asking import (
    CacheAt,
    Changes,
    Data,
    Debug,
    Deterministic,
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


EVIDENCE = "evidence/"
"""What a name begins with that is no recipe but a study."""

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
    seeds: Annotated[int, typer.Option(metavar="N", min=0, help="Of evidence/...: so many, from --seed on [3].")] = 0,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of evidence/...: also one page of all that is below DIR.")
    ] = None,
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
    """Cross-validate RECIPE by its protocol; write table.md, scores, figures and predictions into DIR.

    Stopped in any way, a kill included, the same command goes on and ends with the same table.

    evidence/duse, evidence/scpt, evidence/mvp or evidence/all: do a method's parts do what its paper says? On
    synthetic people, without --data; into a folder for each below DIR.
    """
    with one_line(debug):
        if recipe.startswith(EVIDENCE):
            strange = {"--data": root, "--cache": cache, "--folds": folds, "--by": by, "--compare": compare,
                       "--baselines": baselines, "--set": changes, "--precision": precision not in ("auto", "32"),
                       "--device": device not in ("auto", "cpu")}
            _refuse(strange, f"{recipe}: its people are synthetic and its models small, 32 bits on the processor")
            return _evidence(recipe, Path(out or "runs/evidence"), page, quiet, seeds=seeds or 3, first=seed,
                             workers=max(workers, 1), tiny=tiny)
        _refuse({"--seeds": seeds, "--page": page}, f"{recipe or '--compare'}: these are of evidence/...")
        if compare is not None:
            return _compare(*compare)
        if not recipe or root is None:
            raise ValueError("bench: expected RECIPE and --data ROOT, or --compare A B: see mien bench --help")
        chosen = asked(recipe, tiny, changes or [])
        place = Path(out or f"runs/bench-{recipe.replace('/', '-')}{'-tiny' * tiny}-seed{seed}")
        wanted = names(folds)
        if baselines:
            return _baselines(chosen, root, place, quiet, cache=cache, seed=seed, folds=wanted, workers=workers)
        expect_usable(precision, device, chosen)
        from mien.bench import cross_validate, write

        with bar(f"bench {chosen.name}", 1, quiet) as (tick, above):
            judged = cross_validate(
                chosen, root, place, cache=cache, seed=seed, folds=wanted,
                by=by or (), device=device, precision=precision, workers=workers, told=above,  # type: ignore[arg-type]
                heard=lambda _, share: tick(share), deterministic=deterministic)
            write(judged)
    if not quiet:
        print(_sum(judged))


def _refuse(given: dict[str, Any], why: str) -> None:
    """ValueError where any of these options was given."""
    if wrong := [name for name, value in given.items() if value]:
        raise ValueError(f"bench: expected no {' or '.join(wrong)} with {why}")


def _evidence(name: str, place: Path, page: Path | None, quiet: bool, **how: Any) -> None:
    """Every study asked for, its tables, and the page."""
    from mien.bench import evidence

    for study in evidence.asked(name.removeprefix(EVIDENCE)):
        with bar(f"{EVIDENCE}{study.name}", 1, quiet) as (tick, _):
            found = evidence.run(study, place / study.name, tick=tick, **how)
        evidence.write(found, place / study.name)
        if not quiet:
            print(f"{study.title}, seeds {', '.join(map(str, found.seeds))}" + ", tiny: it says nothing" * found.tiny)
            print("\n".join(f"  {one.claim.text}: {one.difference.verdict}" for one in evidence.findings(found)))
            print(f"see {place / study.name / 'table.md'}")
    if page is not None:
        evidence.collect(place, page)


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
    from mien.bench import ratings, tables

    lines = [f"{judged.recipe.name}, {len(judged.folds)} of {judged.count} folds"
             + (", tiny: it knows nothing" if judged.recipe.tiny else "")]
    if judged.recipe.task.scale is not None:
        return "\n".join([*lines, *ratings.told(judged), f"see {judged.out / 'table.md'}"])
    frame = tables.main(judged).set_index("measure")
    names = [name for name in frame.index if name in SHOWN][:3]
    for name, title in (("last", "last epoch"), ("chosen", "chosen on validation")):
        told = (f"{tables.NAMES[one]} {frame[name][one]:.2f} % (chance {frame['guess'][one]:.2f})" for one in names)
        lines.append(f"  {title}: {', '.join(told)}")
    told = (f"{tables.NAMES[one]} {frame['last'][f'{one}, majority']:.2f} %" for one in ("uar", "war", "macro_f1"))
    lines.append(f"  always the majority: {', '.join(told)}")
    return "\n".join([*lines, f"see {judged.out / 'table.md'}"])
