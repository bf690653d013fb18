"""Batch samplers for training. Seed and epoch alone determine the order.

A batch does not depend on the number of processes that share it: rank r of R has its rows r, r + R, r + 2 R, ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

SampleIndex = tuple[int, ...]
"""(epoch, row, how often the row was drawn before in this epoch)."""


@dataclass(frozen=True)
class EpochSampler(Sampler[list[SampleIndex]]):
    """The batches of a full training from step `start`, for this `rank` of `ranks`.

    Each epoch has a different order. It drops the rows that do not fill a batch, different ones in each epoch.

    Attributes:
        count: number of rows.
        size: batch size over all ranks.
        epochs: number of epochs.
        seed: seed of the order.
        start: first step, for resuming.
        rank, ranks: this process and the number of processes.
        classes: (count,) class of each row; if given, all classes are drawn equally often. An epoch keeps its length.
            Rows of rare classes repeat in it, and some rows of common classes are left out, different ones each epoch.
    """

    count: int
    size: int
    epochs: int
    seed: int
    start: int = 0
    rank: int = 0
    ranks: int = 1
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        uneven = self.ranks > 1 and (self.size % self.ranks or self.count < self.size)
        if self.count < 1 or self.size < 1 or uneven:
            raise ValueError(f"EpochSampler: expected trials for a full batch, which {self.ranks} devices share "
                             f"evenly, got {self.count} trials and batches of {self.size}")
        if self.classes and len(self.classes) != self.count:
            raise ValueError(f"EpochSampler: expected the class of each of {self.count} rows, got {len(self.classes)}")

    @property
    def per_epoch(self) -> int:
        """Number of batches per epoch."""
        return max(self.count // self.size, 1)

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in order, (count,) or fewer."""
        return self.queue(np.arange(self.count), np.random.default_rng([self.seed, epoch]))

    def queue(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shuffle rows (N,); with `classes`, draw N of them with equal class frequencies."""
        if not self.classes:
            return rng.permutation(rows)
        return class_balanced_rows(rows, np.array(self.classes)[rows], rng)

    def __len__(self) -> int:
        return self.per_epoch * self.epochs - self.start

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for epoch in range(self.start // self.per_epoch, self.epochs):
            seen: Counter[int] = Counter()
            places: list[SampleIndex] = []
            for row in self.order(epoch).tolist():
                places.append((epoch, row, seen[row]))
                seen[row] += 1
            first = 0
            if epoch == self.start // self.per_epoch:
                first = self.start % self.per_epoch
            for step in range(first, self.per_epoch):
                yield places[step * self.size : (step + 1) * self.size][self.rank :: self.ranks]


@dataclass(frozen=True)
class SubjectBalancedSampler(EpochSampler):
    """Batches of `people` subjects with equally many rows each, for losses that compare subjects.

    A batch contains the subjects with the most remaining rows, chosen at random among equals. A subject without
    remaining rows starts again. With fewer subjects than `people`, all of them are in every batch. If the batch has
    fewer than two rows per subject, it contains fewer subjects with two rows each. With `classes` the classes of each
    subject are drawn equally often.

    Attributes:
        subject: (count,) subject of each row.
        people: subjects per batch.
    """

    subject: tuple[int, ...] = ()
    people: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.subject) != self.count or self.people < 1:
            raise ValueError(f"SubjectBalancedSampler: expected the subject of each of {self.count} rows and one or "
                             f"more people a batch, got {len(self.subject)} and {self.people}")

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch; rows of subjects with few may repeat, and rows of subjects with many may be left out.
        """
        rng = np.random.default_rng([self.seed, epoch])
        rows = {name: np.flatnonzero(np.array(self.subject) == name) for name in sorted(set(self.subject))}
        left = {name: list(self.queue(indices, rng)) for name, indices in rows.items()}
        size = min(self.size, self.count)
        order: list[int] = []
        for _ in range(self.per_epoch):
            ranked = sorted(rows, key=lambda name: (-len(left[name]), rng.random()))[: self.people]
            subjects = min(len(ranked), max(2, size // 2))
            for name in (ranked[row % subjects] for row in range(size)):
                if not left[name]:
                    left[name].extend(self.queue(rows[name], rng))
                order.append(int(left[name].pop()))
        return np.array(order)


def class_balanced_rows(rows: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw N of N rows with equal class frequencies.

    Each round has one row of each class in random order; the last round may be cut off. The rows of a class follow in
    random order and, when all are used, in a new random order.

    Args:
        rows: (N,) rows.
        classes: (N,) class of each row.
        rng: the generator.

    Returns:
        (N,) rows.
    """
    by_class = [rows[classes == label] for label in np.unique(classes)]
    count = -(-len(rows) // len(by_class))
    columns = [np.concatenate([rng.permutation(members) for _ in range(-(-count // len(members)))])[:count]
               for members in by_class]
    return rng.permuted(np.stack(columns, axis=1), axis=1).ravel()[: len(rows)]
