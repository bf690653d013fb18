"""Trials -> batches for training and scoring. What is drawn depends on seed, epoch and trial, never on the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mien.batch import Batch
from mien.data.order import Place, Steps
from mien.data.prepare import collate, prepare
from mien.types import Needs, Trial, Window

Pick = Callable[[int], np.ndarray]
Source = Callable[[Trial, "Pick | None"], Window]
"""(trial, which of its pictures: number of them -> indices, None: all) -> the trial's window."""


class Clips(Dataset[Batch]):
    """(epoch, index, how often it was there before) -> a batch of one trial.

    By trial id: `target`, a class or a rating; `votes` (K,) and `weight` of `Batch`, where they are given. With a seed
    for training, without one for scoring. Raises ValueError where a trial has no target.
    """

    def __init__(self, trials: Sequence[Trial], source: Source, needs: Needs, target: Mapping[str, float],
                 seed: int | None = None, votes: Mapping[str, np.ndarray] | None = None,
                 weight: Mapping[str, float] | None = None) -> None:
        missing = [trial.id for trial in trials if trial.id not in target]
        if missing:
            raise ValueError(f"Clips: expected a target for every trial, got none for {len(missing)}: {missing[:5]}")
        self.trials, self.source, self.needs, self.seed = tuple(trials), source, needs, seed
        self.target, self.votes, self.weight = dict(target), votes, weight
        names = sorted({trial.subject for trial in trials})
        self.subjects = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, place: Place) -> Batch:
        epoch, index, *again = place
        trial = self.trials[index]
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch, index, *filter(None, again)])
        try:
            batch = prepare([self.source(trial, self._pick(rng))], self.needs, rng)
        except ValueError as error:
            raise ValueError(f"trial {trial.id}: {error}") from error
        told = {name: torch.as_tensor(np.asarray(known[trial.id], np.float32))[None]
                for name, known in (("votes", self.votes), ("weight", self.weight)) if known is not None}
        return replace(batch, target=torch.tensor([self.target[trial.id]]),
                       subject=torch.tensor([self.subjects[trial.subject]]), trial=(trial.id,), **told)

    def _pick(self, rng: np.random.Generator | None) -> Pick | None:
        """Only the pictures that are looked at are decoded; what is picked here, `prepare` takes as it is."""
        from mien.video import pick_frames

        frames = self.needs.frames
        return None if frames is None else lambda count: pick_frames(count, frames, rng)


def training(clips: Clips, steps: Steps, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Batches of `steps`, one after the other to the end of the training."""
    return DataLoader(clips, batch_sampler=steps, collate_fn=collate, num_workers=workers, pin_memory=pin,
                      persistent_workers=workers > 0)


def scoring(clips: Clips, size: int, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Every trial once, in order."""
    rows = [[(0, row) for row in range(first, min(first + size, len(clips)))] for first in range(0, len(clips), size)]
    return DataLoader(clips, batch_sampler=rows, collate_fn=collate, num_workers=workers, pin_memory=pin)
