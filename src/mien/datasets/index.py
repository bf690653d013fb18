"""The index of a dataset on disk: its trials, actual and official counts, and problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien.core.trials import Trial

Kind = Literal["missing", "unreadable", "excluded", "doubtful", "contradiction"]
"""`missing`: listed but absent; `unreadable`: present but broken; `excluded`: left out by a rule of the dataset;
`doubtful`: used, but not as expected; `contradiction`: labels or classes differ from the official ones in a way that
missing files cannot explain. For the first three the trial, or that part of it, is left out."""


@dataclass(frozen=True)
class DatasetProblem:
    """A problem: the `item` (trial, subject or file), the reason, the file and, for a table, its line from 1."""

    kind: Kind
    item: str
    reason: str
    path: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class Count:
    """The number of `name` on disk, and the official number of the dataset's authors; None if no source states it.

    With `limit`, more than the official number means that labels or classes are wrong; fewer may be missing files.
    """

    name: str
    number: int
    official: int | None = None
    limit: bool = False


@dataclass(frozen=True, eq=False)
class DatasetIndex:
    """The index of a dataset at `root`. `layout`: name of the detected layout, "" for an unknown one."""

    dataset: str
    root: Path
    layout: str
    trials: tuple[Trial, ...]
    problems: tuple[DatasetProblem, ...]
    counts: tuple[Count, ...]

    @property
    def usable(self) -> bool:
        """Whether there are trials in a known layout; `problems` may remain."""
        return bool(self.layout and self.trials)
