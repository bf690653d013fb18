"""The error of a table that cannot be read."""

from __future__ import annotations

from pathlib import Path


class TableError(ValueError):
    """A table that cannot be used. The message names the file and the line.

    Args:
        reason: What was expected, what was found and what helps, without the place.
        path: The file.
        line: The line, from 1; None for the whole file.
    """

    def __init__(self, reason: str, path: Path | None = None, line: int | None = None) -> None:
        where = "" if path is None else str(path)
        if line is not None:
            where += f", line {line}" if where else f"line {line}"
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.path = path
        self.line = line
