"""DEAP, AMIGOS, MAHNOB-HCI: what a person who holds them gets, reported by lookalikes that know nothing of the loaders.

Faces are flat pictures here: their marks (number, event) say which trial a film is and when its event was.
"""

from __future__ import annotations

import contextlib
import csv
import pickle
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyedflib
import pytest
import scipy.io

from flat_films import written
from mien import video
from mien.core.observations import Frame, Signal
from mien.core.trials import Trial
from mien.datasets import amigos, deap, mahnob
from mien.datasets.index import DatasetIndex
from mien.simulation.datasets.markers import read_event, read_signal_mark, read_trial_number
from mien.simulation.datasets.truth import DatasetTruth


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "deap", seconds=8, subjects=(1, 3, 23))


@pytest.fixture(scope="module")
def shorts(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "amigos", seconds=8, participants=(1, 40))


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "mahnob", seconds=8, participants=(1, 3))


def copy(truth: DatasetTruth, tmp_path: Path) -> Path:
    return Path(shutil.copytree(truth.root, tmp_path / "copy"))


def trial(index: DatasetIndex, id: str) -> Trial:
    return next(each for each in index.trials if each.id == id)


def reported(index: DatasetIndex, kind: str, item: str = "", text: str = "") -> list:
    """Problems of that kind about that item (a session's number in full, else a part of the name)."""
    return [each for each in index.problems if each.kind == kind and text in each.reason
            and (each.item == item if item.isdigit() else item in each.item)]


def cut(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def film(trial: Trial) -> list[Frame]:
    """Frames of the trial's span, in the trial's time."""
    start, end = trial.span
    with video.open_video(trial.video, start=start, end=end) as frames:
        return [Frame(frame.time - start, frame.rgb) for frame in frames]


def channel(signal: Signal, name: str) -> np.ndarray:
    return signal.values[signal.names.index(name)]


def marked(signal: Signal, name: str, after: float = -np.inf) -> tuple[float, int]:
    """Event in the trial's time, and number, that a channel shows from `after` on."""
    first = int(np.searchsorted(signal.times, after))
    event, number = read_signal_mark(channel(signal, name)[first:], signal.rate)
    return event + signal.times[first], number


def matched(index: DatasetIndex, truth: DatasetTruth, module, frame: float, after: float = -np.inf) -> int:
    """Film, skin conductance and temperature of every pair say the number and the event that were planted."""
    pairs = [each for each in index.trials if each.video and each.signals]
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
    result = deap.survey(music.root)
    assert result.layout == "official"
    assert result.usable
    assert matched(result, music, deap, 1 / 50) == sum(item.video is not None for item in music.items) == 7
    assert {each.id for each in result.trials} == {item.id for item in music.items}
    assert any(each.about["presented"] != each.about["film"] for each in result.trials)
    absent = {f"s{number:02d}" for number in range(1, 33)} - {"s01", "s03", "s23"}
    assert [each.item for each in reported(result, "missing") if each.item not in absent] == ["s03/1"]
    assert absent < {each.item for each in reported(result, "missing")}
    assert "s03_trial04.avi" in reported(result, "missing")[0].reason


def test_deap_labels_are_those_of_the_pickle_and_the_table(music):
    result = deap.survey(music.root)
    with open(music.root / "metadata_csv" / "participant_ratings.csv", newline="") as file:
        rows = {(int(row["Participant_id"]), int(row["Experiment_id"])): row for row in csv.DictReader(file)}
    for each in result.trials:
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
    result = deap.survey(music.root)
    for id in ("s01/2", "s23/2"):
        signal = deap.signals(trial(result, id))
        with trial(result, id).signals.open("rb") as file:
            raw = pickle.load(file, encoding="latin1")["data"][1]
        assert (signal.rate, signal.start, signal.values.shape) == (128.0, -3.0, (4, 8064))
        for name, index in (("respiration", 37), ("ppg", 38), ("temperature", 39)):
            np.testing.assert_allclose(channel(signal, name), raw[index], rtol=1e-6)
        # both labs in one unit, and not by the same rule
        conductance = raw[36] / 1e3 if id < "s23" else 1e6 / raw[36]
        np.testing.assert_allclose(channel(signal, "eda"), conductance, rtol=1e-4)
        assert signal.units[signal.names.index("eda")] == "uS"


def test_deap_gsr_of_an_unlikely_unit_is_left_alone_and_reported(music, tmp_path):
    root = copy(music, tmp_path)
    path = root / "data_preprocessed_python" / "s23.dat"
    with path.open("rb") as file:
        raw = pickle.load(file, encoding="latin1")
    raw["data"][:, 36] -= raw["data"][:, 36].mean()
    path.write_bytes(pickle.dumps(raw, 4))
    result = deap.survey(root)
    assert reported(result, "doubtful", "s23", "Ohm")
    assert not reported(result, "doubtful", "s01")
    signal = deap.signals(trial(result, "s23/1"))
    assert signal.units[0] == "Ohm?"
    np.testing.assert_allclose(channel(signal, "eda"), raw["data"][0, 36], rtol=1e-5)


def test_deap_without_ratings_pairs_nothing_and_says_what_to_do(music, tmp_path):
    root = copy(music, tmp_path)
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.rename(table.with_suffix(".xls"))
    result = deap.survey(root)
    assert result.usable
    assert not any(each.video for each in result.trials)
    assert "save it as csv" in reported(result, "missing", "participant_ratings.csv")[0].reason
    for each in result.trials:
        assert each.labels["valence"] == music[each.id].labels["valence"]
        assert marked(deap.signals(each), "eda")[1] == music[each.id].number
    table.with_suffix(".xls").unlink()
    assert "copy it from metadata_csv" in reported(deap.survey(root), "missing", "participant_ratings.csv")[0].reason


def edited(root: Path, change) -> DatasetIndex:
    """A survey after the ratings' lines were changed."""
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n", encoding="utf-8")
    return deap.survey(root)


def test_deap_ratings_of_another_order_pair_nothing(music, tmp_path):
    def swapped(lines):
        cells = [line.split(",") for line in lines]
        return [",".join([a, c, b, *rest]) if k else ",".join([a, b, c, *rest])
                for k, (a, b, c, *rest) in enumerate(cells)]

    result = edited(copy(music, tmp_path), swapped)
    assert reported(result, "excluded", "s01", "not in one order")
    assert not any(each.video for each in result.trials if each.subject == "s01")
    assert len(result.trials) == len(music.items)


def test_deap_one_rating_that_differs_unpairs_that_trial(music, tmp_path):
    line = next(k for k, item in enumerate((music.root / "metadata_csv" / "participant_ratings.csv").read_text()
                                           .splitlines()) if item.startswith("1,2,"))

    def changed(lines):
        cells = lines[line].split(",")
        cells[4] = "1.00" if float(cells[4]) > 5 else "9.00"
        return [*lines[:line], ",".join(cells), *lines[line + 1 :]]

    result = edited(copy(music, tmp_path), changed)
    (problem,) = reported(result, "excluded", "s01")
    assert f"line {line + 1}" in problem.reason
    unpaired = trial(result, problem.item)
    assert unpaired.video is None
    assert unpaired.labels["valence"] == music[problem.item].labels["valence"]
    assert sum(each.video is not None for each in result.trials) == 6


@pytest.mark.parametrize(("change", "kind", "line", "text"), [
    (lambda lines: [*lines, lines[1]], "doubtful", 14, "same as line 2"),
    (lambda lines: [*lines, lines[1].replace("1,1,", "1,2,", 1)], "excluded", 2, "once"),
    (lambda lines: [lines[0], lines[1].replace("1,1,", "1,x,", 1), *lines[2:]], "unreadable", 2, "'x'"),
    (lambda lines: [lines[0], lines[1].replace("1,1,", "1,41,", 1), *lines[2:]], "unreadable", 2, "1..40"),
    (lambda lines: [lines[0], lines[1].rsplit(",", 3)[0], *lines[2:]], "unreadable", 2, "cells"),
    (lambda lines: [lines[0].replace("Experiment_id", "Video"), *lines[1:]], "unreadable", 1, "Experiment_id"),
])  # fmt: skip
def test_deap_ratings_that_are_wrong_are_reported_with_their_line(music, tmp_path, change, kind, line, text):
    result = edited(copy(music, tmp_path), change)
    assert [each for each in reported(result, kind, text=text) if each.line == line and each.path.suffix == ".csv"]
    assert len(result.trials) == len(music.items)
    for each in result.trials:  # what is still paired is paired right
        if each.video:
            assert each.video == music.root.parent / result.root / music[each.id].video


def test_deap_ratings_as_excel_leaves_them(music, tmp_path):
    root = copy(music, tmp_path)
    table = root / "metadata_csv" / "participant_ratings.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\r", b"").replace(b"\n", b"\r\n"))
    result, plain = deap.survey(root), deap.survey(music.root)
    assert [each.labels for each in result.trials] == [each.labels for each in plain.trials]
    assert sum(each.video is not None for each in result.trials) == 7


