"""Stage two of two, predict: what was observed of a person in a step, and a model's probabilities, make a row.

A live stream predicts as the steps end, a live session in a thread of its own, and a model of whole recordings when all
has been observed. All of them assemble their rows here.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.observations import State, Window
from mien.core.requirements import ModelRequirements
from mien.core.results import Measurement, Prediction
from mien.core.tasks import EXPRESSION, Task
from mien.face.expression_head import HEAD_FILE, ExpressionHead
from mien.face.track_buffer import mean
from mien.inference.expression_model import ExpressionModel, ExpressionResult, read_expression, units_of


class BuiltInModel:
    """The default model: the head that was trained on simulated faces (`mien.face.expression_head`).

    It reads each frame where the landmarks are measured; a step is the mean of its frames.
    """

    task = EXPRESSION
    needs = ModelRequirements()
    seconds = 0.0

    def predict_window(self, window: Window) -> np.ndarray:
        """The probabilities (K,) of a window of one person, from its measured face."""
        if window.expression is None:
            raise ValueError("BuiltInModel: expected a window of a face that mien measured, got one without "
                             "`expression`: cut it from a stream")
        return mean(window.expression)


BUILT_IN = BuiltInModel()
"""It has no state, so one is enough."""


class HeadModel:
    """A head that was trained on other labels (`mien train expression --data`); a step is the mean of its frames.

    Args:
        head: Reads each frame.
    """

    needs = ModelRequirements()
    seconds = 0.0

    def __init__(self, head: ExpressionHead) -> None:
        self.head = head
        self.task = EXPRESSION if head.classes == EXPRESSION.classes else own_task(head.classes)

    def predict_window(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,)."""
        if window.features is None:
            raise ValueError("HeadModel: expected a window of a face that mien measured, got one without `features`: "
                             "cut it from a stream")
        seen = np.isfinite(window.features).all(axis=1)
        return self.head.of_features(window.features[seen].astype(np.float64)).mean(axis=0)


def head_file(name: str) -> Path | None:
    """The head of `mien train expression` that a model's name stands for: its file or its folder; else None."""
    place = Path(name).expanduser()
    for path in (place, place / HEAD_FILE, place / "simulated.npz"):
        if path.suffix == ".npz" and path.is_file():
            return path
    return None


def own_task(classes: tuple[str, ...]) -> Task:
    """The label space of other classes; those that are in `tasks.EXPRESSION` keep their valence and arousal there only
    if all are."""
    known = dict(zip(EXPRESSION.classes, zip(EXPRESSION.valence or (), EXPRESSION.arousal or (), strict=True),
                     strict=True))
    norms = [known[name] for name in classes if name in known]
    if len(norms) < len(classes):
        return Task("labels:" + "|".join(classes), classes)
    return Task("labels:" + "|".join(classes), classes, tuple(each[0] for each in norms),
                tuple(each[1] for each in norms))


@dataclass(frozen=True)
class WindowRequest:
    """What a model asks of each step: a window of `seconds` that meets `requirements`, or the step itself (0 s)."""

    requirements: ModelRequirements
    seconds: float


_COPIED = "times", "skin", "position", "aus", "pose", "gaze", "expression", "features"


@dataclass(frozen=True, eq=False)
class StepObservation:
    """All that was observed of one person over [start, end] s, before a model reads it; fields as in `Prediction`.

    `reason`: why no expression can be read, "" where one can; `window`: what a model is to read then, None where no
    model asks for it; `arrived`: when the frame came that ended the step, perf_counter s.
    """

    start: float
    end: float
    face: int
    state: State
    box: np.ndarray
    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    heart_rate: Measurement
    reason: str = ""
    window: Window | None = None
    arrived: float = 0.0

    def with_own_window(self) -> StepObservation:
        """The step with a window of its own: the stream goes on writing where this one's rows are."""
        if self.window is None:
            return self
        copies: dict[str, Any] = {name: np.copy(getattr(self.window, name)) for name in _COPIED}
        return replace(self, window=replace(self.window, **copies))


