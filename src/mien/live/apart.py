"""A model that takes its time, in a thread of its own: following a face never waits for it."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mien.stream import Model, Telling
from mien.types import Emotion, Window

NICE = 10
"""By which the model's thread steps back for the one that follows faces. Our choice: that one then gets nine tenths of
a processor that both want (sched(7)), and needs less."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step, [start, end] s, of everybody: `rows`, and the windows of those that a model is to read, by their place
    in `rows`; `arrived`: when the frame came that ended it, perf_counter s."""

    start: float
    end: float
    rows: list[Emotion]
    windows: dict[int, Window]
    arrived: float


@dataclass(frozen=True, eq=False)
class Answer:
    """`found` by place in the step's rows: probabilities (K,) and `Emotion.read_from`."""

    step: Step
    found: dict[int, tuple[np.ndarray, str]]


class Stand:
    """Stands in a stream for a model, and keeps what that was to read: a window for each row that is not abstained."""

    def __init__(self, model: Model) -> None:
        self.task, self.needs, self.seconds = model.task, model.needs, model.seconds
        self._windows: list[Window] = []

    def read(self, window: Window) -> np.ndarray:
        """A window -> probabilities (K,) that say nothing."""
        seen = {each.name: getattr(window, each.name) for each in fields(window) if each.name != "faces"}
        own: dict[str, Any] = {name: value.copy() for name, value in seen.items() if isinstance(value, np.ndarray)}
        self._windows.append(replace(window, **own))  # the stream goes on writing where these were
        return np.full(len(self.task.classes), 1 / len(self.task.classes))

    def taken(self) -> list[Window]:
        """What was kept since the last call."""
        windows, self._windows = self._windows, []
        return windows


class Apart:
    """Reads steps of several streams in turn; of each only the newest waits, older ones are left out and counted."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._turns: deque[Desk] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="mien-model", daemon=True)
        self._thread.start()

    def desk(self) -> Desk:
        """For one stream."""
        return Desk(self._turns, self._changed)

    def close(self) -> None:
        """Ends after the window under way; what else was asked is never read."""
        with self._changed:
            self._over = True
            for desk in self._turns:
                desk.waiting = None
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere a thread has no number of its own to be nice by
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._turns or self._over)
                if self._over:
                    return
                desk = self._turns.popleft()
                step, desk.waiting = desk.waiting, None
                desk.busy, desk.left = step is not None, False
            if step is None:
                continue
            answer: Answer | Exception | None
            try:
                answer = self._answer(desk, step)
            except Exception as error:  # raised again where the answer is taken
                answer = error
            with self._changed:
                desk.busy = False
                if isinstance(answer, Exception) or (answer is not None and not desk.left):
                    desk.done.append(answer)
                self._changed.notify_all()

    def _answer(self, desk: Desk, step: Step) -> Answer | None:
        """None where it is of no use any more, after the window under way."""
        found: dict[int, tuple[np.ndarray, str]] = {}
        for place, window in step.windows.items():
            if desk.left or self._over:
                return None
            found[place] = self._read(window)
        return Answer(step, found)

    def _read(self, window: Window) -> tuple[np.ndarray, str]:
        return self.model.told(window) if isinstance(self.model, Telling) else (self.model.read(window), "")


class Desk:
    """One stream's place at the model's: what waits, what is done, and how many steps were `skipped`."""

    def __init__(self, turns: deque[Desk], changed: threading.Condition) -> None:
        self._turns, self._changed = turns, changed
        self.waiting: Step | None = None
        self.busy = self.left = False
        self.skipped = 0
        self.done: deque[Answer | Exception] = deque()

    def ask(self, step: Step) -> None:
        """Never waits; one that waited gives way to this one."""
        with self._changed:
            if self.waiting is None:
                self._turns.append(self)
            else:
                self.skipped += 1
            self.waiting = step
            self._changed.notify_all()

    def answers(self, wait: bool = False) -> list[Answer]:
        """What is done since the last call; with `wait`, all that was asked. Raises what the model raised."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self.waiting is None and not self.busy)
            found, answers = list(self.done), []
            self.done.clear()
        for answer in found:
            if isinstance(answer, Exception):
                raise answer
            answers.append(answer)
        return answers

    def forget(self) -> None:
        """What waits, is being read or is done is of no use any more. From any thread."""
        with self._changed:
            self.waiting, self.left = None, True
            self.done.clear()
            self._changed.notify_all()
