"""`mien doctor`: check the installation on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import exit_on_error

Recording = Annotated[
    Path | None, typer.Option("--recording", metavar="CLIP", help="Check instead whether the camera, light and codec "
                              "of this clip can carry a pulse.")]


def doctor(recording: Recording = None) -> None:
    """Check the installation, and print a remedy for each problem. The exit status is 1 if a check fails, else 0.

    With --recording, check the set-up of a study by a clip of ten seconds or more.
    """
    with exit_on_error(False):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from mien.cli.diagnostics import diagnose
        from mien.cli.diagnostics.recording import diagnose_recording

        findings = diagnose() if recording is None else diagnose_recording(recording)
        table = Table("status", "what", box=None, pad_edge=False)
        table.add_column("found", overflow="fold")  # does not shorten file names
        for finding in findings:
            style = {"ok": "green", "warning": "yellow", "failure": "red"}[finding.status]
            text = finding.detail
            if finding.remedy:
                text += f"\n-> {finding.remedy}"
            table.add_row(Text(finding.status, style=style), Text(finding.name), Text(text))
        Console().print(table)
    if any(finding.status == "failure" for finding in findings):
        raise typer.Exit(1)
