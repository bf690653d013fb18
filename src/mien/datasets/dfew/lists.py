"""Which clips DFEW's five folds train and test, from its csv or from the text lists of other projects."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .. import tables
from ..layout import Tree
from ..survey import Problem

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
"""Labels 1..7 of the dataset's tables, 0..6 of other projects' lists."""

LAST = 16372
"""The largest id of a clip."""

STYLES = {
    "train(single-labeled)/set_1.csv": r"(?:^|/)(?P<side>train|test)[ _]?\(?single.labell?ed\)?/set_?(?P<fold>[1-5])",
    "train/set_1.csv": r"(?:^|/)(?P<side>train|test)/set_?(?P<fold>[1-5])",
    "single_trainset_1.csv": r"(?:^|/)single_(?P<side>train|test)set_?(?P<fold>[1-5])",
    "train_set_1.csv": r"(?:^|[/_])(?P<side>train|test)_?set_?(?P<fold>[1-5])",
    "set_1_train.csv": r"(?:^|[/_])(?:set|fold|fd|split)_?0?(?P<fold>[1-5])[_/](?P<side>train|test)",
}
"""Names of the split files, best first, as they are shown and as they are recognised, in lower case, below the root."""

_LINE = re.compile(r"(?P<clip>.+?)[\s,]+(?:\d+[\s,]+)?(?P<label>-?\d+)")
_CLIP = re.compile(r"0*(\d{1,9})(?:\.\w+)?")


@dataclass(frozen=True)
class Row:
    """A line of a list: clip 1..16372, label as it stands there."""

    clip: int
    label: int
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name} line {self.line}"


@dataclass
class Lists:
    """`style` of the names, "" for none; `sides`: rows of ("train" or "test", fold); `labels` 1..7 and `test`, the fold
    that tests it, by clip; `spoilt`: clips that the lists contradict themselves about; `problems`: all that is wrong.
    """

    style: str = ""
    sides: dict[tuple[str, int], dict[int, Row]] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    test: dict[int, int] = field(default_factory=dict)
    spoilt: set[int] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def find(tree: Tree) -> Lists:
    """The lists below the root, joined: the style of which there are most files, the nearest of two alike."""
    found: dict[str, dict[tuple[str, int], Path]] = {style: {} for style in STYLES}
    lists = Lists()
    for path in tree.files:
        key = _key(tree.name(path))
        if key:
            style, side = key
            first = found[style].setdefault(side, path)
            if first != path and first.read_bytes() != path.read_bytes():
                reason = f"not used: {tree.name(first)} is another list of the same part, nearer to the root"
                lists.problems.append(Problem("doubtful", f"{side[0]} of fold {side[1]}", reason, path))
    style = max(STYLES, key=lambda style: len(found[style]))
    if not found[style]:
        return lists
    lists.style = style
    raw: dict[tuple[str, int], list[Row]] = {}
    official = {side: _read(path, raw.setdefault(side, []), lists.problems) for side, path in found[style].items()}
    shift = 0 if all(official.values()) else _shift([row for rows in raw.values() for row in rows], lists.problems)
    for side, rows in raw.items():
        lists.sides[side] = _once(rows, side, 0 if official[side] else shift, lists)
    for missing in ((side, fold) for fold in range(1, 6) for side in ("train", "test")):
        if missing not in found[style]:
            item = f"{missing[0]} of fold {missing[1]}"
            lists.problems.append(Problem("missing", item, "no list of this part, those of others are there"))
    _join(lists)
    return lists


def _key(name: str) -> tuple[str, tuple[str, int]] | None:
    for style, pattern in STYLES.items():
        hit = re.search(pattern + r"\.(?:csv|txt)$", name.lower())
        if hit:
            return style, (hit["side"], int(hit["fold"]))
    return None


def _read(path: Path, rows: list[Row], problems: list[Problem]) -> bool:
    """Append the rows of a list; whether it has the dataset's header, so that its labels are 1..7."""
    try:
        numbered = tables.lines(path)
        headed = not re.search(r"\d\s*$", numbered[0][1])
        if headed:
            table = tables.read(path, ("video_name", "label"))
            problems.extend(table.problems)
            pairs = [(line, cells["video_name"], cells["label"]) for line, cells in table.rows]
        else:
            pairs = [(line, *_parts(text)) for line, text in numbered]
    except tables.TableError as error:
        problems.append(tables.problem(error, path))
        return True
    for line, name, label in pairs:
        clip = _CLIP.fullmatch(re.split(r"[/\\]", name.rstrip("/\\"))[-1])
        if clip and 1 <= int(clip[1]) <= LAST and re.fullmatch(r"\d{1,9}", label):
            rows.append(Row(int(clip[1]), int(label), path, line))
        else:
            got = f"{name[-80:] or 'nothing'!r}, {label[:80] or 'nothing'!r}"
            reason = f"expected a clip 1..{LAST} and its label, got {got}"
            problems.append(Problem("unreadable", f"line {line}", reason, path, line))
    return headed


