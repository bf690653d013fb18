"""The loaders of DFEW, FERV39k and one's own folder against lookalikes written apart from them, and damage."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien import cli
from mien.core.observations import Frame
from mien.datasets import DATASETS, integrity, scan
from mien.datasets.dfew import lists
from mien.datasets.readers import csv_signals, tables
from mien.simulation.datasets import LOOKALIKES, VARIANTS
from mien.simulation.datasets.markers import read_signal_mark, read_trial_number
from mien.simulation.datasets.truth import DatasetTruth
from mien.simulation.scene import Scene

VIDEO = ("dfew", "ferv39k", "folder")
ALL = [(name, variant) for name in VIDEO for variant in VARIANTS[name]]


def blank(scene: Scene, index: int) -> Frame:
    """A grey picture: the people are other tests' business, the marks are painted over it."""
    return Frame(float(scene.times[index]), np.full((scene.size[1], scene.size[0], 3), 120, np.uint8))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """(name, variant) -> the lookalike, written once."""
    made: dict[tuple[str, str], DatasetTruth] = {}

    def make(name: str, variant: str = "official") -> DatasetTruth:
        if (name, variant) not in made:
            root = tmp_path_factory.mktemp("planted") / f"{name}-{variant}"
            made[name, variant] = LOOKALIKES[name](root, size=7 if name == "folder" else 14, variant=variant)
        return made[name, variant]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scene, "frame", blank)
        yield make


@pytest.fixture
def copy(planted, tmp_path):
    """The same to be damaged: (truth, root of the copy)."""

    def copied(name: str, variant: str = "official") -> tuple[DatasetTruth, Path]:
        truth = planted(name, variant)
        return truth, Path(shutil.copytree(truth.root, tmp_path / "copy"))

    return copied


def picture(path: Path) -> np.ndarray:
    """The first picture of a clip or of a video, read by OpenCV."""
    if path.is_dir():
        path = integrity.check_pictures(path)[0]
    if path.suffix == ".jpg":
        return cv2.imread(str(path))[..., ::-1]
    return cv2.VideoCapture(str(path)).read()[1][..., ::-1]


def reported(index, kind: str) -> list[tuple[str, str, int | None]]:
    return [(p.item, p.path.name if p.path else "", p.line) for p in index.problems if p.kind == kind]


def count(index, name: str) -> tuple[int, int | None]:
    return next((each.number, each.official) for each in index.counts if each.name == name)


# what is planted is found


@pytest.mark.parametrize(("name", "variant"), ALL, ids=[f"{name}-{variant}" for name, variant in ALL])
def test_every_layout_gives_the_trials_that_were_planted(planted, name, variant):
    truth = planted(name, variant)
    result = DATASETS[name].survey(truth.root)
    usable = {item.id: item for item in truth.items if item.usable}
    assert result.usable
    assert {trial.id for trial in result.trials} == set(usable)
    for trial in result.trials:
        item = usable[trial.id]
        assert (trial.dataset, trial.subject if name == "folder" else item.subject) == (name, item.subject)
        expected = item.labels if name == "folder" else {"expression": item.labels["expression"]}
        assert trial.labels == expected
        assert trial.side == item.split
        assert read_trial_number(picture(trial.video)) == item.number
        assert (trial.frame_rate is not None) == trial.video.is_dir()
        if trial.video.is_dir() and "16f" not in trial.video.parent.name:
            assert len(integrity.check_pictures(trial.video)) == item.frames
    assert {p.kind for p in result.problems} <= {"missing", "unreadable", "excluded"}
    assert result.layout


@pytest.mark.parametrize("name", ["dfew", "ferv39k"])
def test_a_dataset_is_found_from_the_folders_around_it_too(planted, tmp_path, name):
    truth = planted(name)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/data").symlink_to(truth.root, target_is_directory=True)
    for junk in ("__MACOSX/._train_All.csv", "__MACOSX/train(single-labeled)/set_1.csv"):
        (tmp_path / junk).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / junk).write_bytes(b"\0\5\26\7")
    result, plain = (DATASETS[name].survey(root) for root in (tmp_path, truth.root))
    assert {trial.id for trial in result.trials} == {item.id for item in truth.items if item.usable}
    assert [(p.kind, p.item) for p in result.problems] == [(p.kind, p.item) for p in plain.problems]


