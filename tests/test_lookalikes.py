"""The lookalikes, read by readers that are not ours: SciPy, pyEDFlib, h5py, openpyxl, csv, pickle, XML, PyAV."""

from __future__ import annotations

import csv
import pickle
import re
from collections import Counter
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import av
import cv2
import neurokit2
import numpy as np
import pyedflib
import pytest
from scipy.io import loadmat

from flat_films import Flat, written
from mien import simulation
from mien.core.observations import Frame
from mien.simulation.datasets import (
    LOOKALIKES,
    VARIANTS,
    acted_video,
    bdf,
    contact_signals,
    markers,
    media_files,
    output,
    participants,
    py2_pickle,
)
from mien.simulation.datasets.markers import read_event, read_light, read_signal_mark, read_trial_number
from mien.simulation.datasets.truth import DatasetTruth, Item

WORDS = {"1": "happy", "2": "sad", "3": "neutral", "4": "angry", "5": "surprise", "6": "disgust", "7": "fear"}
SMILE = "AU12"
BLANK = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def dfew(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "dfew", size=14)


@pytest.fixture(scope="module")
def ferv39k(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "ferv39k", size=14)


@pytest.fixture(scope="module")
def deap(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "deap", seconds=8, subjects=(2, 3, 23))


@pytest.fixture(scope="module")
def amigos(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "amigos", seconds=8)


@pytest.fixture(scope="module")
def mahnob(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "mahnob", seconds=8, participants=(1, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> DatasetTruth:
    return written(tmp_path_factory, "folder", size=7, seconds=8)


def decode(path: Path) -> list[Frame]:
    """Frames in the order of the container, time from the first."""
    with av.open(str(path)) as container:
        frames = [Frame(float(f.time), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return [Frame(frame.time - frames[0].time, frame.rgb) for frame in frames]


def picture(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def pressed(values: np.ndarray, event: float, rate: float, number: int) -> None:
    """The signal, which begins at the onset, has its mark at this event, to the sample, with this number."""
    result, read = read_signal_mark(values, rate)
    assert 0 <= result - event <= 1.001 / rate
    assert read == number


def filmed(frames: list[Frame], item: Item, fps: float) -> None:
    """The film shows this trial's number throughout, and its event within one frame."""
    assert {read_trial_number(frame.rgb) for frame in frames} == {item.number}
    assert item.event is not None
    seen = read_event(frames)
    assert seen is not None
    assert -1e-6 <= seen - item.event <= 1 / fps + 1e-3
    edge = np.array([frame.rgb[60:100, 4:30].mean() for frame in frames])
    assert read_light(edge, np.array([frame.time for frame in frames])) == pytest.approx(seen)


# --- marks


@pytest.mark.parametrize("number", [0, 1, 255, 256, 16372, 65535])
def test_number_survives_scaling_and_jpeg(number):
    rng = np.random.default_rng(number)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), np.uint8), (0, 0), 3)
    marked = markers.draw(rgb, number)
    _, data = cv2.imencode(".jpg", marked, [cv2.IMWRITE_JPEG_QUALITY, 80])
    for side in (256, 224, 160, 400):
        scaled = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (side, side), interpolation=cv2.INTER_AREA)
        assert read_trial_number(scaled) == number


def test_no_number_is_read_where_none_is():
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert read_trial_number(cv2.GaussianBlur(rng.integers(0, 256, (192, 240, 3), np.uint8), (0, 0), 4)) is None
    rgb = markers.draw(np.full((192, 240, 3), 120, np.uint8), 77)
    rgb[0:6, 36:42] = 255 - rgb[0:6, 36:42]  # one bit flipped
    assert read_trial_number(rgb) is None


@pytest.mark.parametrize(("number", "rate"), [(0, 128.0), (20, 128.0), (40, 128.0), (63, 256.0), (7, 100.0)])
def test_signal_mark_is_found_in_sweat_and_in_its_inverse(number, rate):
    times = np.arange(round(20 * rate)) / rate
    sweat = contact_signals.skin_conductance(times, np.array([2.0, 6.0, 11.0]), np.array([0.8, 1.2, 0.5]), 5.0)
    sweat = sweat + markers.rectangle(times, 7.3, number)
    pressed(sweat, 7.3, rate, number)
    pressed(1e6 / sweat, 7.3, rate, number)


def test_marks_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="0 to 65535, got 70000"):
        markers.draw(np.zeros((64, 64, 3), np.uint8), 70000)
    with pytest.raises(ValueError, match="0 to 63"):
        markers.rectangle(np.arange(3.0), 0, 64)


# --- writers


def test_python2_pickle_is_read_as_latin1_and_only_so(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"labels": rng.normal(size=(3, 4)), "data": rng.normal(size=(3, 40, 300))}
    py2_pickle.dump_py2(tmp_path / "s01.dat", arrays)
    with (tmp_path / "s01.dat").open("rb") as file:
        back = pickle.load(file, encoding="latin1")
    assert list(back) == ["labels", "data"]
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == np.float64
    with (tmp_path / "s01.dat").open("rb") as file, pytest.raises(UnicodeDecodeError):
        pickle.load(file)


