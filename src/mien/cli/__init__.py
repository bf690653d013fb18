"""The command-line program `mien`. Slow imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import _thread
import errno
import os
import sys
import threading
import warnings
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

import mien
from mien.cli import (
    ablate,
    agree,
    analyze,
    bench,
    data,
    doctor,
    export,
    listing,
    mcp,
    models,
    serve,
    stream,
    study,
    train,
)
from mien.cli.console import print_line
from mien.cli.crash_guard import guard
from mien.cli.options import grouped

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command(cls=grouped(("--out", "--format", "--segments", "--workers", "--overlay")))(analyze.analyze)
app.command()(study.study)
app.command()(agree.agree)
app.command()(doctor.doctor)
app.command(cls=grouped(("--source", "--format", "--to", "--changes", "--model")))(stream.stream)
app.command(cls=grouped(("--port", "--source", "--model", "--llm", "--token")))(serve.serve)
app.command()(serve.live)
app.command()(mcp.mcp)
app.command(cls=grouped(("--data", "--fold", "--out", "--tiny", "--set")))(train.train)
app.command(cls=grouped(("--data", "--folds", "--out", "--tiny", "--set")))(bench.bench)
app.command(cls=grouped(("--data", "--folds", "--out", "--tiny", "--seed")))(ablate.ablate)
app.command()(export.export)
app.command("list")(listing.list_names)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")

_FORMAT = warnings.formatwarning

OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EPIPE)
"""Errors of the system that writing to standard output may raise."""


def main() -> None:
    """Run the command that the command line names."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, TextIOWrapper):
            if output.encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968"):  # LC_ALL=C: names are passed through
                output.reconfigure(encoding="utf-8", errors="surrogateescape")
            else:
                output.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are not text
    guard(sys.argv[1:])
    sys.unraisablehook = _unraisable
    warnings.formatwarning = _warning
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # at the exit of Python an error would be a traceback
    except OSError as error:
        _expect_output_error(error)
        sys.exit(1)


def _expect_output_error(error: OSError) -> None:
    """Print why standard output cannot be written to, and discard what is left of it; raise any other error.

    A reader that has ended, as in `mien list | head -1`, is no fault.
    """
    if error.filename is not None or error.errno not in OUTPUT_ERRORS:
        raise error
    if error.errno != errno.EPIPE:
        print_line(f"expected room for the output on standard output, got {error.strerror!r}: free some, or send it "
                   "elsewhere")
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
             ) -> str:
    """Format a warning for the user as one line, without its place in the source."""
    if category is UserWarning:
        return f"mien: {message}\n"
    return _FORMAT(message, category, filename, lineno, line)


def _unraisable(args: UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came where Python cannot raise it, such as in the clean-up of an import."""
    if args.exc_type is KeyboardInterrupt:
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(args)


def _version(show: bool) -> None:
    if show:
        print(mien.__version__)
        raise typer.Exit


@app.callback()
def _mien(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=_version)] = False,
) -> None:
    """Read facial expression, and the pulse from skin colour, from any video."""