def test_deap_what_is_broken_is_reported_and_the_rest_goes_on(music, tmp_path):
    root = copy(music, tmp_path)
    cut(root / "data_preprocessed_python" / "s01.dat", 0.7)
    films = root / "face_video" / "s03"
    cut(films / "s03_trial01.avi")
    (films / "s03_trial02.avi").write_bytes(b"")
    (films / "s03_trial09.avi").write_bytes((films / "s03_trial03.avi").read_bytes())
    result = deap.survey(root)
    (lost,) = reported(result, "unreadable", "s01")
    assert lost.path.name == "s01.dat"
    assert "cut short" in lost.reason
    assert all(each.signals is None and each.video and each.labels for each in result.trials if each.subject == "s01")
    by_film = {music[each.id].video: each for each in result.trials}
    assert reported(result, "doubtful", by_film["face_video/s03/s03_trial01.avi"].id, "cut short")
    assert reported(result, "unreadable", by_film["face_video/s03/s03_trial02.avi"].id, "empty")
    assert by_film["face_video/s03/s03_trial02.avi"].video is None
    assert by_film["face_video/s03/s03_trial02.avi"].signals
    assert reported(result, "excluded", "s03/trial09")
    assert len(result.trials) == len(music.items)
    with pytest.raises(ValueError, match="without"):
        deap.signals(next(each for each in result.trials if each.signals is None))


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
    result = deap.survey(root)
    assert not planted.exists()
    assert "refused" in reported(result, "unreadable", "s01")[0].reason
    assert all(each.signals for each in result.trials if each.subject == "s23")


def test_deap_matlab_files_say_the_same(music, tmp_path):
    root = copy(music, tmp_path)
    old, new = root / "data_preprocessed_python", root / "data_preprocessed_matlab"
    new.mkdir()
    for path in old.iterdir():
        with path.open("rb") as file:
            scipy.io.savemat(new / f"{path.stem}.mat", pickle.load(file, encoding="latin1"))
    shutil.rmtree(old)
    result = deap.survey(root)
    assert result.layout == "matlab"
    for each, other in zip(result.trials, deap.survey(music.root).trials, strict=True):
        assert (each.id, each.labels, each.about) == (other.id, other.labels, other.about)
        assert deap.signals(each).values.tobytes() == deap.signals(other).values.tobytes()
    cut(new / "s03.mat", 0.3)
    assert reported(deap.survey(root), "unreadable", "s03", "cut short")


