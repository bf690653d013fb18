"""What a model of expressions offers, and what it says of a window."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task


class ExpressionModel(Protocol):
    """What reads an expression: `task` names its classes, `needs` say what a window must hold, `seconds` how long it is
    (0: one step)."""

    @property
    def task(self) -> Task:
        """What the model classifies."""

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""

    @property
    def seconds(self) -> float:
        """Length of a window in s; 0 for a model that reads one step."""

    def predict_window(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,)."""


@runtime_checkable
class ModelWithSources(Protocol):
    """A `ExpressionModel` that looks at more than the face, and says what there was of it."""

    def predict_with_sources(self, window: Window) -> tuple[np.ndarray, str]:
        """A window of one person -> probabilities (K,), and `Prediction.read_from`."""


@runtime_checkable
class ModelWithAffect(Protocol):
    """An `ExpressionModel` that predicts valence and arousal besides the classes."""

    def predict_with_affect(self, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
        """A window of one person -> probabilities (K,), and valence and arousal (2,) in -1..1, None without them."""


@runtime_checkable
class ModelWithUnits(Protocol):
    """An `ExpressionModel` that may also predict action units, which then take the place of mien's in every row.

    `units`: those that it predicts, () for none; `units_by`: their origin and scale for readers of a result;
    `units_only`: whether its expression is that of the built-in model; `predicts_affect`: whether it predicts valence
    or arousal itself.
    """

    units: tuple[str, ...]
    units_by: str
    units_only: bool
    predicts_affect: bool

    def predict_with_units(self, window: Window) -> ExpressionResult:
        """A window of one person -> all that the model says of it."""


class ExpressionResult(NamedTuple):
    """What a model says of a window.

    Attributes:
        probs: (K,) probabilities; NaN where it could not look.
        read_from: what it looked at, as in `Prediction.read_from`.
        affect: (2,) valence and arousal in -1..1 by the model itself; None if they follow from the classes.
        units: (A,) action units 0..5 by the model itself, NaN for those that it does not predict; None for mien's.
    """

    probs: np.ndarray
    read_from: str = ""
    affect: np.ndarray | None = None
    units: np.ndarray | None = None


def read_expression(model: ExpressionModel, window: Window) -> ExpressionResult:
    """Ask a model for a window of one person."""
    if isinstance(model, ModelWithUnits):
        return model.predict_with_units(window)
    if isinstance(model, ModelWithSources):
        return ExpressionResult(*model.predict_with_sources(window))
    if isinstance(model, ModelWithAffect):
        probs, affect = model.predict_with_affect(window)
        return ExpressionResult(probs, affect=affect)
    return ExpressionResult(model.predict_window(window))


def units_of(model: ExpressionModel) -> tuple[str, ...]:
    """The action units that a model predicts in place of mien's; () where they are mien's."""
    return model.units if isinstance(model, ModelWithUnits) else ()


def predicts_affect(model: ExpressionModel) -> bool:
    """Whether valence or arousal of the rows are a model's own and do not follow from its classes."""
    return isinstance(model, ModelWithUnits) and model.predicts_affect
