"""Trials of a dataset, and folds that split them into train, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.validation import expect

Label = float | str


@dataclass(frozen=True, eq=False)
class Trial:
    """One clip or trial of a dataset: paths and labels. No data is loaded.

    Args:
        id: The dataset's name of the trial, unique within the dataset.
        dataset: Name of the dataset.
        subject: Name of the subject; "" if the dataset has none.
        video: A file, or a folder of numbered pictures.
        span: Start and end in s of the trial within the video. Time 0 of the trial is `span[0]`. An infinite end is the
            end of the video.
        frame_rate: Frame rate in Hz of a folder of pictures.
        signals: The file with the trial's signals.
        entry: The part of that file.
        labels: Rating or class by name. Missing labels are absent, never guessed.
        side: The official split, such as train, test, or the number of the fold that tests the trial.
        about: Other columns of the dataset's tables (scene, gender, film), for subgroups.

    Raises:
        ValueError: The id is empty, the span or frame rate is invalid, or a label is None or NaN.
    """

    id: str
    dataset: str
    subject: str = ""
    video: Path | None = None
    span: tuple[float, float] = (0.0, float("inf"))
    frame_rate: float | None = None
    signals: Path | None = None
    entry: str = ""
    labels: dict[str, Label] = field(default_factory=dict)
    side: str = ""
    about: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expect(bool(self.id), self, "id", "a name", repr(self.id))
        expect(0 <= self.span[0] < self.span[1], self, "span", "start before end, in s from 0 on", self.span)
        expect(self.frame_rate is None or self.frame_rate > 0, self, "frame_rate", "Hz or None", self.frame_rate)
        missing = sorted(name for name, value in self.labels.items() if value is None or value != value)
        expect(not missing, self, "labels", "known values only; leave out what is missing", ", ".join(missing))


@dataclass(frozen=True, eq=False)
class Fold:
    """Train, validation and test trials.

    Args:
        name: Name of the fold.
        protocol: Name of the protocol that made it.
        train: Training trials.
        val: Validation trials.
        test: Test trials.
        subject_independent: Whether each subject must be in one split only.

    Raises:
        ValueError: Train or test is empty, or a trial appears twice. With `subject_independent`: a subject is
            unknown or in two splits.
    """

    name: str
    protocol: str
    train: tuple[Trial, ...]
    val: tuple[Trial, ...]
    test: tuple[Trial, ...]
    subject_independent: bool = True

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            expect(len(getattr(self, side)) > 0, self, side, "at least one trial", 0)
        counted = Counter((trial.dataset, trial.id) for _, trials in self for trial in trials)
        twice = sorted(id for (_, id), count in counted.items() if count > 1)
        expect(not twice, self, self.name, "every trial on one side", f"{len(twice)} on two, {_first_names(twice)}")
        if self.subject_independent:
            unknown = sorted(trial.id for _, trials in self for trial in trials if not trial.subject)
            expect(not unknown, self, self.name, "a subject for every trial",
                   f"{len(unknown)} without, {_first_names(unknown)}")
            sides = [{(trial.dataset, trial.subject) for trial in trials} for _, trials in self]
            both = sorted({name for a, b in ((0, 1), (0, 2), (1, 2)) for _, name in sides[a] & sides[b]})
            expect(not both, self, self.name, "every subject on one side", f"on two: {_first_names(both)}")

    def __iter__(self) -> Iterator[tuple[str, tuple[Trial, ...]]]:
        """("train", trials), ("val", trials), ("test", trials)."""
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))


def _first_names(names: Sequence[str]) -> str:
    text = ", ".join(names[:5])
    if len(names) > 5:
        text += f" and {len(names) - 5} more"
    return text
