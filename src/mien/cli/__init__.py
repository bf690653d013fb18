"""The command `mien`. What is slow to import is imported where it is needed: `mien analyze --help` answers at once."""

from __future__ import annotations

import _thread
import sys
import threading
import warnings
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import ablate, analyze, bench, data, doctor, export, mcp, serve, stream, train

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(analyze.analyze)
app.command()(doctor.doctor)
app.command()(stream.stream)
app.command()(serve.serve)
app.command()(mcp.mcp)
app.command()(train.train)
app.command()(bench.bench)
app.command()(ablate.ablate)
app.command()(export.export)
app.add_typer(data.app, name="data")

_FORMAT = warnings.formatwarning


def main() -> None:
    """The entry point of the command."""
    for each in (sys.stdout, sys.stderr):
        if isinstance(each, TextIOWrapper):
            each.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are no text
    sys.unraisablehook = _unraisable
    warnings.formatwarning = _warning
    app()


def _warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
             ) -> str:
    """What a warning says, in one line; where it comes from is for those who develop."""
    return f"mien: {message}\n" if category is UserWarning else _FORMAT(message, category, filename, lineno, line)


def _unraisable(args: UnraisableHookArgs) -> None:
    """Ctrl-C where nothing can be raised, such as in the clean-up of an import, comes again a moment later."""
    if args.exc_type is KeyboardInterrupt:
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(args)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("mien"))
        raise typer.Exit


@app.callback()
def _mien(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", callback=_version)] = False,
) -> None:
    """Reads expression from the face and the pulse from its colour, in any video."""