def test_dfew_folds_are_the_csvs(planted):
    """Plain csv as the other reader: a clip's side is the fold that tests it, and no other fold's test part has it."""
    truth = planted("dfew")
    result = DATASETS["dfew"].survey(truth.root)
    for fold in range(1, 6):
        for side, inside in (("test", lambda trial, fold: trial.side == str(fold)),
                             ("train", lambda trial, fold: trial.side != str(fold))):
            path = truth.root / f"EmoLabel_DataSplit/{side}(single-labeled)/set_{fold}.csv"
            with path.open(newline="") as file:
                rows = {int(row["video_name"]): int(row["label"]) for row in csv.DictReader(file)}
            ours = {int(trial.id): trial for trial in result.trials if inside(trial, fold)}
            assert set(ours) == set(rows)
            assert {n: lists.CLASSES.index(trial.labels["expression"]) + 1 for n, trial in ours.items()} == rows
            assert count(result, f"fold {fold}: {side}")[0] == len(rows)


def test_dfew_votes_are_the_workbooks(planted):
    truth = planted("dfew")
    result = DATASETS["dfew"].survey(truth.root)
    sheet = openpyxl.load_workbook(truth.root / "Annotation/annotation.xlsx").worksheets[0]
    header, *rows = sheet.iter_rows(values_only=True)
    votes = {int(row[header.index("order")]): [row[header.index(f"{n}{name}")] for n, name in
                                               enumerate(lists.CLASSES, 1)] for row in rows}
    for trial in result.trials:
        assert [int(trial.about[f"votes_{name}"]) for name in lists.CLASSES] == votes[int(trial.id)]
    single = [row for row in rows if row[header.index("annotation")] != 0]
    assert count(result, "single-labelled")[0] == len(single)
    left = {p.item for p in result.problems if p.kind == "excluded"}
    assert left == {f"{int(row[header.index('order')]):05d}" for row in single} - {trial.id for trial in result.trials}


def test_official_numbers_add_up():
    """The numbers come from several lists of other people; a slip of the pen in one breaks a sum."""
    from mien.datasets import dfew, ferv39k

    assert sum(dfew.lists.OFFICIAL.values()) == sum(dfew.TEST) == 11697
    assert {a + b for a, b in zip(dfew.TRAIN, dfew.TEST, strict=True)} == {11697}
    assert (sum(ferv39k.TRAIN.values()), sum(ferv39k.TEST.values())) == (31088, 7847)
    assert sum(ferv39k.SCENES.values()) == 31088 + 7847
    assert len(ferv39k.SCENES) == 22


def test_pictures_come_in_the_order_of_their_numbers(planted):
    truth = planted("dfew", "only_16f")
    clip = next((truth.root / "Clip").glob("clip_224x*16f/*"))
    assert [int(path.stem) for path in integrity.check_pictures(clip)] == list(range(1, 17))


def test_numbers_in_place_of_words_are_never_used(planted):
    """Alphabetical ids of one project, Happy = 0 of another: the words of the folders agree all the same."""
    sets = [{trial.id: trial.labels for trial in DATASETS["ferv39k"].survey(planted("ferv39k", variant).root).trials}
            for variant in ("official", "ids", "lists")]
    assert sets[0] == sets[1] == sets[2]


# what is broken is named


def test_a_half_unpacked_dfew_names_every_clip_and_the_archive_is_not_forgotten(copy):
    truth, root = copy("dfew", "peers")
    (folder,) = root.glob("**/jpg_256")
    clips = sorted(folder.iterdir())
    gone, empty, torn = clips[:3]
    shutil.rmtree(gone)
    for path in empty.iterdir():
        path.unlink()
    last = integrity.check_pictures(torn)[-1]
    last.write_bytes(last.read_bytes()[:-200])
    result = DATASETS["dfew"].survey(root)
    assert result.usable
    assert [item for item, *_ in reported(result, "missing")] == [gone.name]
    assert [item for item, *_ in reported(result, "unreadable")] == [empty.name, torn.name]
    assert {trial.id for trial in result.trials} == {item.id for item in truth.items if item.usable} - {
        gone.name, empty.name, torn.name}  # fmt: skip
    shutil.rmtree(folder)
    (root / "jpg_256.zip").write_bytes(b"PK\3\4")
    nothing = DATASETS["dfew"].survey(root)
    assert not nothing.usable
    assert "unpack jpg_256.zip" in next(p.reason for p in nothing.problems if p.item == "clips")


