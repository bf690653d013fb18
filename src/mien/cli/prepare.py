"""`mien data prepare`: preprocess a dataset into the cache that training reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error, print_line, progress_bar, spinner
from mien.cli.options import Cluster, Debug, Quiet
from mien.core.plain_text import counted

if TYPE_CHECKING:
    from mien.core.parallel.outcome import Outcome
    from mien.core.trials import Trial
    from mien.datasets.index import DatasetProblem
    from mien.preprocessing.build_cache import CacheBuildReport


AcceptDifferences = Annotated[
    bool, typer.Option("--accept-differences", help="Use the dataset although its labels or classes contradict the "
                       "official counts.")
]


def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the dataset.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder that holds the dataset.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="CACHE", help="Folder of the cache: new, or one to continue.")
    ],
    size: Annotated[
        int | None, typer.Option(metavar="PX", help="Side of the face crops, in pixels. Default: 224.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Largest rate of face crops, in Hz (approximate). Default: 30.")
    ] = None,
    aus: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Use action units from OpenFace 2 or py-feat: a folder with one file for "
                     "each trial. Default: the action units of mien."),
    ] = None,
    accept_differences: AcceptDifferences = False,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Number of trials that are prepared at the "
                                         "same time.")] = 1,
    cluster: Cluster = "",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Preprocess every trial of a dataset for training: write faces, skin colour, action units and signals to CACHE.

    Interrupted runs resume with the same command; finished trials that did not change are kept. The file manifest.csv
    in CACHE lists every trial and every problem of the dataset. With --aus, each trial with a video needs a file with
    the name of the trial or of its video. The exit status is 0 if every trial was prepared, else 1.
    """
    with exit_on_error(debug):
        from mien.datasets import dataset, official
        from mien.preprocessing import build_cache, preprocess_trial

        module = dataset(name)
        given = {key: value for key, value in (("size", size), ("rate", rate)) if value is not None}
        preparation = preprocess_trial.Preparation(**given)  # type: ignore[arg-type]
        with spinner(lambda: f"scanning {root}", quiet):
            survey = module.survey(root)
            differences = official.contradictions(survey)
        if differences and not accept_differences:
            raise ValueError(contradiction_text(root, differences))
        with progress_bar(f"{len(survey.trials)} trials", len(survey.trials), quiet) as (progress, above):
            built = build_cache.build_cache(survey, out, preparation, aus=aus, workers=workers, cluster=cluster or None,
                                progress=progress, log=print_line, on_result=_failure_printer(above, debug))
    if not quiet:
        print(_sum(built, out))
    if not built.complete:
        print_line(f"expected {built.expected} prepared trials, got {built.prepared}: {out / 'manifest.csv'} says why")
        raise typer.Exit(1)


def contradiction_text(root: Path, differences: list[DatasetProblem]) -> str:
    """One sentence about labels that contradict the official ones."""
    first = differences[0]
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    return (f"{root}: {first.item}: {first.reason}{more}; get the lists of the dataset's authors, or use these with "
            "--accept-differences")


def _failure_printer(log: Callable[[str], None], debug: bool) -> Callable[[Trial, Outcome], None]:
    """A callback that prints the reason of each failed trial, and with `debug` the traceback."""

    def print_failure(trial: Trial, outcome: Outcome) -> None:
        """Print why a trial failed."""
        if outcome.status != "failed":
            return
        log(f"mien: {trial.id}: {outcome.reason}")
        if debug and outcome.trace:
            log(outcome.trace)

    return print_failure


def _sum(built: CacheBuildReport, out: Path) -> str:
    parts = [f"{built.prepared} of {built.expected} trials of {built.dataset} in {out}"]
    if built.aus:
        parts.append(str(built.aus))
    if built.problems:
        parts.append(f"the survey found {counted(len(built.problems), 'problem')}")
    return "; ".join([*parts, f"see {out / 'manifest.csv'}"])