def test_bdf_keeps_24_bits(tmp_path):
    from datetime import datetime

    rng = np.random.default_rng(0)
    wave = rng.uniform(-2e5, 2e5, 700)
    codes = rng.integers(0, 1 << 24, 700)
    codes[:2] = 0, (1 << 24) - 1
    bdf.write_bdf(
        tmp_path / "a.bdf", [bdf.Channel("Fp1", wave), bdf.status(codes)], 256, datetime(2009, 7, 9, 10, 0, 46)
    )
    with pyedflib.EdfReader(str(tmp_path / "a.bdf")) as reader:
        assert reader.getStartdatetime() == datetime(2009, 7, 9, 10, 0, 46)
        np.testing.assert_allclose(reader.readSignal(0)[:700], wave, atol=524287 / (1 << 24))
        back = reader.readSignal(1, digital=True)[:700].astype(np.int64) & 0xFFFFFF
        assert reader.getNSamples().tolist() == [768, 768]
    np.testing.assert_array_equal(back, codes)


@pytest.mark.parametrize(("suffix", "rate"), [("mp4", 25), ("mov", 25), ("avi", 50), ("avi", 60.9708)])
def test_video_keeps_rate_and_order(tmp_path, suffix, rate):
    frames = [markers.draw(np.full((96, 128, 3), 90, np.uint8), k) for k in range(40)]
    assert media_files.video(tmp_path / f"a.{suffix}", frames, rate, audio=suffix == "mov") == 40
    back = decode(tmp_path / f"a.{suffix}")
    assert [read_trial_number(frame.rgb) for frame in back] == list(range(40))
    np.testing.assert_allclose([frame.time for frame in back], np.arange(40) / rate, atol=1e-3)
    with av.open(str(tmp_path / f"a.{suffix}")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(container.streams.audio) == (suffix == "mov")


def test_reordered_avi_has_times_out_of_order(tmp_path):
    """The trap is real: an ordinary H.264 avi read by its time stamps alone comes out wrong."""
    frames = [markers.draw(np.full((96, 128, 3), 60 + k, np.uint8), k) for k in range(60)]
    media_files.video(tmp_path / "a.avi", frames, 50, reordered=True)
    back = decode(tmp_path / "a.avi")
    assert [read_trial_number(frame.rgb) for frame in back] == list(range(60))
    assert (np.diff([frame.time for frame in back]) <= 0).any()


# --- bodies


def test_ecg_beats_are_where_they_were_planted():
    beats = np.cumsum(np.random.default_rng(1).uniform(0.6, 1.0, 60))
    times = np.arange(0, beats[-1] - 1, 1 / 256)
    result = (
        neurokit2.ecg_peaks(neurokit2.ecg_clean(contact_signals.ecg(times, beats), 256), 256)[1]["ECG_R_Peaks"] / 256
    )
    inside = beats[(beats > 2) & (beats < times[-1] - 2)]
    assert max(np.abs(result - beat).min() for beat in inside) <= 1.5 / 256


def test_ppg_rate_is_the_planted_one():
    beats = np.arange(0.3, 60, 0.8)
    signals, _ = neurokit2.ppg_process(contact_signals.ppg(np.arange(0, 58, 1 / 128), beats), 128)
    assert np.median(signals["PPG_Rate"]) == pytest.approx(75, abs=0.5)


def test_eda_responses_are_the_planted_ones():
    onsets = np.array([5.0, 15.0, 26.0, 40.0])
    wave = contact_signals.skin_conductance(np.arange(0, 60, 1 / 64), onsets, np.full(4, 0.5), 4.0)
    _, info = neurokit2.eda_peaks(neurokit2.eda_phasic(wave, 64)["EDA_Phasic"], 64)
    result = info["SCR_Onsets"][~np.isnan(info["SCR_Onsets"])] / 64
    assert len(result) == 4
    np.testing.assert_allclose(result, onsets, atol=0.7)


def test_arousal_is_a_rise_over_the_subjects_own_rest():
    rng = np.random.default_rng(0)
    who = [participants.subject(str(k), k, 0) for k in range(12)]
    calm = [participants.trial(each, 5, 1.5, 60, 10, 0, rng) for each in who]
    awake = [participants.trial(each, 5, 8.5, 60, 10, 0, rng) for each in who]
    for low, high in zip(calm, awake, strict=True):
        assert 12 < high.heart_rate - low.heart_rate < 20
        assert len(high.responses) > len(low.responses)
        before = np.diff(high.beats[high.beats < 0])
        assert 60 / before.mean() == pytest.approx(high.who.rest, abs=3)
    # The confound: across people the absolute rate of the calm overlaps the aroused.
    assert max(trial.heart_rate for trial in calm) > min(trial.heart_rate for trial in awake)


def test_the_films_pulse_is_the_wires_pulse():
    """Systolic peaks that the renderer plants follow the R peaks of the signals at the face's delay, from any start."""
    act = participants.trial(participants.subject("a", 3, 0), 6, 8, 20, 5, 0, np.random.default_rng(2))
    for start in (0.0, -5.0):
        scene = acted_video.scene([act], acted_video.Shot((64, 64), 25, start, 18, 1, 3.0, 0))
        peaks = scene.truth().actors[0].beats + start
        interval = np.interp(peaks, act.beats[1:], np.diff(act.beats))
        foot = peaks - 0.26 * interval  # the systolic peak lies a quarter of a beat after the foot
        lag = np.array([(at - act.beats[act.beats < at]).min() for at in foot])
        assert len(peaks) > 15
        np.testing.assert_allclose(lag, contact_signals.FACE_DELAY, atol=0.03)


# --- films, with the renderer


def test_a_trial_is_filmed_with_its_marks_and_its_pulse(tmp_path):
    act = participants.trial(participants.subject("a", 3, 0), 5, 1, 8, 5, 0, np.random.default_rng(2))
    shot = acted_video.Shot((240, 192), 25, -1.0, 6.0, 321, 2.5, 0)
    assert media_files.video(tmp_path / "a.mp4", acted_video.frames([act], shot), 25) == 175
    frames = decode(tmp_path / "a.mp4")
    assert {read_trial_number(frame.rgb) for frame in frames} == {321}
    assert read_event(frames) == pytest.approx(2.5 + 1.0, abs=0.041)
    truth = acted_video.scene([act], shot).truth().actors[0]
    x0, y0, x1, y1 = truth.box[0]
    rows, columns = slice(int(y0 + 0.45 * (y1 - y0)), int(y0 + 0.75 * (y1 - y0))), slice(int(x0), int(x1))
    green = np.array([frame.rgb[rows, columns, 1].mean() for frame in frames[:85]])  # before the event
    fit = np.polyfit(np.arange(85), green, 3)
    swing = green - np.polyval(fit, np.arange(85))
    assert np.corrcoef(swing, truth.bvp[:85])[0, 1] < -0.7  # blood absorbs green


def test_a_smile_comes_with_the_stimulus():
    act = participants.trial(participants.subject("a", 3, 0), 9, 2, 8, 5, 0, np.random.default_rng(2))
    smile = acted_video.scene([act], acted_video.Shot((64, 64), 25, -1.0, 6.0, 1, 2.5, 0)).truth().actors[0].au(SMILE)
    times = np.arange(len(smile)) / 25 - 1
    assert smile[times < 0].max() == 0
    assert smile[(times > 2) & (times < 5)].min() > 3


def test_a_clip_shows_its_expression():
    rng = np.random.default_rng(0)
    happy, neutral = (
        acted_video.clip_frames(acted_video.clip(4, name, 5, 9, rng), 128)[-1] for name in ("happy", "neutral")
    )
    assert happy.shape == (128, 128, 3)
    assert read_trial_number(happy) == read_trial_number(neutral) == 9


# --- DFEW


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_dfew_folds_are_disjoint_and_train_is_the_rest(dfew):
    tested: list[str] = []
    for fold in range(1, 6):
        test, train = (rows(dfew.root / f"EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv")
                       for part in ("test", "train"))
        assert {row["video_name"] for row in train} | {row["video_name"] for row in test} == {
            item.id for item in dfew.items if item.usable}
        assert len(train) + len(test) == 14
        tested += [row["video_name"] for row in test]
        for row in train + test:
            assert re.fullmatch(r"\d{5}", row["video_name"])
            assert dfew[row["video_name"]].labels["expression"] == WORDS[row["label"]]
    assert len(tested) == len(set(tested)) == 14
    assert Counter(item.labels["expression"] for item in dfew.items if item.usable) == dict.fromkeys(WORDS.values(), 2)


def test_dfew_files_are_named_and_hold_what_they_should(dfew):
    for item in dfew.items:
        original = dfew.root / "Clip" / "original" / f"{int(item.id)}.mp4"
        assert re.fullmatch(r"\d+\.mp4", original.name)
        frames = decode(original)
        assert len(frames) == item.frames
        assert {read_trial_number(frame.rgb) for frame in frames} == {item.number} == {int(item.id)}
        aligned = sorted((dfew.root / "Clip" / "clip_224x224" / item.id).glob("*.jpg"))
        if not item.usable:
            assert aligned == []
            continue
        assert [path.name for path in aligned] == [f"{item.id}_{k:05d}.jpg" for k in range(1, item.frames + 1)]
        assert picture(aligned[0]).shape == (256, 256, 3)
        assert read_trial_number(picture(aligned[-1])) == item.number
        sixteen = dfew.root / "Clip" / "clip_224x224_16f" / item.id
        assert {path.name for path in sixteen.iterdir()} == {f"{k}.jpg" for k in range(1, 17)}
        assert read_trial_number(picture(sixteen / "10.jpg")) == item.number
        assert len(decode(dfew.root / "Clip" / "clip_224x224_avi" / f"{item.id}.avi")) == item.frames
    assert {1, 16372} <= {item.number for item in dfew.items}
    assert min(item.frames for item in dfew.items) < 16 < max(item.frames for item in dfew.items)


def test_dfew_votes_agree_with_the_annotation(dfew):
    import openpyxl

    sheet = openpyxl.load_workbook(dfew.root / "Annotation" / "annotation.xlsx", read_only=True).active
    head, *body = sheet.iter_rows(values_only=True)
    assert head[:8] == ("order", "1happy", "2sad", "3neutral", "4angry", "5surprise", "6disgust", "7fear")
    assert {"clip name", "annotation"} <= set(head)
    assert len(body) == 16
    for row in body:
        votes, annotation = np.array(row[1:8]), row[head.index("annotation")]
        assert votes.sum() == 10
        assert (votes.max() > 6) == (annotation > 0)
        if annotation:
            assert votes.argmax() == annotation - 1
    assert [row[head.index("annotation")] for row in body].count(0) == 1


@pytest.mark.parametrize(("variant", "expected"), [
    ("parent", r"DFEW-part2/EmoLabel_DataSplit/train\(single-labeled\)/set_\d\.csv"),
    ("train_folders", r"EmoLabel_DataSplit/train/set_\d\.csv"), ("train_set", r"EmoLabel_DataSplit/train_set_\d\.csv"),
    ("set_train", r"EmoLabel_DataSplit/set_\d_train\.csv"), ("old", r"single_label/label/single_trainset_\d\.csv"),
    ("peers", r"DFEW/Clip/jpg_256/\d{5}/\d{5}_\d{5}\.jpg"), ("only_16f", r"Clip/clip_224x16f/\d{5}/\d+\.jpg"),
    ("lists", r"annotation/DFEW_set_\d_train\.txt"),
    ("windows", r"EmoLabel_DataSplit/test\(single-labeled\)/set_\d\.csv"),
])
def test_dfew_layouts(tmp_path, monkeypatch, variant, expected):
    from mien.simulation.datasets import dfew as module

    monkeypatch.setattr(module.acted_video, "clip_frames", lambda plan, side, fps: [BLANK] * plan.count)
    truth = LOOKALIKES["dfew"](tmp_path, size=14, variant=variant)
    names = [path.relative_to(tmp_path).as_posix() for path in truth.files]
    assert any(re.fullmatch(expected, name) for name in names)
    for item in truth.items:
        assert item.video is None or (tmp_path / item.video).exists()
    text = next(path for path in truth.files if path.suffix in (".csv", ".txt")).read_bytes()
    assert (text.startswith(b"\xef\xbb\xbf") and b"\r\n" in text) == (variant == "windows")
    if variant == "lists":
        labels = {int(line.split()[2]) for path in truth.files if path.suffix == ".txt" and path.parent != tmp_path
                  for line in path.read_text().splitlines()}
        assert labels == set(range(7))


# --- FERV39k


def test_ferv39k_lists_and_folders(ferv39k):
    pattern = re.compile(r"^([A-Za-z]+)/(Angry|Disgust|Fear|Happy|Neutral|Sad|Surprise)/(\d{4}) \2$")
    keys: list[str] = []
    for part in ("train", "test"):
        lines = (ferv39k.root / "4_setups" / "All_scenes" / f"{part}_All.csv").read_text().splitlines()
        assert all(pattern.match(line) for line in lines)
        keys += [line.split()[0] for line in lines]
        assert {ferv39k[key.split()[0]].split for key in lines} == {part}
    assert len(keys) == len(set(keys)) == 15
    present = [key for key in keys if (ferv39k.root / "2_ClipsforFaceCrop" / key).is_dir()]
    assert len(present) == 14
    for key in present:
        frames = sorted((ferv39k.root / "2_ClipsforFaceCrop" / key).iterdir())
        assert len(frames) == ferv39k[key].frames
        assert picture(frames[0]).shape == (224, 224, 3)
        assert {read_trial_number(picture(path)) for path in frames} == {ferv39k[key].number}
    assert min(item.frames for item in ferv39k.items if item.usable) == 8
    assert len({key.split("/")[0] for key in keys}) >= 2


def test_ferv39k_both_parts_know_every_emotion(tmp_path, monkeypatch):
    from mien.simulation.datasets import ferv39k as module

    monkeypatch.setattr(module.acted_video, "clip_frames", lambda plan, side, fps: [BLANK])
    for variant in VARIANTS["ferv39k"]:
        truth = LOOKALIKES["ferv39k"](tmp_path / variant, variant=variant)
        assert sum(item.usable for item in truth.items) == 70
        for part in ("train", "test"):
            assert {item.labels["expression"] for item in truth.items if item.split == part} == set(WORDS.values())
        for item in truth.items:
            assert item.video is None or (truth.root / item.video).is_dir()
    ids = {line.split()[0].split("/")[1]: line.split()[1]
           for line in (tmp_path / "ids" / "4_setups" / "All_scenes" / "train_All.csv").read_text().splitlines()}
    assert ids["Angry"] == "0"
    assert ids["Surprise"] == "6"
    assert (tmp_path / "nested" / "FERV39k" / "FERV39k" / "2_ClipsforFaceCrop").is_dir()
    assert (tmp_path / "peers" / "FERV39K" / "Annotation" / "test.csv").is_file()


def test_labels_of_clips_are_what_the_faces_do(dfew, ferv39k):
    for truth in (dfew, ferv39k):
        for item in truth.items:
            core = simulation.PROTOTYPES[str(item.labels["expression"])]
            assert set(core) <= set(item.aus)
            assert all(item.aus[name] >= 3 for name in core)
        happy = [item.aus[SMILE] for item in truth.items if item.labels["expression"] == "happy"]
        others = [item.aus.get(SMILE, 0.0) for item in truth.items if item.labels["expression"] in ("sad", "neutral")]
        assert min(happy) > max(others)


# --- DEAP


def dat(truth: DatasetTruth, subject: str) -> dict[str, np.ndarray]:
    with (truth.root / "data_preprocessed_python" / f"{subject}.dat").open("rb") as file:
        return pickle.load(file, encoding="latin1")


def test_deap_arrays_are_in_the_order_of_the_videos_shown(deap):
    for subject in ("s02", "s03", "s23"):
        content = dat(deap, subject)
        assert content["data"].shape == (4, 40, 8064)
        assert content["labels"].shape == (4, 4)
        for id in range(1, 5):
            item = deap[f"{subject}/{id}"]
            assert content["labels"][id - 1].tolist() == [item.labels[name] for name in (
                "valence", "arousal", "dominance", "liking")]
            for channel in (36, 39):
                pressed(content["data"][id - 1, channel, 384:], item.event, 128, item.number)


def test_deap_channels_are_the_ones_that_the_readme_names(deap):
    data = dat(deap, "s02")["data"][0]
    spectrum = np.abs(np.fft.rfft(data[:36] - data[:36].mean(1, keepdims=True), axis=1))
    np.testing.assert_allclose(np.fft.rfftfreq(8064, 1 / 128)[spectrum.argmax(1)], 5 + np.arange(36), atol=0.02)
    item = deap["s02/1"]
    signals, _ = neurokit2.ppg_process(data[38, 384:], 128)
    assert np.median(signals["PPG_Rate"][640:]) == pytest.approx(item.heart_rate, abs=2)
    assert 28 < np.median(data[39]) < 35
    assert np.median(dat(deap, "s02")["data"][:, 36]) < 1e4 < np.median(dat(deap, "s23")["data"][:, 36])


def test_deap_videos_join_through_the_ratings(deap):
    assert all(re.fullmatch(r"s(\d{2})\.dat", path.name) for path in deap.files if path.suffix == ".dat")
    assert all(re.fullmatch(r"s(\d{2})_trial(\d{2})\.avi", path.name) for path in deap.files if path.suffix == ".avi")
    table = rows(deap.root / "metadata_csv" / "participant_ratings.csv")
    assert list(table[0]) == ["Participant_id", "Trial", "Experiment_id", "Start_time", "Valence", "Arousal",
                              "Dominance", "Liking", "Familiarity"]
    assert len(table) == 12
    for row in table:
        item = deap[f"s{int(row['Participant_id']):02d}/{row['Experiment_id']}"]
        assert float(row["Valence"]) == item.labels["valence"]
        assert (row["Familiarity"] == "") == (row["Participant_id"] in ("2", "23"))
        assert row["Trial"] != row["Experiment_id"]
        video = deap.root / "face_video" / item.subject / f"{item.subject}_trial{int(row['Trial']):02d}.avi"
        assert video.exists() == (item.video is not None)
        if row["Participant_id"] == "2":
            frames = decode(video)
            assert len(frames) == item.frames
            filmed(frames, item, 50)
    assert not (deap.root / "face_video" / "s23").exists()
    assert not (deap.root / "face_video" / "s03" / "s03_trial04.avi").exists()
    assert {4.5, 5.0} <= {deap[f"s02/{id}"].labels["valence"] for id in (1, 2)}


def test_deap_layouts(tmp_path, monkeypatch):
    from mien.simulation.datasets import deap as module

    monkeypatch.setattr(module.acted_video, "frames", lambda acts, shot: iter([BLANK] * 9))
    for variant in VARIANTS["deap"]:
        truth = LOOKALIKES["deap"](tmp_path / variant, variant=variant, subjects=(1,))
        assert all((truth.root / name).exists() for item in truth.items for name in (item.video, item.signals) if name)
    back = loadmat(tmp_path / "matlab" / "data_preprocessed_matlab" / "s01.mat")
    assert back["data"].shape == (4, 40, 8064)
    assert (tmp_path / "flat" / "s01.dat").exists()
    assert (tmp_path / "parent" / "DEAP" / "face_video" / "s01").is_dir()


# --- AMIGOS


def cells(truth: DatasetTruth, number: int) -> dict[str, np.ndarray]:
    path = next(path for path in truth.files if re.fullmatch(rf"Data_[Pp]reprocessed_P{number:02d}\.mat", path.name))
    return loadmat(path)


def test_amigos_cells_are_in_each_participants_own_order(amigos):
    orders = []
    for number in (1, 7, 8, 32, 40):
        mat = cells(amigos, number)
        ids = [str(cell[0]) for cell in mat["VideoIDs"][0]]
        orders.append(tuple(ids))
        assert sorted(ids) == ["10", "13", "138", "18", "19", "20", "23", "30", "31", "34", "36", "4", "5", "58", "80",
                               "9", "B1", "N1", "P1", "U1"]
        for place, id in enumerate(ids):
            item = amigos[f"P{number:02d}/{id}"]
            data, form, note = (mat[name][0, place] for name in (
                "joined_data", "labels_selfassessment", "labels_ext_annotation"))
            if item.signals is None:
                assert data.shape == form.shape == note.shape == (0, 0)
                continue
            assert data.shape == (640 + 8 * 128, 17)
            if "valence" in item.labels:
                assert form.shape == (1, 12)
                assert form[0, :2].tolist() == [item.labels["arousal"], item.labels["valence"]]
            else:
                assert form.size == 0
            assert note.shape == (2, 3)
            assert np.abs(note[:, 1:]).max() <= 1
            if not np.isnan(data).any():
                pressed(1e6 / data[640:, 16], item.event, 128, item.number)
    assert len(set(orders)) == 5


def test_amigos_traps_are_there(amigos):
    assert cells(amigos, 1)["joined_data"][0, 2].shape == (0, 0)
    spoilt = {trap: [item for item in amigos.items if trap in item.traps] for trap in (
        "a channel is NaN", "a few samples are NaN", "no self-assessment", "long videos not seen",
        "film is cut off")}
    assert all(spoilt.values())
    item = spoilt["a channel is NaN"][0]
    mat = cells(amigos, 1)
    place = [str(cell[0]) for cell in mat["VideoIDs"][0]].index(item.id.split("/")[1])
    assert np.isnan(mat["joined_data"][0, place][:, 15]).all()
    assert not np.isnan(mat["joined_data"][0, place][:, 14]).any()
    assert {item.subject for item in spoilt["long videos not seen"]} == {"P08"}
    with pytest.raises(av.FFmpegError):
        decode(amigos.root / spoilt["film is cut off"][0].video)


def test_amigos_films_are_named_and_hold_their_trial(amigos):
    short = re.compile(r"P(\d+)_([0-9A-Z]+)_face\.mov")
    group = re.compile(r"P\((\d+(?:,\d+)*)\)_([NPBU]1)_face\.mov")
    names = [path.name for path in amigos.files if path.suffix == ".mov"]
    assert all(short.fullmatch(name) or group.fullmatch(name) for name in names)
    assert sum(group.fullmatch(name) is not None for name in names) == 2
    checked = [item for item in amigos.items if item.video and item.frames][::4]
    for item in checked:
        path = amigos.root / item.video
        frames = decode(path)
        assert len(frames) == item.frames
        filmed(frames, item, 25)
        with av.open(str(path)) as container:
            assert len(container.streams.audio) == 1
    shared = [item for item in amigos.items if item.video and "(7,1,2,16)" in item.video]
    assert {item.subject for item in shared} == {"P01", "P07"}
    assert len({item.event for item in shared}) == 1


def test_amigos_hearts_beat_as_planted(amigos):
    item = next(item for item in amigos.items if item.subject == "P40" and item.usable)
    mat = cells(amigos, 40)
    place = [str(cell[0]) for cell in mat["VideoIDs"][0]].index(item.id.split("/")[1])
    wave = mat["joined_data"][0, place][:, 14]
    result = neurokit2.ecg_peaks(neurokit2.ecg_clean(wave, 128), 128)[1]["ECG_R_Peaks"] / 128 - 5
    inside = item.beats[(item.beats > -4) & (item.beats < 7)]
    assert max(np.abs(result - beat).min() for beat in inside) <= 1.5 / 128


def test_amigos_layouts(tmp_path, monkeypatch):
    import h5py

    from mien.simulation.datasets import amigos as module

    monkeypatch.setattr(module.acted_video, "frames", lambda acts, shot: iter([BLANK] * 9))
    for variant in VARIANTS["amigos"]:
        truth = LOOKALIKES["amigos"](tmp_path / variant, variant=variant, participants=(1, 8), seconds=8)
        assert all((truth.root / name).exists() for item in truth.items for name in (item.video, item.signals) if name)
    path = tmp_path / "v73" / "Data_Preprocessed_P01" / "Data_Preprocessed_P01.mat"
    with pytest.raises(NotImplementedError):
        loadmat(path)
    old = loadmat(tmp_path / "official" / "Data_Preprocessed_P01" / "Data_Preprocessed_P01.mat")
    with h5py.File(path) as file:
        for place in range(20):
            id = "".join(chr(code) for code in file[file["VideoIDs"][place, 0]][:, 0])
            assert id == str(old["VideoIDs"][0, place][0])
            cell = file[file["joined_data"][place, 0]]
            if cell.attrs.get("MATLAB_empty"):
                assert old["joined_data"][0, place].size == 0
            else:
                np.testing.assert_array_equal(cell[()].T, old["joined_data"][0, place])


# --- MAHNOB-HCI


def session(truth: DatasetTruth, item: Item) -> tuple[Path, ElementTree.Element]:
    folder = truth.root / "Sessions" / item.id
    return folder, ElementTree.parse(folder / "session.xml").getroot()


def test_mahnob_sessions_say_who_and_what(mahnob):
    for item in mahnob.items:
        folder, root = session(mahnob, item)
        assert root.tag == "session"
        assert root.get("sessionId") == item.id
        assert root.find("subject").get("id") == item.subject
        rated = root.get("experimentType") == "emotion elicitation" and root.get("feltVlnc") is not None
        assert rated == item.usable
        assert float(root.get("vidRate")) == 60.9708
        if rated:
            assert int(root.get("feltVlnc")) == item.labels["valence"]
            assert int(root.get("feltArsl")) == item.labels["arousal"]
            assert root.get("isStim") == "1"
            section = 2 * int(root.get("cutNr"))
            assert int(item.id) == (int(item.subject) - 1) * 130 + section
        for track in root.iter("track"):
            assert "incomplete" in item.traps or (folder / track.get("filename")).exists()
    ids = sorted(int(item.id) for item in mahnob.items)
    assert 1432 in ids
    assert ids != list(range(ids[0], ids[0] + len(ids)))


def test_mahnob_files_are_named_as_the_real_ones(mahnob):
    video = re.compile(r"P(\d+)-Rec(\d+)-(\d{4}(?:\.\d\d){5})_C1 trigger _C_Section_(\d+)\.avi")
    wires = re.compile(r"Part_(\d+)_(?:(S|N)_)?Trial(\d+)_(emotion|taggingImages1|taggingImages2|taggingVideos)\.bdf")
    for item in mahnob.items:
        folder = mahnob.root / "Sessions" / item.id
        colour = [path for path in folder.glob("*.avi") if video.fullmatch(path.name)]
        assert len(colour) == (item.video is not None)
        assert len(list(folder.glob("*.bdf"))) == (item.signals is not None)
        assert all(wires.fullmatch(path.name) for path in folder.glob("*.bdf"))
    first = sorted((mahnob.root / "Sessions" / "2").glob("*.avi"))
    assert len(first) == 2
    assert not video.fullmatch(first[0].name)
    gaze = next((mahnob.root / "Sessions" / "2").glob("*All-Data*.tsv")).read_text().splitlines()
    assert gaze[23].startswith("Timestamp\t")


def test_mahnob_status_cuts_out_the_stimulus(mahnob):
    labels = ["Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz",
              "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2",
              "EXG1", "EXG2", "EXG3", "EXG4", "EXG5", "EXG6", "EXG7", "EXG8", "GSR1", "GSR2", "Erg1", "Erg2", "Resp",
              "Temp", "Status"]
    for item in [item for item in mahnob.items if item.usable][::2]:
        with pyedflib.EdfReader(str(mahnob.root / item.signals)) as reader:
            assert [label.strip() for label in reader.getSignalLabels()] == labels
            assert reader.signals_in_file == 47
            assert set(reader.getSampleFrequencies()) == {256}
            raw = reader.readSignal(46, digital=True).astype(np.int64)
            sweat, warm, first, second = (reader.readSignal(labels.index(name)) for name in (
                "GSR1", "Temp", "EXG1", "EXG2"))
        assert set(raw & 0xFFFF) == {0, 268}
        assert len(set(raw >> 16)) > 20
        onset, end = np.flatnonzero(np.diff((raw & 0xFFFF) == 268, prepend=False) & ((raw & 0xFFFF) == 268))
        assert onset == 30 * 256
        assert (end - onset) / 256 == item.span
        for wave in (sweat, warm):
            pressed(wave[onset:end], item.event, 256, item.number)
            assert read_signal_mark(wave, 256)[1] != item.number
        heart = neurokit2.ecg_peaks(neurokit2.ecg_clean(second - first, 256), 256)[1]["ECG_R_Peaks"] / 256 - 30
        inside = item.beats[(item.beats > 0) & (item.beats < item.span)]
        assert max(np.abs(heart - beat).min() for beat in inside) <= 2 / 256


def test_mahnob_colour_film_runs_on(mahnob):
    for item in [item for item in mahnob.items if item.usable][1:3]:
        frames = decode(mahnob.root / item.video)
        assert len(frames) == item.frames == round(1.3 * item.span * 60.9708)
        assert frames[1].time == pytest.approx(1 / 60.9708, abs=1e-5)
        count = round(item.span * 60.9708)
        filmed(frames[:count], item, 60.97)
        assert {read_trial_number(frame.rgb) for frame in frames[count + 1:]} == {item.number + 1000}
    grey = next((mahnob.root / "Sessions" / "2").glob("*BW1*.avi"))
    rgb = decode(grey)[0].rgb.astype(int)
    assert np.abs(rgb[..., 0] - rgb[..., 2]).max() < 6


def test_mahnob_belt_idles_where_it_is_off(mahnob):
    item = next(item for item in mahnob.items if "respiration belt is off" in item.traps)
    with pyedflib.EdfReader(str(mahnob.root / item.signals)) as reader:
        np.testing.assert_allclose(reader.readSignal(44), 16, atol=0.1)


def test_mahnob_layouts(tmp_path, monkeypatch):
    from mien.simulation.datasets import mahnob as module

    monkeypatch.setattr(module.acted_video, "frames", lambda acts, shot: iter([BLANK] * 9))
    for variant, place in (("flat", "2"), ("parent", "MAHNOB-HCI/Sessions/2")):
        truth = LOOKALIKES["mahnob"](tmp_path / variant, variant=variant, participants=(1,), seconds=8)
        assert (tmp_path / variant / place / "session.xml").exists()
        assert all((truth.root / name).exists() for item in truth.items for name in (item.video, item.signals) if name)


# --- a user's own folder


def test_folder_manifest_and_signals(folder):
    table = rows(folder.root / "manifest.csv")
    assert list(table[0]) == ["video", "subject", "expression", "valence", "arousal", "signals"]
    assert len(table) == 7 + 3
    assert Counter(row["video"] for row in table).most_common(1)[0][1] == 2
    assert not (folder.root / "videos" / "gone.mp4").exists()
    for item in folder.items[:3]:
        frames = decode(folder.root / item.video)
        filmed(frames, item, 25)
        columns = {name: np.array([float(row[name]) for row in rows(folder.root / item.signals)])
                   for name in ("time", "ecg", "eda")}
        assert columns["time"][0] == pytest.approx(-2, abs=0.01)
        jump = columns["time"][1:][np.abs(np.diff(columns["eda"])).argmax()]
        assert jump == pytest.approx(item.event, abs=0.021) or jump > item.event
        peaks = columns["time"][(columns["ecg"] > 0.7)]
        inside = item.beats[(item.beats > 0) & (item.beats < 8)]
        assert max(np.abs(peaks - beat).min() for beat in inside) < 0.03
    assert (folder.items[2].labels.keys() & {"valence", "arousal"}) == {"arousal"}


# --- all of them


def test_ratings_show_in_faces_and_hearts(deap, amigos, mahnob):
    for truth in (deap, amigos, mahnob):
        felt = [item for item in truth.items if item.usable]
        assert all((item.aus.get(SMILE, 0) > 0.3) == (item.labels["valence"] > 5.4) for item in felt)
        rise = np.array([item.heart_rate - item.rest for item in felt])
        assert np.corrcoef(rise, [item.labels["arousal"] for item in felt])[0, 1] > 0.8


def test_events_differ_between_trials(deap, amigos, mahnob):
    for truth in (deap, amigos, mahnob):
        filmed_alone = [item.event for item in truth.items if item.usable and "group film" not in item.traps]
        assert len(set(filmed_alone)) == len(filmed_alone)


@pytest.mark.parametrize("name", ["dfew", "ferv39k"])
def test_same_seed_same_bytes(tmp_path, monkeypatch, name):
    monkeypatch.setattr(simulation, "Scene", Flat)
    for run, seed in (("a", 3), ("b", 3), ("c", 4)):
        LOOKALIKES[name](tmp_path / run, size=14, seed=seed)
    first, second, other = (sorted(path for path in (tmp_path / run).rglob("*.*") if path.suffix != ".xlsx")
                            for run in "abc")  # openpyxl notes the time
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.read_bytes() for path in first] != [path.read_bytes() for path in other]


def test_workers_write_the_same(tmp_path):
    """With the renderer, in processes of their own."""
    plan = acted_video.clip(1, "sad", 3, 5, np.random.default_rng(0))
    alone, present = (output.each(partial(acted_video.clip_frames, side=64), [plan, plan], workers)
                      for workers in (1, 2))
    for single, other in zip(alone, present, strict=True):
        np.testing.assert_array_equal(single, other)


@pytest.mark.parametrize("name", list(LOOKALIKES))
def test_refuses_what_it_cannot_do(tmp_path, name):
    with pytest.raises(ValueError, match="variant of official"):
        LOOKALIKES[name](tmp_path / "a", variant="zip")
    with pytest.raises(ValueError, match="size of"):
        LOOKALIKES[name](tmp_path / "a", size=1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="empty folder"):
        LOOKALIKES[name](tmp_path / "b")
    assert (tmp_path / "b" / "mine.txt").read_text() == "mine"
