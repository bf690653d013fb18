"""`mien bench pulse`: compare the camera pulse with a contact pulse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import print_line, progress_bar

NAME = "pulse"
"""What stands for this comparison in the place of a recipe."""

Layout = Annotated[
    str, typer.Option(metavar="NAME", help="For pulse: layout of the dataset, such as ubfc-rppg-2 or folder. Default: "
                      "the first that fits.")
]
Predictions = Annotated[
    Path | None, typer.Option(metavar="FILE", help="For pulse: score the heart rates of another program in this table: "
                              "columns recording, heart_rate, and start, end, quality, trained_on where known.")
]


def run(root: Path | None, out: str, layout: str, predictions: Path | None, method: str, quiet: bool) -> None:
    """Compare the camera with the contact sensor in every video below the root, and print the table.

    Args:
        root: folder of the dataset.
        out: folder of the results; "" for runs/bench-pulse.
        layout: name of a layout; "" for the first that fits.
        predictions: a table of another program's heart rates.
        method: rPPG method of the waveform.
        quiet: whether to print nothing.

    Raises:
        ValueError: there is no such method or layout, or no video with a contact sensor.
    """
    from mien.core.folder_lock import folder_lock
    from mien.evaluation.pulse import bench_pulse
    from mien.rppg import expect_method

    expect_method(method)
    if root is None:
        raise ValueError("--data: expected the folder that holds videos with a contact pulse, got none")
    folder = Path(out or "runs/bench-pulse")
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, "a benchmark", log=print_line), progress_bar("bench pulse", 1, quiet) as (progress, _):
        text = bench_pulse(root, folder, layout, predictions, method, on_progress=progress)
    if not quiet:
        print(f"{text}\nsee {folder / 'table.md'}")
