"""Predict the trials of a test set with a checkpoint: raw and calibrated probabilities, or ratings, and features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mien import checkpoints
from mien.checkpoints.factory import Precision, resolve_device
from mien.checkpoints.predictor import Predictor
from mien.datasets.labels import Targets
from mien.metrics.classification import average_windows_per_trial, probabilities
from mien.preprocessing.data_loader import TrialDataset, WindowReader, evaluation_loader
from mien.preprocessing.window_dataset import trial_id_of_window

PROBS_PREFIX, CALIBRATED_PREFIX, ABOUT_PREFIX = "p_", "calibrated_", "about."
RATING, GUESS = "rating", "guess"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class predictions of N trials.

    `trial`: ids; `target` (N,); `probs` and `calibrated` (N, K); `feature` (N, d): the classifier's input, or the
    logits if the model has no such feature; `windows` (N,): windows per trial; `pulse` (N,): how many of them had a
    usable pulse, the others used the face alone; None if the model takes no pulse.
    """

    trial: tuple[str, ...]
    target: np.ndarray
    probs: np.ndarray
    calibrated: np.ndarray
    feature: np.ndarray
    windows: np.ndarray
    pulse: np.ndarray | None = None

    @property
    def pulse_notes(self) -> tuple[str, ...]:
        """A line with the number of windows that had a usable pulse; empty if the model takes no pulse."""
        if self.pulse is None:
            return ()
        return (f"pulse read in {self.pulse.sum()} of {self.windows.sum()} windows",)

    def table(self, targets: Targets, **extra: str) -> pd.DataFrame:
        """One row for each trial.

        Columns: dataset, trial, subject, those of `extra`, label, predicted, probabilities, `pulse` (the share of the
        trial's windows with a usable pulse), and about.COLUMN.
        """
        names = np.array(targets.rule.task.classes)
        columns = {"label": names[self.target], "predicted": names[self.probs.argmax(axis=1)],
                   **{f"{PROBS_PREFIX}{name}": self.probs[:, k] for k, name in enumerate(names)},
                   **{f"{CALIBRATED_PREFIX}{name}": self.calibrated[:, k] for k, name in enumerate(names)}}
        if self.pulse is not None:
            columns["pulse"] = self.pulse / self.windows
        return _table(self.trial, targets, extra, columns)


@dataclass(frozen=True, eq=False)
class RegressionPredictions:
    """Rating predictions of N trials.

    `trial`: ids; `target` (N,): classes of the cut ratings; `rating` and `guess` (N,) in points; `feature` (N, 1): the
    model's raw output; `pulse_notes`: always empty.
    """

    trial: tuple[str, ...]
    target: np.ndarray
    rating: np.ndarray
    guess: np.ndarray
    feature: np.ndarray
    pulse_notes: tuple[str, ...] = ()

    def table(self, targets: Targets, **extra: str) -> pd.DataFrame:
        """One row for each trial.

        Columns: dataset, trial, subject, those of `extra`, rating, guess, label and predicted (the classes of both
        after the cut), and about.COLUMN.
        """
        names = np.array(targets.rule.task.classes)
        return _table(self.trial, targets, extra, {
            RATING: self.rating, GUESS: self.guess, "label": names[self.target],
            "predicted": names[targets.rule.cut(self.guess)]})


def _table(ids: Sequence[str], targets: Targets, extra: Mapping[str, str], columns: Mapping[str, Any]) -> pd.DataFrame:
    known = set(ids)
    by_id = {trial.id if trial.id in known else trial_id_of_window(trial.id): trial for trial in targets.trials}
    trials = [by_id[id] for id in ids]
    about = sorted({name for trial in trials for name in trial.about})
    return pd.DataFrame({
        "dataset": [trial.dataset for trial in trials], "trial": ids, "subject": [trial.subject for trial in trials],
        **extra, **columns,
        **{f"{ABOUT_PREFIX}{name}": [trial.about.get(name, "") for trial in trials] for name in about}})


@dataclass(frozen=True, eq=False)
class _Outputs:
    """Raw model outputs of M trials or windows; `pulses` is empty if the model takes no pulse."""

    names: list[str]
    logits: torch.Tensor
    features: torch.Tensor
    pulses: list[bool]


VIEWS: dict[int, tuple[tuple[float, bool], ...]] = {
    1: ((0.5, False),),
    2: ((0.5, False), (0.5, True)),
    4: ((0.25, False), (0.25, True), (0.75, False), (0.75, True)),
}
"""Number of test-time views -> each view: place of the frame in its segment, and whether it is mirrored. Our choice."""


