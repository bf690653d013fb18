"""FERV39k: 38,935 clips of 22 scenes with one of seven expressions, one official split.

Wang et al. 2022, FERV39k: a large-scale multi-scene dataset for facial expression recognition in videos,
10.1109/CVPR52688.2022.02025.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from mien.core.trials import Trial
from mien.datasets import integrity, scan
from mien.datasets.index import Count, DatasetIndex, DatasetProblem
from mien.datasets.readers import tables

TREE = """\
FERV39k/
  2_ClipsforFaceCrop/<Scene>/<Emotion>/0001/*.jpg      such as Action/Happy/0267
  4_setups/All_scenes/train_All.csv, test_All.csv      lines such as: Action/Happy/0267 Happy

  Instead of 4_setups/All_scenes: Annotation/train.csv and test.csv, or text lists whose names end in train and test.
"""

TRAIN = {"Happy": 5854, "Sad": 5523, "Neutral": 7790, "Angry": 5906, "Surprise": 2502, "Disgust": 1833, "Fear": 1680}
TEST = {"Happy": 1473, "Sad": 1393, "Neutral": 1958, "Angry": 1487, "Surprise": 638, "Disgust": 467, "Fear": 431}
SCENES = {
    "History": 2690, "Argue": 2655, "Conflict": 2491, "War": 2456, "Contest": 2400, "DailyLife": 2339, "Terror": 2099,
    "Interview": 2099, "ScholarReport": 2014, "School": 2012, "Crime": 1871, "Speech": 1834, "Business": 1776,
    "Talkshow": 1736, "Crisis": 1494, "OfficialEvent": 1423, "ElegantArt": 1242, "Liveshow": 1131, "Social": 1121,
    "Action": 804, "Medicine": 692, "Experiment": 556,
}
"""Clips of each scene, train and test together."""

STYLES = {
    "4_setups/All_scenes": r"(?:^|/)all_scenes/(?P<side>train|test)_all",
    "Annotation": r"(?:^|/)annotation/(?P<side>train|test)",
    "train_All.csv": r"(?:^|/)(?P<side>train|test)_all",
    "lists": r"(?:^|[/_])(?:ferv(?:39k?)?_)?(?P<side>train|test)",
}
"""Style of the lists, best first -> pattern of their path below the root, in lower case."""

RATE = 25.0
"""Hz of clips stored as pictures. Our choice: no source states a rate; 25 is that of television. It sets the length of
a second, not the choice of pictures."""

CLIPS = "2_clipsforfacecrop"
PARTS = (CLIPS, "4_setups", "all_scenes", "annotation", *(scene.lower() for scene in SCENES))

_WORDS = {word.lower(): word for word in TRAIN}
_CLIP = rf"(?:.*[/\\])?([A-Za-z]+)[/\\]({'|'.join(TRAIN)})[/\\](\d{{1,9}})[/\\]?"
_LINE = re.compile(_CLIP + r"(?:[\s,]+\d+)?[\s,]+(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Row:
    side: str
    scene: str
    word: str
    number: int
    path: Path
    line: int

    @property
    def id(self) -> str:
        return f"{self.scene}/{self.word}/{self.number:04d}"


def survey(root: str | Path) -> DatasetIndex:
    """Index the FERV39k files below `root`. A trial's `side` is train or test; its `about` has the scene.

    The class is the name of the folder. Class numbers in the lists of other projects are never used.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    tree = scan.scan_tree(root)
    problems: list[DatasetProblem] = []
    style, paths = _lists(tree, problems)
    rows = _without_overlap([row for side, path in paths.items() for row in _read(side, path, problems)], problems)
    clips = _clips(tree)
    if not rows or not clips:
        return DatasetIndex(
            "ferv39k", tree.root, "", (), (*problems, *_missing_parts(tree, bool(rows), bool(clips))), ()
        )
    trials, frames = [], []
    for row in rows:
        folder = clips.get((row.scene.lower(), row.word, row.number))
        pictures = []
        if folder is not None:
            pictures = integrity.check_pictures(folder)
        if folder is None:
            problems.append(DatasetProblem("missing", row.id, "listed, but its folder is not there", row.path,
                                           row.line))
        elif not pictures:
            reason = "expected pictures in the clip's folder, got none: unpack it again"
            problems.append(DatasetProblem("unreadable", row.id, reason, folder))
        elif reason := integrity.is_truncated(pictures):
            problems.append(DatasetProblem("unreadable", row.id, reason, folder))
        else:
            frames.append(len(pictures))
            labels: dict[str, float | str] = {"expression": row.word.lower()}
            about = {"scene": row.scene}
            trials.append(Trial(row.id, "ferv39k", video=folder, frame_rate=RATE, labels=labels, side=row.side,
                                about=about))
    counts = _counts(trials, frames, len(rows))
    return DatasetIndex("ferv39k", tree.root, style if trials else "", tuple(trials), tuple(problems), counts)


def _lists(tree: scan.Tree, problems: list[DatasetProblem]) -> tuple[str, dict[str, Path]]:
    """The style with lists of most sides, and the list of each side that is nearest to the root."""
    by_style: dict[str, dict[str, Path]] = {style: {} for style in STYLES}
    for path in tree.files:
        for style, pattern in STYLES.items():
            hit = re.search(pattern + r"\.(?:csv|txt)$", tree.name(path).lower())
            if hit:
                by_style[style].setdefault(hit["side"], path)
                break
    style = max(STYLES, key=lambda style: len(by_style[style]))
    for side in ("train", "test"):
        if by_style[style] and side not in by_style[style]:
            problems.append(DatasetProblem("missing", side, "no list of this side, although the other side has one",
                                           tree.root))
    return style, dict(sorted(by_style[style].items(), reverse=True))  # train before test


def _read(side: str, path: Path, problems: list[DatasetProblem]) -> list[_Row]:
    """The rows of one list, each clip once."""
    try:
        numbered = tables.read_lines(path)
    except tables.TableError as error:
        problems.append(tables.as_problem(error, path, side))
        return []
    rows: dict[str, _Row] = {}
    words: defaultdict[str, set[str]] = defaultdict(set)
    for line, text in numbered:
        hit = _LINE.fullmatch(text)
        if not hit:
            reason = f"expected Scene/Emotion/0001 and the class, got {text[:80]!r}"
            problems.append(DatasetProblem("unreadable", f"line {line}", reason, path, line))
            continue
        word, said = _WORDS[hit[2].lower()], hit[4].lower()
        row = _Row(side, hit[1], word, int(hit[3]), path, line)
        if not said.isdigit() and _WORDS.get(said) != word:
            reason = f"the list says {hit[4]}, the folder {word}: left out"
            problems.append(DatasetProblem("excluded", row.id, reason, path, line))
        elif row.id in rows:
            reason = f"listed twice, first in line {rows[row.id].line}"
            problems.append(DatasetProblem("doubtful", row.id, reason, path, line))
        else:
            rows[row.id] = row
            words[said].add(word)
    for said, meant in words.items():
        if len(meant) > 1:
            reason = f"{said} stands for {' and '.join(sorted(meant))}: the folders' words are used"
            problems.append(DatasetProblem("doubtful", f"{side}: class {said}", reason, path))
    return list(rows.values())


def _without_overlap(rows: list[_Row], problems: list[DatasetProblem]) -> list[_Row]:
    """The rows without clips that are on both sides."""
    first: dict[str, _Row] = {}
    both = set()
    for row in rows:
        other = first.setdefault(row.id, row)
        if other is not row:
            both.add(row.id)
            reason = f"on both sides: also in line {other.line} of {other.path.name}; left out"
            problems.append(DatasetProblem("excluded", row.id, reason, row.path, row.line))
    return sorted((row for row in first.values() if row.id not in both), key=lambda row: row.id)


def _clips(tree: scan.Tree) -> dict[tuple[str, str, int], Path]:
    """(scene in lower case, class, number) -> folder of pictures.

    Searches below 2_ClipsforFaceCrop; without such a folder, every folder of a scene with classes.
    """
    folders: dict[tuple[str, str, int], Path] = {}
    for strict in (True, False):
        for folder in tree.folders:
            word = _WORDS.get(folder.parent.name.lower())
            above = {name.lower() for name in folder.relative_to(tree.root).parts} | {tree.root.name.lower()}
            if folder.name.isdecimal() and word and (CLIPS in above or not strict):
                folders.setdefault((folder.parent.parent.name.lower(), word, int(folder.name)), folder)
        if folders:
            break
    return folders


def _missing_parts(tree: scan.Tree, rows: bool, clips: bool) -> list[DatasetProblem]:
    problems = []
    if not rows:
        reason = scan.wrong_entries(tree, "lists of train and test (train_All.csv, test_All.csv)", PARTS)
        problems.append(DatasetProblem("missing", "lists", reason, tree.root))
    if not clips:
        reason = scan.wrong_entries(tree, "the clips (2_ClipsforFaceCrop/Action/Happy/0001 and so on)", PARTS)
        problems.append(DatasetProblem("missing", "clips", reason, tree.root))
    return problems


def _counts(trials: list[Trial], frames: list[int], listed: int) -> tuple[Count, ...]:
    words = Counter((trial.side, str(trial.labels["expression"])) for trial in trials)
    scenes = Counter(trial.about["scene"].lower() for trial in trials)
    official_total = sum(TRAIN.values()) + sum(TEST.values())
    counts = [Count("clips in the lists", listed, official_total),
              Count("clips to work with", len(trials), official_total)]
    for side, official in (("train", TRAIN), ("test", TEST)):
        total = sum(count for (where, _), count in words.items() if where == side)
        counts.append(Count(side, total, sum(official.values())))
        counts += [Count(f"{side}: {word.lower()}", words[(side, word.lower())], n, limit=True)
                   for word, n in official.items()]
    counts += [Count(f"scene {scene}", scenes[scene.lower()], official) for scene, official in SCENES.items()]
    counts += [Count("clips of fewer than 16 frames", sum(count < 16 for count in frames))]
    return tuple(counts)
