"""A worker thread for slow models, so that face tracking never waits for the model."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from dataclasses import dataclass

from mien.inference.prediction import ExpressionModel, ExpressionResult, StepObservation, read_expression

NICENESS = 10
"""Nice value of the model's thread. Our choice: when both threads compete for one core, the tracker then gets nine
tenths of it (sched(7)), which is more than it needs."""


@dataclass(frozen=True, eq=False)
class WorkerStep:
    """One step of all people.

    Args:
        start: Start in s.
        end: End in s.
        observed: What was observed of each person, with the window for the model.
        arrived: Arrival of the frame that ended the step, perf_counter s.
    """

    start: float
    end: float
    observed: list[StepObservation]
    arrived: float


@dataclass(frozen=True, eq=False)
class WorkerResult:
    """The model's results for a step, by index into `step.observed`."""

    step: WorkerStep
    results: dict[int, ExpressionResult]


class InferenceWorker:
    """Runs a model for several streams in turn. Only the newest step of each stream waits; older ones are skipped."""

    def __init__(self, model: ExpressionModel) -> None:
        self.model = model
        self._turns: deque[WorkerQueue] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="mien-model", daemon=True)
        self._thread.start()

    def queue(self) -> WorkerQueue:
        """A queue for one stream."""
        return WorkerQueue(self._turns, self._changed)

    def close(self) -> None:
        """Stop after the current window and discard all waiting steps."""
        with self._changed:
            self._over = True
            for queue in self._turns:
                queue.waiting = None
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # other systems have no nice value per thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._turns or self._over)
                if self._over:
                    return
                queue = self._turns.popleft()
                step, queue.waiting = queue.waiting, None
                queue.busy, queue.left = step is not None, False
            if step is None:
                continue
            result: WorkerResult | Exception | None
            try:
                result = self._predict(queue, step)
            except Exception as error:  # noqa: BLE001 - `WorkerQueue.results` raises it again
                result = error
            with self._changed:
                queue.busy = False
                if isinstance(result, Exception) or (result is not None and not queue.left):
                    queue.done.append(result)
                self._changed.notify_all()

    def _predict(self, queue: WorkerQueue, step: WorkerStep) -> WorkerResult | None:
        """The results of a step; None if the stream cancels it meanwhile."""
        results: dict[int, ExpressionResult] = {}
        for index, observation in enumerate(step.observed):
            if queue.left or self._over:
                return None
            if observation.window is not None:
                results[index] = read_expression(self.model, observation.window)
        return WorkerResult(step, results)


class WorkerQueue:
    """The queue of one stream: the step that waits, the results, and the number of `skipped` steps."""

    def __init__(self, turns: deque[WorkerQueue], changed: threading.Condition) -> None:
        self._turns, self._changed = turns, changed
        self.waiting: WorkerStep | None = None
        self.busy = self.left = False
        self.skipped = 0
        self.done: deque[WorkerResult | Exception] = deque()

    def submit(self, step: WorkerStep) -> None:
        """Queue a step in place of one that still waits. Never waits."""
        with self._changed:
            if self.waiting is None:
                self._turns.append(self)
            else:
                self.skipped += 1
            self.waiting = step
            self._changed.notify_all()

    def results(self, wait: bool = False) -> list[WorkerResult]:
        """Remove and return the finished steps.

        Args:
            wait: Whether to wait until all submitted steps are finished.

        Returns:
            The results since the last call, in order.

        Raises:
            Exception: Whatever the model raised.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self.waiting is None and not self.busy)
            done, results = list(self.done), []
            self.done.clear()
        for result in done:
            if isinstance(result, Exception):
                raise result
            results.append(result)
        return results

    def cancel(self) -> None:
        """Discard the waiting step, the running one and all results. May be called from any thread."""
        with self._changed:
            self.waiting, self.left = None, True
            self.done.clear()
            self._changed.notify_all()
