"""What became of one job, and an exception in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "failed", "skipped"]
Tick = Callable[[float], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    `count`: how many came of it, such as people of a film; `seconds` of wall time; `note` says what is odd though it
    went well; `trace` is the traceback, for --debug; `made`: the name of what came of it.
    """

    status: Status
    reason: str = ""
    count: int = 0
    seconds: float = 0.0
    note: str = ""
    trace: str = ""
    made: str = ""


def interrupted(error: BaseException | None) -> bool:
    """Whether an exception stands for Ctrl-C: a compiled module that is being imported then says ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__
    return False


def explain(error: BaseException) -> str:
    """An exception in one line; what is no message for the user says that it is a fault of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None and error.strerror and "expected" not in text:
        where = f" ({error.filename})" if error.filename else ""
        got = f"{error.strerror}{where}"
        return f"expected files that can be read and written, got: {got}; check the disk and permissions"
    if isinstance(error, MemoryError):
        return "expected enough memory, got none; close other programs, or use fewer --workers"
    if isinstance(error, ValueError | OSError) and text:
        return text
    return f"expected no such error, got {type(error).__name__}: {text}; please report it with the output of --debug"
