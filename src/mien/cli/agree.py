"""`mien agree`: how well annotators agree with each other and with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import exit_on_error
from mien.cli.options import Debug

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Annotations of one person each: a table with start, end (s), a "
                               "label and optionally video. The report saves such a file.")]
Results = Annotated[
    Path | None, typer.Option("--results", metavar="DIR", help="Results of mien analyze, to compare the model as "
                              "well.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.CSV", help="Also write the table to a file.")]


def agree(
    files: Files,
    results: Results = None,
    step: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, help="Time between two compared points.")] = 0.5,
    out: Out = None,
    debug: Debug = False,
) -> None:
    """Print the agreement of annotators: Cohen's and Fleiss' kappa of classes, intraclass correlation of ratings.

    Only times that all of a pair have labelled count; the column share says how many those are.
    """
    with exit_on_error(debug):
        from mien.core import atomic_files
        from mien.reporting.agreement import agreement_table, label_grid
        from mien.reporting.events import read_events

        tables = None
        if results is not None:
            from mien.inference.batch.results import load_results

            tables = {recording.video: recording.table for recording in load_results(results)[0]}
        raters = {path.stem: read_events(path) for path in files}
        if len(raters) < len(files):
            raise ValueError("agree: expected files of different names, got two of one name; the name is the annotator")
        table = agreement_table(label_grid(raters, step, tables))
        if out is not None:
            atomic_files.table(out, table)
        print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
