"""The rows of an ablation, each a benchmark: one after another, in processes of their own, or on a Dask cluster."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from multiprocessing import current_process
from pathlib import Path
from typing import IO, Any

import torch

from mien.bench.run import cross_validate
from mien.bench.write import write
from mien.checkpoint.parts import pick
from mien.data.cache import Cache
from mien.recipes import Recipe
from mien.work import Outcome, Tick, explain, interrupted, run, unworried
from mien.work.pool import DIED

KILLED = ("expected the process of this row to end well, got one that was killed or crashed (memory is the usual "
          "reason: see the system's log); judge fewer rows at a time, or lower schedule.batch")

_TURN = threading.Lock()  # torch draws from one generator a process: rows in threads of one would change each other


@dataclass(frozen=True, eq=False)
class Job:
    """One row: `recipe` judged by the dataset at `root`, prepared in `cache`, into `folder` (whole paths); `how` as in
    `cross_validate`. `devices`: one of them is its process's own, known by a file of `locks`; `threads`: 0 for any."""

    title: str
    recipe: Recipe
    root: str
    folder: str
    cache: str
    how: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    locks: str = ""
    threads: int = 0


def perform(job: Job, tick: Tick | None = None) -> Outcome:
    """Judge one row. Never raises for what becomes of it: that is an outcome. `tick` hears the share done, 0..1."""
    start, hear = time.perf_counter(), tick or (lambda share: None)
    try:
        how = dict(job.how)
        if job.devices:
            how["device"] = _own(job.devices, job.locks)
        if job.threads:
            torch.set_num_threads(job.threads)
        if current_process().daemon:  # a worker of Dask, which may not start any
            how["workers"] = 0
        with _TURN:
            write(cross_validate(job.recipe, job.root, job.folder, cache=Cache(job.cache),
                                 heard=lambda _, share: hear(share), **how))
    except Exception as error:  # whatever one row does, the others go on; the end of the command tells it
        if interrupted(error):
            raise KeyboardInterrupt from error
        return Outcome("failed", explain(error), seconds=time.perf_counter() - start, trace=traceback.format_exc())
    return Outcome("ok", seconds=time.perf_counter() - start)


def judge(jobs: Sequence[Job], *, parallel: int = 1, devices: Sequence[str] = (), cluster: str = "",
          tick: Tick | None = None) -> Iterator[tuple[Job, Outcome]]:
    """Every row once -> (row, what became of it), as they end; at most one of the three is asked for.

    `parallel` rows at a time, each in a process of its own with its share of the threads; or one on each of the
    `devices`; or on the Dask scheduler at `cluster`. `tick` hears the sum of the shares done, 0..rows.
    """
    count = min(len(devices) or parallel, len(jobs))
    if not cluster and count < 2:
        yield from _in_turn([replace(job, devices=tuple(devices[:1])) for job in jobs], tick)
        return
    with tempfile.TemporaryDirectory(prefix="mien-devices-", ignore_cleanup_errors=True) as locks, unworried():
        share = 0 if cluster else max(torch.get_num_threads() // count, 1)
        dealt = [replace(job, devices=tuple(devices), locks=locks, threads=share) for job in jobs]
        for job, outcome in run(dealt, perform, count, cluster or None, tick):
            yield job, replace(outcome, reason=KILLED) if outcome.reason == DIED else outcome


def _in_turn(jobs: Sequence[Job], tick: Tick | None) -> Iterator[tuple[Job, Outcome]]:
    for number, job in enumerate(jobs):
        yield job, perform(job, partial(_further, number, tick) if tick else None)


def _further(first: int, tick: Tick, share: float) -> None:
    tick(first + share)


def named(text: Sequence[str]) -> tuple[str, ...]:
    """`0`, `cuda:1`, `cpu` -> devices as torch calls them. ValueError for one that this machine does not have."""
    found = tuple(f"cuda:{name}" if name.isdigit() else pick(name) for name in text)
    there = torch.cuda.device_count()
    missing = [name for name in found if name.startswith("cuda:") and int(name.partition(":")[2]) >= there]
    if missing:
        raise ValueError(f"--devices: expected devices of this machine, which has {there} GPUs, got {missing[0]}: "
                         "give their numbers from 0")
    return found


_HELD: list[IO[bytes]] = []  # open as long as the process lives, and with them the lock


@lru_cache(maxsize=1)
def _own(devices: tuple[str, ...], locks: str) -> str:
    """The device of this process for as long as it lives: the first that no other holds, or becomes free."""
    if len(devices) == 1:
        return devices[0]
    while True:
        for number, device in enumerate(devices):
            file = (Path(locks) / str(number)).open("wb")
            if _lock(file):
                _HELD.append(file)
                return device
            file.close()
        time.sleep(0.2)  # one whose process was killed is free a moment later


def _lock(file: IO[bytes]) -> bool:
    """Hold a file until this process ends, however that is; False where another holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