def original(path: Path, base: int, stimuli: list[tuple[float, int]], seconds: int) -> None:
    """A BDF as in data_original: GSR in nS steps up 1 s after every stimulus, by its number."""
    rate, size = 512, 512 * seconds
    status = np.full(size, base, np.int64)
    status[:10] = 0  # before the stimulus computer speaks
    gsr = np.full(size, 2000.0)
    for start, number in stimuli:
        for code, when in ((3, start - 3), (4, start), (5, start + 6)):
            status[round(when * rate) : round(when * rate) + 20] = base + code
        gsr[round((start + 1) * rate) : round((start + 2) * rate)] += 100 * number
    labels = ["Fp1", "GSR1", "Resp", "Plet", "Temp", "Status"]
    with pyedflib.EdfWriter(str(path), len(labels), pyedflib.FILETYPE_BDF) as writer:
        for k, label in enumerate(labels):
            high, low = (8388607, -8388608) if label == "Status" else (10000, -10000)
            unit = "nS" if label == "GSR1" else ""
            digital = {"digital_max": 8388607, "digital_min": -8388608}
            writer.setSignalHeader(k, {"label": label, "dimension": unit, "sample_frequency": rate, **digital,
                                       "physical_max": high, "physical_min": low})
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
    result = deap.survey(root)
    assert result.layout == "original"
    mine = [each for each in result.trials if each.subject == "s01"]
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
    assert reported(result, "unreadable", "s03", "got 3 in the status channel")
    cut(root / "data_original" / "s01.bdf")
    assert reported(deap.survey(root), "unreadable", "s01", "BDF")


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
    assert reported(deap.survey(flat), "doubtful", "s01.dat", "another")


def test_deap_film_without_times_of_its_own(tmp_path_factory):
    truth = written(tmp_path_factory, "deap", seconds=8, subjects=(1,), variant="reordered")
    assert matched(deap.survey(truth.root), truth, deap, 1 / 50) == 4


def test_deap_half_of_it_is_reported_whole(music, tmp_path):
    root = copy(music, tmp_path)
    shutil.rmtree(root / "face_video" / "s01")
    (root / "data_preprocessed_python" / "s03.dat").unlink()
    (root / "data_preprocessed_python" / "s23.dat").unlink()
    films = len(list((root / "face_video" / "s03").iterdir()))
    result = deap.survey(root)
    assert reported(result, "missing", "s01", "no face videos")
    assert reported(result, "missing", "s03", "no signals")
    assert reported(result, "missing", "s23", "no signals")
    assert [each.subject for each in result.trials] == ["s01"] * 4 + ["s03"] * films
    result = edited(root, lambda lines: [line for line in lines if not line.startswith("3,")])
    assert reported(result, "excluded", "s03", "no usable line")
    assert {each.subject for each in result.trials} == {"s01"}


def test_deap_signals_for_threads(music, tmp_path):
    """EDFlib opens a file once: threads that ask for trials of one recording get them all the same."""
    (tmp_path / "data_original").mkdir()
    table = "participant_ratings.csv"
    shutil.copy(music.root / "metadata_csv" / table, tmp_path / table)
    original(tmp_path / "data_original" / "s01.bdf", 0, [(6.0 + 10.25 * k, k + 1) for k in range(4)], 50)
    trials = deap.survey(tmp_path).trials
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(deap.signals, trials * 4))
    for each, signal in zip(trials * 4, read, strict=True):
        assert channel(signal, "eda").max() == pytest.approx(2 + 0.1 * int(each.about["presented"]), abs=0.01)


def test_deap_a_loop_over_trials_reads_a_file_once(music, monkeypatch):
    from mien.datasets.readers import restricted_pickle

    deap.recordings._load.cache_clear()
    load, read = restricted_pickle.load, []
    monkeypatch.setattr(restricted_pickle, "load", lambda path: read.append(path.name) or load(path))
    result = deap.survey(music.root)
    for each in result.trials:
        deap.signals(each)
    assert sorted(read) == ["s01.dat", "s03.dat", "s23.dat"]
    assert deap.recordings._load.cache_info().maxsize * 5e6 < 50e6  # bytes that stay, at most


@pytest.mark.parametrize("module", [deap, amigos, mahnob])
def test_a_wrong_root_is_reported(module, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the dataset's folder"):
        module.survey(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="expected the dataset's folder"):
        module.survey(tmp_path / "file")
    result = module.survey(tmp_path)
    assert not result.usable
    assert result.layout == ""
    assert result.problems[0].kind == "missing"
    assert "expected" in result.problems[0].reason
    assert {count.number for count in result.counts} == {0}
    with pytest.raises(ValueError, match="expected a trial of"):
        module.signals(Trial("1", "other"))
    assert "/" in module.TREE


def test_deap_archives_and_files_that_are_not_there_are_named(music, tmp_path):
    root = copy(music, tmp_path)
    shutil.rmtree(root / "face_video" / "s01")
    (root / "face_video" / "s01.zip").write_bytes(b"PK")
    (root / "data_preprocessed_python" / "s03.dat").unlink()
    (root / "metadata_csv" / "participant_ratings.csv").unlink()
    result = deap.survey(root)
    assert result.usable
    assert [each.path.name for each in reported(result, "missing", text="unzip it")] == ["s01.zip"]
    assert "s03" in {each.item for each in reported(result, "missing", text="no s03.dat")}


# AMIGOS


def raw(path: Path) -> dict[str, np.ndarray]:
    """SciPy's reading of a .mat, by VideoID."""
    stored = scipy.io.loadmat(path)
    names = ("joined_data", "labels_selfassessment", "labels_ext_annotation")
    ids = [str(each.item()) for each in stored["VideoIDs"].ravel()]
    return {id: tuple(stored[name].ravel()[k] for name in names) for k, id in enumerate(ids)}


def saved(path: Path, change) -> None:
    """The same .mat after its cells were changed."""
    stored = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("_")}
    place = {str(id.item()): k for k, id in enumerate(stored["VideoIDs"].ravel())}
    change(stored, place)
    path.unlink()
    scipy.io.savemat(path, stored)