def test_a_form_that_is_half_unpacked_is_reported_when_another_has_more(copy):
    _, root = copy("dfew")
    for clip in sorted((root / "Clip/clip_224x224").iterdir())[:5]:
        shutil.rmtree(clip)
    result = DATASETS["dfew"].survey(root)
    assert len(reported(result, "missing")) == 5
    doubt = next(p for p in result.problems if p.kind == "doubtful")
    assert (doubt.item, "has 9 of 14" in doubt.reason) == ("clip_224x224", True)
    shutil.rmtree(root / "Clip/clip_224x224")
    assert len(DATASETS["dfew"].survey(root).trials) == 14


def rewrite(path: Path, change) -> None:
    """The lines of a text file, changed."""
    text = path.read_text(encoding="utf-8-sig")
    path.write_text("\n".join(change(text.splitlines())) + "\n", encoding="utf-8")


def test_lists_of_dfew_that_contradict_themselves(copy):
    _, root = copy("dfew")
    split = root / "EmoLabel_DataSplit"
    one_list, other_list = (split / f"test(single-labeled)/set_{fold}.csv" for fold in (1, 2))
    first, second, third = one_list.read_text().split()[1:4]
    clip, label = second.split(",")
    other = f"{clip},{int(label) % 7 + 1}"
    rewrite(one_list, lambda rows: [*rows, first, other, "99999,3", "00001", "0x11,2", "00001,8", ""])
    rewrite(other_list, lambda rows: [*rows, third])
    result = DATASETS["dfew"].survey(root)
    # header, three rows, then: repeated (5), other label (6), no such clip (7), one cell (8), no clip (9), label 8 (10)
    assert {(item, line) for item, name, line in reported(result, "unreadable")} == {
        ("line 7", 7), ("line 8", 8), ("line 9", 9)}  # fmt: skip
    assert {line for item, name, line in reported(result, "doubtful") if name == "set_1.csv"} >= {5, 6}
    excluded = {(item, line) for item, _, line in reported(result, "excluded")}
    assert (clip, 6) in excluded
    assert ("00001", 10) in excluded
    assert third[:5] in {item for item, _ in excluded}, "tested by two folds"
    assert not {clip, third[:5]} & {trial.id for trial in result.trials}
    assert first[:5] in {trial.id for trial in result.trials}


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"", "empty file", None),
        (b"video_name,votes\n00001,x\n", "add label", 1),
        (b"\x89PNG\r\n\x1a\n\xff", "expected a table in text", 2),
        (b"video_name,label\n00001,1\n\0\0\0\0\n", "zero bytes", 3),
        (b"\xef\xbb\xbf", "blank lines", None),
        (b"video_name,label\n00001," + b"1" * 5000 + b"\n", "expected a clip", 2),
        (b"0" + b"1" * 5000 + b" 3\n", "expected a clip", 1),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_costs_its_fold_alone(copy, content, reason, line):
    _, root = copy("dfew")
    path = root / "EmoLabel_DataSplit/test(single-labeled)/set_3.csv"
    path.write_bytes(content)
    result = DATASETS["dfew"].survey(root)
    assert len(result.trials) == 14
    assert "3" not in {trial.side for trial in result.trials}
    problem = next(p for p in result.problems if p.kind == "unreadable")
    assert (problem.path, problem.line, reason in problem.reason) == (path, line, True)


def test_a_fold_that_neither_trains_nor_tests_a_clip_is_doubted(copy):
    _, root = copy("dfew")
    path = root / "EmoLabel_DataSplit/train(single-labeled)/set_2.csv"
    lost = path.read_text().splitlines()[-1][:5]
    rewrite(path, lambda rows: rows[:-1])
    result = DATASETS["dfew"].survey(root)
    assert reported(result, "doubtful") == [("train of fold 2", "set_2.csv", None)]
    assert f"neither trains nor tests 1 clips of the other folds, such as {lost}" in result.problems[0].reason


def test_a_missing_fold_and_a_broken_workbook(copy):
    _, root = copy("dfew")
    (root / "EmoLabel_DataSplit/train(single-labeled)/set_2.csv").unlink()
    book = root / "Annotation/annotation.xlsx"
    book.write_bytes(book.read_bytes()[:300])
    result = DATASETS["dfew"].survey(root)
    assert reported(result, "missing") == [("train of fold 2", "", None)]
    assert reported(result, "unreadable") == [("annotation.xlsx", "annotation.xlsx", None)]
    assert len(result.trials) == 14
    assert result.trials[0].about == {}


