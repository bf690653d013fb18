"""Read the train and test lists of DFEW's five folds, from its csv files or the text lists of other projects."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.datasets.dfew.label_numbers import CLASSES, OFFICIAL, WORDS, ListRow, contradicts_counts, label_offsets
from mien.datasets.index import DatasetProblem
from mien.datasets.readers import tables
from mien.datasets.scan import Tree

NAMES = {
    "video_name": ("video_name", "video", "videoname", "name", "clip", "clip_id", "clip_name", "path", "video_path",
                   "clip_path", "file", "filename", "file_name", "file_path", "id", "video_id", "sample"),
    "label": ("label", "labels", "annotation", "class", "class_id", "emotion", "expression", "target", "label_id",
              "category", "gt"),
}
"""Our name of a column -> its names in published lists, in lower case, best first."""

LAST = 16372
"""The largest id of a clip."""

STYLES = {
    "train(single-labeled)/set_1.csv": r"(?:^|/)(?P<side>train|test)[ _]?\(?single.labell?ed\)?/set_?(?P<fold>[1-5])",
    "train/set_1.csv": r"(?:^|/)(?P<side>train|test)/set_?(?P<fold>[1-5])",
    "single_trainset_1.csv": r"(?:^|/)single_(?P<side>train|test)set_?(?P<fold>[1-5])",
    "train_set_1.csv": r"(?:^|[/_])(?P<side>train|test)_?set_?(?P<fold>[1-5])",
    "set_1_train.csv": r"(?:^|[/_])(?:set|fold|fd|split)_?0?(?P<fold>[1-5])[_/](?P<side>train|test)",
}
"""Style of the split files, best first -> pattern of their path below the root, in lower case."""

_LINE = re.compile(r"(?P<clip>.+?)[\s,;|]+(?:\d+[\s,;|]+){0,2}(?P<label>-?\d+(?:\.0)?|[A-Za-z]+)")
_CLIP = re.compile(r"0*(\d{1,9})(?:\.\w+)?")


_ONE_HOT = re.compile(r"(?P<clip>[^\[]+?)[\s,;|\"\[]+(?P<hot>[01](?:\.0)?(?:[\s,;|]+[01](?:\.0)?){6})[\s\"\]]*")


@dataclass
class Lists:
    """The lists of all folds.

    Attributes:
        style: style of the file names, "" for none.
        sides: rows of ("train" or "test", fold), by clip.
        labels: label 1..7 by clip.
        test: the fold that tests a clip, by clip.
        spoilt: clips with contradictory lines.
        problems: everything that is wrong.
    """

    style: str = ""
    sides: dict[tuple[str, int], dict[int, ListRow]] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    test: dict[int, int] = field(default_factory=dict)
    spoilt: set[int] = field(default_factory=set)
    problems: list[DatasetProblem] = field(default_factory=list)


def find_lists(tree: Tree) -> Lists:
    """Read and join the lists below the root: those of the style with most files; of two equal files the nearer one."""
    by_style: dict[str, dict[tuple[str, int], Path]] = {style: {} for style in STYLES}
    lists = Lists()
    for path in tree.files:
        key = _key(tree.name(path))
        if key:
            style, side = key
            first = by_style[style].setdefault(side, path)
            if first != path and first.read_bytes() != path.read_bytes():
                reason = f"not used: {tree.name(first)} is another list of the same part, nearer to the root"
                lists.problems.append(DatasetProblem("doubtful", f"{side[0]} of fold {side[1]}", reason, path))
    style = max(STYLES, key=lambda style: len(by_style[style]))
    if not by_style[style]:
        return lists
    lists.style = style
    raw: dict[tuple[str, int], list[ListRow]] = {}
    headed = {side: _read(path, raw.setdefault(side, []), lists.problems) for side, path in by_style[style].items()}
    shifts = label_offsets(raw, all(headed.values()), lists.problems)
    for side, rows in raw.items():
        lists.sides[side] = _first_rows(rows, side, shifts[side], lists)
    for missing in ((side, fold) for fold in range(1, 6) for side in ("train", "test")):
        if missing not in by_style[style]:
            item = f"{missing[0]} of fold {missing[1]}"
            reason = "no list of this part, although other parts have lists"
            lists.problems.append(DatasetProblem("missing", item, reason))
    _join_folds(lists)
    _check_official(lists)
    return lists


def _key(name: str) -> tuple[str, tuple[str, int]] | None:
    for style, pattern in STYLES.items():
        hit = re.search(pattern + r"\.(?:csv|txt)$", name.lower())
        if hit:
            return style, (hit["side"], int(hit["fold"]))
    return None


def _read(path: Path, rows: list[ListRow], problems: list[DatasetProblem]) -> bool:
    """Append the rows of a list. Return whether it has a header."""
    try:
        numbered = _without_one_hot(tables.read_lines(path))
        headed = _is_header(numbered)
        if headed:
            table = tables.read_named(path, NAMES, problems)
            pairs = [(line, cells["video_name"], cells["label"]) for line, cells in table]
        else:
            pairs = [(line, *_parts(text)) for line, text in numbered]
    except tables.TableError as error:
        problems.append(tables.as_problem(error, path))
        return True
    for line, name, label in pairs:
        clip = next(filter(None, map(_CLIP.fullmatch, reversed(re.split(r"[/\\]", name.rstrip("/\\"))))), None)
        number = WORDS.get(label.lower(), label.removesuffix(".0"))
        if clip and 1 <= int(clip[1]) <= LAST and re.fullmatch(r"-?\d{1,9}", str(number)):
            rows.append(ListRow(int(clip[1]), int(number), path, line, isinstance(number, int)))
        elif clip and int(clip[1]) == 0:
            reason = "expected clips from 1 on, got the number 0: the list counts from 0, its labels go to other clips"
            problems.append(DatasetProblem("contradiction", f"line {line}", reason, path, line))
        else:
            got = f"{name[-80:] or 'nothing'!r}, {label[:80] or 'nothing'!r}"
            reason = f"expected a clip 1..{LAST} and its label, got {got}"
            problems.append(DatasetProblem("unreadable", f"line {line}", reason, path, line))
    return headed


def _without_one_hot(numbered: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines of a list with a column of 0 or 1 for each class as lines of clip and label; others as they are.

    A header with the names of the classes says their order; without one it is the official order, and the official
    counts decide whether this is right.
    """
    rows = [(line, _ONE_HOT.fullmatch(text)) for line, text in numbered]
    hot = {line: [float(number) for number in re.findall(r"[\d.]+", hit["hot"])] for line, hit in rows if hit}
    if not hot or len(hot) < len(numbered) - 1 or any(sum(each) != 1 for each in hot.values()):
        return numbered
    words = [word for word in re.split(r"[\s,;|\"]+", numbered[0][1].lower()) if word in WORDS]
    order = [str(number) for number in range(1, len(CLASSES) + 1)]
    if numbered[0][0] not in hot and len(words) == len(CLASSES):
        order = words
    return [(line, f"{hit['clip']},{order[hot[line].index(1)]}") for line, hit in rows if hit]


