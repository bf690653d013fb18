"""Your own labels: the layouts of published sets, heads that learn from labelled faces, and reading with them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mien
from mien.cli import app
from mien.core.tasks import EXPRESSION
from mien.datasets.labelled_faces import LAYOUTS, find_faces
from mien.simulation.datasets import expression_sets

BLANK = np.zeros((4, 4, 3), np.uint8)
CLASSES = {**dict.fromkeys(LAYOUTS, 7), "cremad": 6}
PEOPLE = {"cremad": 3, "ravdess": 3, "ckplus": 3, "jaffe": 3, "folder": 3}
"""People that the layout names; in the others each file counts as a person of its own."""
WORDS = {"happiness": "happy", "sadness": "sad", "anger": "angry"}


@pytest.fixture
def without_pictures(monkeypatch):
    """Lookalikes whose pictures and clips are empty files' worth: only names, folders and lists count."""
    def write(person, path: Path, name: str, side: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mp4":
            path.write_bytes(b"no film")
        else:
            cv2.imwrite(str(path), BLANK)

    monkeypatch.setattr(expression_sets.LabelledPerson, "picture", write)
    monkeypatch.setattr(expression_sets.LabelledPerson, "clip", write)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_by_itself_with_its_labels_people_and_terms(layout, tmp_path, without_pictures):
    root = expression_sets.write_expression_set(layout, tmp_path / "set")
    result = find_faces(root)
    assert result.layout == layout
    assert result.terms == LAYOUTS[layout].terms
    labels = Counter(WORDS.get(face.label, face.label) for face in result.faces)
    assert set(labels) == set(EXPRESSION.classes) - ({"surprise"} if layout == "cremad" else set())
    assert set(labels.values()) == {3}
    assert all(face.path.name != "cover.png" for face in result.faces)
    people = Counter(face.person for face in result.faces)
    assert len(people) == PEOPLE.get(layout, len(result.faces))
    assert bool(result.notes) == (layout not in PEOPLE)
    if layout == "ckplus":
        peaks = [face for face in result.faces if face.label != "neutral"]
        assert all(face.neutral.name.endswith("00000001.png") and face.path != face.neutral for face in peaks)


def test_a_vote_without_a_majority_and_a_picture_of_no_face_are_left_out(tmp_path, without_pictures):
    root = expression_sets.write_expression_set("ferplus", tmp_path / "set")
    table = root / "fer2013new.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[1] = "Training,fer0000000.png,0,5,5,0,0,0,0,0,0,0"  # half of the votes are no majority
    lines[2] = "Training,fer0000001.png,0,0,0,0,0,0,0,0,0,10"  # NF: no face
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = {face.path.name for face in find_faces(root).faces}
    assert not names & {"fer0000000.png", "fer0000001.png"}
    assert len(names) == 19


def test_a_table_and_a_folder_with_any_labels(tmp_path):
    for name in ("a", "b"):
        for label in ("bored", "keen"):
            (tmp_path / label).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / label / f"{name}.png"), BLANK)
    result = find_faces(tmp_path)
    assert result.classes == ("bored", "keen")
    assert {face.person for face in result.faces} == {"a", "b"}
    assert not result.notes
    table = tmp_path / "labels.csv"
    table.write_text("Picture;Label;Subject\nbored/a.png;tired;x\nkeen/b.png;awake;y\nkeen/a.png;;x\n",
                     encoding="utf-8")
    assert [(face.label, face.person) for face in find_faces(table).faces] == [("tired", "x"), ("awake", "y")]
    table.write_text("picture,label\nbored/gone.png,tired\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"gone\.png"):
        find_faces(table)


@pytest.mark.parametrize("name", ["../outside.png", "{absolute}", "in/../../outside.png", "link.png",
                                  "..\\outside.png"])
def test_a_table_names_no_file_outside_of_its_folder(tmp_path, name):
    folder, outside = tmp_path / "set", tmp_path / "outside.png"
    (folder / "in").mkdir(parents=True)
    cv2.imwrite(str(outside), BLANK)
    (folder / "link.png").symlink_to(outside)
    table = folder / "labels.csv"
    table.write_text(f"file,label\n{name.format(absolute=outside)},tired\n", encoding="utf-8")
    with pytest.raises(ValueError, match="which leaves it: refused"):
        find_faces(table)


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,)}\n"
HEADERS = HUGE % "10**14", HUGE % 10**14, HUGE % 10**23, HUGE % 2, 5000 * "(", HUGE.replace("<f8", "|O") % 1


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04aaaa", bytes(10**5), *(
    b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode() for header in HEADERS)])