def test_a_workbook_that_speaks_of_other_clips_is_not_believed(copy):
    """The votes are joined by the column that agrees with the lists; here none does."""
    _, root = copy("dfew")
    path = root / "Annotation/annotation.xlsx"
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    column = next(cell.column for cell in sheet[1] if cell.value == "annotation")
    for row in range(2, sheet.max_row + 1):
        cell = sheet.cell(row, column)
        cell.value = int(cell.value) % 7 + 1
    book.save(path)
    result = DATASETS["dfew"].survey(root)
    assert {trial.about.get("votes_happy") for trial in result.trials} == {None}
    assert [item for item, *_ in reported(result, "doubtful")] == ["annotation.xlsx"]


def test_lists_of_ferv39k_that_contradict_themselves(copy):
    _, root = copy("ferv39k")
    train, test = (root / f"4_setups/All_scenes/{side}_All.csv" for side in ("train", "test"))
    rows = train.read_text().splitlines()
    scene, word, rest = rows[0].split("/")
    other = "Fear" if word != "Fear" else "Sad"
    rewrite(test, lambda lines: [*lines, rows[1]])
    rewrite(train, lambda lines: [f"{scene}/{word}/{rest.split()[0]} {other}", *lines[1:], rows[2], "Action", ""])
    folder = next((root / "2_ClipsforFaceCrop").glob("*/*"))
    (folder / "\u00b2").mkdir()  # a digit to str.isdigit, no number
    result = DATASETS["ferv39k"].survey(root)
    n, m = len(rows), len(test.read_text().splitlines())
    assert reported(result, "unreadable") == [(f"line {n + 2}", "train_All.csv", n + 2)]
    assert reported(result, "excluded") == [(f"{scene}/{word}/{rest.split()[0]}", "train_All.csv", 1),
                                       (rows[1].split()[0], "test_All.csv", m)]
    assert reported(result, "doubtful") == [(rows[2].split()[0], "train_All.csv", n + 1)]
    assert len(result.trials) == 12


def test_parts_of_ferv39k_that_were_unpacked_side_by_side(copy):
    truth, root = copy("ferv39k")
    scenes = sorted((root / "2_ClipsforFaceCrop").iterdir())
    for n, scene in enumerate(scenes, 1):
        (root / f"2_ClipsforFaceCrop-00{n}/2_ClipsforFaceCrop").mkdir(parents=True)
        scene.rename(root / f"2_ClipsforFaceCrop-00{n}/2_ClipsforFaceCrop/{scene.name}")
    assert len(DATASETS["ferv39k"].survey(root).trials) == sum(item.usable for item in truth.items)


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_root_is_reported_and_nothing_is_raised(tmp_path, name):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/beach.jpg").write_bytes(b"no picture")
    result = DATASETS[name].survey(tmp_path)
    assert (result.usable, result.layout, result.trials) == (False, "", ())
    assert result.problems
    assert DATASETS[name].TREE
    with pytest.raises(FileNotFoundError, match="expected"):
        DATASETS[name].survey(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected"):
        DATASETS[name].survey(tmp_path / "holiday/beach.jpg")


def test_a_root_inside_the_dataset_and_an_archive_are_recognised(planted, tmp_path):
    inside = DATASETS["dfew"].survey(planted("dfew").root / "EmoLabel_DataSplit")
    assert "name the folder that holds it" in inside.problems[-1].reason
    (tmp_path / "DFEW.zip").write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match="unpack"):
        DATASETS["dfew"].survey(tmp_path / "DFEW.zip")


def test_a_search_ends_where_it_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "MOST", 5)
    for n in range(4):
        (tmp_path / f"a{n}/b").mkdir(parents=True)
    assert scan.scan_tree(tmp_path).cut
    assert "or more" in DATASETS["dfew"].survey(tmp_path).problems[0].reason


# one's own folder


@pytest.mark.parametrize("variant", VARIANTS["folder"])
def test_signals_of_a_folder_are_beside_their_video(planted, variant):
    """The mark in the skin conductance says trial and event: the right trial's, at the right time of the video."""
    truth = planted("folder", variant)
    result = DATASETS["folder"].survey(truth.root)
    marked = 0
    for trial in result.trials:
        item = truth[trial.id]
        assert (trial.signals is None) == (item.signals is None)
        if trial.signals is None:
            with pytest.raises(ValueError, match="signals"):
                DATASETS["folder"].signals(trial)
            continue
        signal = DATASETS["folder"].signals(trial)
        assert signal.start < 0
        event, number = read_signal_mark(signal.values[signal.names.index("eda")], signal.rate)
        assert number == item.number
        assert event + signal.start == pytest.approx(item.event, abs=1 / 25)
        marked += 1
    assert marked == 6