def _is_header(numbered: list[tuple[int, str]]) -> bool:
    """Whether a list has a header: its first line, without comments, is no clip with a label."""
    first = next((text for _, text in numbered if not text.startswith(("#", "sep="))), "")
    _, label = _parts(first)
    return not (re.fullmatch(r"-?\d+(?:\.0)?", label) or label.lower() in WORDS)


def _parts(text: str) -> tuple[str, str]:
    hit = _LINE.fullmatch(text)
    if hit is None:
        return text, ""
    return hit["clip"], hit["label"]


def _check_official(lists: Lists) -> None:
    """Compare the class counts of the listed clips with the official ones."""
    counts = Counter(CLASSES[label - 1] for label in lists.labels.values())
    if not contradicts_counts(counts):
        return
    got = ", ".join(f"{name} {counts[name]} of {OFFICIAL[name]}" for name in CLASSES)
    path = next(row.path for rows in lists.sides.values() for row in rows.values())
    reason = f"expected the official class counts or a part of them, got {got}: the numbers stand for other classes"
    lists.problems.append(DatasetProblem("contradiction", "labels", reason, path))


def _first_rows(rows: Iterable[ListRow], side: tuple[str, int], shift: int, lists: Lists) -> dict[int, ListRow]:
    """Clip -> row, labels 1..7; a repeated clip or an impossible label is a problem."""
    kept: dict[int, ListRow] = {}
    for row in rows:
        label = row.label + shift * (not row.named)
        item = f"{row.clip:05d}"
        if not 1 <= label <= 7:
            why = f"expected a label 1..7, got {label}"
            if label == 0:
                why = "not single-labelled"
            lists.problems.append(DatasetProblem("excluded", item, why, row.path, row.line))
        elif row.clip in kept:
            first = kept[row.clip]
            reason = f"listed twice in the {side[0]} part of fold {side[1]}, first in line {first.line}"
            lists.problems.append(DatasetProblem("doubtful", item, reason, row.path, row.line))
            if first.label != label:
                lists.problems.append(_label_conflict(row, first, label))
                lists.spoilt.add(row.clip)
        else:
            kept[row.clip] = replace(row, label=label)
    return kept


