"""How far a training has come: steps, validation scores, and averaged weights; what a state on disk restores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mien.training.averaging import WeightAverage
from mien.training.step import TrainingRun
from mien.training.validation import is_better, validate, with_history

EpochCallback = Callable[[Any, int], None]
"""Receives the model and the number of an epoch that has ended, counted from 1."""


class Progress:
    """How far a training has come.

    Attributes:
        done: number of steps.
        best, scores: validation scores of the chosen and of the newest epoch.
        history: the choosing measure of every epoch.
        average: the averaged weights.
    """

    def __init__(self, run: TrainingRun, state: Mapping[str, Any]) -> None:
        self.done: int = state.get("step", 0)
        self.best: dict[str, Any] = state.get("best", {})
        self.scores: dict[str, Any] = state.get("scores", {})
        self.history: list[float] = list(state.get("history", ()))
        self.average = WeightAverage(run.model.module, run.recipe.schedule.average)
        if state:
            run.model.module.load_state_dict(state["trained"], strict=False)
            run.optimiser.load_state_dict(state["optimiser"])
            run.fabric.strategy.precision.load_state_dict(state["scaler"])
            self.average.restore(state["average"])

    @property
    def state(self) -> dict[str, Any]:
        """What resumes it, without the weights and the optimiser."""
        return {"step": self.done, "best": dict(self.best), "scores": dict(self.scores), "history": self.history,
                "average": self.average.state}

    def end_epoch(self, run: TrainingRun, val_batches: Any, trained: np.ndarray, save: Callable[[], None],
                  each_epoch: EpochCallback | None = None) -> None:
        """Validate the epoch; `save` is called, with the averaged weights in place, if it is the best so far.

        `each_epoch` is called with the model, the averaged weights in place, and the number of the epoch.
        """
        schedule, task, epoch = run.recipe.schedule, run.recipe.task, self.done // run.steps.per_epoch
        with self.average.applied():
            metrics = validate(run.fabric, run.model, val_batches, task, run.recipe.windowed, trained)
            self.scores = {**with_history(metrics, self.history, schedule.choose, schedule.smooth), "epoch": epoch}
            if is_better(self.scores, self.best, schedule.choose):
                self.best = self.scores
                save()
            if each_epoch is not None and run.fabric.is_global_zero:
                each_epoch(run.model.module, epoch)
