"""Cache of clip features on disk, with checks that no validation or test subject trained the backbone.

`TrainingProvenance` records which subjects trained a tower beyond its published weights. `training_trials` creates it
from the training set of one fold, and the tower's weights file stores it. A `ClipFeatureCache` belongs to one fold. It
rejects a tower that was trained for another fold, and the fold is part of every cache key, so folds never share
features.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mien.backbones.tower import Tower, weights_digest
from mien.core import atomic_files
from mien.core.read_json import parse_json
from mien.core.trials import Fold, Trial
from mien.datasets.splits.fingerprint import split_hash
from mien.models.videomae import clip_features

SubjectKey = tuple[str, str]

PROGRESS_LOG = "learnt.json"
"""File next to the weights of a fold's tower; the weights file contains the same information."""

_METADATA_KEY = "mien.learnt"


@dataclass(frozen=True)
class TrainingProvenance:
    """The training data of a tower: `split`, the hash of the fold (`splits.split_hash`), and (dataset, subject)."""

    split: str
    people: frozenset[SubjectKey]

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON data."""
        return {"split": self.split, "people": sorted(self.people)}

    @property
    def metadata(self) -> dict[str, str]:
        """The text fields for the weights file."""
        return {_METADATA_KEY: json.dumps(self.to_json())}


def load_provenance(tower: Tower) -> TrainingProvenance | None:
    """Read the training data of a loaded tower from its weights file, or from `PROGRESS_LOG` next to it.

    Returns:
        None for a tower that was not trained in a fold.
    """
    text = tower.metadata.get(_METADATA_KEY)
    if text is None and tower.source:
        folder = Path(tower.source).expanduser()
        if not folder.is_dir():
            folder = folder.parent
        if (folder / PROGRESS_LOG).is_file():
            text = (folder / PROGRESS_LOG).read_text(encoding="utf-8")
    if text is None:
        return None
    record = parse_json(text)
    return TrainingProvenance(record["split"], frozenset(tuple(person) for person in record["people"]))


def check_provenance(provenance: TrainingProvenance, fold: Fold) -> None:
    """Check that a tower was trained for this fold.

    Raises:
        ValueError: the tower was trained for another fold, or on validation or test subjects of this fold.
    """
    seen = _people((*fold.val, *fold.test)) & provenance.people
    leak = ""
    if seen:
        leak = f", which saw {len(seen)} of its validation or test subjects"
    if provenance.split != split_hash(fold) or seen:
        raise ValueError(f"{fold.name}: expected a tower that was trained on this fold's training set, got one of "
                         f"another fold{leak}: start from published weights, and pre-train and fine-tune them for this "
                         "fold")


def training_trials(fold: Fold, trials: Iterable[Trial] | None = None) -> tuple[tuple[Trial, ...], TrainingProvenance]:
    """Select the trials that may train a tower, with or without labels.

    Args:
        fold: the fold; its protocol must keep subjects apart.
        trials: some of the fold's training trials, None for all.

    Returns:
        The trials, and the record of training data for the tower's weights file.

    Raises:
        ValueError: a trial is not in the training set, or subjects of the fold are unknown.
    """
    chosen = tuple(fold.train if trials is None else trials)
    judged = _people((*fold.val, *fold.test))
    known = {(trial.dataset, trial.id) for trial in fold.train}
    if not fold.subject_independent:
        raise ValueError(f"{fold.name}: expected a fold that keeps subjects apart, got {fold.protocol}: take kfold, "
                         "loso or eegain")
    other = [trial.id for trial in chosen if (trial.dataset, trial.id) not in known]
    if other or not chosen or _people(chosen) & judged:
        raise ValueError(f"{fold.name}: expected training trials only, got {', '.join(other[:5]) or 'none'}: do not "
                         "train on validation or test subjects, with labels or without")
    return chosen, TrainingProvenance(split_hash(fold), frozenset(_people(chosen)))


class ClipFeatureCache:
    """Compute the features of a trial's clips with a tower, or read them from `folder`.

    Args:
        folder: folder of the feature files.
        tower: a VideoMAE.
        fold: the fold that the features are for.
        provenance: training data of the tower; the record in its weights file (`history`) is checked in any case.

    Raises:
        ValueError: the tower was trained for another fold, or on validation or test subjects.
    """

    def __init__(
        self, folder: str | os.PathLike, tower: Tower, fold: Fold, provenance: TrainingProvenance | None = None
    ) -> None:
        self.folder, self.tower, self.split = Path(folder), tower.eval(), split_hash(fold)
        for record in (provenance, load_provenance(tower)):
            if record is not None:
                check_provenance(record, fold)
        self._weights = weights_digest(tower)

    def key(self, trial: Trial, content: str) -> str:
        """Hash the weights, the fold, the trial and its `content`, which identifies the clips and how they were cut."""
        parts = (self._weights, self.split, trial.dataset, trial.id, content)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def __call__(self, trial: Trial, content: str, clips: Callable[[], Sequence[Tensor]]) -> np.ndarray:
        """Return the features (S, d) float32 of a trial.

        Args:
            trial: the trial.
            content: identifies the clips.
            clips: creates the clips, uint8 (T, 3, S, S) each; it is not called for cached features.
        """
        path = self.folder / f"{self.key(trial, content)}.npy"
        if path.exists():
            return np.load(path)
        values = clip_features(self.tower, clips()).numpy()
        with atomic_files.replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, values)
        return values


def _people(trials: Iterable[Trial]) -> set[SubjectKey]:
    return {(trial.dataset, trial.subject) for trial in trials}