MAT = "Data_Preprocessed_P01/Data_Preprocessed_P01.mat"


def test_amigos_pairs_what_belongs_together(shorts):
    result = amigos.survey(shorts.root)
    assert result.layout == "official"
    films = [item for item in shorts.items if item.usable and item.video and "group film" not in item.traps]
    assert matched(result, shorts, amigos, 1 / 25) == len(films) >= 6
    assert {each.id for each in result.trials} == {item.id for item in shorts.items if item.usable}
    for each in result.trials:
        assert each.video == (shorts.root / shorts[each.id].video if shorts[each.id] in films else None)
        assert each.span == (0.0, shorts[each.id].span)
        assert marked(amigos.signals(each), "eda")[1] == shorts[each.id].number


def test_amigos_values_are_scipys(shorts):
    result = amigos.survey(shorts.root)
    for each in result.trials:
        data, rated, outside = raw(each.signals)[each.about["film"]]
        signal = amigos.signals(each)
        assert (signal.rate, signal.start, signal.names) == (128.0, -5.0, ("ecg", "ecg_left", "eda"))
        np.testing.assert_allclose(signal.values[:2], data[:, 14:16].T, rtol=1e-6)
        np.testing.assert_allclose(channel(signal, "eda"), 1e6 / data[:, 16], rtol=1e-5)
        assert (each.labels["arousal"], each.labels["valence"]) == (rated[0, 0], rated[0, 1])
        assert [each.labels[name] for name in ("dominance", "familiarity", "neutral", "sadness")] == [
            rated[0, k] for k in (2, 4, 5, 11)]
        assert each.labels["external_valence"] == pytest.approx(outside[:, 1].mean())
        planted = shorts[each.id].labels
        assert all(each.labels[name] == planted[name] for name in planted)


def test_amigos_drops_are_listed(shorts):
    result = amigos.survey(shorts.root)
    for item in shorts.items:
        if not item.usable:
            (problem,) = reported(result, "excluded", item.id, "(0, 0)" if "(0, 0) cell" in item.traps else "NaN")
            assert problem.path.suffix == ".mat"
    (group,) = reported(result, "excluded", "P01/N1")
    assert "group" in group.reason
    absent = [each.item for each in reported(result, "missing") if "/" not in each.item]
    assert absent == [f"P{number:02d}" for number in range(2, 40)]
    assert "P(" in group.path.name
    counts = {count.name: count for count in result.counts}
    assert counts["trials of short videos"].official == 640
    assert counts["trials of long videos"].number == sum(each.about["videos"] == "long" for each in result.trials) == 8


def test_amigos_missing_parts(shorts, tmp_path):
    root = copy(shorts, tmp_path)
    ids = [each.about["film"] for each in amigos.survey(root).trials if each.subject == "P01"]
    little, unrated, rated_less, twice, other = ids[:5]

    def change(content, place):
        gap = content["joined_data"].flat[place[little]].copy()
        gap[700:720, 14] = np.nan
        content["joined_data"].flat[place[little]] = gap
        content["labels_selfassessment"].flat[place[unrated]] = np.zeros((1, 0))
        some = content["labels_selfassessment"].flat[place[rated_less]].copy()
        some[0, 1] = np.nan
        content["labels_selfassessment"].flat[place[rated_less]] = some
        content["VideoIDs"].flat[place[twice]] = np.array([other])

    before = raw(root / MAT)[little][0]
    saved(root / MAT, change)
    result = amigos.survey(root)
    assert reported(result, "doubtful", f"P01/{little}", "bridged")
    bridged = channel(amigos.signals(trial(result, f"P01/{little}")), "ecg")
    assert np.isfinite(bridged).all()
    np.testing.assert_allclose(bridged[700:720], np.linspace(before[699, 14], before[720, 14], 22)[1:-1], rtol=1e-4)
    assert reported(result, "missing", f"P01/{unrated}", "no self-assessment")
    assert "valence" not in trial(result, f"P01/{unrated}").labels
    assert "valence" not in trial(result, f"P01/{rated_less}").labels
    assert "arousal" in trial(result, f"P01/{rated_less}").labels
    assert reported(result, "excluded", f"P01/{other}", "2 times")
    assert reported(result, "excluded", f"P01/{twice}", "not among")
    assert {each.id for each in result.trials}.isdisjoint({f"P01/{other}", f"P01/{twice}"})


def test_amigos_what_is_broken_is_reported_and_the_rest_goes_on(shorts, tmp_path):
    root = copy(shorts, tmp_path)
    full = amigos.survey(root)
    mine = [each for each in full.trials if each.video]
    cut(root / "Data_Preprocessed_P40" / "Data_Preprocessed_P40.mat")
    cut(mine[0].video)
    (root / "Exp1_P07_face.zip").write_bytes(b"PK")
    result = amigos.survey(root)
    (problem,) = reported(result, "unreadable", "P40")
    assert problem.path.name == "Data_Preprocessed_P40.mat"
    assert reported(result, "unreadable", mine[0].id) or reported(result, "doubtful", mine[0].id)
    assert reported(result, "missing", "Exp1_P07_face", "unzip")
    assert {each.subject for each in result.trials} == {"P01"}
    scipy.io.savemat(root / MAT, {"ECG_DATA": np.ones(3)})
    assert reported(amigos.survey(root), "unreadable", "P01", "joined_data")


def test_amigos_matlab_73_and_filmed_baseline(tmp_path_factory, shorts):
    new = written(tmp_path_factory, "amigos", seconds=8, participants=(1,), variant="v73")
    mine = [each for each in amigos.survey(shorts.root).trials if each.subject == "P01"]
    for each, other in zip(amigos.survey(new.root).trials, mine, strict=True):
        assert (each.id, each.labels, each.span) == (other.id, other.labels, other.span)
        assert amigos.signals(each).values.tobytes() == amigos.signals(other).values.tobytes()
    longer = written(tmp_path_factory, "amigos", seconds=8, participants=(1,), variant="baseline_filmed")
    result = amigos.survey(longer.root)
    assert all(each.span == (5.0, 13.0) for each in result.trials if each.video)
    assert matched(result, longer, amigos, 1 / 25) >= 3


