"""Labels that contradict the official counts are refused, in whatever form a list is written; lookalikes too."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.datasets import dfew, official
from shared_lookalikes import copy_dfew

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
COUNTS = (2445, 1894, 2669, 2173, 1469, 145, 902)  # Jiang et al. 2020, as the repository of DFEW states them
ALPHABETICAL = sorted(CLASSES)

CLIPS = [(clip, label) for clip, label in zip(
    range(1, 11698), random.Random(0).sample([k for k, n in enumerate(COUNTS) for _ in range(n)], 11697), strict=True)]


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_lists(root: Path, form, header: str = "", encoding: str = "utf-8", folds: int = 5, keep: int = 11697) -> Path:
    """Lists of DFEW with all clips; fold k tests every fifth clip. Three clips of one picture each are unpacked."""
    for clip in (1, 2, 3):
        folder = root / "Clip" / "clip_224x224" / f"{clip:05d}"
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / f"{clip:05d}_00001.jpg"), np.zeros((8, 8, 3), np.uint8))
    for fold in range(1, folds + 1):
        parts = {"test": [c for c in CLIPS[:keep] if c[0] % 5 == fold - 1],
                 "train": [c for c in CLIPS[:keep] if c[0] % 5 != fold - 1]}
        for side, clips in parts.items():
            path = root / "EmoLabel_DataSplit" / f"{side}(single-labeled)" / f"set_{fold}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [*([header] if header else []), *(form(clip, label) for clip, label in clips)]
            path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return root


def one_hot(label: int, order=range(7)) -> str:
    return ",".join(str(int(label == k)) for k in order)


BY_NAME = sorted(range(7), key=CLASSES.__getitem__)

FORMS = {
    "one column a class": (lambda clip, label: f"{clip:05d},{one_hot(label)}", "video_name," + ",".join(CLASSES),
                           "utf-8"),
    "one column a class, by name": (lambda clip, label: f"{clip:05d},{one_hot(label, BY_NAME)}",
                                    "video_name," + ",".join(ALPHABETICAL), "utf-8"),
    "one column a class, no header": (lambda clip, label: f"{clip:05d},{one_hot(label)}", "", "utf-8"),
    "one-hot in a cell": (lambda clip, label: f'{clip:05d},"[{one_hot(label)}]"', "video_name,label", "utf-8"),
    "official, 1..7": (lambda clip, label: f"{clip:05d},{label + 1}", "video_name,label", "utf-8"),
    "header, 0..6": (lambda clip, label: f"{clip:05d},{label}", "video_name,label", "utf-8"),
    "no header, 0..6": (lambda clip, label: f"/data/DFEW/Clip/{clip:05d} 20 {label}", "", "utf-8"),
    "no header, 1..7": (lambda clip, label: f"{clip}.mp4 {label + 1}", "", "utf-8"),
    "words": (lambda clip, label: f"data/{clip:05d}.avi,{CLASSES[label].title()}", "path,emotion", "utf-8"),
    "first and last frame, 0..6": (lambda clip, label: f"/data/{clip:05d} 1 35 {label}", "", "utf-8"),
    "folders of frames": (lambda clip, label: f"part_3/{clip:05d}/frames,{label}", "video_name,label", "utf-8"),
    "short words": (lambda clip, label: f"{clip:05d};{CLASSES[label][:3]}", "video_name;label", "latin-1"),
    "index, floats, UTF-16": (lambda clip, label: f"{clip - 1};{clip:05d};{label}.0", ";video_name;label", "utf-16"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_numbers_decide_what_a_list_counts_from(tmp_path, name) -> None:
    form, header, encoding = FORMS[name]
    result = dfew.survey(write_lists(tmp_path, form, header, encoding, folds=1))
    assert official.contradictions(result) == []
    assert {trial.id: trial.labels["expression"] for trial in result.trials} == {
        f"{clip:05d}": CLASSES[label] for clip, label in CLIPS[:3]}


WRONG = {
    "one column a class, in another order": lambda clip, label: f"{clip:05d},{one_hot(label, BY_NAME)}",
    "another order of the classes": lambda clip, label: f"{clip:05d},{ALPHABETICAL.index(CLASSES[label]) + 1}",
    "another order, 0..6": lambda clip, label: f"{clip:05d},{ALPHABETICAL.index(CLASSES[label])}",
    "one class off": lambda clip, label: f"{clip:05d},{(label + 1) % 7 + 1}",
}


@pytest.mark.parametrize("name", WRONG)
def test_lists_that_fit_no_way_contradict_the_official_counts(tmp_path, name) -> None:
    result = dfew.survey(write_lists(tmp_path, WRONG[name], "video_name,label", folds=1, keep=6000))
    assert "labels" in [problem.item for problem in official.contradictions(result)]


def test_a_list_that_counts_its_clips_from_0_is_a_contradiction(tmp_path) -> None:
    write_lists(tmp_path, lambda clip, label: f"{clip - 1:05d},{label}", "video_name,label", folds=1)
    result = dfew.survey(tmp_path)
    [problem] = official.contradictions(result)
    assert "the list counts from 0" in problem.reason


def test_contradictions_are_refused_until_they_are_accepted(tmp_path) -> None:
    root = write_lists(tmp_path / "dfew", WRONG["one class off"], "video_name,label", folds=1, keep=1000)
    checked = command("data", "check", "dfew", root)
    assert checked.exit_code == 1
    assert "official class counts" in " ".join(checked.output.split())
    prepared = command("data", "prepare", "dfew", root, "--out", tmp_path / "cache")
    assert prepared.exit_code == 1
    assert "--accept-differences" in prepared.output
    assert not (tmp_path / "cache").exists()
    assert command("data", "check", "dfew", root, "--accept-differences").exit_code == 0


def test_a_part_of_the_lists_is_compared_by_its_shares(tmp_path) -> None:
    """1,000 clips exceed no official number, so only the shares of the classes can tell."""
    wrong = dfew.survey(write_lists(tmp_path / "a", WRONG["one class off"], "video_name,label", folds=1, keep=1000))
    assert [problem.item for problem in official.contradictions(wrong)] == ["labels"]
    right = dfew.survey(write_lists(tmp_path / "b", FORMS["header, 0..6"][0], "video_name,label", folds=1, keep=1000))
    assert official.contradictions(right) == []
    assert right.trials[0].labels["expression"] == CLASSES[CLIPS[0][1]]


def test_missing_clips_warn_and_are_counted(tmp_path) -> None:
    result = dfew.survey(write_lists(tmp_path, FORMS["official, 1..7"][0], "video_name,label", folds=1))
    assert official.contradictions(result) == []
    missing = [problem for problem in result.problems if problem.kind == "missing"]
    assert sum(problem.reason.startswith("listed") for problem in missing) == 11694


def test_a_lookalike_is_checked_against_its_marker(tmp_path, tmp_path_factory) -> None:
    root = copy_dfew(tmp_path_factory, tmp_path / "dfew")
    assert command("data", "check", "dfew", root).exit_code == 0
    for path in root.rglob("*.csv"):
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        cells = [row.split(",") for row in rows]
        path.write_text("\n".join([head, *(f"{clip},{int(label) % 7 + 1}" for clip, label in cells)]) + "\n")
    done = command("data", "check", "dfew", root)
    assert done.exit_code == 1
    assert "contradiction" in done.output
    (root / official.MARKER).write_text('{"dataset": "deap", "labels": {}}')
    done = command("data", "check", "dfew", root)
    assert "expected a lookalike of dfew, got one of deap" in " ".join(done.output.split())
