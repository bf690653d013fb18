"""What is learnt from: trials of a dataset, and folds that keep them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .checking import expect

Label = float | str


@dataclass(frozen=True, eq=False)
class Trial:
    """One clip or trial of a dataset: where it is and what is known of it. Nothing is loaded.

    `id`: the dataset's own name of it, unique within the dataset; `subject`: "" where the dataset names nobody;
    `video`: a file, or a folder of numbered pictures at `frame_rate` Hz; `span`: the s of the video that belong to the
    trial, time 0 of the trial being `span[0]` (the end may be infinite: to the end of the video); `signals`: the file
    that holds the trial's signals, `entry` which part of it; `labels`: rating or class by name, what is missing is
    absent, never guessed; `side`: the official part, such as train, test or the number of the fold that tests it;
    `about`: any other column of the dataset's tables (scene, gender, film), for subgroups.
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
    """Trials to learn from, to choose by and to be judged by; it does not come to be where they overlap.

    `protocol`: the name of what made it; `apart`: the protocol forbids a subject on two sides.

    Raises:
        ValueError: a trial is on two sides or twice on one, or, where `apart`, a subject is on two sides or unknown;
            train or test is empty.
    """

    name: str
    protocol: str
    train: tuple[Trial, ...]
    val: tuple[Trial, ...]
    test: tuple[Trial, ...]
    apart: bool = True

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            expect(len(getattr(self, side)) > 0, self, side, "at least one trial", 0)
        counted = Counter((trial.dataset, trial.id) for _, trials in self for trial in trials)
        twice = sorted(id for (_, id), count in counted.items() if count > 1)
        expect(not twice, self, self.name, "every trial on one side", f"{len(twice)} on two, {_some(twice)}")
        if self.apart:
            nobody = sorted(trial.id for _, trials in self for trial in trials if not trial.subject)
            expect(not nobody, self, self.name, "a subject for every trial", f"{len(nobody)} without, {_some(nobody)}")
            sides = [{(trial.dataset, trial.subject) for trial in trials} for _, trials in self]
            both = sorted({name for a, b in ((0, 1), (0, 2), (1, 2)) for _, name in sides[a] & sides[b]})
            expect(not both, self, self.name, "every subject on one side", f"on two: {_some(both)}")

    def __iter__(self) -> Iterator[tuple[str, tuple[Trial, ...]]]:
        """("train", trials), ("val", trials), ("test", trials)."""
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
