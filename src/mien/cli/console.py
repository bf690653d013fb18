"""Console output of the commands: one line for an error, a bar for progress; both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from mien.core.plain_text import duration, listed_after, printable


def print_line(text: str) -> None:
    """Print one line on stderr, after the name of the program."""
    with suppress(OSError):  # a full disk behind stderr must not end the command
        print(f"mien: {printable(text)}", file=sys.stderr)


def settings(changes: Sequence[str]) -> dict[str, str]:
    """Parse the values of `--set`.

    Args:
        changes: texts such as `options.beta=0.5`.

    Returns:
        Path of the field: value, both as text.

    Raises:
        ValueError: a text has no `=`.
    """
    wrong = [text for text in changes if "=" not in text]
    if wrong:
        raise ValueError(f"--set: expected path.to.field=value, got {wrong[0]!r}")
    return {path: value for path, _, value in (text.partition("=") for text in changes)}


def run_folder(out: str, name: str, *, tiny: bool = False, tail: str = "") -> Path:
    """Folder of a run: `out`, or by default `runs/duse-dfew` for `duse/dfew`, with `-tiny` if it is tiny."""
    if out:
        return Path(out)
    middle = "-tiny" if tiny else ""
    return Path(f"runs/{name.replace('/', '-')}{middle}{tail}")


def unless(quiet: bool, print_line: Callable[[str], None]) -> Callable[[str], None] | None:
    """What prints lines; None for a command that is to be quiet."""
    return None if quiet else print_line


RESUMES = "finished work is kept; run the same command again to continue"


@contextmanager
def exit_on_error(debug: bool, stopped: str = RESUMES) -> Iterator[None]:
    """Print an error that ends the command as one line, and exit with 1. Ctrl-C exits with 130.

    Args:
        debug: raise the error unchanged, so that the traceback is printed.
        stopped: message after Ctrl-C that says what remains on disk.
    """
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        from mien.core.parallel.outcome import interrupted, one_line_error

        if interrupted(error):
            print_line(f"stopped by Ctrl-C; {stopped}")
            raise typer.Exit(130) from None
        if debug:
            raise
        print_line(one_line_error(error))
        raise typer.Exit(1) from error


@contextmanager
def progress_bar(
    title: str, total: float, quiet: bool
) -> Iterator[tuple[Callable[..., None], Callable[[str], None]]]:
    """Show progress on stderr: a bar on a terminal, else a plain line for each item or, of a single item, each tenth.

    A new activity, such as the next fold, has a line of its own too.

    Args:
        title: text before the bar.
        total: value at which the bar is full.
        quiet: show no progress.

    Yields:
        A function that sets the progress (0 .. total) and, with a second argument, the activity in words; and a
        function that prints a line above the bar.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)

    def print_above(text: str) -> None:
        for line in text.splitlines():
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    if not console.is_terminal:
        lines = ProgressLines(title, total)

        def show(done: float, activity: str = "") -> None:
            if not quiet:
                print_lines(lines.at(done, activity))

        yield show, print_above
        show(lines.total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet, transient=True) as progress:
        task = progress.add_task(title, total=max(total, 1))

        def update(done: float, activity: str = "") -> None:
            progress.update(task, completed=done, description=f"{title}{listed_after(', ', activity)}")

        yield update, print_above


def print_lines(lines: Sequence[str]) -> None:
    """Print lines on stderr, each after the name of the program."""
    for line in lines:
        print_line(line)


class ProgressLines:
    """Progress as plain lines, for logs: one for each finished item, or for each tenth of a single item.

    Args:
        title: text before the numbers.
        total: number of items.
        now: a clock, s.
    """

    def __init__(self, title: str, total: float, now: Callable[[], float] = time.monotonic) -> None:
        self._title, self.total, self._now = title, total, now
        self._start, self._shown, self._activity = now(), 0, ""

    def at(self, done: float, activity: str = "") -> list[str]:
        """The line that this progress adds, if any.

        Args:
            done: 0 .. total.
            activity: what is under way, such as the name of a fold; "" where there is only one thing to do.
        """
        single = self.total <= 1
        reached = int(done * 10 + 1e-9) if single else int(done + 1e-9)
        if reached <= self._shown and activity in ("", self._activity):
            return []
        self._shown, self._activity = max(reached, self._shown), activity or self._activity
        title = f"{self._title}{listed_after(', ', activity)}"
        text = f"{int(100 * done + 1e-9)} %" if single else f"{reached} of {round(self.total)}"
        spent = self._now() - self._start
        if done > 0 and spent > 0 and done < self.total:
            return [f"{title}: {text} done, about {duration(spent / done * (self.total - done))} left"]
        return [f"{title}: {text} done"]


@contextmanager
def spinner(title: Callable[[], str], quiet: bool) -> Iterator[None]:
    """Show a spinner on stderr if stderr is a terminal, for work of unknown length.

    Args:
        title: returns the text beside the spinner; it is called every second.
        quiet: show no spinner.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    from mien.core.parallel.polling import call_periodically

    with console.status(title()) as status, call_periodically(1.0, lambda: status.update(title())):
        yield