def _label_conflict(row: ListRow, first: ListRow, label: int) -> DatasetProblem:
    reason = f"labelled {CLASSES[label - 1]} here and {CLASSES[first.label - 1]} in {first}: left out"
    return DatasetProblem("excluded", f"{row.clip:05d}", reason, row.path, row.line)


def _join_folds(lists: Lists) -> None:
    """Set the label and test fold of every clip; a clip with contradictory lines is spoilt."""
    first: dict[int, ListRow] = {}
    tested: dict[int, ListRow] = {}
    for (side, fold), rows in sorted(lists.sides.items()):
        for clip, row in rows.items():
            known = first.setdefault(clip, row)
            if known.label != row.label and clip not in lists.spoilt:
                lists.spoilt.add(clip)
                lists.problems.append(_label_conflict(row, known, row.label))
            lists.labels[clip] = known.label
            if side == "test" and tested.setdefault(clip, row) is not row and clip not in lists.spoilt:
                lists.spoilt.add(clip)
                reason = f"tested here and in {tested[clip]}: the folds overlap; left out"
                lists.problems.append(DatasetProblem("excluded", f"{clip:05d}", reason, row.path, row.line))
            if side == "test":
                lists.test.setdefault(clip, fold)
    _check_complements(lists)


def _check_complements(lists: Lists) -> None:
    """Check that each fold trains on the clips that it does not test. A clip on both sides is spoilt."""
    everything = set(lists.labels)
    for fold in range(1, 6):
        train, test = lists.sides.get(("train", fold)), lists.sides.get(("test", fold))
        if not train or not test:
            continue
        for clip in sorted((train.keys() & test.keys()) - lists.spoilt):
            lists.spoilt.add(clip)
            reason = f"tested here and trained in {train[clip]}, both in fold {fold}: left out"
            lists.problems.append(DatasetProblem("excluded", f"{clip:05d}", reason, test[clip].path, test[clip].line))
        absent = everything - train.keys() - test.keys() - lists.spoilt
        if absent and len(lists.sides) == 10:
            path = next(iter(train.values())).path
            reason = f"neither trains nor tests {len(absent)} clips of the other folds, such as {min(absent):05d}"
            lists.problems.append(DatasetProblem("doubtful", f"train of fold {fold}", reason, path))


def by_side(lists: Lists, usable: Iterable[int]) -> dict[tuple[str, int], int]:
    """Number of usable clips in each part of each fold."""
    usable = set(usable)
    counted: dict[tuple[str, int], int] = defaultdict(int)
    for side, rows in lists.sides.items():
        counted[side] = len(usable & rows.keys())
    return counted
