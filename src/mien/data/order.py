"""In which order trials are learnt from: the batches of a whole training, decided by seed and epoch alone.

Each batch is the same however many processes share it: of R the one of rank r has its rows r, r + R, r + 2 R, ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

Place = tuple[int, ...]
"""(epoch, row), and how often the row was there before in this epoch."""


@dataclass(frozen=True)
class Steps(Sampler[list[Place]]):
    """The batches of a whole training, from step `start` on, for this `rank` of `ranks`.

    Every epoch has an order of its own, which `seed` decides; the rest that fills no batch is left out, another one
    each epoch. `size` counts the batch over all ranks. With `classes` (count,), that of each row, every class is drawn
    equally often: an epoch is as long as without, rows of rare classes come several times in it, and some of the common
    ones not at all, others each epoch.
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
            raise ValueError(f"Steps: expected trials for a whole batch, which {self.ranks} devices share evenly, got "
                             f"{self.count} trials and batches of {self.size}")
        if self.classes and len(self.classes) != self.count:
            raise ValueError(f"Steps: expected the class of each of {self.count} rows, got {len(self.classes)}")

    @property
    def per_epoch(self) -> int:
        """Batches an epoch."""
        return max(self.count // self.size, 1)

    def order(self, epoch: int) -> np.ndarray:
        """(count,) or fewer: the rows of an epoch, batch after batch."""
        return self.queue(np.arange(self.count), np.random.default_rng([self.seed, epoch]))

    def queue(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As many of these rows, in random order; the classes there are among them equally often, where asked for."""
        return rng.permutation(rows) if not self.classes else rounds(rows, np.array(self.classes)[rows], rng)

    def __len__(self) -> int:
        return self.per_epoch * self.epochs - self.start

    def __iter__(self) -> Iterator[list[Place]]:
        for epoch in range(self.start // self.per_epoch, self.epochs):
            seen: Counter[int] = Counter()
            places: list[Place] = []
            for row in self.order(epoch).tolist():
                places.append((epoch, row, seen[row]))
                seen[row] += 1
            first = self.start % self.per_epoch if epoch == self.start // self.per_epoch else 0
            for step in range(first, self.per_epoch):
                yield places[step * self.size : (step + 1) * self.size][self.rank :: self.ranks]


@dataclass(frozen=True)
class Mixed(Steps):
    """Batches of `people` subjects with as many rows each: losses that tell people apart need several in a batch.

    `subject` (count,): whose each row is. In every batch are those subjects of whom most is still to come, at random
    among equals; who has nothing left begins anew. With fewer subjects than `people` all are in every batch, and with
    fewer than two rows for each, as many as have two. With `classes` each of them shows their own classes equally
    often: who has one class alone shows that.
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
        left = {who: list(self.queue(own, rng)) for who, own in rows.items()}
        size = min(self.size, self.count)
        found: list[int] = []
        for _ in range(self.per_epoch):
            ranked = sorted(rows, key=lambda who: (-len(left[who]), rng.random()))[: self.people]
            held = min(len(ranked), max(2, size // 2))
            for who in (ranked[row % held] for row in range(size)):
                if not left[who]:
                    left[who].extend(self.queue(rows[who], rng))
                found.append(int(left[who].pop()))
        return np.array(found)


def rounds(rows: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """rows, classes (N,) -> (N,) of the rows, in rounds of one of each class, in random order, the last one cut off.

    The rows of a class come one after the other in random order; when all were there they begin anew, in another one.
    """
    each = [rows[classes == one] for one in np.unique(classes)]
    count = -(-len(rows) // len(each))
    columns = [np.concatenate([rng.permutation(own) for _ in range(-(-count // len(own)))])[:count] for own in each]
    return rng.permuted(np.stack(columns, axis=1), axis=1).ravel()[: len(rows)]
