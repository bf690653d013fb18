"""DEAP, AMIGOS, MAHNOB-HCI: what a person who holds them gets, told by lookalikes that know nothing of the loaders.

Faces are flat pictures here: their marks (number, event) say which trial a film is and when its event was.
"""

from __future__ import annotations

import csv
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pyedflib
import pytest
import scipy.io

from mien import synthetic, video
from mien.datasets import amigos, deap, mahnob
from mien.datasets.survey import Survey
from mien.lookalikes import LOOKALIKES, Truth, read_event, read_signal_mark, read_trial_number
from mien.types import Frame, Signal, Trial


class Flat:
    """A scene without people, which is written much faster."""

    def __init__(self, actors, size, fps, seconds, **_):
        self.count, self.fps = round(seconds * fps), fps
        self.rgb = np.full((size[1], size[0], 3), 110, np.uint8)

    def frames(self):
        return (Frame(k / self.fps, self.rgb) for k in range(self.count))


def written(tmp_path_factory, name: str, **options) -> Truth:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "Scene", Flat)
        return LOOKALIKES[name](tmp_path_factory.mktemp(name), **options)


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Truth:
    return written(tmp_path_factory, "deap", seconds=8, subjects=(1, 3, 23))


@pytest.fixture(scope="module")
def shorts(tmp_path_factory) -> Truth:
    return written(tmp_path_factory, "amigos", seconds=8, participants=(1, 40))


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Truth:
    return written(tmp_path_factory, "mahnob", seconds=8, participants=(1, 3))


def copy(truth: Truth, tmp_path: Path) -> Path:
    return Path(shutil.copytree(truth.root, tmp_path / "copy"))


def trial(found: Survey, id: str) -> Trial:
    return next(each for each in found.trials if each.id == id)


def told(found: Survey, kind: str, item: str = "", text: str = "") -> list:
    return [each for each in found.problems if each.kind == kind and item in each.item and text in each.reason]