def test_bad_rows_of_a_manifest_are_named_by_line(planted):
    result = DATASETS["folder"].survey(planted("folder").root)
    assert reported(result, "missing") == [("videos/gone.mp4", "manifest.csv", 9)]
    assert reported(result, "unreadable") == [("videos/notes.mp4", "manifest.csv", 10)]
    assert reported(result, "excluded") == [("videos/a/take00.mp4", "manifest.csv", 11)]


def study(root: Path, film: Path, manifest: str, encoding: str = "utf-8", **files: str):
    """A folder with one film, a.mp4, a manifest and other files; its survey."""
    root.mkdir(exist_ok=True)
    shutil.copy(film, root / "a.mp4")
    (root / "manifest.csv").write_bytes(manifest.encode(encoding))
    for name, text in files.items():
        (root / f"{name}.csv").write_text(text)
    return DATASETS["folder"].survey(root)


@pytest.fixture
def film(planted) -> Path:
    root = planted("folder").root
    return root / "videos/a/take00.mp4"


@pytest.mark.parametrize("cell", ["../secret.mp4", "day/../../secret.mp4", "{outside}/secret.mp4", "link.mp4",
                                  "linked/secret.mp4", r"..\secret.mp4", r"C:\videos\secret.mp4", r"\\host\x.mp4"])