def test_amigos_a_film_of_an_unlikely_length_is_reported(shorts, tmp_path):
    root = copy(shorts, tmp_path)

    def shorter(content, place):
        for k in range(20):
            content["joined_data"].flat[k] = content["joined_data"].flat[k][:1200]

    saved(root / MAT, shorter)
    assert reported(amigos.survey(root), "doubtful", "P01/", "where in the face video the stimulus begins is uncertain")


# lengths in s of the same clips, and the numbers of their segments, as the descriptions state them
@pytest.mark.parametrize(("clip", "seconds", "count"), [("30", 70, 5), ("58", 58, 4), ("80", 96, 6), ("138", 116, 7)])
def test_amigos_segments_lie_where_their_number_says(tmp_path, clip, seconds, count):
    cells = np.empty((4, 1, 1), object)
    rows = np.column_stack([np.arange(count, 0, -1), np.linspace(-1, 1, count), np.linspace(2, 0, count)])
    data = np.full(((seconds + 5) * 128, 17), 2e5)
    data[0, 16] = 2.1e5
    for k, value in enumerate((data, np.ones((1, 12)), rows, clip)):
        cells[k, 0, 0] = value
    names = ("joined_data", "labels_selfassessment", "labels_ext_annotation", "VideoIDs")
    path = tmp_path / "Data_Preprocessed_P02.mat"
    scipy.io.savemat(path, dict(zip(names, cells, strict=True)))
    (only,) = amigos.survey(tmp_path).trials
    result = amigos.segments(only)
    assert result[0, :2].tolist() == [-5, 15]
    assert result[1, :2].tolist() == [0, 20]
    assert result[-1, :2].tolist() == [seconds - 20, seconds]
    assert np.all(result[:, 1] - result[:, 0] == 20)
    assert np.all(result[1:, 0] <= result[:-1, 1])  # no second of the video is left out
    assert result[:, 2].tolist() == pytest.approx(rows[::-1, 1])
    assert result[:, 3].max() == 1  # clipped
    cells[2, 0, 0] = rows[:-2]
    scipy.io.savemat(path, dict(zip(names, cells, strict=True)))
    (only,) = amigos.survey(tmp_path).trials
    with pytest.raises(ValueError, match=f"expected {count} segments"):
        amigos.segments(only)


# MAHNOB-HCI


def folder(truth: DatasetTruth, root: Path, id: str) -> Path:
    return (root / truth[id].video).parent


def test_mahnob_pairs_what_belongs_together(clips):
    result = mahnob.survey(clips.root)
    assert result.layout == "official"
    # the margins hold steeper edges than the event: only what lies in the span counts
    assert matched(result, clips, mahnob, 1 / 60.97, after=0.0) == sum(item.usable for item in clips.items) == 8
    for each in result.trials:
        assert each.video == clips.root / clips[each.id].video
        assert "C1 trigger" in each.video.name
        assert each.span[1] == pytest.approx(clips[each.id].span, abs=1 / 256)
        signal = mahnob.signals(each)
        assert signal.start == pytest.approx(-30, abs=1 / 256)
        assert signal.times[-1] == pytest.approx(each.span[1], abs=1.5 / 256)


def test_mahnob_span_ends_where_the_stimulus_ends(clips):
    """The film runs on and then shows another number: the last frame of the span does not, the next one does."""
    for each in mahnob.survey(clips.root).trials[:3]:
        number = clips[each.id].number
        with video.open_video(each.video, start=each.span[1] - 0.5, end=each.span[1] + 0.5) as frames:
            seen = [(frame.time, read_trial_number(frame.rgb)) for frame in frames]
        assert {value for time, value in seen if time < each.span[1] - 1 / 60.97} == {number}
        assert {value for time, value in seen if time > each.span[1] + 1 / 60.97} == {number + 1000}


def test_mahnob_channels_are_pyedflibs(clips):
    result = mahnob.survey(clips.root)
    for each in result.trials:
        signal = mahnob.signals(each)
        with pyedflib.EdfReader(str(each.signals)) as reader:
            labels = [label.strip() for label in reader.getSignalLabels()]
            status = reader.readSignal(labels.index("Status"), digital=True) & 0xFFFF
            stored = {label: reader.readSignal(labels.index(label))
                  for label in ("EXG1", "EXG2", "GSR1", "Resp", "Temp")}
        edges = np.flatnonzero(np.diff((status == 268).astype(int)) == 1) + 1
        assert len(edges) == 2
        assert signal.values.shape[1] == edges[1]
        assert signal.rate == pytest.approx(256)
        expected = {"ecg": stored["EXG2"] - stored["EXG1"], "eda": 1e6 / stored["GSR1"], "respiration": stored["Resp"],
                    "temperature": stored["Temp"]}
        belt = "respiration belt is off" not in clips[each.id].traps
        assert signal.names == tuple(name for name in expected if belt or name != "respiration")
        for name in signal.names:
            np.testing.assert_allclose(channel(signal, name), expected[name][: edges[1]], rtol=1e-5, atol=1e-3)
        assert signal.units == (("uV", "uS", "uV", "degC") if belt else ("uV", "uS", "degC"))
        assert bool(reported(result, "doubtful", each.id, "belt")) == (not belt)
    assert len(reported(result, "doubtful", text="belt")) == 1


