"""What a checkpoint answers to the trials of a test side: probabilities as they are and calibrated, and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mien import checkpoint
from mien.batch import Batch
from mien.checkpoint import Trained
from mien.checkpoint.parts import Precision, pick
from mien.data.loader import Clips, Source, scoring
from mien.data.pieces import whose
from mien.labels import Targets
from mien.models.duse import DuSE
from mien.models.mvp import MVP
from mien.models.scpt import SCPT, pooled

PROBS, CALIBRATED, ABOUT = "p_", "calibrated_", "about."
RATING, GUESS = "rating", "guess"


@dataclass(frozen=True, eq=False)
class Answers:
    """Of N trials: `trial` ids, `target` (N,), `probs` and `calibrated` (N, K), `feature` (N, d), which the classifier
    saw; where it tells no feature, the logits. `windows` (N,): how many of each were answered, and `pulse` (N,): how
    many of these with the pulse, the others by the face alone; None of a model that is fed none."""

    trial: tuple[str, ...]
    target: np.ndarray
    probs: np.ndarray
    calibrated: np.ndarray
    feature: np.ndarray
    windows: np.ndarray
    pulse: np.ndarray | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """In how many windows the pulse was read, in a line; none of a model that is fed none."""
        if self.pulse is None:
            return ()
        return (f"pulse read in {self.pulse.sum()} of {self.windows.sum()} windows",)

    def table(self, targets: Targets, **told: str) -> pd.DataFrame:
        """A row a trial: dataset, trial, subject, what is `told`, label, predicted, probabilities, `pulse`, which is
        the share of its windows that were read with one, about.COLUMN."""
        names = np.array(targets.rule.task.classes)
        return _table(self.trial, targets, told, {
            "label": names[self.target], "predicted": names[self.probs.argmax(axis=1)],
            **{f"{PROBS}{name}": self.probs[:, k] for k, name in enumerate(names)},
            **{f"{CALIBRATED}{name}": self.calibrated[:, k] for k, name in enumerate(names)},
            **({} if self.pulse is None else {"pulse": self.pulse / self.windows})})


@dataclass(frozen=True, eq=False)
class Guesses:
    """Of N trials: `trial` ids, `target` (N,) classes of the cut ratings, `rating` and `guess` (N,) in points, and
    `feature` (N, 1), the number as the model has it."""

    trial: tuple[str, ...]
    target: np.ndarray
    rating: np.ndarray
    guess: np.ndarray
    feature: np.ndarray
    told: tuple[str, ...] = ()

    def table(self, targets: Targets, **told: str) -> pd.DataFrame:
        """A row a trial: dataset, trial, subject, what is `told`, rating, guess, and what both are cut to, label and
        predicted; about.COLUMN."""
        names = np.array(targets.rule.task.classes)
        return _table(self.trial, targets, told, {
            RATING: self.rating, GUESS: self.guess, "label": names[self.target],
            "predicted": names[targets.rule.cut(self.guess)]})


def _table(trial: Sequence[str], targets: Targets, told: Mapping[str, str], columns: Mapping[str, Any]) -> pd.DataFrame:
    own = set(trial)
    known = {one.id if one.id in own else whose(one.id): one for one in targets.trials}
    trials = [known[id] for id in trial]
    about = sorted({name for one in trials for name in one.about})
    return pd.DataFrame({
        "dataset": [one.dataset for one in trials], "trial": trial, "subject": [one.subject for one in trials], **told,
        **columns, **{f"{ABOUT}{name}": [one.about.get(name, "") for one in trials] for name in about}})


def answers(folder: Path, targets: Targets, source: Source, windowed: bool, *, size: int = 16, device: str = "auto",
            precision: Precision = "auto", workers: int = 0) -> Answers | Guesses:
    """All that the checkpoint in `folder` says of `targets`; where `windowed`, the means over each trial's windows."""
    model = checkpoint.load(folder, task=targets.rule.task, device=pick(device), precision=precision)
    if not isinstance(model, Trained):
        raise ValueError(f"{folder}: expected a checkpoint, got an exported model: name the folder of the checkpoint")
    known = {trial.id: int(value) for trial, value in zip(targets.trials, targets.target, strict=True)}
    clips = Clips(targets.trials, source, model.needs, known)
    names: list[str] = []
    logits, features, pulses = [], [], []
    where = next(model.model.parameters()).device
    with torch.inference_mode():
        for batch in scoring(clips, size, workers):
            answer, feature, pulse = _read(model.model, batch.to(where))
            logits.append(answer.double().cpu())
            features.append(feature.float().cpu())
            pulses += [] if pulse is None else pulse.tolist()
            names += batch.trial
    raw = torch.cat(logits)
    if targets.rule.task.scale is not None:
        return Guesses(tuple(names), targets.target, targets.ratings, targets.rule.task.points(raw[:, 0].numpy()),
                       raw.numpy())
    rows = [raw.softmax(dim=-1).numpy(), (raw / model.temperature).softmax(dim=-1).numpy(), torch.cat(features).numpy()]
    trials = [whose(name) if windowed else name for name in names]
    target = {trial: known[name] for trial, name in zip(trials, names, strict=True)}
    if windowed:
        rows = [pooled(each, trials)[1] for each in rows]
    order = {trial: place for place, trial in enumerate(target)}
    place = np.array([order[trial] for trial in trials], dtype=np.intp)
    seen = np.bincount(place, np.array(pulses)).astype(int) if pulses else None
    values = np.array(list(target.values()), dtype=np.int64)
    return Answers(tuple(target), values, rows[0], rows[1], rows[2], np.bincount(place), seen)


def _read(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """-> logits (B, K), features (B, d), whether a pulse was read (B,), None where none is looked at."""
    if isinstance(model, DuSE):
        found: Any = model.read(cast(Tensor, batch.frames))
    else:
        found = model.read(batch, watch=False) if isinstance(model, MVP) else model.read(batch)
    pulse = found.pulse if isinstance(model, SCPT) and model.options.seen else None
    return found.logits, getattr(found, "read", getattr(found, "feature", found.logits)), pulse