@pytest.mark.parametrize("column", ["video", "signals"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, film, cell, column):
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (outside, tmp_path):
        shutil.copy(film, place / "secret.mp4")
    root = tmp_path / "study"
    root.mkdir()
    (root / "link.mp4").symlink_to(outside / "secret.mp4")
    (root / "linked").symlink_to(outside, target_is_directory=True)
    cell = cell.format(outside=outside)
    row = f"{cell},x," if column == "video" else f"a.mp4,x,{cell}"
    result = study(root, film, f"video,subject,signals\n{row}\n")
    assert result.trials == ()
    (problem,) = (p for p in result.problems if p.kind == "unreadable")
    assert "refused" in problem.reason
    assert (problem.path.name, problem.line) == ("manifest.csv", 2)


def test_a_manifest_of_excel(tmp_path, film):
    """Semicolons, decimal commas, byte order mark, CR LF, backslashes, capitals, empty columns and rows at the end."""
    (tmp_path / "study/day 1").mkdir(parents=True)
    shutil.copy(film, tmp_path / "study/day 1/b.mp4")
    text = "Video;Subject;valence;state;;\r\na.mp4;p1;7,5;calm;;\r\nday 1\\b.mp4;p2;NA;stress;;\r\n;;;;;\r\n"
    for encoding in ("utf-8-sig", "utf-16"):
        result = study(tmp_path / "study", film, text, encoding)
        assert [(t.id, t.subject, t.labels) for t in result.trials] == [
            ("a.mp4", "p1", {"valence": 7.5, "state": "calm"}), ("day 1/b.mp4", "p2", {"state": "stress"})]
        assert result.problems == ()


def test_parts_of_a_video_and_ids(tmp_path, film):
    rows = "a.mp4,1,0,4,happy\na.mp4,1,4,8,sad\na.mp4,1,4,8,sad\na.mp4,1,8,,fear\na.mp4,1,60,70,sad\na.mp4,1,5,2,sad\n"
    result = study(tmp_path / "s", film, "video,subject,start,end,expression\n" + rows)
    assert [(trial.span, trial.labels["expression"]) for trial in result.trials] == [
        ((0, 4), "happy"), ((4, 8), "sad"), ((8, float("inf")), "fear")]  # fmt: skip
    assert reported(result, "excluded") == [("a.mp4 4-8 s", "manifest.csv", 4)]
    assert reported(result, "unreadable") == [("a.mp4", "manifest.csv", 6), ("a.mp4", "manifest.csv", 7)]
    named = study(tmp_path / "n", film, "id,video,expression\none,a.mp4,happy\ntwo,a.mp4,sad\ntwo,a.mp4,fear\n")
    assert [trial.id for trial in named.trials] == ["one"], "rows that contradict each other are both left out"
    assert {line for _, _, line in reported(named, "excluded")} == {3, 4}


def test_labels_are_numbers_or_words_never_both(tmp_path, film):
    shown = "".join(f"{n},a.mp4,p,{value},{word}\n" for n, (value, word) in
                    enumerate([("4.5", "2"), ("", "happy"), ("x", "sad"), ("nan", ""), ("7", "sad"), ("1e999", "sad"),
                     ("6", "sad")]))
    result = study(tmp_path / "s", film, "id,video,subject,valence,state\n" + shown)
    labels = [trial.labels for trial in result.trials]
    assert labels == [{"valence": 4.5, "state": "2"}, {"state": "happy"}, {"state": "sad"}, {}, {"valence": 7.0,
                      "state": "sad"}, {"state": "sad"}, {"valence": 6.0, "state": "sad"}]  # fmt: skip
    assert {line for item, _, line in reported(result, "doubtful") if item.startswith("line")} == {4, 7}
    assert count(result, "valence: rated") == (3, None)


@pytest.mark.parametrize(
    ("manifest", "line", "reason"),
    [
        ("", None, "empty"),
        ("clip,subject\na.mp4,p\n", 1, "add video"),
        ("video,subject,subject\na.mp4,p,q\n", 1, "subject twice"),
        ("\n\n \n", None, "empty"),
        ("\ufeff", None, "blank lines"),
        ("\n\nclip;subject\na.mp4;p\n", 3, "got clip, subject"),
    ],
)
def test_a_manifest_that_cannot_be_used(tmp_path, film, manifest, line, reason):
    result = study(tmp_path / "s", film, manifest)
    assert not result.usable
    assert (result.problems[0].line, reason in result.problems[0].reason) == (line, True)


def test_rows_with_too_few_or_too_many_cells(tmp_path, film):
    result = study(tmp_path / "s", film, "video,subject\na.mp4,p\n\na.mp4\n\"a\nb.mp4\",q\na.mp4,p,q\n")
    assert len(result.trials) == 1
    assert reported(result, "unreadable") == [("line 4", "manifest.csv", 4), ("line 7", "manifest.csv", 7)]
    assert reported(result, "missing") == [("a\nb.mp4", "manifest.csv", 6)], "a row is where it ends"


def boxes_first(path: Path) -> bytes:
    """An mp4 with its index in front, as for streaming, by PyAV."""
    import av

    out = path.with_name("front.mp4")
    with av.open(str(path)) as old, av.open(str(out), "w", options={"movflags": "faststart"}) as new:
        copied = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copied
                new.mux(packet)
    return out.read_bytes()


@pytest.mark.parametrize("kind", ["mp4", "front", "avi"])
def test_a_film_that_is_cut_short_is_reported(tmp_path, film, kind):
    import av

    full = tmp_path / "whole"
    shutil.copy(film, tmp_path / "film.mp4")
    if kind == "avi":
        path = tmp_path / "film.avi"
        with av.open(str(path), "w") as new:
            stream = new.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for n in range(20):
                picture = np.random.default_rng(n).integers(0, 255, (64, 64, 3), dtype=np.uint8)
                new.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            new.mux(stream.encode())
        raw = path.read_bytes()
    else:
        raw = film.read_bytes() if kind == "mp4" else boxes_first(tmp_path / "film.mp4")
    for share, fine in ((1.0, True), (0.6, False)):
        full.write_bytes(raw[: int(len(raw) * share)])
        assert (integrity.is_cut_video(full) == "") == fine
    full.write_bytes(b"")
    assert "empty" in integrity.is_cut_video(full)


def test_a_truncated_avi_of_dfew_is_left_out(copy):
    _, root = copy("dfew")
    shutil.rmtree(root / "Clip/clip_224x224")
    victim = sorted((root / "Clip/clip_224x224_avi").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:2000])
    result = DATASETS["dfew"].survey(root)
    assert "clip_224x224_avi" in result.layout
    assert reported(result, "unreadable") == [(victim.stem, victim.name, None)]
    assert len(result.trials) == 13


# signals in a csv


def wires(path: Path, times: np.ndarray, columns: dict[str, np.ndarray], newline: str = "\n") -> Path:
    rows = [",".join(["time", *columns])]
    rows += [",".join([repr(float(t)), *("" if np.isnan(v) else repr(float(v)) for v in values)])
             for t, *values in zip(times, *columns.values(), strict=True)]
    path.write_text(newline.join(rows) + newline, newline="")
    return path