def test_mahnob_labels_and_what_is_no_trial(clips):
    result = mahnob.survey(clips.root)
    words = {0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "joy", 5: "sadness", 6: "surprise", 11: "amusement",
             12: "anxiety"}
    for each in result.trials:
        planted = clips[each.id].labels
        assert (each.labels["valence"], each.labels["arousal"]) == (planted["valence"], planted["arousal"])
        assert each.labels["emotion"] == words[planted["emotion"]]
        assert each.about["gender"] in ("female", "male")
        assert each.about["film"]
    reasons = {"no ratings": "neutral", "tagging": "tagging", "incomplete": "12, 15, 26"}
    for item in clips.items:
        if not item.usable:
            (problem,) = [each for each in reported(result, "excluded") if each.item == item.id]
            assert reasons[item.traps[0]] in problem.reason
            assert problem.path.name == "session.xml"
    assert {each.id for each in result.trials} == {item.id for item in clips.items if item.usable}


def test_mahnob_time_is_the_films_where_its_rate_is_rounded(clips, tmp_path):
    """A container that says 61.27 of a camera of 60.97: after 6 s that is two frames, and the pair still fits."""
    root = copy(clips, tmp_path)
    stretch = 60.9708 / 61.27
    for path in root.rglob("*C1 trigger*.avi"):
        content = bytearray(path.read_bytes())
        at = content.index(b"strh") + 8
        assert content[at : at + 4] == b"vids"
        content[at + 20 : at + 28] = struct.pack("<II", 100, 6127)
        path.write_bytes(content)
    result = mahnob.survey(root)
    assert len(result.trials) == 8
    for each in result.trials:
        item, signal, seen = clips[each.id], mahnob.signals(each), read_event(film(each))
        assert each.span[1] == pytest.approx(item.span * stretch, abs=1 / 256)
        assert 0 <= seen - item.event * stretch <= 1 / 61.27
        event, number = marked(signal, "eda", 0.0)
        assert number == item.number
        assert abs(event - seen) <= 1 / 61.27
    for xml in root.rglob("session.xml"):
        xml.write_text(xml.read_text().replace('vidRate="60.9708"', 'vidRate="30"'))
    result = mahnob.survey(root)
    assert len(reported(result, "doubtful", text="encoded again")) == len(result.trials)
    assert trial(result, "2").span[1] == pytest.approx(clips["2"].span, abs=1 / 256)


def test_mahnob_film_without_times_of_its_own(tmp_path_factory):
    truth = written(tmp_path_factory, "mahnob", seconds=8, participants=(1,), variant="reordered")
    assert matched(mahnob.survey(truth.root), truth, mahnob, 1 / 60.97, after=0.0) == 4


def test_mahnob_other_arrangements(clips, tmp_path):
    root = copy(clips, tmp_path)
    assert mahnob.survey(root / "Sessions").layout == "flat"
    (tmp_path / "down").mkdir()
    root.rename(tmp_path / "down" / "MAHNOB-HCI")
    result = mahnob.survey(tmp_path / "down")
    assert result.layout == "parent"
    assert len(result.trials) == 8


BOMB = """<!DOCTYPE session [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>
<session sessionId="2" note="&c;"/>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE session [<!ENTITY x SYSTEM "file://{secret}">]>
<session sessionId="2">&x;</session>"""
DTD = """<!DOCTYPE session SYSTEM "file://{secret}">
<session sessionId="2"/>"""


