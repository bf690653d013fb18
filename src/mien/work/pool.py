"""Many jobs, in processes of this machine or on a Dask cluster; a process that dies is an outcome of its job.

joblib does the work (https://joblib.readthedocs.io). What is added here is what it leaves open: when the system kills
one of its processes, joblib gives up all tasks, and so the jobs that had begun are tried again, each in a process of
its own: the one that kills its process again is the one to blame. On a cluster, Dask itself tries again elsewhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mien.work.outcome import Outcome, Tick
from mien.work.staging import leftovers
from mien.work.watching import every


class Job(Protocol):
    """One thing to do, which other processes can be sent; its files in the making lie in `folder`."""

    @property
    def folder(self) -> str: ...


J = TypeVar("J", bound=Job)
Work = Callable[[J, Tick | None], Outcome]

POLL = 0.25
"""s between two looks at how far the processes are. Our choice: the bar moves smoothly, and it costs nothing."""

DIED = (
    "expected the process that analysed this file to end well, got a process that was killed or crashed (memory is the "
    "usual reason: see the system's log); use fewer --workers, or convert the file with ffmpeg to a smaller picture"
)


def run(
    jobs: Sequence[J], work: Work[J], workers: int = 1, cluster: str | None = None, tick: Tick | None = None
) -> Iterator[tuple[J, Outcome]]:
    """Do `work` for every job and give (job, outcome) as they end, each job exactly once.

    `workers` processes on this machine, or those of the Dask scheduler at `cluster` (such as tcp://host:8786), which
    must see the same paths. A single job runs in this process. `tick` hears the sum of the shares done, 0..jobs.

    Raises:
        ValueError: the cluster's package is missing, or nobody answers there.
    """
    if cluster is None and len(jobs) < 2:
        yield from _here(jobs, work, tick)
        return
    with _marks(len(jobs), tick) as marks:
        results = _on_cluster(cluster, jobs, work) if cluster else _in_processes(jobs, work, workers, marks)
        for index, outcome in results:
            if outcome.reason == DIED:
                for folder in leftovers(Path(jobs[index].folder)):
                    shutil.rmtree(folder)
            marks.note(index, 1.0)
            yield jobs[index], outcome


def _here(jobs: Sequence[J], work: Work[J], tick: Tick | None) -> Iterator[tuple[J, Outcome]]:
    for job in jobs:
        yield job, work(job, tick)


# ---------------------------------------------------------------- how far is each process


@dataclass(frozen=True)
class Marks:
    """How far each job is, 0..1, in a file that every process maps: NaN where it has not begun.

    `owner`: the process that gave out the jobs.
    """

    path: str
    owner: int

    def note(self, index: int, share: float) -> None:
        np.memmap(self.path, dtype=np.float64, mode="r+")[index] = share

    def read(self) -> np.ndarray:
        """(jobs,) shares."""
        return np.fromfile(self.path)


@contextmanager
def _marks(jobs: int, tick: Tick | None) -> Iterator[Marks]:
    folder = Path(tempfile.mkdtemp(prefix="mien-"))
    np.full(jobs, np.nan).tofile(folder / "marks")  # the disk's room is taken now: a full disk later does no harm
    marks = Marks(str(folder / "marks"), os.getpid())

    def look() -> None:
        if tick is not None:
            tick(float(np.nansum(marks.read())))

    try:
        with every(POLL, look):
            yield marks
    finally:
        shutil.rmtree(folder)


def _task(index: int, job: J, work: Work[J], marks: Marks | None) -> tuple[int, Outcome]:
    """What runs in the other process."""
    if marks is None:
        return index, work(job, None)
    if sys.platform != "win32":  # where a virtual environment's launcher stands between the two
        _leave_with(marks.owner)
    last = 0.0

    def tick(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= POLL:
            last = time.monotonic()
            marks.note(index, share)

    marks.note(index, 0.0)
    return index, work(job, tick)


@lru_cache(maxsize=1)
def _leave_with(parent: int) -> None:
    """End this process, once, when its parent is gone: joblib's would wait five minutes for work, with all memory."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------- this machine


def _in_processes(
    jobs: Sequence[J], work: Work[J], workers: int, marks: Marks
) -> Iterator[tuple[int, Outcome]]:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    waiting = dict(enumerate(jobs))
    while waiting:
        try:
            for index, outcome in _parallel(waiting, work, workers, marks):
                del waiting[index]
                yield index, outcome
        except BrokenProcessPool:
            begun = [index for index in waiting if not np.isnan(marks.read()[index])]
            for index in begun or list(waiting)[:1]:
                yield index, _alone(index, waiting.pop(index), work, marks)


def _alone(index: int, job: J, work: Work[J], marks: Marks) -> Outcome:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        [(_, outcome)] = _parallel({index: job}, work, 1, marks)
        return outcome
    except BrokenProcessPool:
        return Outcome("failed", DIED)


def _parallel(jobs: Mapping[int, J], work: Work[J], workers: int, marks: Marks) -> Iterator[tuple[int, Outcome]]:
    from joblib import Parallel, delayed

    # joblib runs one job in this very process, which a broken file could take down: two processes, one task at a time
    how = {"n_jobs": 2, "pre_dispatch": 1} if workers == 1 else {"n_jobs": min(workers, max(len(jobs), 2))}
    run = Parallel(**how, backend="loky", batch_size=1, return_as="generator_unordered")
    return run(delayed(_task)(index, job, work, marks) for index, job in list(jobs.items()))


# ---------------------------------------------------------------- a cluster


def _on_cluster(address: str, jobs: Sequence[J], work: Work[J]) -> Iterator[tuple[int, Outcome]]:
    try:
        from mien.work import cluster
    except ModuleNotFoundError as error:
        raise ValueError(
            f'--cluster: expected the packages dask and distributed, got none of the name {error.name}; '
            'run: pip install "mien[cluster]"'
        ) from error
    return cluster.run(address, jobs, partial(_task, work=work, marks=None))
