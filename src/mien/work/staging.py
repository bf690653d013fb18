"""Files in the making lie in a folder of their own until all are there."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAY = 86400.0


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder for files in the making, on the same disk; removed whatever happens, as are those of dead processes."""
    for old in leftovers(folder):
        if time.time() - old.stat().st_mtime > DAY:  # a younger one may belong to a run beside this one
            shutil.rmtree(old)
    staging = folder / f".partial-{uuid.uuid4().hex[:12]}"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


def leftovers(folder: Path) -> list[Path]:
    """The folders of files in the making."""
    return sorted(folder.glob(".partial-*"))
