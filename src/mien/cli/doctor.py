"""`mien doctor`: is this machine fit?"""

from __future__ import annotations

import typer

from mien.cli.telling import one_line


def doctor() -> None:
    """Check the installation, and say what to do about each thing that fails; ends with 1 when anything does."""
    with one_line(False):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from mien.doctor import diagnose

        findings = diagnose()
        table = Table("status", "what", box=None, pad_edge=False)
        table.add_column("found", overflow="fold")  # names of files whole
        for finding in findings:
            style = {"ok": "green", "warning": "yellow", "failure": "red"}[finding.status]
            found = finding.found + (f"\n-> {finding.remedy}" if finding.remedy else "")
            table.add_row(Text(finding.status, style=style), Text(finding.name), Text(found))
        Console().print(table)
    if any(finding.status == "failure" for finding in findings):
        raise typer.Exit(1)
