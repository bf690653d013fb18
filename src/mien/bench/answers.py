"""What a checkpoint answers to the trials of a test side: probabilities as they are and calibrated, and features."""

from __future__ import annotations

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
from mien.models.scpt import pooled

PROBS, CALIBRATED, ABOUT = "p_", "calibrated_", "about."


@dataclass(frozen=True, eq=False)
class Answers:
    """Of N trials: `trial` ids, `target` (N,), `probs` and `calibrated` (N, K), `feature` (N, d), which the classifier
    saw; where it tells no feature, the logits."""

    trial: tuple[str, ...]
    target: np.ndarray
    probs: np.ndarray
    calibrated: np.ndarray
    feature: np.ndarray

    def table(self, targets: Targets, **told: str) -> pd.DataFrame:
        """A row a trial: dataset, trial, subject, what is `told`, label, predicted, probabilities, about.COLUMN."""
        own = set(self.trial)
        known = {trial.id if trial.id in own else whose(trial.id): trial for trial in targets.trials}
        trials = [known[id] for id in self.trial]
        names = np.array(targets.rule.task.classes)
        about = sorted({name for trial in trials for name in trial.about})
        return pd.DataFrame({
            "dataset": [trial.dataset for trial in trials], "trial": self.trial,
            "subject": [trial.subject for trial in trials], **told,
            "label": names[self.target], "predicted": names[self.probs.argmax(axis=1)],
            **{f"{PROBS}{name}": self.probs[:, k] for k, name in enumerate(names)},
            **{f"{CALIBRATED}{name}": self.calibrated[:, k] for k, name in enumerate(names)},
            **{f"{ABOUT}{name}": [trial.about.get(name, "") for trial in trials] for name in about}})


def answers(folder: Path, targets: Targets, source: Source, windowed: bool, *, size: int = 16, device: str = "auto",
            precision: Precision = "auto", workers: int = 0) -> Answers:
    """All that the checkpoint in `folder` says of `targets`; where `windowed`, the means over each trial's windows."""
    model = checkpoint.load(folder, task=targets.rule.task, device=pick(device), precision=precision)
    if not isinstance(model, Trained):
        raise ValueError(f"{folder}: expected a checkpoint, got an exported model: name the folder of the checkpoint")
    known = {trial.id: int(value) for trial, value in zip(targets.trials, targets.target, strict=True)}
    clips = Clips(targets.trials, source, model.needs, known)
    names: list[str] = []
    logits, features = [], []
    where = next(model.model.parameters()).device
    with torch.inference_mode():
        for batch in scoring(clips, size, workers):
            answer, feature = _read(model.model, batch.to(where))
            logits.append(answer.double().cpu())
            features.append(feature.float().cpu())
            names += batch.trial
    raw = torch.cat(logits)
    rows = [raw.softmax(dim=-1).numpy(), (raw / model.temperature).softmax(dim=-1).numpy(), torch.cat(features).numpy()]
    target = {whose(name) if windowed else name: known[name] for name in names}
    if windowed:
        rows = [pooled(each, [whose(name) for name in names])[1] for each in rows]
    return Answers(tuple(target), np.array(list(target.values()), dtype=np.int64), *rows)


def _read(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """-> logits (B, K), features (B, d)."""
    if isinstance(model, DuSE):
        found: Any = model.read(cast(Tensor, batch.frames))
    else:
        found = model.read(batch, watch=False) if isinstance(model, MVP) else model.read(batch)
    return found.logits, getattr(found, "read", getattr(found, "feature", found.logits))
