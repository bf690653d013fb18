"""What is found of a dataset on disk: its trials, its counts beside the official ones, and everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien.types import Trial

Kind = Literal["missing", "unreadable", "excluded", "doubtful"]
"""`missing`: announced and not there; `unreadable`: there and broken; `excluded`: left out by a rule of the dataset;
`doubtful`: used, but not as expected. The trial of the first three is not among the trials, or lacks that part."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `item` (trial, subject or file), the file and, in a table, its line from 1, and why."""

    kind: Kind
    item: str
    reason: str
    path: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class Count:
    """How many there are of `name`, and how many the dataset's authors state; None where no source states it."""

    name: str
    found: int
    official: int | None = None


@dataclass(frozen=True, eq=False)
class Survey:
    """A dataset at `root`. `layout`: the name of the layout that was found, "" for none of those that are known."""

    dataset: str
    root: Path
    layout: str
    trials: tuple[Trial, ...]
    problems: tuple[Problem, ...]
    counts: tuple[Count, ...]

    @property
    def usable(self) -> bool:
        """There is something to work with; problems may remain, and each is listed."""
        return bool(self.layout and self.trials)