def cut(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def film(trial: Trial) -> list[Frame]:
    """Frames of the trial's span, in the trial's time."""
    start, end = trial.span
    with video.read(trial.video, start=start, end=end) as frames:
        return [Frame(frame.time - start, frame.rgb) for frame in frames]


def channel(signal: Signal, name: str) -> np.ndarray:
    return signal.values[signal.names.index(name)]


def marked(signal: Signal, name: str, after: float = -np.inf) -> tuple[float, int]:
    """Event in the trial's time, and number, that a channel shows from `after` on."""
    first = int(np.searchsorted(signal.times, after))
    event, number = read_signal_mark(channel(signal, name)[first:], signal.rate)
    return event + signal.times[first], number


def matched(found: Survey, truth: Truth, module, frame: float, after: float = -np.inf) -> int:
    """Film, skin conductance and temperature of every pair say the number and the event that were planted."""
    pairs = [each for each in found.trials if each.video and each.signals]
    for each in pairs:
        item, frames, signal = truth[each.id], film(each), module.signals(each)
        assert {read_trial_number(frames[k].rgb) for k in (0, len(frames) // 2, -1)} == {item.number}
        seen = read_event(frames)
        assert 0 <= seen - item.event <= frame
        for name in {"eda", "temperature"} & set(signal.names):
            event, number = marked(signal, name, after)
            assert number == item.number
            assert abs(event - item.event) <= 1.5 / signal.rate
            assert abs(event - seen) <= frame
    return len(pairs)


# DEAP


def test_deap_pairs_what_belongs_together(music):
    found = deap.survey(music.root)
    assert found.layout == "official"
    assert found.usable
    assert matched(found, music, deap, 1 / 50) == sum(item.video is not None for item in music.items) == 7
    assert {each.id for each in found.trials} == {item.id for item in music.items}
    assert any(each.about["presented"] != each.about["film"] for each in found.trials)
    assert [each.item for each in told(found, "missing")] == ["s03/1"]
    assert "s03_trial04.avi" in told(found, "missing")[0].reason


def test_deap_labels_are_those_of_the_pickle_and_the_table(music):
    found = deap.survey(music.root)
    with open(music.root / "metadata_csv" / "participant_ratings.csv", newline="") as file:
        rows = {(int(row["Participant_id"]), int(row["Experiment_id"])): row for row in csv.DictReader(file)}
    for each in found.trials:
        with each.signals.open("rb") as file:
            raw = pickle.load(file, encoding="latin1")
        number = int(each.id.split("/")[1])
        names = ("valence", "arousal", "dominance", "liking")
        assert [each.labels[name] for name in names] == pytest.approx(raw["labels"][number - 1])
        row = rows[int(each.subject[1:]), number]
        assert [each.labels[name] for name in names] == [float(row[name.capitalize()]) for name in names]
        assert each.labels.get("familiarity", "") == (float(row["Familiarity"]) if row["Familiarity"] else "")
        assert each.about["lab"] == ("twente" if each.subject < "s23" else "geneva")
        assert each.span == (0.0, 60.0)


def test_deap_channels_are_the_ones_of_the_readme(music):
    found = deap.survey(music.root)
    for id in ("s01/2", "s23/2"):
        signal = deap.signals(trial(found, id))
        with trial(found, id).signals.open("rb") as file:
            raw = pickle.load(file, encoding="latin1")["data"][1]
        assert (signal.rate, signal.start, signal.values.shape) == (128.0, -3.0, (4, 8064))
        for name, index in (("respiration", 37), ("ppg", 38), ("temperature", 39)):
            np.testing.assert_allclose(channel(signal, name), raw[index], rtol=1e-6)
        # both labs in one unit, and not by the same rule
        conductance = raw[36] / 1e3 if id < "s23" else 1e6 / raw[36]
        np.testing.assert_allclose(channel(signal, "eda"), conductance, rtol=1e-4)
        assert signal.units[signal.names.index("eda")] == "uS"


def test_deap_gsr_of_an_unlikely_unit_is_left_alone_and_told(music, tmp_path):
    root = copy(music, tmp_path)
    path = root / "data_preprocessed_python" / "s23.dat"
    with path.open("rb") as file:
        raw = pickle.load(file, encoding="latin1")
    raw["data"][:, 36] -= raw["data"][:, 36].mean()
    path.write_bytes(pickle.dumps(raw, 4))
    found = deap.survey(root)
    assert told(found, "doubtful", "s23", "Ohm")
    assert not told(found, "doubtful", "s01")
    signal = deap.signals(trial(found, "s23/1"))
    assert signal.units[0] == "Ohm?"
    np.testing.assert_allclose(channel(signal, "eda"), raw["data"][0, 36], rtol=1e-5)


def test_deap_without_ratings_pairs_nothing_and_says_what_to_do(music, tmp_path):
    root = copy(music, tmp_path)
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.rename(table.with_suffix(".xls"))
    found = deap.survey(root)
    assert found.usable
    assert not any(each.video for each in found.trials)
    assert "save it as csv" in told(found, "missing", "participant_ratings.csv")[0].reason
    for each in found.trials:
        assert each.labels["valence"] == music[each.id].labels["valence"]
        assert marked(deap.signals(each), "eda")[1] == music[each.id].number
    table.with_suffix(".xls").unlink()
    assert "copy it from metadata_csv" in told(deap.survey(root), "missing", "participant_ratings.csv")[0].reason


def edited(root: Path, change) -> Survey:
    """A survey after the ratings' lines were changed."""
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n", encoding="utf-8")
    return deap.survey(root)


def test_deap_ratings_of_another_order_pair_nothing(music, tmp_path):
    def swapped(lines):
        cells = [line.split(",") for line in lines]
        return [",".join([a, c, b, *rest]) if k else ",".join([a, b, c, *rest])
                for k, (a, b, c, *rest) in enumerate(cells)]

    found = edited(copy(music, tmp_path), swapped)
    assert told(found, "excluded", "s01", "not in one order")
    assert not any(each.video for each in found.trials if each.subject == "s01")
    assert len(found.trials) == len(music.items)


def test_deap_one_rating_that_differs_unpairs_that_trial(music, tmp_path):
    line = next(k for k, item in enumerate((music.root / "metadata_csv" / "participant_ratings.csv").read_text()
                                           .splitlines()) if item.startswith("1,2,"))

    def changed(lines):
        cells = lines[line].split(",")
        cells[4] = "1.00" if float(cells[4]) > 5 else "9.00"
        return [*lines[:line], ",".join(cells), *lines[line + 1 :]]

    found = edited(copy(music, tmp_path), changed)
    (problem,) = told(found, "excluded", "s01")
    assert f"line {line + 1}" in problem.reason
    unpaired = trial(found, problem.item)
    assert unpaired.video is None
    assert unpaired.labels["valence"] == music[problem.item].labels["valence"]
    assert sum(each.video is not None for each in found.trials) == 6


@pytest.mark.parametrize(("change", "kind", "line", "text"), [
    (lambda lines: [*lines, lines[1]], "doubtful", 14, "same as line 2"),
    (lambda lines: [*lines, lines[1].replace("1,1,", "1,2,", 1)], "excluded", 2, "once"),
    (lambda lines: [lines[0], lines[1].replace("1,1,", "1,x,", 1), *lines[2:]], "unreadable", 2, "'x'"),
    (lambda lines: [lines[0], lines[1].replace("1,1,", "1,41,", 1), *lines[2:]], "unreadable", 2, "1..40"),
    (lambda lines: [lines[0], lines[1].rsplit(",", 3)[0], *lines[2:]], "unreadable", 2, "cells"),
    (lambda lines: [lines[0].replace("Experiment_id", "Video"), *lines[1:]], "unreadable", 1, "Experiment_id"),
])  # fmt: skip
def test_deap_ratings_that_are_wrong_are_told_with_their_line(music, tmp_path, change, kind, line, text):
    found = edited(copy(music, tmp_path), change)
    assert [each for each in told(found, kind, text=text) if each.line == line and each.path.suffix == ".csv"]
    assert len(found.trials) == len(music.items)
    for each in found.trials:  # what is still paired is paired right
        if each.video:
            assert each.video == music.root.parent / found.root / music[each.id].video


def test_deap_ratings_as_excel_leaves_them(music, tmp_path):
    root = copy(music, tmp_path)
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\r", b"").replace(b"\n", b"\r\n"))
    found, plain = deap.survey(root), deap.survey(music.root)
    assert [each.labels for each in found.trials] == [each.labels for each in plain.trials]
    assert sum(each.video is not None for each in found.trials) == 7


def test_deap_what_is_broken_is_told_and_the_rest_goes_on(music, tmp_path):
    root = copy(music, tmp_path)
    cut(root / "data_preprocessed_python" / "s01.dat", 0.7)
    films = root / "face_video" / "s03"
    cut(films / "s03_trial01.avi")
    (films / "s03_trial02.avi").write_bytes(b"")
    (films / "s03_trial09.avi").write_bytes((films / "s03_trial03.avi").read_bytes())
    found = deap.survey(root)
    (lost,) = told(found, "unreadable", "s01")
    assert lost.path.name == "s01.dat"
    assert "cut short" in lost.reason
    assert all(each.signals is None and each.video and each.labels for each in found.trials if each.subject == "s01")
    by_film = {music[each.id].video: each for each in found.trials}
    assert told(found, "doubtful", by_film["face_video/s03/s03_trial01.avi"].id, "cut short")
    assert told(found, "unreadable", by_film["face_video/s03/s03_trial02.avi"].id, "empty")
    assert by_film["face_video/s03/s03_trial02.avi"].video is None
    assert by_film["face_video/s03/s03_trial02.avi"].signals
    assert told(found, "excluded", "s03/trial09")
    assert len(found.trials) == len(music.items)
    with pytest.raises(ValueError, match="without"):
        deap.signals(next(each for each in found.trials if each.signals is None))


class Call:
    def __init__(self, function, *given):
        self.made = function, given

    def __reduce__(self):
        return self.made


def test_deap_pickle_with_a_payload_is_refused(music, tmp_path):
    import os

    root, planted = copy(music, tmp_path), tmp_path / "planted"
    path = root / "data_preprocessed_python" / "s01.dat"
    path.write_bytes(pickle.dumps({"data": Call(os.system, f"touch {planted}"), "labels": np.ones((4, 4))}, 2))
    found = deap.survey(root)
    assert not planted.exists()
    assert "refused" in told(found, "unreadable", "s01")[0].reason
    assert all(each.signals for each in found.trials if each.subject == "s23")


def test_deap_matlab_files_say_the_same(music, tmp_path):
    root = copy(music, tmp_path)
    old, new = root / "data_preprocessed_python", root / "data_preprocessed_matlab"
    new.mkdir()
    for path in old.iterdir():
        with path.open("rb") as file:
            scipy.io.savemat(new / f"{path.stem}.mat", pickle.load(file, encoding="latin1"))
    shutil.rmtree(old)
    found = deap.survey(root)
    assert found.layout == "matlab"
    for each, other in zip(found.trials, deap.survey(music.root).trials, strict=True):
        assert (each.id, each.labels, each.about) == (other.id, other.labels, other.about)
        assert deap.signals(each).values.tobytes() == deap.signals(other).values.tobytes()
    cut(new / "s03.mat", 0.3)
    assert told(deap.survey(root), "unreadable", "s03", "cut short")


def original(path: Path, base: int, stimuli: list[tuple[float, int]], seconds: int) -> None:
    """A BDF as in data_original: GSR in nS steps up 1 s after every stimulus, by its number."""
    rate, size = 512, 512 * seconds
    status = np.full(size, base, np.int64)
    gsr = np.full(size, 2000.0)
    for start, number in stimuli:
        for code, when in ((3, start - 3), (4, start), (5, start + 6)):
            status[round(when * rate) : round(when * rate) + 20] = base + code
        gsr[round((start + 1) * rate) : round((start + 2) * rate)] += 100 * number
    labels = ["Fp1", "GSR1", "Resp", "Plet", "Temp", "Status"]
    with pyedflib.EdfWriter(str(path), len(labels), pyedflib.FILETYPE_BDF) as writer:
        for k, label in enumerate(labels):
            exact = label == "Status"
            writer.setSignalHeader(k, {"label": label, "dimension": "nS" if label == "GSR1" else "", "sample_frequency": rate,
                                       "physical_max": 8388607 if exact else 10000, "physical_min": -8388608 if exact else -10000,
                                       "digital_max": 8388607, "digital_min": -8388608})  # fmt: skip
        rest = np.arange(size) % rate * 1.0
        writer.writeSamples([rest, gsr, rest + 1, rest + 2, rest + 3, status.astype(float)])


@pytest.mark.parametrize("base", [0, 1638144, 5832448])
def test_deap_original_recordings_join_by_the_order_of_presentation(music, tmp_path, base):
    root = copy(music, tmp_path)
    shutil.rmtree(root / "data_preprocessed_python")
    (root / "data_original").mkdir()
    stimuli = [(6.0 + 10.25 * k, k + 1) for k in range(4)]
    original(root / "data_original" / "s01.bdf", base, stimuli, 50)
    original(root / "data_original" / "s03.bdf", base, stimuli[:3], 50)
    found = deap.survey(root)
    assert found.layout == "original"
    mine = [each for each in found.trials if each.subject == "s01"]
    for each in mine:
        presented = int(each.about["presented"])
        assert each.video.name == f"s01_trial{presented:02d}.avi"
        assert each.labels["valence"] == music[each.id].labels["valence"]
        assert each.span == (0.0, 6.0)
        signal = deap.signals(each)
        assert (signal.rate, signal.start, signal.units[0]) == (512.0, -3.0, "uS")
        high = channel(signal, "eda") > 2.05
        assert signal.times[high].min() == pytest.approx(1.0, abs=1 / 512)
        assert channel(signal, "eda").max() == pytest.approx(2 + 0.1 * presented, abs=0.01)
        assert channel(signal, "ppg")[0] - channel(signal, "respiration")[0] == pytest.approx(1, abs=0.01)
    assert len(mine) == 4
    assert told(found, "unreadable", "s03", "got 3 in the status channel")
    cut(root / "data_original" / "s01.bdf")
    assert told(deap.survey(root), "unreadable", "s01", "BDF")


def test_deap_other_arrangements(music, tmp_path):
    root = copy(music, tmp_path)
    parent = tmp_path / "down"
    parent.mkdir()
    root.rename(parent / "DEAP")
    assert deap.survey(parent).layout == "parent"
    assert sum(each.video is not None for each in deap.survey(parent).trials) == 7
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (parent / "DEAP").rglob("*.*"):
        if path.is_file():
            shutil.copy(path, flat)
    assert deap.survey(flat).layout == "flat"
    assert sum(each.video is not None for each in deap.survey(flat).trials) == 7
    (flat / "again").mkdir()
    shutil.copy(flat / "s01.dat", flat / "again")
    assert told(deap.survey(flat), "doubtful", "s01.dat", "another")


def test_deap_film_without_times_of_its_own(tmp_path_factory):
    truth = written(tmp_path_factory, "deap", seconds=8, subjects=(1,), variant="reordered")
    assert matched(deap.survey(truth.root), truth, deap, 1 / 50) == 4


def test_deap_a_loop_over_trials_reads_a_file_once(music, monkeypatch):
    from mien.datasets import unpickle

    deap.recordings._load.cache_clear()
    load, read = unpickle.load, []
    monkeypatch.setattr(unpickle, "load", lambda path: read.append(path.name) or load(path))
    found = deap.survey(music.root)
    for each in found.trials:
        deap.signals(each)
    assert sorted(read) == ["s01.dat", "s03.dat", "s23.dat"]
    assert deap.recordings._load.cache_info().maxsize * 5e6 < 50e6  # bytes that stay, at most


@pytest.mark.parametrize("module", [deap, amigos, mahnob])
def test_a_wrong_root_is_told(module, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the dataset's folder"):
        module.survey(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="expected the dataset's folder"):
        module.survey(tmp_path / "file")
    found = module.survey(tmp_path)
    assert not found.usable
    assert found.layout == ""
    assert found.problems[0].kind == "missing"
    assert "expected" in found.problems[0].reason
    assert {count.found for count in found.counts} == {0}
    with pytest.raises(ValueError, match="expected a trial of"):
        module.signals(Trial("1", "other"))
    assert "/" in module.TREE