def test_a_damaged_label_of_affectnet_is_a_line_that_names_it(tmp_path, content):
    for name in ("images", "annotations"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "1.png").write_bytes(b"")
    (tmp_path / "annotations" / "1_exp.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"1_exp\.npy: expected an \.npy file with one value, got") as refused:
        find_faces(tmp_path, "affectnet")
    assert "\n" not in str(refused.value)


def test_find_faces_refuses_other_folders_with_a_remedy(tmp_path):
    (tmp_path / "only").mkdir()
    cv2.imwrite(str(tmp_path / "only" / "1.png"), BLANK)
    with pytest.raises(ValueError, match=r"two classes or more.*got 1 files of 1: put each class into a folder"):
        find_faces(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\n")
    with pytest.raises(ValueError, match=r"name the table .*labels\.csv with the columns file, label and person"):
        find_faces(tmp_path)
    with pytest.raises(FileNotFoundError, match="nothing at"):
        find_faces(tmp_path / "gone")
    with pytest.raises(ValueError, match="layout: expected cremad"):
        find_faces(tmp_path, "kdef")


def _planted(seed: int, people: int = 30):
    """Faces of people whose own label, unknown to the built-in head, is one measure of the face."""
    from mien.training.expression.measured_faces import MeasuredFaces

    rng = np.random.default_rng(seed)
    features = rng.normal(size=(4 * people, 25))
    features[:, 20] = np.tile([0.0, 0.0, 0.8, 0.8], people)
    target = (features[:, 3] > 0).astype(int)
    return MeasuredFaces(features, target, np.arange(4 * people), np.repeat([f"p{i}" for i in range(people)], 4),
                         features[:, 20] > 0, ("keen", "bored"), ())


def test_a_head_learns_a_label_of_its_own_and_is_judged_on_people_left_out(monkeypatch):
    pytest.importorskip("torch")
    from mien.training.expression import own_labels
    from mien.training.expression.own_labels import fit_labels, folds_of_people, judge_labels, scores

    monkeypatch.setattr(own_labels, "PULLS", (1e-2,))  # to be quick; the trip from the command line chooses one
    faces = _planted(0)
    parts = folds_of_people(faces.person)
    assert all(len(set(parts[faces.person == person])) == 1 for person in faces.person)
    assert len(set(parts)) == 5
    head, _ = fit_labels(faces)
    assert head.classes == ("keen", "bored")
    other = _planted(1)
    assert (head.of_features(other.features).argmax(axis=1) == other.target).mean() > 0.85
    judged = judge_labels(faces)
    assert judged.built_in is None
    recall, mean, _ = scores(judged.trained, faces, given=True)
    assert mean == pytest.approx(np.mean(recall))
    assert mean > 0.7
    # labels without any trace in the face are read by chance: nothing of the judged people leaks into the fit
    shuffled = replace(faces, target=np.random.default_rng(2).permutation(faces.target))
    _, by_chance, _ = scores(judge_labels(shuffled).trained, shuffled, given=False)
    assert by_chance < 0.68


def test_few_faces_of_known_classes_stay_near_the_built_in_head():
    pytest.importorskip("torch")
    from mien.face.expression_head import default_head
    from mien.training.expression.measured_faces import MeasuredFaces
    from mien.training.expression.own_labels import fit_labels
    from mien.training.expression.simulate import simulate
    from mien.training.expression.statistics import shipped_statistics

    known = {"anger": "angry", "happiness": "happy", "neutral": "neutral"}
    drawn = simulate(shipped_statistics(), 4000, 7, strength=3.0, balanced=True)
    names = np.array(EXPRESSION.classes)[drawn.target.argmax(axis=1)]
    kept = np.flatnonzero(np.isin(names, list(known.values())))
    classes = tuple(known)
    target = np.array([list(known.values()).index(name) for name in names[kept]])
    few, rest = slice(0, 12), slice(12, None)
    faces = MeasuredFaces(drawn.features[kept][few], target[few], np.arange(12), np.arange(12).astype(str),
                          np.zeros(12, bool), classes, ())
    head, _ = fit_labels(faces)
    ours = (head.of_features(drawn.features[kept][rest]).argmax(axis=1) == target[rest]).mean()
    base = default_head().of_features(drawn.features[kept][rest])[:, [3, 0, 2]].argmax(axis=1)
    assert ours > (base == target[rest]).mean() - 0.05


def test_train_bench_and_analyze_with_labels_of_your_own(tmp_path):
    """Rendered people, from the command line to the labels of a picture and of a film."""
    pytest.importorskip("torch")
    root, run = tmp_path / "set", CliRunner().invoke
    for index in range(3):
        person = expression_sets.LabelledPerson(index, seed=1)
        for label, name in (("resting", "neutral"), ("beaming", "happy")):
            person.picture(root / label / f"=p{index}" / "1.png", name)
    person.clip(tmp_path / "film.mp4", "happy")
    damaged = {"resting/=p0/2.png": b"no picture", "beaming/=p0/2.jpg": b"", "beaming/=p1/2.mp4": b"no film"}
    for name, content in damaged.items():
        (root / name).write_bytes(content)
    done = run(app, ["train", "expression", "--data", str(root), "--out", str(tmp_path / "head")])
    assert done.exit_code == 0, done.output
    assert "3 of 9 files show no face that can be read" in done.output
    assert "people left out, no neutral: UAR" in done.output
    card = json.loads((tmp_path / "head" / "head.json").read_text(encoding="utf-8"))
    assert (card["people"], card["files"], card["classes"]) == (3, 6, ["beaming", "resting"])
    assert card["terms_of_the_data"] == LAYOUTS["folder"].terms
    assert (tmp_path / "head" / "head.npz").stat().st_size < 100_000
    for name, label in ((root / "resting" / "=p0" / "1.png", "resting"), (tmp_path / "film.mp4", "beaming")):
        row = mien.analyze(name, model=str(tmp_path / "head"), pictures=False).emotions[-1]
        assert row.label == label
        assert row.probs.shape == (2,)
    with pytest.raises(ValueError, match="which has neither: leave them out"):
        mien.analyze(tmp_path / "film.mp4", model=str(tmp_path / "head"), labels=str(_labels(tmp_path)))
    done = run(app, ["bench", "expression/folder", "--data", str(root), "--out", str(tmp_path / "bench"), "-q"])
    assert done.exit_code == 0, done.output
    assert "| beaming | 3 | " in (tmp_path / "bench" / "table.md").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "bench" / "predictions.csv")
    assert sorted(table.person) == sorted(2 * ["'=p0", "'=p1", "'=p2"])  # no spreadsheet computes a folder's name
    assert (table[["beaming", "resting"]].sum(axis=1) - 1).abs().max() < 2e-4
    done = run(app, ["train", "expression/kdef", "--data", str(root)])
    assert done.exit_code == 1


def _labels(folder: Path) -> Path:
    (folder / "labels.yaml").write_text("one: a face\ntwo: another face\n", encoding="utf-8")
    return folder / "labels.yaml"
