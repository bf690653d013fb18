"""Another process that holds a folder. As a program: lock_holder.py FOLDER TASK; it holds until its input ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.core.folder_lock import folder_lock


@contextmanager
def held_by_another(folder: Path, task: str = "training") -> Iterator[subprocess.Popen]:
    """Let another process hold a folder; it may be killed."""
    process = subprocess.Popen([sys.executable, __file__, str(folder), task], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    with folder_lock(sys.argv[1], sys.argv[2]):
        print("held", flush=True)
        sys.stdin.read()
