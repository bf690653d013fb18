"""Trials -> batches for training and scoring. What is drawn depends on seed, epoch and trial, never on the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mien.batch import Batch
from mien.data.prepare import collate, prepare
from mien.types import Needs, Trial, Window

Pick = Callable[[int], np.ndarray]
Source = Callable[[Trial, "Pick | None"], Window]
"""(trial, which of its pictures: number of them -> indices, None: all) -> the trial's window."""


class Clips(Dataset[Batch]):
    """(epoch, index) -> a batch of one trial; `target` by trial id, a class or a rating.

    With a seed for training, without one for scoring. Raises ValueError where a trial has no target.
    """

    def __init__(self, trials: Sequence[Trial], source: Source, needs: Needs, target: Mapping[str, float],
                 seed: int | None = None) -> None:
        missing = [trial.id for trial in trials if trial.id not in target]
        if missing:
            raise ValueError(f"Clips: expected a target for every trial, got none for {len(missing)}: {missing[:5]}")
        self.trials, self.source, self.needs, self.seed = tuple(trials), source, needs, seed
        self.target = dict(target)
        names = sorted({trial.subject for trial in trials})
        self.subjects = {name: number for number, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        epoch, index = place
        trial = self.trials[index]
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch, index])
        try:
            batch = prepare([self.source(trial, self._pick(rng))], self.needs, rng)
        except ValueError as error:
            raise ValueError(f"trial {trial.id}: {error}") from error
        return replace(batch, target=torch.tensor([self.target[trial.id]]),
                       subject=torch.tensor([self.subjects[trial.subject]]), trial=(trial.id,))

    def _pick(self, rng: np.random.Generator | None) -> Pick | None:
        """Only the pictures that are looked at are decoded; what is picked here, `prepare` takes as it is."""
        from mien.video import pick_frames

        frames = self.needs.frames
        return None if frames is None else lambda count: pick_frames(count, frames, rng)


@dataclass(frozen=True)
class Steps(Sampler[list[tuple[int, int]]]):
    """The batches of a whole training, from step `start` on: lists of (epoch, index) for this `rank` of `ranks`.

    Every epoch has an order of its own, which `seed` decides; the rest that fills no batch is left out, another one
    each epoch. `size` counts the batch over all ranks.
    """

    count: int
    size: int
    epochs: int
    seed: int
    start: int = 0
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        uneven = self.ranks > 1 and (self.size % self.ranks or self.count < self.size)
        if self.count < 1 or self.size < 1 or uneven:
            raise ValueError(f"Steps: expected trials for a whole batch, which {self.ranks} devices share evenly, got "
                             f"{self.count} trials and batches of {self.size}")

    @property
    def per_epoch(self) -> int:
        """Batches an epoch."""
        return max(self.count // self.size, 1)

    def order(self, epoch: int) -> np.ndarray:
        """(count,) or fewer: the rows of an epoch, batch after batch."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)

    def __len__(self) -> int:
        return self.per_epoch * self.epochs - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in range(self.start // self.per_epoch, self.epochs):
            order = self.order(epoch)
            first = self.start % self.per_epoch if epoch == self.start // self.per_epoch else 0
            for step in range(first, self.per_epoch):
                rows = order[step * self.size : (step + 1) * self.size][self.rank :: self.ranks]
                yield [(epoch, int(row)) for row in rows]


@dataclass(frozen=True)
class Mixed(Steps):
    """Batches of `people` subjects with as many rows each: losses that tell people apart need several in a batch.

    `subject` (count,): whose each row is. In every batch are those subjects of whom most is still to come, at random
    among equals; who has nothing left begins anew. With fewer subjects than `people` all are in every batch. Of several
    ranks each gets all of them where its share of the batch has two rows of each, else as many as it has two of, but
    two at least: people are told apart among the rows of a rank, not across.
    """

    subject: tuple[int, ...] = ()
    people: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.subject) != self.count or self.people < 1:
            raise ValueError(f"Mixed: expected the subject of each of {self.count} rows and one or more people a "
                             f"batch, got {len(self.subject)} and {self.people}")

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch; rows of people with few may come twice, some of people with many not at all."""
        rng = np.random.default_rng([self.seed, epoch])
        rows = {who: np.flatnonzero(np.array(self.subject) == who) for who in sorted(set(self.subject))}
        left = {who: list(rng.permutation(own)) for who, own in rows.items()}
        size = min(self.size, self.count)
        found: list[int] = []
        for _ in range(self.per_epoch):
            ranked = sorted(rows, key=lambda who: (-len(left[who]), rng.random()))[: self.people]
            for place in self._dealt(size, len(ranked)):
                own = left[ranked[place]]
                if not own:
                    own.extend(rng.permutation(rows[ranked[place]]))
                found.append(int(own.pop()))
        return np.array(found)

    def _dealt(self, size: int, people: int) -> np.ndarray:
        """(size,): the person of each row of a batch, of which `__iter__` gives every `ranks`-th to a rank."""
        rank, row = np.arange(size) % self.ranks, np.arange(size) // self.ranks
        share = size // self.ranks
        held = min(people, max(2, share // 2))
        return (rank * share + row) % people if held == people else (rank * held + row % held) % people


def training(clips: Clips, steps: Steps, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Batches of `steps`, one after the other to the end of the training."""
    return DataLoader(clips, batch_sampler=steps, collate_fn=collate, num_workers=workers, pin_memory=pin,
                      persistent_workers=workers > 0)


def scoring(clips: Clips, size: int, workers: int = 0, pin: bool = False) -> DataLoader[Batch]:
    """Every trial once, in order."""
    rows = [[(0, row) for row in range(first, min(first + size, len(clips)))] for first in range(0, len(clips), size)]
    return DataLoader(clips, batch_sampler=rows, collate_fn=collate, num_workers=workers, pin_memory=pin)
