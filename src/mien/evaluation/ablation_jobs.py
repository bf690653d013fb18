"""Run the rows of an ablation as benchmarks: one after another, in parallel processes, or on a Dask cluster."""

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

from mien.checkpoints.factory import resolve_device
from mien.core.folder_lock import folder_lock
from mien.core.parallel.outcome import Outcome, ProgressCallback, interrupted, one_line_error
from mien.core.parallel.polling import suppress_loky_warnings
from mien.core.parallel.pool import DIED, run
from mien.evaluation.classifier_rows import evaluate_classifier
from mien.evaluation.cross_validation import cross_validate, evaluate_one_fold
from mien.evaluation.report import write_report
from mien.preprocessing.cache import Cache
from mien.recipes.recipe import Recipe

KILLED_MESSAGE = (
    "expected the process of this row to end well, got one that was killed or crashed (memory is the usual "
    "reason: see the system's log); run fewer rows at a time, or lower schedule.batch"
)

_TURN = threading.Lock()  # torch has one random generator per process, so rows in threads would change each other


@dataclass(frozen=True, eq=False)
class AblationJob:
    """One row of an ablation.

    `recipe` is evaluated on the dataset at `root`, preprocessed in `cache`, and the results go to `folder`; all paths
    are absolute. `how`: keywords of `cross_validate`; `devices`: the process reserves one of them by a file in the
    folder `locks`; `threads`: threads of torch, 0 for its default; `fold`: name of the only fold to evaluate, whose
    folder another process gathers; "" for the whole benchmark; `classifier`: key of `baselines.CLASSIFIERS` that the
    row trains on hand-crafted features instead of the recipe's method.
    """

    title: str
    recipe: Recipe
    root: str
    folder: str
    cache: str
    how: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    locks: str = ""
    threads: int = 0
    fold: str = ""
    classifier: str = ""


def run_job(job: AblationJob, progress: ProgressCallback | None = None) -> Outcome:
    """Evaluate one row and return its outcome; errors become a failed outcome.

    Args:
        job: the row.
        progress: receives the finished share, 0..1.

    Raises:
        KeyboardInterrupt: the user interrupted the row.
    """
    start, report = time.perf_counter(), progress or (lambda share: None)
    try:
        how = dict(job.how)
        if job.devices:
            how["device"] = _own(job.devices, job.locks)
        if job.threads:
            torch.set_num_threads(job.threads)
        if current_process().daemon:  # a Dask worker, which may not start processes
            how["workers"] = 0
        if job.fold:
            with _TURN:
                evaluate_one_fold(job.recipe, job.root, job.folder, job.fold, Cache(job.cache), report, **how)
            return Outcome("ok", seconds=time.perf_counter() - start)
        with _TURN, folder_lock(job.folder, "an ablation", wait=True):  # another command may evaluate the same row
            if job.classifier:
                evaluate_classifier(job.classifier, job.recipe, job.root, job.folder, Cache(job.cache),
                                    seed=how["seed"], folds=how.get("folds", ()))
                return Outcome("ok", seconds=time.perf_counter() - start)
            write_report(cross_validate(job.recipe, job.root, job.folder, cache=Cache(job.cache),
                                 on_progress=lambda share, _: report(share), **how))
    except Exception as error:  # the other rows go on; the command reports the failure at its end
        if interrupted(error):
            raise KeyboardInterrupt from error
        return Outcome(
            "failed", one_line_error(error), seconds=time.perf_counter() - start, trace=traceback.format_exc()
        )
    return Outcome("ok", seconds=time.perf_counter() - start)


def evaluate_row(jobs: Sequence[AblationJob], *, parallel: int = 1, devices: Sequence[str] = (), cluster: str = "",
          progress: ProgressCallback | None = None) -> Iterator[tuple[AblationJob, Outcome]]:
    """Evaluate every row once and yield (row, outcome) in the order in which they end.

    Set at most one of `parallel`, `devices` and `cluster`.

    Args:
        jobs: the rows.
        parallel: rows at a time, each in its own process with an equal share of the threads.
        devices: devices that each run one row at a time.
        cluster: address of a Dask scheduler.
        progress: receives the sum of the finished shares, 0..number of rows.
    """
    count = min(len(devices) or parallel, len(jobs))
    if not cluster and count < 2:
        yield from _in_turn([replace(job, devices=tuple(devices[:1])) for job in jobs], progress)
        return
    with (
        tempfile.TemporaryDirectory(prefix="mien-devices-", ignore_cleanup_errors=True) as locks,
        suppress_loky_warnings(),
    ):
        share = 0 if cluster else max(torch.get_num_threads() // count, 1)
        dealt = [replace(job, devices=tuple(devices), locks=locks, threads=share) for job in jobs]
        for job, outcome in run(dealt, run_job, count, cluster or None, progress):
            if outcome.reason == DIED:
                outcome = replace(outcome, reason=KILLED_MESSAGE)
            yield job, outcome


def _in_turn(jobs: Sequence[AblationJob], progress: ProgressCallback | None) -> Iterator[tuple[AblationJob, Outcome]]:
    report = progress or (lambda share: None)
    for number, job in enumerate(jobs):
        yield job, run_job(job, partial(_report_sum, number, report))


def _report_sum(finished: int, report: ProgressCallback, share: float) -> None:
    report(finished + share)


def parse_devices(text: Sequence[str]) -> tuple[str, ...]:
    """Device names such as `0`, `cuda:1` or `cpu` in torch's form.

    Raises:
        ValueError: this machine does not have one of them.
    """
    devices = tuple(f"cuda:{name}" if name.isdigit() else resolve_device(name) for name in text)
    count = torch.cuda.device_count()
    missing = [name for name in devices if name.startswith("cuda:") and int(name.partition(":")[2]) >= count]
    if missing:
        raise ValueError(f"--devices: expected devices of this machine, which has {count} GPUs, got {missing[0]}: "
                         "give their numbers from 0")
    return devices


_LOCK_FILES: list[IO[bytes]] = []  # stay open as long as the process lives, and keep the locks


@lru_cache(maxsize=1)
def _own(devices: tuple[str, ...], locks: str) -> str:
    """Reserve a device for the lifetime of this process: the first that is free; waits until one becomes free."""
    if len(devices) == 1:
        return devices[0]
    while True:
        for number, device in enumerate(devices):
            file = (Path(locks) / str(number)).open("wb")
            if _lock(file):
                _LOCK_FILES.append(file)
                return device
            file.close()
        time.sleep(0.2)  # the device of a killed process becomes free a moment later


def _lock(file: IO[bytes]) -> bool:
    """Lock a file until this process ends in any way; False if another process has the lock."""
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
