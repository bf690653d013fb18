"""Temporary folders for unfinished files, so that results appear all at once."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mien.core.lock_owner import read_owner, this_process

DAY = 86400.0

OWNER = "owner.json"
"""File that names the process which fills the folder."""


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder for unfinished files on the same disk. It is always removed, as are those of dead processes.

    Of a process on another host we cannot know whether it lives: its folder stays for a day.
    """
    remove_unfinished(folder)
    root = folder / f".partial-{uuid.uuid4().hex[:12]}"
    files = root / "files"
    root.mkdir()
    try:
        (root / OWNER).write_text(json.dumps(asdict(this_process("unfinished files"))), encoding="utf-8")
        files.mkdir()
        yield files
    finally:
        shutil.rmtree(root)


def remove_unfinished(folder: Path, *, idle: bool = False) -> None:
    """Remove the unfinished files in a folder that no process will finish.

    Args:
        folder: The folder of the results.
        idle: No process works in the folder. Else only those of dead processes and those older than a day are removed,
            as the others may belong to a parallel run.
    """
    for old in leftovers(folder):
        owner = read_owner(old / OWNER)
        is_dead = owner is not None and owner.is_dead
        if idle or is_dead or time.time() - old.stat().st_mtime > DAY:
            shutil.rmtree(old, ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """The folders of unfinished files."""
    return sorted(folder.glob(".partial-*"))
