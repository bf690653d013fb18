"""`mien data`: check a dataset, make a synthetic lookalike of it, or preprocess it for training."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.console import exit_on_error, print_line, spinner
from mien.cli.options import listing
from mien.cli.prepare import AcceptDifferences, contradiction_text, prepare
from mien.core.plain_text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from mien.datasets.index import DatasetIndex, DatasetProblem

GROUPS, ITEMS = 20, 3
"""Largest number of kinds of problems printed, and of items of each. Our choice: one screen; --out has the rest."""

QUICK: dict[str, dict[str, Any]] = {
    "dfew": {"size": 14},
    "ferv39k": {"size": 14},
    "deap": {"size": 4, "subjects": (1, 2, 3, 23), "seconds": 8.0},
    "amigos": {"size": 4, "participants": (1, 7, 8), "seconds": 8.0},
    "mahnob": {"size": 4, "participants": (1, 3, 16), "seconds": 8.0},
    "folder": {"size": 14, "seconds": 8.0},
}
"""What is written without --size: a newcomer should wait for less than 20 s. The writers' own defaults have more."""

EXPRESSION = "expression/"
"""Prefix of the names of sets of labelled faces, which mien train expression and mien bench expression/NAME read."""

app = typer.Typer(no_args_is_help=True, help="Check a dataset, make a synthetic lookalike of it, or prepare it for "
                                                "training.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the dataset.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error.")]


def _datasets() -> Iterable[str]:
    from mien.datasets import names

    return [f"{name}: your own" if name == "folder" else name for name in names()]


def _lookalikes() -> Iterable[str]:
    from mien.simulation.datasets import LOOKALIKES
    from mien.simulation.datasets.expression_sets import EXPRESSION_SETS

    return [*LOOKALIKES, *(EXPRESSION + name for name in EXPRESSION_SETS)]


@app.command(cls=listing(_datasets))
def check(
    name: Name,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder that holds the dataset.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="PROBLEMS.CSV", help="Write all problems to this table.")
    ] = "",
    accept_differences: AcceptDifferences = False,
    debug: Debug = False,
) -> None:
    """Check the dataset in ROOT: compare its counts with the official ones, and list every problem.

    The command changes no file. The exit status is 0 if the dataset is usable and its labels do not contradict the
    official ones, else 1.
    """
    with exit_on_error(debug, stopped="nothing was changed"):
        from mien.datasets import dataset, official

        module = dataset(name)
        with spinner(lambda: f"scanning {root}", quiet=False):
            survey = module.survey(root)
            differences = official.contradictions(survey)
            others = [problem for problem in survey.problems if problem.kind != "contradiction"]
            survey = replace(survey, problems=(*differences, *others))
        if out:
            _write(survey, Path(out))
        _show(survey, module.TREE)
        if out:
            print(f"{counted(len(survey.problems), 'problem')} in {out}")
    if not survey.usable:
        print_line(f"{root}: expected a usable {name}, got none: the list above says what is missing")
        raise typer.Exit(1)
    if differences and not accept_differences:
        print_line(contradiction_text(root, differences))
        raise typer.Exit(1)


@app.command(cls=listing(_lookalikes))
def fake(
    name: Name,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder to write: new or empty.")],
    size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of clips, or of trials for each person. Default: the smallest lookalike "
                     "that can be trained and tested, 14 clips, or 4 trials of 3 people with 8 s of video each. With "
                     "--size: 4 or 5 people with 12 s, which takes a minute or longer."),
    ] = None,
    variant: Annotated[
        str, typer.Option(metavar="NAME", help="Layout of the files, for datasets with several; mien lists the "
                          "names if you give an unknown one.")
    ] = "official",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random people and faults.")] = 0,
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Number of processes that render videos. 0 means one "
                                         "for each processor.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")] = False,
    debug: Debug = False,
) -> None:
    """Write a small lookalike of a dataset to ROOT: the real file format and usual faults, with synthetic people."""
    with exit_on_error(debug, stopped=f"{root} holds half a lookalike: empty it before you try again"):
        from mien.simulation.datasets import LOOKALIKES

        if name.startswith(EXPRESSION):
            return _fake_faces(name, root, seed, quiet)
        if name not in LOOKALIKES:
            raise ValueError(f"NAME: expected one of {', '.join(LOOKALIKES)}, got {name!r}")
        write = LOOKALIKES[name]
        options: dict[str, Any] = {"seed": seed, "variant": variant, "workers": workers or os.cpu_count() or 1}
        options |= QUICK.get(name, {}) if size is None else {"size": size}
        with spinner(lambda: f"writing {name}: {_files(root)} files so far", quiet):
            truth = write(root, **options)
    if not quiet:
        usable = sum(item.usable for item in truth.items)
        print(f"{name}, layout {variant}, seed {seed}: {usable} usable items in {len(truth.files)} files, "
              f"{truth.size / 1e6:.1f} MB; planted faults:")
        for trap, where in truth.traps.items():
            print(f"  {trap}: {where}")
        print(f"see: mien data check {name} {root}")