def assemble_row(step: StepObservation, task: Task, probs: np.ndarray | None, read_from: str = "", reason: str = "",
                 latency: float = 0.0, affect: np.ndarray | None = None) -> Prediction:
    """The row of a step.

    Args:
        step: What was observed.
        task: What the model classifies.
        probs: Its probabilities (K,), smoothed; None where it abstains.
        read_from: What it looked at, as in `Prediction`.
        reason: Why it abstains; needed where `probs` is None.
        latency: s from the arrival of the step's last frame to now.
        affect: Valence and arousal (2,); None if they follow from the probabilities.

    Returns:
        The row, whose label and confidence follow from the probabilities.
    """
    label, confidence = "", 0.0
    if probs is None:
        probs, read_from = np.full(len(task.classes), np.nan), ""
    else:
        label, confidence, reason = task.label(probs), float(probs.max()), ""
    valence, arousal = task.affect(probs) if affect is None else map(float, affect)
    return Prediction(
        start=step.start, end=step.end, face=step.face, state=step.state, box=step.box, task=task.name, probs=probs,
        label=label, confidence=confidence, valence=valence, arousal=arousal, aus=step.aus, pose=step.pose,
        gaze=step.gaze, heart_rate=step.heart_rate, reason=reason, latency=latency, read_from=read_from)


class Smoother:
    """Exponential smoothing of probabilities at true times; starts anew after `forget` s without a value."""

    def __init__(self, constant: float, forget: float = 2.0) -> None:
        self.constant, self.forget = constant, forget
        self._time, self._value = -np.inf, np.zeros(0)

    def push(self, time: float, probs: np.ndarray) -> np.ndarray:
        """time s, probs (K,) -> smoothed (K,), which sums to what `probs` sums to."""
        passed = time - self._time
        if passed > self.forget or self.constant == 0:
            self._value = probs
        else:
            self._value = self._value + (1 - np.exp(-passed / self.constant)) * (probs - self._value)
        self._time = time
        return self._value


class StepPredictor:
    """Rows of everybody by one model, each person smoothed over time.

    Args:
        model: Reads the windows.
        smoothing: Time constant in s, as in `Settings`.
    """

    def __init__(self, model: ExpressionModel, smoothing: float) -> None:
        self.model = model
        self._smoothing = smoothing
        self._smoothers: dict[int, Smoother] = {}

    def predict(self, step: StepObservation) -> Prediction:
        """Read a step's window, which is None only where the step has a reason to abstain -> its row."""
        return self.row(step, None if step.window is None else read_expression(self.model, step.window))

    def row(self, step: StepObservation, result: ExpressionResult | None) -> Prediction:
        """A step and what `read_expression` found in its window, None where there is no window -> its row.

        Steps of one person must come in the order of time.
        """
        task = self.model.task
        if units_of(self.model):
            units = None if result is None else result.units
            step = replace(step, aus=np.full_like(step.aus, np.nan) if units is None else units)
        if result is None or np.isnan(result.probs).any():
            return assemble_row(step, task, None, reason=step.reason or "no_face",
                                latency=clock.perf_counter() - step.arrived)
        smoother = self._smoothers.setdefault(step.face, Smoother(self._smoothing))
        affect = np.empty(0, result.probs.dtype) if result.affect is None else result.affect
        probs, affect = np.split(smoother.push(step.end, np.concatenate([result.probs, affect])), [len(result.probs)])
        return assemble_row(step, task, probs, result.read_from, latency=clock.perf_counter() - step.arrived,
                            affect=None if result.affect is None else affect)

    def keep(self, faces: Iterable[int]) -> None:
        """Forget everybody but these."""
        known = set(faces)
        self._smoothers = {face: smoother for face, smoother in self._smoothers.items() if face in known}
