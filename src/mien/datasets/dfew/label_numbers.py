"""What the label numbers in lists of DFEW stand for: 1..7 as in the dataset's tables, or 0..6 as in other projects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.datasets import official
from mien.datasets.index import DatasetProblem

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
"""Labels 1..7 of the dataset's tables, 0..6 of other projects' lists."""

OFFICIAL = {"happy": 2445, "sad": 1894, "neutral": 2669, "angry": 2173, "surprise": 1469, "disgust": 145, "fear": 902}
"""Number of clips of each class in the lists."""

WORDS = {word: number for number, words in enumerate(
    ("happy happiness hap", "sad sadness", "neutral neutrality neu", "angry anger ang", "surprise surprised sur",
     "disgust disgusted dis", "fear fearful afraid fea"), 1) for word in words.split()}
"""Words for the classes in lists of other projects, in lower case -> label 1..7."""

ENOUGH = 100
"""Rows of a list that decide alone how it counts. Our choice: 1 % of the clips are of the rarest class."""

PART = 500
"""Clips from which on the shares of the classes are compared with the official ones. Our choice: the rarest class then
has six."""


@dataclass(frozen=True)
class ListRow:
    """A line of a list: clip 1..16372, and the label as written; `named` if it was a word, whose label is 1..7."""

    clip: int
    label: int
    path: Path
    line: int
    named: bool = False

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name} line {self.line}"


def label_offsets(raw: Mapping[tuple[str, int], list[ListRow]], headed: bool, problems: list[DatasetProblem]
                   ) -> dict[tuple[str, int], int]:
    """The offset from the numbers of each list to 1..7, decided by the numbers in it, or in all lists.

    0 without 7 means 0..6, 7 without 0 means 1..7. With both, 0 stands for clips that are not single-labelled. With
    neither, the official counts decide, if only one of the two fits them.
    """
    every = [row for rows in raw.values() for row in rows]
    shared = _label_offset(every)
    if shared is None:
        shared = int(not headed)
        fits = [shift for shift in (0, 1) if every and not contradicts_counts(_class_counts(every, shift))]
        if len(fits) == 1:
            shared = fits[0]
        if every and (len(fits) != 1 or not headed):
            base = "0..6 (0 happy .. 6 fear)" if shared else "1..7 (1 happy .. 7 fear)"
            problems.append(DatasetProblem("doubtful", "labels", f"its labels hold neither 0 nor 7: taken for {base}, "
                                                                 "as "
                                           "such lists are", every[0].path))
    offsets = {}
    for side, rows in raw.items():
        offset = _label_offset(rows) if len(rows) >= ENOUGH else None
        offsets[side] = shared if offset is None else offset
    return offsets


def _label_offset(rows: Iterable[ListRow]) -> int | None:
    """The offset that the numbers of some rows show, None if they show none."""
    values = {row.label for row in rows if not row.named}
    if not values:
        return 0
    if 0 in values and 7 not in values:
        return 1
    return 0 if 7 in values else None


def _class_counts(rows: Iterable[ListRow], shift: int) -> Counter[str]:
    """Number of clips of each class, of all rows with labels in range."""
    labels = {row.clip: row.label + shift * (not row.named) for row in rows}
    return Counter(CLASSES[label - 1] for label in labels.values() if 1 <= label <= 7)


def contradicts_counts(counts: Counter[str]) -> bool:
    """Whether missing clips cannot explain the class counts, or their shares in a large part of the lists."""
    if any(counts[name] > OFFICIAL[name] for name in CLASSES):
        return True
    return sum(counts.values()) >= PART and official.class_shares(counts, OFFICIAL) < official.LIKELY