def _fake_faces(name: str, root: Path, seed: int, quiet: bool) -> None:
    from mien.simulation.datasets.expression_sets import write_expression_set

    with spinner(lambda: f"writing {name}: {_files(root)} files so far", quiet):
        write_expression_set(name.removeprefix(EXPRESSION), root, seed)
    if not quiet:
        print(f"{name}, seed {seed}: {_files(root)} files\nsee: mien bench {name} --data {root}")


app.command(cls=listing(_datasets))(prepare)


def _files(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))  # os.walk ignores files that vanish meanwhile


def _show(survey: DatasetIndex, tree: str) -> None:
    """Print the survey: layout, counts and grouped problems. Print the expected tree if the dataset is not usable."""
    from rich.console import Console
    from rich.text import Text

    from mien.datasets.official import find_marker

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a log file has no width, so we do not wrap at 80 characters

    def show(text: str) -> None:
        console.print(Text("\n".join(map(printable, text.split("\n")))), soft_wrap=True)

    lookalike = find_marker(survey.root) is not None
    kind = ", a lookalike: smaller than the dataset on purpose, with rendered people" if lookalike else ""
    show(f"{survey.dataset} in {survey.root}: {survey.layout or 'unknown layout'}{kind}")
    if survey.counts:
        console.print(_counts_table(survey, "lookalike" if lookalike else "differs"))
    if survey.problems:
        groups = _grouped(survey.problems)
        console.print(_problems_table(groups[:GROUPS], survey.root))
        rest = groups[GROUPS:]
        if rest:
            count = sum(len(group) for group in rest)
            show(f"and {count} more problems of {len(rest)} kinds: --out problems.csv writes all of them")
        kinds = ("contradiction", "missing", "unreadable", "excluded", "doubtful")
        totals = {kind: sum(problem.kind == kind for problem in survey.problems) for kind in kinds}
        kinds_found = ", ".join(f"{n} {kind}" for kind, n in totals.items() if n)
        show(f"{counted(len(survey.problems), 'problem')}: {kinds_found}")
    else:
        show("no problems")
    if not survey.usable:
        show(f"\nexpected in ROOT:\n\n{tree}")


def _counts_table(survey: DatasetIndex, other: str) -> Table:
    """The counts beside the official ones, and the word `other` where they are not equal."""
    from rich.table import Table

    table = Table("", box=None, pad_edge=False)
    table.add_column("found", justify="right")
    table.add_column("official", justify="right")
    table.add_column("")
    for count in survey.counts:
        official = differs = style = ""
        if count.official is not None:
            official = f"{count.official:,}"
            if count.official != count.number:
                differs, style = other, "yellow"
        table.add_row(count.name, f"{count.number:,}", official, differs, style=style)
    return table


def _grouped(problems: Iterable[DatasetProblem]) -> list[list[DatasetProblem]]:
    """Group problems with the same reason, apart from names and numbers. The largest groups come first."""
    groups: dict[tuple[str, str], list[DatasetProblem]] = {}
    for problem in problems:
        reason = re.sub(r"'[^']*'|\S*[/\\.]\S+|\d+", "#", problem.reason.replace(problem.item, "#"))
        groups.setdefault((problem.kind, reason), []).append(problem)
    return sorted(groups.values(), key=lambda group: -len(group))


def _problems_table(groups: list[list[DatasetProblem]], root: Path) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("problem", "items", "why, and where", box=None, pad_edge=False)
    for group in groups:
        first, shown = group[0], group[:ITEMS]
        names = f"{len(group)}: " + ", ".join(dict.fromkeys(problem.item for problem in shown))
        if len(group) > ITEMS:
            names += f" and {len(group) - ITEMS} more"
        reason = printable(first.reason)
        if len(group) > 1:
            reason = f"{printable(first.item)}: {reason}"
        lines = (_file(problem, root) + f":{problem.line or ''}".rstrip(":") for problem in shown if problem.path)
        if files := ", ".join(dict.fromkeys(lines)):
            reason = f"{reason}\n  {printable(files)}"
        table.add_row(Text(first.kind), Text(printable(names)), Text(reason))
    return table


def _file(problem: DatasetProblem, root: Path) -> str:
    path = problem.path
    if path is None:
        return ""
    if path.is_relative_to(root) and path != root:
        return path.relative_to(root).as_posix()
    return str(path)


def _write(survey: DatasetIndex, out: Path) -> None:
    """Write every problem as a row: kind, item, reason, file (relative to the root if it is in it), line."""
    import csv

    from mien.core.atomic_files import replacing
    from mien.core.plain_text import cell

    with replacing(out) as path, path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        rows = csv.writer(file)
        rows.writerow(["kind", "item", "reason", "file", "line"])
        for problem in survey.problems:
            line = "" if problem.line is None else problem.line
            texts = (problem.kind, problem.item, problem.reason, _file(problem, survey.root))
            rows.writerow([*map(cell, texts), line])
