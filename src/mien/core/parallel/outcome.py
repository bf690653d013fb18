"""The outcome of a job, and exceptions as one-line messages."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["ok", "failed", "skipped"]
ProgressCallback = Callable[[float], None]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job.

    Attributes:
        status: ok, failed or skipped.
        reason: why it failed or was skipped.
        count: number of results, such as people in a video.
        seconds: wall time in s.
        note: a remark about a job that succeeded.
        trace: the traceback, for --debug.
        made: the name of the result.
    """

    status: Status
    reason: str = ""
    count: int = 0
    seconds: float = 0.0
    note: str = ""
    trace: str = ""
    made: str = ""


def attempt(work: Callable[[], Outcome]) -> Outcome:
    """Run a job, measure its time, and turn its exception into a failed outcome, so that other jobs continue.

    Args:
        work: runs the job; `seconds` of its outcome are kept if it sets them.

    Returns:
        The outcome of `work`, or `failed` with the error in one line and its traceback.

    Raises:
        KeyboardInterrupt: Ctrl-C, also where an import turned it into an ImportError.
    """
    start = time.perf_counter()
    try:
        outcome = work()
    except Exception as error:
        if interrupted(error):
            raise KeyboardInterrupt from error
        return Outcome(
            "failed", one_line_error(error), seconds=time.perf_counter() - start, trace=traceback.format_exc()
        )
    if outcome.seconds:
        return outcome
    return replace(outcome, seconds=time.perf_counter() - start)


def interrupted(error: BaseException | None) -> bool:
    """Whether an exception was caused by Ctrl-C: importing a compiled module turns it into an ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__
    return False


def one_line_error(error: BaseException) -> str:
    """Describe an exception in one line; an unexpected one asks the user to report it."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None and error.strerror and "expected" not in text:
        got = error.strerror
        if error.filename:
            got += f" ({error.filename})"
        return f"expected files that can be read and written, got: {got}; check the disk and permissions"
    if isinstance(error, MemoryError):
        return "expected enough memory, got none; close other programs, or use fewer --workers"
    if isinstance(error, RecursionError):
        return "expected a file whose parts are nested less deeply, got one that is damaged or hostile; export it again"
    if isinstance(error, ValueError | OSError) and text:
        return text
    return f"expected no such error, got {type(error).__name__}: {text}; please report it with the output of --debug"
