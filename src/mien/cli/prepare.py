"""`mien data prepare`: a dataset into a cache that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.telling import bar, busy, one_line, say

if TYPE_CHECKING:
    from mien.data.build import Built
    from mien.types import Trial
    from mien.work import Outcome


def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="dfew, ferv39k, deap, amigos, mahnob, or folder.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that holds the dataset.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CACHE", help="A new folder, or a cache to go on with.")],
    size: Annotated[
        int | None, typer.Option(metavar="PX", help="Side of the pictures of faces; 224 when not given.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Pictures kept a second, at most about; 30 when not given.")
    ] = None,
    aus: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Action units by OpenFace 2 or py-feat, a file a trial, instead of ours."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Trials prepared at a time.")] = 1,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Dask scheduler to send trials to, such as tcp://host:8786.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of every error.")] = False,
) -> None:
    """Look at every trial of a dataset once: faces, skin, action units and signals into CACHE, for training.

    It may be stopped in any way, and goes on from there; what is there and unchanged is kept. manifest.csv in CACHE has
    a row for every trial and for everything that is wrong with the dataset. Ends with 0 when every trial of the survey
    was prepared, else with 1. With --aus every filmed trial needs a file, called as the trial or as its video.
    """
    with one_line(debug):
        from mien.data import build, making
        from mien.datasets import DATASETS

        if name not in DATASETS:
            raise ValueError(f"NAME: expected one of {', '.join(DATASETS)}, got {name!r}")
        asked = {key: value for key, value in (("size", size), ("rate", rate)) if value is not None}
        how = making.Preparation(**asked)  # type: ignore[arg-type]
        with busy(lambda: f"looking through {root}", quiet):
            found = DATASETS[name].survey(root)
        with bar(f"{len(found.trials)} trials", len(found.trials), quiet) as (tick, above):

            def told(trial: Trial, outcome: Outcome) -> None:
                if outcome.status == "failed":
                    above(f"mien: {trial.id}: {outcome.reason}")
                    if debug and outcome.trace:
                        above(outcome.trace)

            built = build.build(found, out, how, aus=aus, workers=workers, cluster=cluster or None, tick=tick,
                                told=told)
    if not quiet:
        print(_sum(built, out))
    if not built.complete:
        say(f"expected {built.expected} prepared trials, got {built.prepared}: {out / 'manifest.csv'} says why")
        raise typer.Exit(1)


def _sum(built: Built, out: Path) -> str:
    problems = len(built.problems)
    beside = f"; the survey found {problems} problem{'s' if problems != 1 else ''}" if problems else ""
    prepared = f"{built.prepared} of {built.expected} trials of {built.dataset} in {out}"
    units = f"; {built.aus}" if built.aus else ""
    return f"{prepared}{units}{beside}; see {out / 'manifest.csv'}"