@pytest.mark.parametrize(("text", "line"), [(BOMB, 1), (OUTSIDE, 2), (DTD, 1)])
def test_mahnob_entities_and_document_types_are_refused(clips, tmp_path, text, line):
    root = copy(clips, tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    (folder(clips, root, "2") / "session.xml").write_text(text.format(secret=secret))
    result = mahnob.survey(root)
    (problem,) = [each for each in reported(result, "unreadable") if each.item == "2"]
    assert "refused" in problem.reason
    assert f"line {line}" in problem.reason
    assert "hidden" not in str(result.problems)
    assert len(result.trials) == 7


@pytest.mark.parametrize("name", ["../4/Part_1_S_Trial2_emotion.bdf", "/etc/hostname", "..\\x.bdf", "C:x.bdf", ".."])
def test_mahnob_names_that_lead_elsewhere_are_refused(clips, tmp_path, name):
    root = copy(clips, tmp_path)
    here = folder(clips, root, "2")
    (here / "Part_1_S_Trial1_emotion.bdf").unlink()
    xml = here / "session.xml"
    xml.write_text(xml.read_text().replace("Part_1_S_Trial1_emotion.bdf", name))
    result = mahnob.survey(root)
    (problem,) = [each for each in reported(result, "excluded", text="refused") if each.item == "2"]
    text = xml.read_text()
    assert problem.line == 1 + text[: text.index(f'filename="{name}"')].count("\n")
    assert trial(result, "2").signals is None
    assert reported(result, "missing", "2", "emotion.bdf")


def test_mahnob_what_is_broken_is_reported_and_the_rest_goes_on(clips, tmp_path):
    root = copy(clips, tmp_path)
    cut(folder(clips, root, "2") / "session.xml")
    cut(root / clips["4"].signals)
    cut(root / clips["6"].video)
    (root / clips["8"].video).unlink()
    (folder(clips, root, "262") / "session.xml").unlink()
    for path in folder(clips, root, "264").iterdir():
        path.unlink()
    shutil.move(root / clips["266"].signals, folder(clips, root, "268"))
    xml = folder(clips, root, "268") / "session.xml"
    xml.write_text(xml.read_text().replace('feltVlnc="', 'feltVlnc="1').replace('feltEmo="', 'feltEmo="9'))
    result = mahnob.survey(root)
    (problem,) = [each for each in reported(result, "unreadable", text="line") if each.item == "2"]
    assert problem.path.name == "session.xml"
    assert reported(result, "unreadable", "4", "BDF")[0].path.name.endswith(".bdf")
    assert trial(result, "4").signals is None
    assert reported(result, "doubtful", "4", "cutLenSec")
    assert trial(result, "4").span[1] == pytest.approx(clips["4"].span)
    assert reported(result, "doubtful", "6", "cut short")
    assert reported(result, "missing", "8", "C1 trigger")
    assert trial(result, "8").video is None
    assert reported(result, "missing", "262", "session.xml")
    assert reported(result, "missing", "264", "empty folder")
    assert reported(result, "excluded", "268", "session 266")
    assert trial(result, "266").signals is None
    assert trial(result, "268").signals == root / clips["268"].signals
    assert reported(result, "doubtful", "268", "feltVlnc 1..9")
    assert reported(result, "doubtful", "268", "feltEmo")
    assert trial(result, "268").labels.keys() == {"arousal", "dominance", "predictability"}
    assert {each.id for each in result.trials} == {"4", "6", "8", "266", "268"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_mahnob_other_pulses_than_two_are_refused(clips, tmp_path, count):
    root = copy(clips, tmp_path)
    path = root / clips["2"].signals
    content = bytearray(path.read_bytes())
    channels, head = int(content[252:256]), int(content[184:192])
    block = 256 * channels * 3
    data = np.frombuffer(bytes(content[head:]), np.uint8).reshape(-1, block).copy()
    status = data[:, -256 * 3 :].reshape(len(data) * 256, 3)
    status[:, :2] = 0
    for k in range(count):
        status[(5 + 3 * k) * 256 : (5 + 3 * k) * 256 + 20, :2] = (12, 1)
    data[:, -256 * 3 :] = status.reshape(len(data), -1)
    path.write_bytes(bytes(content[:head]) + data.tobytes())
    result = mahnob.survey(root)
    (problem,) = [each for each in reported(result, "unreadable", text="two pulses") if each.item == "2"]
    assert f"got {count}" in problem.reason
    assert trial(result, "2").signals is None


def test_mahnob_sessions_that_are_not_there_are_named(clips, tmp_path):
    root = copy(clips, tmp_path)
    before = {each.item for each in reported(mahnob.survey(root), "missing")}
    assert {"10", "40", "294", "participant 2", "participant 30"} <= before  # 3 has 17 trials: its last is 294
    assert not {"2", "296", "participant 1", "participant 12"} & before
    sessions = folder(clips, root, "2").parent
    (sessions / "2").rename(tmp_path / "2")
    (sessions / "4").rename(sessions / "0004")
    (sessions / "2.zip").write_bytes(b"PK")
    result = mahnob.survey(root)
    assert {"no folder of this number, a rated session of participant 1",
            "expected the folder, got its archive: unzip it"} == {
                each.reason for each in reported(result, "missing", "2")}
    assert "4" not in {each.item for each in reported(result, "missing")}


def test_mahnob_an_unfinished_session_and_a_second_copy_are_left_out(clips, tmp_path):
    root = copy(clips, tmp_path)
    sessions = folder(clips, root, "2").parent
    shutil.copytree(sessions / "2", sessions / "002")
    later = Path(shutil.copytree(sessions / "2", sessions / "1984")) / "session.xml"
    text = later.read_text(encoding="utf-8").replace('sessionId="2"', 'sessionId="1984"')
    later.write_text(text.replace('<subject id="1"', '<subject id="16"'), encoding="utf-8")
    result = mahnob.survey(root)
    assert trial(result, "2").video.parent.name == "2"
    assert reported(result, "doubtful", text="expected it once")[0].path.name == "002"
    assert "1984" not in {each.id for each in result.trials}
    assert reported(result, "excluded", "1984", "incomplete")


# the readers


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_arrays_are_read_as_pickle_reads_them(tmp_path, protocol):
    from mien.datasets.readers import restricted_pickle

    rng = np.random.default_rng(3)
    stored = {"data": rng.normal(size=(3, 40, 500)), "labels": np.asfortranarray(rng.normal(size=(3, 4))),
            "small": np.float32([1, 2]), "big endian": np.arange(3, dtype=">i2"), "none": np.zeros((0, 4)),
            "plain": [1, 2.5, "ä\n", None, True, (1, 2), -3, 70000, 2**40, {"deeper": ()}]}
    stored["again"] = stored["small"]
    path = tmp_path / "x.dat"
    path.write_bytes(pickle.dumps(stored, protocol))
    read, expected = restricted_pickle.load(path), pickle.loads(path.read_bytes())
    assert read.keys() == expected.keys()
    assert read["plain"] == expected["plain"]
    for name in stored.keys() - {"plain"}:
        assert (read[name].shape, read[name].dtype.str[1:]) == (expected[name].shape, expected[name].dtype.str[1:])
        np.testing.assert_array_equal(read[name], expected[name])


class Subclass(dict):
    pass


def attacks() -> dict[str, object]:
    import os

    return {
        "system": Call(os.system, "touch planted"), "eval": Call(eval, "open('planted', 'w')"),
        "exec": Call(exec, "open('planted', 'w')"), "open": Call(open, "planted", "w"),
        "getattr": Call(getattr, "", "join"),
        "load": Call(np.load, "planted"), "ndarray": Call(np.ndarray, (3,)), "scalar": np.float64(3),
        "objects": np.array([{}, Call(os.system, "touch planted")], object),
        "object type": np.dtype("O"), "records": np.zeros(2, [("a", "f8"), ("b", "O")]),
        "subclass": Subclass(a=1), "set": {1}, "function": len, "class": Subclass,
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", list(attacks()))
def test_pickles_that_ask_for_more_are_refused_and_run_nothing(tmp_path, monkeypatch, name, protocol):
    from mien.datasets.readers import restricted_pickle

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.dat"
    path.write_bytes(pickle.dumps({"data": np.ones(3), "labels": attacks()[name]}, protocol))
    with pytest.raises(restricted_pickle.UnpickleError, match=r"x.dat, byte \d+: expected"):
        restricted_pickle.load(path)
    assert not (tmp_path / "planted").exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
FLOATS = b"cnumpy\ndtype\n(U\x02f8I0\nI1\ntR"
NESTED = b")" + b"q\x01h\x01h\x01\x87" * 40
"""A tuple of three that are one tuple of three, and so on: in words it would have no end."""
LONG = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x01"


@pytest.mark.parametrize(("content", "text"), [
    (b"(S'touch planted'\nios\nsystem\n.", "operation"),
    (b"cos\nsystem\n(S'touch planted'\ntR.", "os.system"),
    (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", "4611686018427387904 more bytes"),
    (b"\x80\x02T" + struct.pack("<i", -5) + b"x.", "more bytes"),
    (b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x.", "more bytes"),
    (b"\x80\x04N" + b"r" + struct.pack("<I", 2**32 - 1) + b".", None),
    (ARRAY + b"(I1\n(I1099511627776\ntcnumpy\ndtype\n(U\x02f8I0\nI1\ntRI00\nU\x08aaaaaaaatb.", "8796093022208 bytes"),
    (ARRAY + b"(I1\n(I-1\nI-1\ntcnumpy\ndtype\n(U\x02f8I0\nI1\ntRI00\nU\x08aaaaaaaatb.", "lengths"),
    (ARRAY + b"(I1\n(I1\ntcnumpy\ndtype\n(U\x02O8I0\nI1\ntRI00\nU\x08aaaaaaaatb.", "numbers"),
    (ARRAY + b".", "without"),
    (b"]" * 200_000 + b".", "at most"),
    (b"}(" + b")" + b"\x85" * 50_000 + b"Nu.", "tuple"),
    (ARRAY + b"(I1\n" + NESTED + FLOATS + b"I00\nU\x08aaaaaaaatb.", "lengths of an array"),
    (b"\x80\x04" + NESTED + b"\x8c\x06system\x93.", "expected str, got tuple"),
    (ARRAY + b"(\x8a\xff" + b"\x7f" * 255 + b"q\x01(" + b"h\x01" * 90_000 + b"t" + FLOATS + b"I00\nU\x00tb.",
     "90000 values"),
    (LONG + b"U\x06latin1\x86q\x02c_codecs\nencode\nq\x03" + b"h\x03h\x02R" * 30_000 + b".", "again and again"),
    (LONG + (ARRAY + b"(I1\n(I100000\ntcnumpy\ndtype\n(U\x02u1I0\nI1\ntRI00\nh\x01tb") * 5_000 + b".", "bytes"),
    (b"}(" + b"".join(b"\x8a\x10" + (k * (2**61 - 1)).to_bytes(16, "little") + b"N" for k in range(1, 30_000)) + b"u.",
     "expected str, got int"),
    (b"(dS'data'\ng99\ns.", "KeyError"),
    (b"0.", "operation"),
    (b"t.", "IndexError"),
    (b"\x80\x02Pname\n.", "operation"),
    (b"", "empty"),
    (b"PK\x03\x04 not at all", "operation"),
])  # fmt: skip
def test_pickles_made_by_hand_are_refused_without_cost(tmp_path, monkeypatch, content, text):
    import tracemalloc

    from mien.datasets.readers import restricted_pickle

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.dat"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        if text is None:
            assert restricted_pickle.load(path) is None
        else:
            with pytest.raises(restricted_pickle.UnpickleError, match=text):
                restricted_pickle.load(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "planted").exists()


def test_pickles_cut_anywhere_or_damaged_end_in_one_kind_of_error(tmp_path):
    from mien.datasets.readers import restricted_pickle

    path, rng = tmp_path / "x.dat", np.random.default_rng(0)
    full = [pickle.dumps({"data": np.arange(6.0).reshape(2, 3), "labels": np.ones((2, 4))}, k) for k in range(6)]
    for content in full:
        for length in range(0, len(content), 7):
            path.write_bytes(content[:length])
            with pytest.raises(restricted_pickle.UnpickleError):
                restricted_pickle.load(path)
        for _ in range(60):
            spoilt = bytearray(content)
            spoilt[rng.integers(len(spoilt))] = rng.integers(256)
            path.write_bytes(spoilt)
            with contextlib.suppress(restricted_pickle.UnpickleError):  # a number that differs is no damage that shows
                restricted_pickle.load(path)


def test_mat_73_that_leads_elsewhere_is_refused(tmp_path):
    import h5py

    from mien.datasets.readers import mat

    with h5py.File(tmp_path / "other.mat", "w") as other:
        other["data"] = np.ones(3)
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["data"] = h5py.ExternalLink("other.mat", "data")
    with pytest.raises(mat.MatError, match="link to elsewhere"):
        mat.load(tmp_path / "x.mat", ("data",))
    with h5py.File(tmp_path / "y.mat", "w") as file:
        file.create_dataset("data", (3,), "f8", external=[(str(tmp_path / "other.mat"), 0, 24)])
    with pytest.raises(mat.MatError, match="outside of the file"):
        mat.load(tmp_path / "y.mat", ("data",))


def test_mat_73_that_claims_too_much_is_refused_at_once(tmp_path):
    import h5py

    from mien.datasets.readers import mat

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("large", (2**27 + 1,), "f8", chunks=(2**20,))  # of which nothing is written
        some = file.create_dataset("some", (2**20,), "f8", chunks=(2**20,))
        for name, single, times in (("many", some, 200), ("inner", some, 2), ("data", None, 2)):
            cells = file.create_dataset(name, (times,), h5py.ref_dtype)
            for k in range(times):
                cells[k] = (single or file["inner"]).ref
    for name, text in (("large", "at most"), ("many", "at most"), ("data", "got cells")):
        with pytest.raises(mat.MatError, match=text):
            mat.load(tmp_path / "x.mat", (name,))
    assert [len(cell) for cell in mat.load(tmp_path / "x.mat", ("inner",))["inner"]] == [2**20] * 2
