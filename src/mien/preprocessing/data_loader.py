"""Data loaders for training and evaluation. Random draws depend on seed, epoch and trial, never on the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mien.core.batch import Batch
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.trials import Trial
from mien.preprocessing.model_inputs import collate, prepare_batch
from mien.preprocessing.samplers import EpochSampler, SampleIndex

PickFrames = Callable[[int], np.ndarray]
WindowReader = Callable[[Trial, "PickFrames | None"], Window]
"""(trial, function that selects pictures: number -> indices, None for all) -> the trial's window."""


class TrialDataset(Dataset[Batch]):
    """A dataset of trials. An item is a batch of one trial; its index is (epoch, row, earlier draws in this epoch).

    Args:
        trials: the trials.
        source: reads the window of a trial.
        needs: inputs of the model.
        target: class or rating by trial id.
        seed: seed of the random draws for training; None for evaluation.
        votes: annotator shares (K,) by trial id.
        weight: loss weight by trial id.
        at: place of the frame in each segment of a clip, 0..1, for evaluation.

    Raises:
        ValueError: a trial has no target.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        source: WindowReader,
        needs: ModelRequirements,
        target: Mapping[str, float],
        seed: int | None = None,
        votes: Mapping[str, np.ndarray] | None = None,
        weight: Mapping[str, float] | None = None,
        at: float = 0.5,
    ) -> None:
        missing = [trial.id for trial in trials if trial.id not in target]
        if missing:
            raise ValueError(f"TrialDataset: expected a target for every trial, got none for "
                             f"{len(missing)}: {missing[:5]}")
        self.trials, self.source, self.needs, self.seed = tuple(trials), source, needs, seed
        self.target, self.votes, self.weight, self.at = dict(target), votes, weight, at
        names = sorted({trial.subject for trial in trials})
        self.subjects = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, place: SampleIndex) -> Batch:
        epoch, index, *again = place
        trial = self.trials[index]
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch, index, *filter(None, again)])
        try:
            batch = prepare_batch([self.source(trial, self._pick(rng))], self.needs, rng)
        except ValueError as error:
            raise ValueError(f"trial {trial.id}: {error}") from error
        optional = {name: torch.as_tensor(np.asarray(values[trial.id], np.float32))[None]
                    for name, values in (("votes", self.votes), ("weight", self.weight)) if values is not None}
        return replace(batch, target=torch.tensor([self.target[trial.id]]),
                       subject=torch.tensor([self.subjects[trial.subject]]), trial=(trial.id,), **optional)

    def _pick(self, rng: np.random.Generator | None) -> PickFrames | None:
        """Select the pictures to decode; `prepare` then uses all of them."""
        from mien.video import pick_frames

        frames = self.needs.frames
        if frames is None:
            return None
        return lambda count: pick_frames(count, frames, rng, self.at)


def training_loader(clips: TrialDataset, steps: EpochSampler, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Load the batches of `steps` in order, to the end of the training."""
    return DataLoader(clips, batch_sampler=steps, collate_fn=collate, num_workers=workers, pin_memory=pin,
                      persistent_workers=workers > 0)


def evaluation_loader(clips: TrialDataset, size: int, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Load every trial once, in order, in batches of `size`."""
    rows = [[(0, row) for row in range(first, min(first + size, len(clips)))] for first in range(0, len(clips), size)]
    return DataLoader(clips, batch_sampler=rows, collate_fn=collate, num_workers=workers, pin_memory=pin)
