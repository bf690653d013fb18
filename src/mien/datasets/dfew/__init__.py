"""DFEW: 11,697 film clips with one of seven expressions, five folds.

Jiang et al. 2020, DFEW: a large-scale database for recognizing dynamic facial expressions in the wild,
10.1145/3394171.3413620; the repository jiangxingxun/DFEW describes the files.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mien.core.trials import Trial
from mien.datasets import integrity, scan
from mien.datasets.dfew import lists, votes
from mien.datasets.index import Count, DatasetIndex, DatasetProblem

TREE = """\
DFEW-part2/
  Clip/clip_224x224/00001/00001_00001.jpg      the aligned frames
  EmoLabel_DataSplit/train(single-labeled)/set_1.csv .. set_5.csv
  EmoLabel_DataSplit/test(single-labeled)/set_1.csv .. set_5.csv
  Annotation/annotation.xlsx                   votes of the annotators, may be missing

  Instead of clip_224x224: jpg_256, clip_224x224_avi/00001.avi, original/1.mp4, clip_224x224_16f, single_label/data.
  Instead of those lists: train/set_1.csv, train_set_1.csv, set_1_train.csv (or .txt), label/single_trainset_1.csv.
"""

FORMS = {
    "clip_224x224": r"(?:^|/)clip_224x224$",
    "jpg_256": r"(?:^|/)jpg_256$",
    "single_label/data": r"(?:^|/)single_label/data$",
    "clip_224x224_avi": r"(?:^|/)clip_224x224_avi$",
    "original": r"(?:^|/)original$",
    "clip_224x224_16f": r"(?:^|/)clip_224x(?:224_)?16f$",
}
"""Folders of clips in lower case below the root, best first. Our choice: aligned faces before full frames, as in
published methods; all frames before 16 interpolated ones."""

TRAIN, TEST = (9356, 9356, 9357, 9358, 9361), (2341, 2341, 2340, 2339, 2336)
RATE = 25.0
"""Hz of clips stored as pictures. Our choice: no source states a rate; 25 is that of television. It sets the length of
a second, not the choice of pictures."""

FEW = 16
"""Frames of a short clip; 14 of the real clips have fewer."""

PARTS = ("dfew", "dfew-part2", "clip", "emolabel_datasplit", "annotation", *(name.split("/")[0] for name in FORMS))


@dataclass(frozen=True)
class _Form:
    """The clips in one storage form: its `name`, and the path of each clip."""

    name: str
    clips: dict[int, Path]


def survey(root: str | Path) -> DatasetIndex:
    """Index the DFEW files below `root`. A trial's `side` is the number of the fold that tests it.

    Raises:
        FileNotFoundError: `root` does not exist.
        ValueError: `root` is no folder.
    """
    tree = scan.scan_tree(root)
    listed = lists.find_lists(tree)
    forms = _forms(tree)
    form = next((form for form in forms if form.clips.keys() & listed.labels.keys()), None)
    if not listed.labels or form is None:
        return DatasetIndex("dfew", tree.root, "", (), (*listed.problems, *_missing_parts(tree, listed, forms)), ())
    problems = listed.problems
    problems += _larger_form(tree, form, forms, set(listed.labels))
    workbook = next((path for path in tree.files if path.name.lower() == "annotation.xlsx"), None)
    voted = votes.Votes({}, {})
    if workbook:
        voted = votes.read_votes(workbook, listed.labels, problems)
    trials, frames = [], []
    for clip in sorted(listed.labels.keys() - listed.spoilt):
        path = form.clips.get(clip)
        count, reason = _clip_pictures(path, form.name)
        if path is None or reason:
            problems.append(DatasetProblem("unreadable" if path else "missing", f"{clip:05d}", reason, path))
            continue
        frames.append(count)
        side = str(listed.test.get(clip, ""))
        label = lists.CLASSES[listed.labels[clip] - 1]
        about = voted.about.get(clip, {})
        if voted.labels.get(clip, listed.labels[clip]) != listed.labels[clip]:
            reason = f"labelled {label} in the lists, otherwise in the workbook: the label of the lists is used"
            problems.append(DatasetProblem("doubtful", f"{clip:05d}", reason, workbook))
        rate = RATE if path.is_dir() else None
        trials.append(Trial(f"{clip:05d}", "dfew", video=path, frame_rate=rate, labels={"expression": label}, side=side,
                            about=about))
    if workbook and len(listed.sides) == 10:
        for clip in votes.votes_missing(voted, listed.labels):
            reason = "has one label in the workbook and is in no list: the authors dropped it (no face found)"
            problems.append(DatasetProblem("excluded", f"{clip:05d}", reason, workbook))
    counts = _counts(trials, frames, form.name, listed, voted)
    return DatasetIndex("dfew", tree.root, f"{listed.style}, {form.name}", tuple(trials), tuple(problems), counts)


def _forms(tree: scan.Tree) -> list[_Form]:
    """The storage forms with clips, best first; folders of numbered folders under another name come last."""
    named: dict[str, dict[int, Path]] = {name: {} for name in FORMS}
    known = set()
    for folder in tree.folders:
        name = next((form for form, like in FORMS.items() if re.search(like, tree.name(folder).lower())), None)
        if name:
            known.add(folder)
            named[name] = _numbered(folder) | named[name]  # of two equal forms the nearer to the root
    others = sorted({path.parent for path in tree.folders if path.name.isdigit()} - known - {tree.root})
    forms = [_Form(name, clips) for name, clips in named.items()]
    forms += [_Form(tree.name(folder), _numbered(folder)) for folder in others]
    return [form for form in forms if form.clips]


def _numbered(folder: Path) -> dict[int, Path]:
    """Clip -> its folder or video file; numbers may be padded."""
    clips: dict[int, Path] = {}
    for entry in scan.list_entries(folder):
        pattern = r"0*(\d+)" if entry.is_dir() else r"0*(\d+)\.\w+"
        hit = re.fullmatch(pattern, entry.name)
        if hit:
            clips.setdefault(int(hit[1]), Path(entry.path))
    return clips


def _clip_pictures(path: Path | None, form: str) -> tuple[int, str]:
    """Number of pictures (0 for a video file), and why the clip is incomplete, "" if it is complete."""
    if path is None:
        return 0, f"listed, but not in {form}"
    if not path.is_dir():
        return 0, integrity.is_cut_video(path)
    images = integrity.check_pictures(path)
    if not images:
        return 0, "expected pictures in the clip's folder, got none: unpack it again"
    return len(images), integrity.is_truncated(images)


def _larger_form(tree: scan.Tree, form: _Form, forms: list[_Form], listed: set[int]) -> list[DatasetProblem]:
    """Report another form with more clips: the chosen one may be only partly unpacked."""
    have = len(form.clips.keys() & listed)
    best = max(forms, key=lambda each: len(each.clips.keys() & listed))
    more = len(best.clips.keys() & listed)
    if more <= have:
        return []
    reason = f"has {have} of {len(listed)} clips, {best.name} {more}: unpack the rest, or move it away to use the other"
    return [DatasetProblem("doubtful", form.name, reason, tree.root)]


def _missing_parts(tree: scan.Tree, listed: lists.Lists, forms: list[_Form]) -> list[DatasetProblem]:
    problems = []
    if not listed.labels:
        reason = scan.wrong_entries(tree, "the lists of the folds (set_1.csv .. set_5.csv of train and test)", PARTS)
        problems.append(DatasetProblem("missing", "lists", reason, tree.root))
    if not forms:
        reason = scan.wrong_entries(tree, "the clips (Clip/clip_224x224/00001 and so on)", PARTS)
        problems.append(DatasetProblem("missing", "clips", reason, tree.root))
    elif listed.labels:
        names = ", ".join(form.name for form in forms)
        reason = f"expected clips that are in the lists, got none of their numbers in {names}"
        problems.append(DatasetProblem("missing", "clips", reason, tree.root))
    return problems


def _counts(trials: list[Trial], frames: list[int], form: str, listed: lists.Lists, voted: votes.Votes,
            ) -> tuple[Count, ...]:
    classes = Counter(trial.labels["expression"] for trial in trials)
    sides = lists.by_side(listed, (int(trial.id) for trial in trials))
    counts = [Count("clips in the lists", len(listed.labels), 11697), Count("clips to work with", len(trials), 11697)]
    counts += [Count(name, classes[name], official, limit=True) for name, official in lists.OFFICIAL.items()]
    for fold in range(1, 6):
        counts.append(Count(f"fold {fold}: train", sides[("train", fold)], TRAIN[fold - 1]))
        counts.append(Count(f"fold {fold}: test", sides[("test", fold)], TEST[fold - 1]))
    if any(frames) and form != "clip_224x224_16f":
        counts.append(Count(f"clips of fewer than {FEW} frames", sum(count < FEW for count in frames), 14))
    if voted.labels:
        single = sum(1 <= label <= 7 for label in voted.labels.values())
        counts += [Count("clips with votes", len(voted.labels), 16372), Count("single-labelled", single, 12059)]
    return tuple(counts)