def test_uneven_samples_come_out_even_and_gaps_stay_gaps(tmp_path):
    rng = np.random.default_rng(0)
    times = np.sort(np.arange(-2, 10, 0.01) + rng.uniform(-0.003, 0.003, 1200))
    times = times[(times < 4) | (times > 6)]
    path = wires(tmp_path / "s.csv", times, {"ppg [mV]": np.sin(2 * np.pi * times), "temperature": np.where(
        np.arange(len(times)) % 100 == 0, times, np.nan)}, newline="\r\n")
    signal = csv_signals.read_signal(path)
    assert (signal.names, signal.units) == (("ppg", "temperature"), ("mV", ""))
    assert signal.rate == pytest.approx(100, rel=0.02)
    inside = (signal.times < 3.9) | (signal.times > 6.1)
    assert np.abs(signal.values[0] - np.sin(2 * np.pi * signal.times))[inside].max() < 0.01
    assert np.isnan(signal.values[0][(signal.times > 4.6) & (signal.times < 5.4)]).all()
    early = (signal.times > -1.9) & (signal.times < 3)
    assert np.abs(signal.values[1] - signal.times)[early].max() < 0.01, "one a second is no gap"
    later = csv_signals.read_signal(path, zero=2.0)
    assert later.start == pytest.approx(signal.start - 2)


INDEXED = {
    "row numbers": lambda frame, path: frame.to_csv(path),
    "row numbers, read and written again": lambda frame, path: frame.reset_index().to_csv(path, index=False),
    "row numbers with pandas' name": lambda frame, path: frame.rename_axis("Unnamed: 0").to_csv(path),
    "times": lambda frame, path: frame.set_index("time").rename_axis(None).to_csv(path),
    "dates": lambda frame, path: frame.set_index(pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["time"], unit="s")
                                                 ).drop(columns="time").rename_axis(None).to_csv(path),
    "of Germany": lambda frame, path: frame.set_index("time").rename_axis(None).to_csv(path, sep=";", decimal=","),
}


@pytest.mark.parametrize("write", INDEXED.values(), ids=INDEXED)
def test_the_index_of_a_data_frame_is_no_signal(tmp_path, write):
    times = np.arange(300) / 100
    frame = pd.DataFrame({"time": times, "ecg": np.sin(7 * times), "eda [uS]": 1 + times})
    write(frame, tmp_path / "s.csv")
    signal = csv_signals.read_signal(tmp_path / "s.csv")
    assert signal.names == ("ecg", "eda")
    assert signal.rate == pytest.approx(100)
    np.testing.assert_allclose(signal.values[0], frame["ecg"], atol=1e-5)


def test_a_column_called_index_that_does_not_count_rows_stays_a_signal(tmp_path):
    (tmp_path / "s.csv").write_text("time,index,eda\n" + "".join(f"{i / 10},{i % 3},{i}\n" for i in range(30)))
    assert csv_signals.read_signal(tmp_path / "s.csv").names == ("index", "eda")


@given(st.sampled_from([32, 64, 128, 250, 256, 512]), st.integers(0, 3))
def test_times_rounded_to_ms_do_not_change_the_rate(rate, lost):
    times = np.round(np.arange(0, 20, 1 / rate), 3)
    times = np.delete(times, np.s_[100 : 100 + 50 * lost])
    assert csv_signals._rate(times) == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", None, "empty"),
        ("frame,ecg\n0,1\n", 1, "time"),
        ("time\n0\n1\n", 1, "signals"),
        ("time,ecg\n0,x\n1,y\n", None, "numbers"),
        ("time,ecg\n5,1\n5,1\n5,1\n", None, "two times"),
        ("time,ecg\n0,1,2,3\n1,2\n", 2, "expected 2 cells, got 4"),
    ],
)  # fmt: skip
def test_signals_that_cannot_be_used_leave_the_video_usable(tmp_path, film, text, line, reason):
    result = study(tmp_path / "s", film, "video,subject,signals,label\na.mp4,p,w.csv,1\n", w=text)
    assert [trial.signals for trial in result.trials] == [None]
    problem = next(p for p in result.problems if p.kind == "unreadable")
    assert (problem.path.name, problem.line, reason in problem.reason) == ("w.csv", line, True)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("time,ecg\n0,1\n0.1,zwei\n0.2,3\n0.3,\n", 3, "zwei"),
        ("\ntime,ecg\n0,1\n0.2,2\n0.1,2\n0.3,3\n", 5, "does not increase"),
        ("time,ecg\n" + "".join(f"{n * 8},1\n" for n in range(1250)), 1, "taken as ms, which makes 125 Hz"),
        ("time,ecg\n" + "".join(f"{n * 8},1\n" for n in range(49)), None, "in s"),
        ("time,ecg\n1700000000.0,1\n1700000000.1,1\n", 1, "s since 1970, by the size of the numbers: the first row"),
    ],
)  # fmt: skip
def test_doubts_about_signals_name_the_line(tmp_path, film, text, line, reason):
    result = study(tmp_path / "s", film, "video,subject,signals,label\na.mp4,p,w.csv,1\n", w=text)
    assert result.trials[0].signals
    (problem,) = (p for p in result.problems if p.kind == "doubtful")
    assert (problem.path.name, problem.line, reason in problem.reason) == ("w.csv", line, True)


