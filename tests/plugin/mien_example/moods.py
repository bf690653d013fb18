"""MOODS, an invented dataset: each clip is a folder of pictures, and the names of folders are its only labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mien.core.tasks import EXPRESSION
from mien.core.trials import Fold, Trial
from mien.datasets import scan
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.labels import Rule

TREE = """\
moods/
  s1/joy_1/001.png      subject, mood (joy or sorrow) and number of the clip, pictures at 10 Hz
  s1/sorrow_2/001.png
"""

WORDS = {"joy": "happy", "sorrow": "sad"}


def survey(root: str | Path) -> DatasetIndex:
    """Find the clips below `root`, and everything that is wrong with them."""
    tree = scan.scan_tree(root)
    trials, problems = [], []
    for folder in tree.folders:
        match = re.fullmatch(r"(s\d+)/([a-z]+)_\d+", tree.name(folder))
        if match is None:
            continue
        name, mood = f"{match[1]}/{folder.name}", match[2]
        if not any(folder.glob("*.png")):
            problems.append(DatasetProblem("missing", name, "expected pictures, got none", folder))
        elif mood not in WORDS:
            problems.append(DatasetProblem("excluded", name, f"expected joy or sorrow, got {mood!r}", folder))
        else:
            trials.append(Trial(name, "moods", match[1], folder, frame_rate=10.0, labels={"mood": mood}))
    if not trials:
        reason = scan.wrong_entries(tree, "folders such as s1/joy_1 with pictures", ("s1",))
        problems.append(DatasetProblem("missing", "clips", reason, tree.root))
    known = "folders by subject" if trials else ""
    return DatasetIndex("moods", tree.root, known, tuple(trials), tuple(problems), (Count("clips", len(trials), 12),))


def split(trials: Iterable[Trial], **options: object) -> tuple[Fold, ...]:
    """The split of the dataset's authors: subjects s3, s6, ... are for test, s2, s5, ... for validation."""
    sides: tuple[list[Trial], ...] = ([], [], [])  # test, train, validation
    for trial in trials:
        sides[int(trial.subject[1:]) % 3].append(trial)
    test, train, val = map(tuple, sides)
    return (Fold("official", "the authors' split by subject", train, val, test),)


PROTOCOLS = {"moods": split}
RULES = {"moods": Rule("moods", "mood", EXPRESSION, "the names of the folders", words=WORDS)}
