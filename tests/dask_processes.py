"""A Dask cluster of plain processes of this machine, as an administrator would start it, and killed at the end.

Not `LocalCluster`: it closes its workers politely from this process, and waits for ever where one of them had died.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
BRISK = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


@dataclass
class Cluster:
    """`address` of the scheduler; the processes of `scheduler` and `workers`."""

    address: str
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]


@contextmanager
def cluster(workers: int = 2, nanny: bool = False) -> Iterator[Cluster]:
    """A scheduler and `workers` of one thread each; with `nanny`, one that dies is started again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        scheduler = _start("scheduler", "--scheduler-file", file, "--port", "0", "--no-dashboard", folder=folder)
        started: list[subprocess.Popen] = []
        try:
            address = _address_in(file)
            how = ["--nanny" if nanny else "--no-nanny", "--no-dashboard", "--nthreads", "1"]
            started += [_start("worker", address, *how, folder=folder) for _ in range(workers)]
            yield Cluster(address, scheduler, started)
        finally:
            for process in [scheduler, *started]:
                os.killpg(process.pid, signal.SIGKILL)  # a nanny's worker too
                process.wait()


def _address_in(file: Path) -> str:
    """The address of the scheduler, as soon as its file is there and whole."""
    deadline = time.monotonic() + 300
    while True:
        try:
            return json.loads(file.read_text())["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _start(what: str, *arguments: object, folder: str) -> subprocess.Popen:
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, arguments)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, **BRISK, "PYTHONPATH": paths}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **silent)
