"""`mien study`: compare the conditions of an experiment over all recordings, on one page and in tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import exit_on_error, print_line, progress_bar
from mien.cli.options import Debug, Quiet, split_names
from mien.core.plain_text import printable, what_is_at

if TYPE_CHECKING:
    from mien.inference.batch import InputFile, Outcome
    from mien.reporting.study import StudyRecording

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of the videos, or the results folder of mien analyze.")]
EventsFile = Annotated[
    Path, typer.Option("--events", metavar="EVENTS.CSV", help="Table of the conditions: start, end (s), condition, and "
                       "optionally video and baseline.")]
ParticipantsFile = Annotated[
    Path | None, typer.Option("--participants", metavar="PEOPLE.CSV", help="Table with the columns participant and "
                              "video, and optionally face_id, group, age. Default: each video is a participant.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the page and the tables.")]
Measures = Annotated[
    str, typer.Option(metavar="LIST", help="Columns of the timeline to compare, such as AU12,heart_rate. Fewer tests "
                      "need less correction. Default: expressions, action units, heart rate.")]
MinCoverage = Annotated[
    float, typer.Option("--min-coverage", metavar="SHARE", help="Smallest share of a condition with values, 0 to "
                        "1, for a participant's mean to count.")]
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Number of videos that are analysed at the same time.")]


def study(
    folder: Folder,
    events: EventsFile,
    out: Out = Path("study"),
    participants: ParticipantsFile = None,
    measures: Measures = "",
    min_coverage: MinCoverage = 0.2,
    workers: Workers = 1,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare the conditions of an experiment over all recordings. Write study.html and tables to DIR.

    Videos are analysed first, into DIR/recordings; finished ones are skipped. To analyse with other settings, run mien
    analyze and name its results folder.

    The page shows participants by conditions (n, mean, SD, coverage, abstention), paired tests with effect sizes,
    corrected for their number, a mixed model, charts, and a paragraph on methods with all versions. The exit status
    is 0 if every video could be analysed, else 1.
    """
    with exit_on_error(debug):
        from mien.reporting.events import read_events
        from mien.reporting.study import StudyOptions, compute_study, read_participants, write_study
        from mien.reporting.study.write import has_plots

        options = StudyOptions(tuple(split_names(measures)), min_coverage)
        remarks: list[str] = []
        conditions = read_events(events, notes=remarks)
        people = () if participants is None else read_participants(participants)
        recordings, failed = _recordings(folder, out, workers, quiet, debug)
        result = compute_study(recordings, conditions, people, options)
        result = replace(result, notices=(*(f"not analysed: {text}" for text in failed),
                                          *(f"events: {remark}" for remark in remarks), *result.notices))
        page = write_study(result, out)
        if not quiet:
            for text in result.notices:
                print(printable(text))
            if not has_plots():
                print_line('no plots for papers: they need matplotlib; pip install "mien[study]"')
            print(printable(f"{len(result.participants)} participants, {len(result.conditions)} conditions; see "
                            f"{page}"))
    if failed:
        raise typer.Exit(1)


def _recordings(folder: Path, out: Path, workers: int, quiet: bool, debug: bool
                ) -> tuple[Sequence[StudyRecording], Sequence[str]]:
    """The recordings of a results folder, or of a folder of videos, which is analysed; and the failures in words."""
    from mien.inference import batch
    from mien.inference.batch.inputs import MANIFEST
    from mien.inference.batch.results import load_results

    if not folder.is_dir():
        raise ValueError(f"study: expected a folder of videos or of results, got {what_is_at(folder)} at {folder}; "
                         "check the spelling")
    if (folder / MANIFEST).is_file():
        return load_results(folder)
    results = out / "recordings"
    inputs = batch.find_inputs([str(folder)], results)
    with progress_bar(f"{len(inputs)} videos", len(inputs), quiet) as (progress, print_above):
        def print_failure(file: InputFile, outcome: Outcome) -> None:
            if outcome.status == "failed" and debug and outcome.trace:
                print_above(outcome.trace)

        batch.analyze(inputs, results, batch.AnalysisOptions(), workers=workers, progress=progress,
                      on_outcome=print_failure)
    return load_results(results)
