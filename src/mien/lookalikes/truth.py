"""What was planted in a lookalike: the values that a loader's output is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Item:
    """One clip or trial of a lookalike.

    `id`: the dataset's own name of it (`00017`, `Action/Happy/0267`, `s01/7` by Experiment_id, `P01/80` by VideoID,
    session `2`); `number`: what `marks.read_trial_number` reads off its pictures and `marks.read_signal_mark` off its
    signals; `video`, `signals`: paths below the root, None where there is none; `event`: s after the stimulus' onset,
    None in clips without one.
    `span`: seconds of the stimulus; `beats`: s after the onset, negative in the baseline; `heart_rate` bpm, mean over
    the span; `rest` bpm of the subject at rest; `responses`: onsets of the skin conductance responses, s after the
    onset; `aus`: largest planted intensity 0..5 by action unit.
    `split`: `train`, `test`, or the fold that tests it (`1`..`5`); `usable`: False where a trap takes the trial away.
    """

    id: str
    subject: str
    number: int
    labels: dict[str, float | str]
    video: str | None = None
    signals: str | None = None
    event: float | None = None
    span: float = 0.0
    beats: np.ndarray = field(default_factory=lambda: np.zeros(0))
    heart_rate: float = float("nan")
    rest: float = float("nan")
    responses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    aus: dict[str, float] = field(default_factory=dict)
    split: str = ""
    frames: int = 0
    traps: tuple[str, ...] = ()
    usable: bool = True


@dataclass(frozen=True, eq=False)
class Truth:
    """A lookalike on disk: where, which variant, what is in it, and which traps were set (name -> where and what)."""

    dataset: str
    root: Path
    variant: str
    seed: int
    items: tuple[Item, ...]
    traps: dict[str, str]

    def __getitem__(self, id: str) -> Item:
        """The item of this id.

        Raises:
            KeyError: there is none; the message lists some that there are.
        """
        for item in self.items:
            if item.id == id:
                return item
        some = ", ".join(item.id for item in self.items[:5])
        raise KeyError(f"Truth({self.dataset}): expected one of {len(self.items)} ids such as {some}, got {id!r}")

    @property
    def files(self) -> list[Path]:
        """Every file below the root, sorted."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.files)