def _parts(text: str) -> tuple[str, str]:
    hit = _LINE.fullmatch(text)
    return (hit["clip"], hit["label"]) if hit else (text, "")


def _shift(rows: list[Row], problems: list[Problem]) -> int:
    """What makes labels of headerless lists 1..7: they are 0..6 unless a 7 and no 0 says otherwise."""
    values = {row.label for row in rows}
    if not values & {0, 7} and rows:
        reason = "its labels hold neither 0 nor 7: taken for 0..6 (0 happy .. 6 fear), as such lists are"
        problems.append(Problem("doubtful", "labels", reason, rows[0].path))
    return 0 if 7 in values and 0 not in values else 1


def _once(rows: Iterable[Row], side: tuple[str, int], shift: int, lists: Lists) -> dict[int, Row]:
    """Clip -> row, labels 1..7; a repeated clip or an impossible label is a problem."""
    kept: dict[int, Row] = {}
    for row in rows:
        label = row.label + shift
        item = f"{row.clip:05d}"
        if not 1 <= label <= 7:
            why = "not single-labelled" if label == 0 else f"expected a label 1..7, got {label}"
            lists.problems.append(Problem("excluded", item, why, row.path, row.line))
        elif row.clip in kept:
            first = kept[row.clip]
            reason = f"listed twice in the {side[0]} part of fold {side[1]}, first in line {first.line}"
            lists.problems.append(Problem("doubtful", item, reason, row.path, row.line))
            if first.label != label:
                lists.problems.append(_differ(row, first, label))
                lists.spoilt.add(row.clip)
        else:
            kept[row.clip] = Row(row.clip, label, row.path, row.line)
    return kept


def _differ(row: Row, first: Row, label: int) -> Problem:
    reason = f"labelled {CLASSES[label - 1]} here and {CLASSES[first.label - 1]} in {first}: left out"
    return Problem("excluded", f"{row.clip:05d}", reason, row.path, row.line)


def _join(lists: Lists) -> None:
    """Labels and the testing fold of every clip; what contradicts itself is spoilt."""
    first: dict[int, Row] = {}
    tested: dict[int, Row] = {}
    for (side, fold), rows in sorted(lists.sides.items()):
        for clip, row in rows.items():
            known = first.setdefault(clip, row)
            if known.label != row.label and clip not in lists.spoilt:
                lists.spoilt.add(clip)
                lists.problems.append(_differ(row, known, row.label))
            lists.labels[clip] = known.label
            if side == "test" and tested.setdefault(clip, row) is not row and clip not in lists.spoilt:
                lists.spoilt.add(clip)
                reason = f"tested here and in {tested[clip]}: the folds overlap; left out"
                lists.problems.append(Problem("excluded", f"{clip:05d}", reason, row.path, row.line))
            if side == "test":
                lists.test.setdefault(clip, fold)
    _complements(lists)


def _complements(lists: Lists) -> None:
    """Each fold trains on what it does not test; a clip on both sides is spoilt, other differences are told."""
    everything = set(lists.labels)
    for fold in range(1, 6):
        train, test = lists.sides.get(("train", fold)), lists.sides.get(("test", fold))
        if not train or not test:
            continue
        for clip in sorted((train.keys() & test.keys()) - lists.spoilt):
            lists.spoilt.add(clip)
            reason = f"tested here and trained in {train[clip]}, both in fold {fold}: left out"
            lists.problems.append(Problem("excluded", f"{clip:05d}", reason, test[clip].path, test[clip].line))
        absent = everything - train.keys() - test.keys() - lists.spoilt
        if absent and len(lists.sides) == 10:
            path = next(iter(train.values())).path
            reason = f"neither trains nor tests {len(absent)} clips of the other folds, such as {min(absent):05d}"
            lists.problems.append(Problem("doubtful", f"train of fold {fold}", reason, path))


def by_side(lists: Lists, usable: Iterable[int]) -> dict[tuple[str, int], int]:
    """How many usable clips each part of each fold has."""
    usable = set(usable)
    counted: dict[tuple[str, int], int] = defaultdict(int)
    for side, rows in lists.sides.items():
        counted[side] = len(usable & rows.keys())
    return counted
