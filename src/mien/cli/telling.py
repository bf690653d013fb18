"""How a command speaks: errors in one line, progress in a bar; both on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer


def say(text: str) -> None:
    """One line on stderr."""
    print(f"mien: {text}", file=sys.stderr)


def settings(changes: Sequence[str]) -> dict[str, str]:
    """What --set was given -> path: value. ValueError for what is no path=value."""
    wrong = [text for text in changes if "=" not in text]
    if wrong:
        raise ValueError(f"--set: expected path.to.field=value, got {wrong[0]!r}")
    return {path: value for path, _, value in (text.partition("=") for text in changes)}


RESUMES = "what is finished is kept, and the same command goes on from there"


@contextmanager
def one_line(debug: bool, stopped: str = RESUMES) -> Iterator[None]:
    """Every error that ends the command, as one line and exit 1; with `debug` as it is. Ctrl-C ends with 130.

    `stopped`: what Ctrl-C leaves behind, in words.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")  # mediapipe's own messages, which are for its makers
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        from mien.work import explain, interrupted

        if interrupted(error):
            say(f"stopped by Ctrl-C; {stopped}")
            raise typer.Exit(130) from None
        if debug:
            raise
        say(explain(error))
        raise typer.Exit(1) from error


@contextmanager
def bar(title: str, total: float, quiet: bool) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """A progress bar on stderr where that is a terminal: (what sets how much is done, what prints above it)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=max(total, 1))

        def above(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield lambda done: progress.update(task, completed=done), above


@contextmanager
def busy(title: Callable[[], str], quiet: bool) -> Iterator[None]:
    """A moving sign on stderr where that is a terminal, for work of unknown length; every second `title` is asked."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    from mien.work.watching import every

    with console.status(title()) as status, every(1.0, lambda: status.update(title())):
        yield
