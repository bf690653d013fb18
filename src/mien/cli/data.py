"""`mien data`: is a dataset all there, lookalikes of those that cannot be given away, and caches for training."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.prepare import prepare
from mien.cli.telling import busy, one_line, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from mien.datasets.survey import Problem, Survey

GROUPS, ITEMS = 20, 3
"""Kinds of problems shown, and items of each, at most. Our choice: a screenful; --out has the whole list."""

app = typer.Typer(no_args_is_help=True, help="Check a dataset, make a lookalike of one, or prepare it for training.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="dfew, ferv39k, deap, amigos, mahnob, or folder: your own.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]


@app.command()
def check(
    name: Name,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that holds the dataset.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="PROBLEMS.CSV", help="Write every problem, one a row, to this file.")
    ] = "",
    debug: Debug = False,
) -> None:
    """Find the dataset in ROOT, count what is there beside the official numbers, and name everything that is wrong.

    Nothing is changed. Ends with 0 when there is something to work with, else with 1.
    """
    with one_line(debug, stopped="nothing was changed"):
        from mien.datasets import DATASETS

        dataset = DATASETS[_known(name, DATASETS)]
        with busy(lambda: f"looking through {root}", quiet=False):
            found = dataset.survey(root)
        if out:
            _write(found, Path(out))
        _show(found, dataset.TREE)
        if out:
            print(f"{_several(len(found.problems))} in {out}")
    if not found.usable:
        say(f"{root}: expected a usable {name}, got none: see what is missing above")
        raise typer.Exit(1)


@app.command()
def fake(
    name: Name,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="A new or empty folder.")],
    size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Clips, or trials a person; 70 clips of dfew and ferv39k when not given."),
    ] = None,
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="Another layout in which people have it; a wrong name lists all.")
    ] = "official",
    seed: Annotated[int, typer.Option(metavar="N", help="Other people, other traps.")] = 0,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes that draw.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Debug = False,
) -> None:
    """Write a small lookalike of a dataset into ROOT: its real format and traps, synthetic people as content."""
    with one_line(debug, stopped=f"{root} holds half a lookalike: empty it before the next try"):
        from mien.lookalikes import LOOKALIKES

        write = LOOKALIKES[_known(name, LOOKALIKES)]
        options = {"seed": seed, "variant": variant, "workers": workers} | ({"size": size} if size is not None else {})
        with busy(lambda: f"drawing {name}: {_files(root)} files so far", quiet):
            truth = write(root, **options)
    if not quiet:
        usable = sum(item.usable for item in truth.items)
        print(f"{name}, layout {variant}, seed {seed}: {usable} usable items in {len(truth.files)} files, "
              f"{truth.size / 1e6:.1f} MB; traps:")
        for trap, where in truth.traps.items():
            print(f"  {trap}: {where}")
        print(f"see: mien data check {name} {root}")


app.command()(prepare)


def _known(name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise ValueError(f"NAME: expected one of {', '.join(names)}, got {name!r}")
    return name


def _files(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))  # which passes over what vanishes meanwhile


def _show(found: Survey, tree: str) -> None:
    """The survey on stdout: layout, counts, problems in groups; the expected tree where there is nothing to use."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a log has no width: lines stay whole

    def line(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    line(f"{found.dataset} in {found.root}: {found.layout or 'no layout that is known'}")
    if found.counts:
        console.print(_counted(found))
    if found.problems:
        groups = _grouped(found.problems)
        console.print(_listed(groups[:GROUPS], found.root))
        rest = groups[GROUPS:]
        if rest:
            count = sum(len(group) for group in rest)
            line(f"and {count} more problems of {len(rest)} kinds: --out problems.csv writes every one")
        kinds = ("missing", "unreadable", "excluded", "doubtful")
        totals = {kind: sum(each.kind == kind for each in found.problems) for kind in kinds}
        line(_several(len(found.problems)) + ": " + ", ".join(f"{n} {kind}" for kind, n in totals.items() if n))
    else:
        line("no problems")
    if not found.usable:
        line(f"\nexpected, below the folder that you name:\n\n{tree}")


def _several(problems: int) -> str:
    return f"{problems} problem{'s' if problems != 1 else ''}"


def _counted(found: Survey) -> Table:
    from rich.table import Table

    table = Table("", box=None, pad_edge=False)
    table.add_column("found", justify="right")
    table.add_column("official", justify="right")
    table.add_column("")
    for count in found.counts:
        official = "" if count.official is None else f"{count.official:,}"
        differs = "" if count.official in (None, count.found) else "differs"
        table.add_row(count.name, f"{count.found:,}", official, differs, style="yellow" if differs else "")
    return table


def _grouped(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Problems alike but for names and numbers, the largest groups first."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        gist = re.sub(r"'[^']*'|\S*[/\\.]\S+|\d+", "#", problem.reason.replace(problem.item, "#"))
        groups.setdefault((problem.kind, gist), []).append(problem)
    return sorted(groups.values(), key=lambda group: -len(group))


def _listed(groups: list[list[Problem]], root: Path) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("problem", "items", "why, and where", box=None, pad_edge=False)
    for group in groups:
        first = group[0]
        places = (_file(each, root) + f":{each.line or ''}".rstrip(":") for each in group[:ITEMS] if each.path)
        where = ", ".join(dict.fromkeys(places))
        more = "" if len(group) <= ITEMS else f" and {len(group) - ITEMS} more"
        reason = first.reason if len(group) == 1 else f"{first.item}: {first.reason}"
        names = f"{len(group)}: " + ", ".join(dict.fromkeys(each.item for each in group[:ITEMS])) + more
        table.add_row(Text(first.kind), Text(names), Text(f"{reason}\n  {where}" if where else reason))
    return table


def _file(problem: Problem, root: Path) -> str:
    path = problem.path
    if path is None:
        return ""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) and path != root else str(path)


def _write(found: Survey, out: Path) -> None:
    """Every problem as a row: kind, item, reason, file (below the root where it is), line."""
    import csv

    from mien.writing import replacing

    with replacing(out) as path, path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        rows = csv.writer(file)
        rows.writerow(["kind", "item", "reason", "file", "line"])
        for each in found.problems:
            line = "" if each.line is None else each.line
            rows.writerow([each.kind, each.item, each.reason, _file(each, found.root), line])
