"""Jobs on a Dask cluster that is there already, through joblib's Dask backend. Needs the extra mien[cluster]."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from distributed import Client, KilledWorker
from joblib import Parallel, delayed
from joblib._dask import DaskDistributedBackend

from mien.work.outcome import Outcome, explain
from mien.work.pool import DIED
from mien.work.watching import every

CONNECT = 10.0
"""s to wait for the scheduler's answer. Our choice: it answers in milliseconds or not at all."""

PATIENCE = 300.0
"""s to wait for a worker where the cluster has none. Our choice: queues of a shared cluster often need some minutes."""

LOST = "expected the Dask cluster to stay, got a lost connection; check the scheduler, then run the same command again"

Task = Callable[[int, Any], tuple[int, Outcome]]


def run(address: str, jobs: Sequence[Any], task: Task) -> Iterator[tuple[int, Outcome]]:
    """Do `task(index, job)` for every job on the cluster at `address`, its scheduler -> (index, outcome), as they end.

    Dask itself does a task again whose worker died, and gives up one that killed several. Where it blames several at a
    time, each is tried alone: it also blames tasks that were only near. Raises ValueError where no scheduler answers.
    """
    waiting = list(range(len(jobs)))
    blamed: list[int] = []
    with _client(address) as client:

        def attempt(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
            with _watched(client, address) as backend:
                how = {"batch_size": 1, "pre_dispatch": "all", "return_as": "generator_unordered"}
                yield from Parallel(backend=backend, **how)(delayed(task)(index, jobs[index]) for index in indices)

        try:
            for index, outcome in attempt(list(waiting)):
                if outcome.reason == DIED:
                    blamed.append(index)
                else:
                    waiting.remove(index)
                    yield index, outcome
            for index in blamed:
                outcome = dict(attempt([index]))[index] if len(blamed) > 1 else Outcome("failed", DIED)
                waiting.remove(index)
                yield index, outcome
        except ConnectionError as error:
            for index in waiting:
                yield index, Outcome("failed", explain(error))


class Backend(DaskDistributedBackend):
    """joblib's, without three traps of it (version 1.6).

    A task that Dask gives up, because it killed several workers, is an outcome; joblib tells nobody and waits for ever.
    A cluster with one thread left (its other workers may just be starting again) is a cluster; joblib would do all the
    work in this process. A cluster without workers is waited for by `_watched`, as long as `PATIENCE`; joblib gives up
    after 10 s at the start, and never later.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.open: dict[int, Callable[[Any], None]] = {}

    def effective_n_jobs(self, n_jobs: int) -> int:
        """How many tasks run at a time: never 1, which to joblib means no cluster."""
        return max(2, sum(self.client.ncores().values()))

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Send a task; whatever becomes of it, `callback` hears of it once."""
        index = func.items[0][1][0]  # the first argument of the task
        self.open[index] = callback
        future = super().submit(func, lambda out: self.settle(index, out))

        def ended(done: Any) -> None:
            error = done.exception()
            if error is not None:
                reason = DIED if isinstance(error, KilledWorker) else explain(error)
                self.settle(index, [(index, Outcome("failed", reason))])

        future.add_done_callback(ended)
        return future

    def settle(self, index: int, out: Any) -> None:
        """Tell joblib of a result, unless it has one already."""
        callback = self.open.pop(index, None)
        if callback is not None:
            callback(out)

    def retrieve_result_callback(self, out: Any) -> Any:
        """What a task returned; ConnectionError where its scheduler is gone."""
        if not isinstance(out, list):
            raise ConnectionError(f"{LOST} ({type(out).__name__})")
        return super().retrieve_result_callback(out)


@contextmanager
def _watched(client: Client, address: str) -> Iterator[Backend]:
    """A backend whose open tasks fail when the cluster has no worker for `PATIENCE` s."""
    backend, seen = Backend(client=client), time.monotonic()

    def look() -> None:
        nonlocal seen
        seen = time.monotonic() if _has_workers(client) else seen
        if time.monotonic() - seen > PATIENCE:
            got = f"none for {PATIENCE:.0f} s; start one with: dask worker {address}"
            failed = Outcome("failed", f"expected a worker in the cluster, got {got}")
            for index in list(backend.open):
                backend.settle(index, [(index, failed)])

    with every(min(1.0, PATIENCE / 4), look):
        yield backend


def _has_workers(client: Client) -> bool:
    try:
        return bool(client.sync(client.scheduler.ncores, callback_timeout=CONNECT))  # type: ignore[union-attr]
    except OSError:  # no scheduler to ask: then there are no workers either
        return False


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