def _averaged_outputs(model: Any, clips: Callable[[float], TrialDataset], views: int, size: int, workers: int
                      ) -> _Outputs:
    """The outputs of all trials, averaged over the views; `clips` makes the dataset for a place in each segment."""
    if views > 1 and model.needs.frames is None:
        raise ValueError(f"views: expected 1 for a model without frames, got {views}")
    outputs = [_outputs(model, clips(at), mirrored, size, workers) for at, mirrored in VIEWS[views]]
    return replace(outputs[0], logits=torch.stack([each.logits for each in outputs]).mean(dim=0),
                   features=torch.stack([each.features for each in outputs]).mean(dim=0))


@torch.inference_mode()
def _outputs(model: Any, clips: TrialDataset, mirrored: bool, size: int, workers: int) -> _Outputs:
    names: list[str] = []
    logits, features = [], []
    pulses: list[bool] = []
    device = next(model.parameters()).device
    for batch in evaluation_loader(clips, size, workers):
        if mirrored and batch.frames is not None:
            batch = replace(batch, frames=batch.frames.flip(-1))
        output = model.predict(batch.to(device))
        logits.append(output.logits.double().cpu())
        features.append(output.features.float().cpu())
        if "pulse" in output.modalities:
            pulses += output.modalities["pulse"].tolist()
        names += batch.trial
    return _Outputs(names, torch.cat(logits), torch.cat(features), pulses)


def predict_trials(
    folder: Path,
    targets: Targets,
    source: WindowReader,
    windowed: bool,
    *,
    views: int = 1,
    size: int = 16,
    device: str = "auto",
    precision: Precision = "auto",
    workers: int = 0,
) -> Predictions | RegressionPredictions:
    """Predict `targets` with the checkpoint in `folder`.

    Args:
        folder: the checkpoint.
        targets: trials, or windows of trials, with their classes.
        source: reads the window of a trial.
        windowed: whether `targets` are windows, to be averaged over each trial.
        views: number of test-time views whose logits are averaged, a key of `VIEWS`.
        size: batch size.
        device: as in `checkpoints.load`.
        precision: as in `checkpoints.load`.
        workers: processes that load data.

    Returns:
        Class predictions, or `RegressionPredictions` for a model of ratings.

    Raises:
        ValueError: `folder` holds an exported model.
    """
    model = checkpoints.load(folder, task=targets.rule.task, device=resolve_device(device), precision=precision)
    if not isinstance(model, Predictor):
        raise ValueError(f"{folder}: expected a checkpoint, got an exported model: name the folder of the checkpoint")
    return model_predictions(model.model, targets, source, windowed, views=views, size=size, workers=workers,
                             temperature=model.temperature)


def model_predictions(model: Any, targets: Targets, source: WindowReader, windowed: bool, *, views: int = 1,
                      size: int = 16, workers: int = 0, temperature: float = 1.0
                      ) -> Predictions | RegressionPredictions:
    """Predict `targets` with a model; the parameters are those of `predict_trials`.

    `temperature`: divisor of the logits for the calibrated probabilities.
    """
    classes = {trial.id: int(value) for trial, value in zip(targets.trials, targets.target, strict=True)}
    needs = model.needs
    outputs = _averaged_outputs(model, lambda at: TrialDataset(targets.trials, source, needs, classes, at=at),
                                views, size, workers)
    names, raw = outputs.names, outputs.logits.numpy()
    if targets.rule.task.scale is not None:
        return RegressionPredictions(
            tuple(names), targets.target, targets.ratings, targets.rule.task.points(raw[:, 0]), raw
        )
    rows = [probabilities(raw), probabilities(raw, temperature), outputs.features.numpy()]
    trials = names
    if windowed:
        trials = [trial_id_of_window(name) for name in names]
        rows = [average_windows_per_trial(values, trials)[1] for values in rows]
    target = {trial: classes[name] for trial, name in zip(trials, names, strict=True)}
    order = {trial: index for index, trial in enumerate(target)}
    index = np.array([order[trial] for trial in trials], dtype=np.intp)
    pulse = None
    if outputs.pulses:
        pulse = np.bincount(index, np.array(outputs.pulses)).astype(int)
    values = np.array(list(target.values()), dtype=np.int64)
    return Predictions(tuple(target), values, rows[0], rows[1], rows[2], np.bincount(index), pulse)
