"""Features of clips on disk, by content; and nobody who is judged is ever learnt from.

What a tower of clips has learnt from beyond its published weights is told by `Learnt`, which `train_side` makes of the
people in the training side of one fold, and which is kept in the tower's own file of weights (`history`). `Features`
belong to one fold: they refuse a tower that learnt for another, and the fold is part of every key, so that features of
one fold can never be read for another.
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

from mien import writing
from mien.models.videomae import features
from mien.protocols import split_hash
from mien.towers import Tower, digest
from mien.types import Fold, Trial

Person = tuple[str, str]

TOLD = "learnt.json"
"""Beside the weights of a fold's tower; the weights say the same of themselves."""

_HELD = "mien.learnt"


@dataclass(frozen=True)
class Learnt:
    """Of which fold (`protocols.split_hash`), and from whom (dataset, subject)."""

    split: str
    people: frozenset[Person]

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {"split": self.split, "people": sorted(self.people)}

    @property
    def held(self) -> dict[str, str]:
        """What goes into the file of weights."""
        return {_HELD: json.dumps(self.to_json())}


def history(tower: Tower) -> Learnt | None:
    """What a loaded tower learnt from in a fold, by its own file of weights or by `TOLD` beside it; None: nothing."""
    told = tower.told.get(_HELD)
    if told is None and tower.source:
        place = Path(tower.source).expanduser()
        beside = (place if place.is_dir() else place.parent) / TOLD
        told = beside.read_text(encoding="utf-8") if beside.is_file() else None
    if told is None:
        return None
    found = json.loads(told)
    return Learnt(found["split"], frozenset(tuple(who) for who in found["people"]))


def expect_own(learnt: Learnt, fold: Fold) -> None:
    """Raises ValueError where a tower learnt for another fold than this, or from somebody whom this one judges."""
    seen = _people((*fold.val, *fold.test)) & learnt.people
    if learnt.split != split_hash(fold) or seen:
        raise ValueError(f"{fold.name}: expected a tower that learnt from this fold's training side, got one of "
                         f"another fold{', which saw ' + str(len(seen)) + ' people judged here' if seen else ''}: "
                         "begin with published weights, and pre-train and fine-tune them for this fold")


def train_side(fold: Fold, trials: Iterable[Trial] | None = None) -> tuple[tuple[Trial, ...], Learnt]:
    """The trials that a tower may learn from, with or without labels, and what is to be told of it then.

    `trials`: some of the fold's training trials, None for all. Raises ValueError for a trial that is not one of them,
    and for a fold whose subjects are unknown.
    """
    chosen = tuple(fold.train if trials is None else trials)
    judged = _people((*fold.val, *fold.test))
    known = {(trial.dataset, trial.id) for trial in fold.train}
    if not fold.apart:
        raise ValueError(f"{fold.name}: expected a fold that keeps subjects apart, got {fold.protocol}: take kfold, "
                         "loso or eegain")
    other = [trial.id for trial in chosen if (trial.dataset, trial.id) not in known]
    if other or not chosen or _people(chosen) & judged:
        raise ValueError(f"{fold.name}: expected training trials only, got {', '.join(other[:5]) or 'none'}: nobody "
                         "who validates or tests may be learnt from, with labels or without")
    return chosen, Learnt(split_hash(fold), frozenset(_people(chosen)))


class Features:
    """(trial, its content, its clips) -> (S, d) float32, from `folder` where they are there, else by the tower.

    `learnt`: what the tower learnt from, None for what its own file says (`history`). Raises ValueError where that was
    for another fold, or from somebody whom this fold judges.
    """

    def __init__(self, folder: str | os.PathLike, tower: Tower, fold: Fold, learnt: Learnt | None = None) -> None:
        self.folder, self.tower, self.split = Path(folder), tower.eval(), split_hash(fold)
        for told in (learnt, history(tower)):
            if told is not None:
                expect_own(told, fold)
        self._weights = digest(tower)

    def key(self, trial: Trial, content: str) -> str:
        """Of the weights, the fold, the trial and its `content`, which stands for the clips and how they were cut."""
        parts = (self._weights, self.split, trial.dataset, trial.id, content)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def __call__(self, trial: Trial, content: str, clips: Callable[[], Sequence[Tensor]]) -> np.ndarray:
        """`clips`: makes the clips, uint8 (T, 3, S, S) each; it is not called where the features are on the disk."""
        path = self.folder / f"{self.key(trial, content)}.npy"
        if path.exists():
            return np.load(path)
        found = features(self.tower, clips()).numpy()
        with writing.replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, found)
        return found


def _people(trials: Iterable[Trial]) -> set[Person]:
    return {(trial.dataset, trial.subject) for trial in trials}
