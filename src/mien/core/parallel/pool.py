"""Run jobs in local processes or on a Dask cluster; a process that dies becomes the outcome of its job.

We use joblib (https://joblib.readthedocs.io) and add one thing: when the system kills a process, joblib gives up all
tasks. We then repeat each job that had begun in its own process; the job that kills its process again has failed. On a
cluster, Dask itself repeats the task on another worker.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from mien.core.atomic_folders import leftovers
from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.core.parallel.polling import call_periodically
from mien.core.parallel.supervised import POLL, SupervisedWorker, WorkerError, local_processes, mark_supervised
from mien.core.scratch_folder import ScratchFolder


class WorkItem(Protocol):
    """A job that can be sent to another process; its unfinished files are in `folder`."""

    @property
    def folder(self) -> str:
        """Folder of the results, which names the item."""


J = TypeVar("J", bound=WorkItem)
Work = Callable[[J, ProgressCallback | None], Outcome]

DIED = (
    "expected the process that analysed this file to end well, got a process that was killed or crashed (memory is the "
    "usual reason: see the system's log); use fewer --workers, or convert the file with ffmpeg to a smaller picture"
)


def run(
    jobs: Sequence[J],
    work: Work[J],
    workers: int = 1,
    cluster: str | None = None,
    progress: ProgressCallback | None = None,
) -> Generator[tuple[J, Outcome], None, None]:
    """Run `work` for every job and yield (job, outcome) as they finish, each job exactly once.

    Args:
        jobs: the jobs. A single job runs in this process.
        work: takes a job and a progress callback.
        workers: number of processes on this machine.
        cluster: address of a Dask scheduler such as tcp://host:8786, used instead; it must see the same paths.
        progress: receives the sum of the finished shares, 0..number of jobs.

    Raises:
        ValueError: the cluster's package is missing, or no scheduler responds.
    """
    if cluster is None and len(jobs) < 2:
        yield from _run_in_this_process(jobs, work, progress)
        return
    with _progress_file(len(jobs), progress) as marks:
        results = _on_cluster(cluster, jobs, work) if cluster else _in_processes(jobs, work, workers, marks)
        with closing(results):  # ends the processes if the caller leaves early
            for index, outcome in results:
                if outcome.reason == DIED:
                    for folder in leftovers(Path(jobs[index].folder)):
                        shutil.rmtree(folder)
                marks.note(index, 1.0)
                yield jobs[index], outcome


def run_supervised(worker: SupervisedWorker, job: J, work: Work[J], progress: ProgressCallback | None = None,
                   seconds: float | None = None, stopped: Callable[[], bool] = bool) -> Outcome:
    """Run `work(job, progress)` in a supervised child.

    Args:
        worker: The child with its limits.
        job: The job.
        work: Takes the job and a progress callback.
        progress: Receives the finished share, 0..1.
        seconds: As in `SupervisedWorker.call`.
        stopped: As in `SupervisedWorker.call`.

    Returns:
        The outcome. A child that crashed, took too long or was stopped gives a failed one, with the reason.
    """
    with _progress_file(1, progress) as marks:
        try:
            return worker.call(_task, 0, job, work, marks, seconds=seconds, stopped=stopped)[1]
        except WorkerError as error:
            return Outcome("failed", f"expected a file that can be read to its end, got one at which {error}; convert "
                                     "it with ffmpeg, or make it smaller")
        finally:
            for folder in leftovers(Path(job.folder)):
                shutil.rmtree(folder)


def _run_in_this_process(
    jobs: Sequence[J], work: Work[J], progress: ProgressCallback | None
) -> Iterator[tuple[J, Outcome]]:
    for job in jobs:
        yield job, work(job, progress)


# ---------------------------------------------------------------- progress of each process


@dataclass(frozen=True)
class ProgressFile:
    """The progress of each job, 0..1, in a file that every process maps; NaN before a job begins.

    Attributes:
        path: the file.
        owner: id of the process that started the jobs.
    """

    path: str
    owner: int

    def note(self, index: int, share: float) -> None:
        """Write the finished share, 0..1, of the item with this index."""
        np.memmap(self.path, dtype=np.float64, mode="r+")[index] = share

    def read(self) -> np.ndarray:
        """(jobs,) shares."""
        return np.fromfile(self.path)


@contextmanager
def _progress_file(jobs: int, progress: ProgressCallback | None) -> Iterator[ProgressFile]:
    folder = ScratchFolder("progress")
    path = folder.path / "marks"
    np.full(jobs, np.nan).tofile(path)  # reserve the space now: a full disk later does no harm
    marks = ProgressFile(str(path), os.getpid())

    def look() -> None:
        if progress is not None:
            progress(float(np.nansum(marks.read())))

    try:
        with call_periodically(POLL, look):
            yield marks
    finally:
        folder.close()


def _task(index: int, job: J, work: Work[J], marks: ProgressFile | None) -> tuple[int, Outcome]:
    """Run one job in the other process."""
    mark_supervised(None if marks is None else marks.owner)
    if marks is None:
        return index, work(job, None)
    last = 0.0

    def progress(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= POLL:
            last = time.monotonic()
            marks.note(index, share)

    marks.note(index, 0.0)
    return index, work(job, progress)


# ---------------------------------------------------------------- this machine


def _in_processes(
    jobs: Sequence[J], work: Work[J], workers: int, marks: ProgressFile
) -> Generator[tuple[int, Outcome], None, None]:
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
                yield index, _run_alone(index, waiting.pop(index), work, marks)


def _run_alone(index: int, job: J, work: Work[J], marks: ProgressFile) -> Outcome:
    worker = SupervisedWorker()
    try:
        return worker.call(_task, index, job, work, marks)[1]
    except WorkerError:
        return Outcome("failed", DIED)
    finally:
        worker.close()


def _parallel(jobs: Mapping[int, J], work: Work[J], workers: int, marks: ProgressFile) -> Iterator[tuple[int, Outcome]]:
    from joblib import delayed

    how = {"n_jobs": min(workers, max(len(jobs), 2))}
    if workers == 1:  # with one, joblib uses this very process, which a broken file could crash
        how = {"n_jobs": 2, "pre_dispatch": 1}
    run = local_processes(**how, batch_size=1, return_as="generator_unordered")
    return run(delayed(_task)(index, job, work, marks) for index, job in list(jobs.items()))


# ---------------------------------------------------------------- a cluster


def _on_cluster(address: str, jobs: Sequence[J], work: Work[J]) -> Generator[tuple[int, Outcome], None, None]:
    try:
        from mien.core.parallel import cluster
    except ModuleNotFoundError as error:
        raise ValueError(
            f'--cluster: expected the packages dask and distributed, got none of the name {error.name}; '
            'run: pip install "mien[cluster]"'
        ) from error
    return cluster.run(address, jobs, partial(_task, work=work, marks=None))
