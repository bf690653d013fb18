"""Temporary folders that end with their process: what a killed process left is deleted when the next one starts."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "mien-"
OWNER = "owner"
"""A file that the owner keeps locked (on Windows: open) for as long as it lives."""


class ScratchFolder:
    """A temporary folder of this process, at `path`. Making one deletes those of processes that are gone.

    Args:
        purpose: A word in the folder's name.
    """

    def __init__(self, purpose: str) -> None:
        sweep()
        self._root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
        self._owner = (self._root / OWNER).open("wb")
        _lock(self._owner.fileno())
        self.path = self._root / "files"
        self.path.mkdir()

    def close(self) -> None:
        """Delete the folder with everything in it."""
        self._owner.close()
        shutil.rmtree(self._root, ignore_errors=True)


def sweep() -> None:
    """Delete the temporary folders whose processes are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not folder.is_symlink() and _is_abandoned(folder / OWNER):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(owner: Path) -> bool:
    """Whether no process holds the file. Without the file a folder is not ours, or not complete yet.

    Other users may put into the temporary folder what they like: a pipe, for instance, would wait for ever.
    """
    try:
        status = owner.lstat()
        if not stat.S_ISREG(status.st_mode) or (os.name != "nt" and status.st_uid != os.geteuid()):
            return False
        if os.name == "nt":
            owner.unlink()  # refused while the owner has it open
            return True
        with owner.open("rb") as file:
            _lock(file.fileno())
        return True
    except OSError:
        return False


def _lock(handle: int) -> None:
    """Lock an open file for as long as it stays open. Raises BlockingIOError if another process has it."""
    with suppress(ImportError):  # Windows has no fcntl, and protects an open file by itself
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
