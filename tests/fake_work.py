"""Work for pools, importable by other processes: what a file does is said by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.inference.batch.process_file import FileJob


def work(job: FileJob, progress: ProgressCallback | None) -> Outcome:
    """kill...: the process is killed; bad...: fails; slow...: takes a second; meet...: waits for
    another such file to begin; anything else is done at once.

    Leaves in the job's folder a file for each time that it began, which holds the process's id.
    """
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"begun-{time.monotonic_ns()}").write_text(str(os.getpid()))
    name = Path(job.path).name
    if progress is not None:
        progress(0.5)
    if name.startswith("kill"):
        (folder / ".partial-of-the-dead").mkdir(exist_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("slow"):
        time.sleep(1)
    if name.startswith("meet"):
        until = time.monotonic() + 300
        while len({path.parent for path in folder.parent.glob("meet*/begun-*")}) < 2:
            if time.monotonic() > until:
                return Outcome("failed", "expected another file at the same time, got none")
            time.sleep(0.02)
    if name.startswith("bad"):
        return Outcome("failed", "expected better, got worse")
    return Outcome("ok", note=str(os.getpid()))