# tables


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["C", "Z"])),
                         min_size=2, max_size=2), max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans(),
       st.sampled_from(",;\t"))  # fmt: skip
def test_tables_are_read_as_python_writes_them(tmp_path_factory, rows, newline, mark, delimiter):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    with path.open("w", newline="", encoding="utf-8-sig" if mark else "utf-8") as file:
        writer = csv.writer(file, lineterminator=newline, delimiter=delimiter)
        writer.writerows([["video", "b"], *rows])
    table = tables.read_table(path, ["video"])
    assert [[row["video"], row["b"]] for _, row in table.rows] == [row for row in rows if any(row)]
    assert [line for line, _ in table.rows] == [n for n, row in enumerate(rows, 2) if any(row)]
    assert table.problems == ()


# the command


def mien(*arguments: object):
    return CliRunner().invoke(cli.app, ["data", *map(str, arguments)])


@pytest.mark.parametrize(("command", "table"), [("check", DATASETS), ("prepare", DATASETS), ("fake", LOOKALIKES)])
def test_the_help_lists_the_names_of_its_table(command, table):
    text = " ".join(mien(command, "--help").stdout.split())
    assert f"One of {', '.join(table)}" in text


def test_check_counts_beside_the_official_numbers_and_lists_every_problem(copy, tmp_path):
    _, root = copy("ferv39k")
    clips = [path for path in (root / "2_ClipsforFaceCrop").glob("*/*/*")]
    for clip in clips[:6]:
        shutil.rmtree(clip)
    done = mien("check", "ferv39k", root, "--out", tmp_path / "problems.csv")
    assert done.exit_code == 0, done.output
    assert "38,935" in done.stdout
    assert "and 4 more" in done.stdout, "the list is capped and says by how much"
    assert "7 problems: 7 missing" in done.stdout
    with (tmp_path / "problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["kind"] for row in rows) == {"missing": 7}
    assert {row["file"].split("/")[-1] for row in rows} <= {"train_All.csv", "test_All.csv"}
    assert all(int(row["line"]) > 0 for row in rows)
    gone = {path.relative_to(root / "2_ClipsforFaceCrop").as_posix() for path in clips[:6]}
    assert gone < {row["item"] for row in rows}


def test_check_draws_the_tree_when_there_is_nothing(tmp_path):
    (tmp_path / "x").mkdir()
    done = mien("check", "dfew", tmp_path / "x")
    assert done.exit_code == 1
    assert "EmoLabel_DataSplit/train(single-labeled)/set_1.csv" in done.stdout
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("check", "dfw", "x"), ("check", "dfew", "nowhere"), ("fake", "dfw", "x"),
                                       ("fake", "dfew", "new", "--size", "3"),
                                       ("fake", "dfew", "new", "--variant", "none")])
def test_data_command_reports_bad_arguments_in_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    done = mien(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("mien: ")
    assert len(done.stderr.splitlines()) == 1
    assert "expected" in done.stderr
    assert list(os.scandir(tmp_path)) == []


def test_fake_writes_what_check_finds_usable(tmp_path, monkeypatch, planted):
    planted("folder")  # pictures are blank from here on
    made = mien("fake", "ferv39k", tmp_path / "f", "--variant", "ids", "--seed", "3")
    assert made.exit_code == 0, made.output
    assert "14 usable" in made.stdout, "the default size"
    assert "missing:" in made.stdout, "the traps are reported"
    assert mien("check", "ferv39k", tmp_path / "f").exit_code == 0
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = mien("fake", "ferv39k", tmp_path / "g", "--size", "14")
    assert "files so far" in shown.stderr, "a terminal is reported that something happens"
    monkeypatch.delenv("FORCE_COLOR")
    again = mien("fake", "ferv39k", tmp_path / "f")
    assert (again.exit_code, len(again.stderr.splitlines())) == (1, 1), "what is there is never overwritten"


def test_a_link_that_leads_round_in_a_circle_is_no_folder(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "about")
    (tmp_path / "about").symlink_to(tmp_path / "round")
    assert not DATASETS["dfew"].survey(tmp_path).usable
