"""Jobs on a running Dask cluster, through joblib's Dask backend. Needs the extra mien[cluster]."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cloudpickle
from distributed import Client, KilledWorker
from joblib import Parallel, delayed
from joblib._dask import DaskDistributedBackend

import mien
from mien.core.parallel.outcome import Outcome, one_line_error
from mien.core.parallel.polling import call_periodically
from mien.core.parallel.pool import DIED

CONNECT = 10.0
"""s to wait for the scheduler. Our choice: it responds in milliseconds or not at all."""

PATIENCE = 300.0
"""s to wait for a worker when the cluster has none. Our choice: queues of a shared cluster often need some minutes."""

LOST = "expected the Dask cluster to stay, got a lost connection; check the scheduler, then run the same command again"

Task = Callable[[int, Any], tuple[int, Outcome]]


def run(address: str, jobs: Sequence[Any], task: Task) -> Generator[tuple[int, Outcome], None, None]:
    """Run `task(index, job)` for every job on a Dask cluster and yield results as they finish.

    Dask repeats a task after its worker died, and gives up a task after it killed several workers. If it gives up
    several tasks at a time, we run each of them alone, since Dask also blames innocent tasks of the same worker. On a
    worker with another version of mien a task fails with a sentence.

    Args:
        address: of the scheduler.
        jobs: arguments of the task.
        task: takes the index and the job.

    Yields:
        (index, outcome).

    Raises:
        ValueError: no scheduler responds at the address.
    """
    waiting = list(range(len(jobs)))
    blamed: list[int] = []
    with _client(address) as client:
        checked = _of_same_version(task)

        def attempt(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
            """Run jobs on the cluster, and yield the index and the outcome of each that finishes."""
            with _watched(client, address) as backend:
                how = {"batch_size": 1, "pre_dispatch": "all", "return_as": "generator_unordered"}
                for index, result in Parallel(backend=backend, **how)(
                        delayed(checked)(index, cloudpickle.dumps(jobs[index])) for index in indices):
                    yield index, Outcome("failed", result) if isinstance(result, str) else result

        try:
            for index, outcome in attempt(list(waiting)):
                if outcome.reason == DIED:
                    blamed.append(index)
                else:
                    waiting.remove(index)
                    yield index, outcome
            for index in blamed:
                outcome = Outcome("failed", DIED)
                if len(blamed) > 1:
                    outcome = dict(attempt([index]))[index]
                waiting.remove(index)
                yield index, outcome
        except ConnectionError as error:
            for index in waiting:
                yield index, Outcome("failed", one_line_error(error))


class Backend(DaskDistributedBackend):
    """joblib's Dask backend without three problems of its version 1.6.

    A task that Dask gives up, because it killed several workers, gets an outcome; joblib would wait for it for ever. A
    cluster with a single thread left (other workers may be restarting) stays in use; joblib would run all jobs in this
    process. `_watched` waits up to `PATIENCE` for a cluster without workers; joblib gives up after 10 s at the start,
    and never later.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.open: dict[int, Callable[[Any], None]] = {}

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Number of parallel tasks, never 1: joblib takes 1 for no cluster."""
        return max(2, sum(self.client.ncores().values()))

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Send a task. `callback` gets its result or failure exactly once."""
        index = func.items[0][1][0]  # the first argument of the task
        self.open[index] = callback
        future = super().submit(func, lambda out: self.settle(index, out))

        def ended(done: Any) -> None:
            """Settle the task of a future that failed; a result comes through its own callback."""
            error = done.exception()
            if error is not None:
                reason = one_line_error(error)
                if isinstance(error, KilledWorker):
                    reason = DIED
                self.settle(index, [(index, Outcome("failed", reason))])

        future.add_done_callback(ended)
        return future

    def settle(self, index: int, out: Any) -> None:
        """Pass a result to joblib unless it already has one."""
        callback = self.open.pop(index, None)
        if callback is not None:
            callback(out)

    def retrieve_result_callback(self, out: Any) -> Any:
        """The result of a task. Raises ConnectionError when the scheduler is gone."""
        if not isinstance(out, list):
            raise ConnectionError(f"{LOST} ({type(out).__name__})")
        return super().retrieve_result_callback(out)


@contextmanager
def _watched(client: Client, address: str) -> Iterator[Backend]:
    """A backend that fails its open tasks when the cluster has no worker for `PATIENCE` s."""
    backend, seen = Backend(client=client), time.monotonic()

    def look() -> None:
        """Settle all open tasks as failed if the cluster has had no worker for `PATIENCE` s."""
        nonlocal seen
        if _has_workers(client):
            seen = time.monotonic()
        if time.monotonic() - seen > PATIENCE:
            got = f"none for {PATIENCE:.0f} s; start one with: dask worker {address}"
            failed = Outcome("failed", f"expected a worker in the cluster, got {got}")
            for index in list(backend.open):
                backend.settle(index, [(index, failed)])

    with call_periodically(min(1.0, PATIENCE / 4), look):
        yield backend


def _has_workers(client: Client) -> bool:
    try:
        return bool(client.sync(client.scheduler.ncores, callback_timeout=CONNECT))  # type: ignore[union-attr]
    except OSError:  # no scheduler, so there are no workers
        return False


def _of_same_version(task: Task) -> Callable[[int, bytes], tuple[int, Outcome | str]]:
    """Let a task run only where the same version of mien is installed; its job comes as cloudpickle's bytes."""
    version, packed = mien.__version__, cloudpickle.dumps(task)

    def checked(index: int, job: bytes) -> tuple[int, Outcome | str]:  # not of a module: it is sent by value
        """Run one job, or return why the version of mien is wrong."""
        import cloudpickle

        import mien

        if mien.__version__ != version:
            return index, (f"expected mien {version} on each worker of the cluster, got {mien.__version__}: install "
                           "the same version there")
        return cloudpickle.loads(packed)(index, cloudpickle.loads(job))

    return checked


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--cluster: expected a Dask scheduler at {address}, got {type(error).__name__}; "
            "start one with: dask scheduler"
        ) from error
    with client:
        yield client
