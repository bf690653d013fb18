"""Ground truth of a lookalike, to compare with the output of a loader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Item:
    """One clip or trial of a lookalike.

    Attributes:
        id: name in the dataset: `00017`, `Action/Happy/0267`, `s01/7` (Experiment_id), `P01/80` (VideoID), session `2`.
        subject: name of the participant.
        number: result of `markers.read_trial_number` for its pictures, `markers.read_signal_mark` for its signals.
        labels: the labels by name.
        video: path relative to the root, or None.
        signals: path relative to the root, or None.
        event: time of the event in s after the onset of the stimulus; None in clips without one.
        span: duration of the stimulus in s.
        beats: times of the beats in s after the onset, negative in the baseline.
        heart_rate: mean over the span in bpm.
        rest: resting heart rate of the subject in bpm.
        responses: onsets of the skin conductance responses in s after the onset.
        aus: largest intensity 0..5 by action unit.
        split: `train`, `test`, or the fold that tests it (`1`..`5`).
        frames: number of frames of the video.
        traps: faults of this trial.
        usable: False if a fault makes the trial useless.
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
class DatasetTruth:
    """A lookalike on disk.

    Attributes:
        dataset: name of the dataset.
        root: folder of the lookalike.
        variant: layout.
        seed: seed of the random content.
        items: the clips or trials.
        traps: the planted faults: name, and what is wrong where.
    """

    dataset: str
    root: Path
    variant: str
    seed: int
    items: tuple[Item, ...]
    traps: dict[str, str]

    def __getitem__(self, id: str) -> Item:
        """Find the item with this id.

        Raises:
            KeyError: the id is unknown; the message lists some known ids.
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
