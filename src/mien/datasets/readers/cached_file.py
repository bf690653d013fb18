"""The error of unreadable recordings, and the key of their cache."""

from __future__ import annotations

from pathlib import Path


class RecordingError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


def file_stamp(path: Path) -> tuple[int, int]:
    """Modification time in ns and size in bytes of a file, as a cache key. Raises RecordingError if it is missing."""
    try:
        stat = path.stat()
    except OSError as error:
        raise RecordingError(f"expected {path}, got {error.strerror}: put it back") from error
    return stat.st_mtime_ns, stat.st_size
