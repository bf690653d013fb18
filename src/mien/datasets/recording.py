"""A participant's file, kept in memory as long as it stays the same."""

from __future__ import annotations

from pathlib import Path


class RecordingError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


def stamp(path: Path) -> tuple[int, int]:
    """When a file changed, in ns, and its bytes: another content has others. RecordingError where it is gone."""
    try:
        stat = path.stat()
    except OSError as error:
        raise RecordingError(f"expected {path}, got {error.strerror}: put it back") from error
    return stat.st_mtime_ns, stat.st_size
