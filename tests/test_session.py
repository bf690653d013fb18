"""A recording with contact signals: on one clock, the bad masked and reported, an answer that says what it rests on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mien import backbones, checkpoints, cli, simulation, video
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.results import Measurement
from mien.core.tasks import ACTION_UNITS, VALENCE
from mien.datasets import readers
from mien.inference import recording
from mien.inference.clip_features import ClipFeatureBuffer
from mien.inference.prediction import StepObservation
from mien.inference.stream import Stream, TrackState
from mien.models import mvp
from mien.models.method import Output, Series
from mien.models.videomae import clip_features
from mien.preprocessing.model_inputs import prepare_batch
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.reporting import html
from mien.signals import quality
from test_imports import wristband
from timed_films import film, steady

SECONDS, RATE = 30.0, 128.0


def table(path: Path, seconds: float = SECONDS, begin: float = 0.0, rate: float = RATE, clock: bool = True,
          **change) -> Path:
    """ECG with a spike each second of the clock, EDA that rises; `change`: name -> what is done to (times, values)."""
    times = begin + np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(3)
    ecg = np.exp(-((times % 1.0 - 0.5) ** 2) / 2e-4) + 0.01 * rng.standard_normal(len(times))
    columns = {"ECG (mV)": ecg, "EDA (uS)": 5 + 0.01 * times + 0.002 * rng.standard_normal(len(times))}
    for name, how in change.items():
        key = next(column for column in columns if column.lower().startswith(name))
        columns[key] = how(times, columns[key].copy())
    rows = np.stack([*([times] if clock else []), *columns.values()], axis=1)
    head = ",".join([*(["time (s)"] if clock else []), *columns])
    np.savetxt(path, rows, "%.6f", ",", header=head, comments="")
    return path


def spikes(contact: readers.ContactSignals, name: str = "ecg") -> np.ndarray:
    signal, row = contact.find(name)
    values = signal.values[row]
    return signal.times[np.flatnonzero(np.nan_to_num(values) > 0.8)]


# ------------------------------------------------------------------------------------------------------------- clocks
def test_signals_come_onto_the_clock_of_the_video(tmp_path):
    path = table(tmp_path / "s.csv", seconds=40)
    result = readers.contact_signals(path, offset=-2.25, seconds=20.0)
    assert result.signals[0].values.shape == (2, 20 * 128)
    assert np.abs((spikes(result) + 2.25) % 1.0 - 0.5).max() < 0.03
    assert any("time 0 lies at -2.25 s" in note for note in result.notes)
    plain = readers.contact_signals(path, seconds=20.0)
    assert np.abs(spikes(plain) % 1.0 - 0.5).max() < 0.03
    assert any("taken to begin with the video" in note for note in plain.notes)
    later = readers.contact_signals(path, offset=5.0, seconds=20.0)
    assert np.isnan(later.signals[0].values[:, : 5 * 128 - 1]).all()
    assert spikes(later).min() > 5.3


def test_the_video_may_begin_at_a_date(tmp_path):
    dated = tmp_path / "d.csv"
    lines = [f"2026-01-31T12:00:{k / 8:09.6f},{k % 8 == 4:d},{k / 99:.5f}" for k in range(160)]
    dated.write_text("\n".join(["datetime,ecg,eda", *lines]))
    result = readers.contact_signals(dated, start="2026-01-31T12:00:02.5", seconds=10.0)
    np.testing.assert_allclose(spikes(result), np.arange(10), atol=1e-3)  # at 0.5 s of every second, 2.5 s later
    band = wristband(tmp_path / "e4")
    first = readers.empatica(band)
    moved = readers.contact_signals(band, start=str(first.zero + 3.0), seconds=5.0)
    ppg, row = moved.find("ppg")
    np.testing.assert_allclose(ppg.values[row], first.signals["ppg"].values[0, 3 * 64 : 8 * 64])


def test_a_channel_is_found_by_its_kind_when_it_is_the_only_one(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("time,PPG finger,EDA left,EDA right\n" + "\n".join(f"{k / 10},{k},1,2" for k in range(50)))
    result = readers.contact_signals(path)
    assert result.find("ppg")[0].names[result.find("ppg")[1]] == "ppg_finger"
    assert result.find("eda") is None
    assert result.find("ecg") is None


@pytest.mark.parametrize(("change", "said"), [
    ({"ecg": lambda t, x: np.where((t >= 5) & (t <= 12), 0.2, x)}, r"ecg: flat line 23\.\d%, longest 7\S* s from 5 s"),
    ({"ecg": lambda t, x: np.where((t >= 5) & (t <= 12), np.nan, x)}, r"ecg: no data 23\.\d%, longest 7\S* s from 5 s"),
    ({"ecg": lambda t, x: np.clip(x, -1, 0.3)}, "ecg: clipped"),
])
def test_contact_signals_report_bad_parts_of_one_channel(tmp_path, change, said):
    result = readers.contact_signals(table(tmp_path / "s.csv", **change), seconds=SECONDS)
    assert any(re.search(said, note) for note in result.notes), result.notes
    assert not any(note.startswith("eda") for note in result.notes)
    signal, row = result.find("eda")
    assert np.isfinite(signal.values[row]).all()


def test_lengths_and_rates_that_cannot_be_are_reported(tmp_path):
    path = table(tmp_path / "s.csv", seconds=10.0)
    short = readers.contact_signals(path, seconds=SECONDS)
    assert any("shorter than the video's 30.0 s, from 0.0 to 10.0 s" in note for note in short.notes)
    away = readers.contact_signals(path, offset=-60.0, seconds=SECONDS)
    assert any("got some from -60.0 to -50.0 s: is --physio-offset" in note for note in away.notes)
    assert not np.isfinite(away.signals[0].values).any()
    stated = readers.contact_signals(path, rate=64.0, seconds=10.0)
    assert any("wrong rate: 64 Hz stated, 128 Hz by the time stamps" in note for note in stated.notes)
    bare = table(tmp_path / "bare.csv", clock=False)
    with pytest.raises(ValueError, match=r"--physio-rate: expected a column of time in bare\.csv"):
        readers.contact_signals(bare)
    with pytest.raises(ValueError, match="--physio-start: expected a column of time"):
        readers.contact_signals(bare, start="2026-01-31T12:00:00", rate=128.0)
    for rate, said in ((64.0, "longer than the video's 30.0 s, to 60.0 s by 64 Hz, 60.0 s in all: is the rate right?"),
                       (64.0, "ecg: a heart rate of 30 bpm by 64 Hz: is the rate right?"),
                       (256.0, "to 15.0 s by 256 Hz: is the rate right?")):
        assert any(said in note for note in readers.contact_signals(bare, rate=rate, seconds=SECONDS).notes)
    noise = readers.contact_signals(
        table(tmp_path / "n.csv", ecg=lambda t, x: np.random.default_rng(0).normal(size=len(t)))
    )
    assert not noise.rates
    halved = readers.contact_signals(bare, rate=256.0, seconds=SECONDS)
    assert any("by 256 Hz: is the rate right?" in note for note in halved.notes)
    assert readers.contact_signals(bare, rate=128.0, seconds=SECONDS).notes == (
        "no --physio-offset, --physio-start or --physio-anchor: taken to begin with the video, at their first row "
        "(rows: "
        "counted at 128 Hz)",)


def test_rows_that_are_missing_are_a_gap_and_do_not_slow_the_clock(tmp_path):
    path = table(tmp_path / "s.csv")
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *rows[: 8 * 128], *rows[20 * 128 :]]))
    result = readers.contact_signals(path, seconds=SECONDS)
    signal = result.signals[0]
    assert signal.rate == pytest.approx(128.0, rel=1e-3)
    known = np.isfinite(signal.values[0])
    assert not known[int(8.6 * 128) : int(19.4 * 128)].any()
    assert known.mean() == pytest.approx(18 / 30, abs=0.02)


@pytest.mark.parametrize(("seconds", "given", "bpm"), [(30.0, 64.0, 30), (60.0, 256.0, 120), (30.0, 128.0, None)])
def test_a_heart_that_is_not_the_cameras_is_reported(tmp_path, seconds, given, bpm):
    """Rates of half and of twice the true one; recordings as long as the video, so that their length tells nothing."""
    contact = readers.contact_signals(
        table(tmp_path / "s.csv", seconds=seconds, clock=False), rate=given, seconds=SECONDS
    )
    known = person()
    rows = [replace(row, heart_rate=Measurement(61.0, "bpm", 0.9, "pos")) for row in emotions(known)]
    _, reported = recording.predict_recording(model(), {0: known}, rows, SECONDS, contact)
    said = [note for note in reported.notes if "by the camera" in note]
    assert said == ([] if bpm is None else [
        f"ecg: a heart rate of {bpm} bpm, and 61 by the camera: is the rate right?"])
    _, reported = recording.predict_recording(model(), {0: known}, emotions(known), SECONDS, contact)
    assert not any("by the camera" in note for note in reported.notes)


@pytest.mark.parametrize("rate", [128.0, 256.0])
def test_time_stamps_that_are_stretched_make_no_heart(tmp_path, rate):
    path = table(tmp_path / "s.csv", seconds=30.0, rate=rate)
    head, *rows = path.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    path.write_text("\n".join([head, *(",".join([f"{3 * float(time):.6f}", *rest]) for time, *rest in cells)]))
    result = readers.contact_signals(path, seconds=90.0)
    assert f"ecg: a heart rate of 20 bpm by {rate / 3:.4g} Hz: is the rate right?" in result.notes


def test_a_word_in_a_cell_is_a_missing_number_and_times_in_ms_can_be_declared(tmp_path):
    path = table(tmp_path / "s.csv")
    head, *rows = path.read_text().splitlines()
    rows[640] = rows[640].split(",")[0] + ",saturated,5.0"
    path.write_text("\n".join([head, *rows]))
    result = readers.contact_signals(path, seconds=SECONDS)
    assert "ECG (mV): 1 of 3840 cells are no numbers, first 'saturated' in line 642: taken as missing" in result.notes
    _, reported = recording.predict_recording(model(), {0: person()}, [], SECONDS, result)
    assert reported.used["ecg"] == 30.0  # one sample is bridged
    cells = [row.split(",") for row in rows[:1280]]
    rows = [",".join([f"{1000 * float(time):.3f}", *rest]) for time, *rest in cells]
    path.write_text("\n".join(["time,ecg,eda", *rows]))
    guessed = readers.contact_signals(path)
    assert guessed.signals[0].rate == pytest.approx(128.0, rel=1e-3)
    assert "time: taken as ms, which makes 128 Hz: nothing says the unit" in guessed.notes
    path.write_text("\n".join(["time,ecg,eda", *rows[:40]]))  # too few rows to conclude it
    with pytest.raises(ValueError, match=r"are the times in ms\? Say so with --physio-time-unit"):
        readers.contact_signals(path)
    path.write_text("\n".join(["time,ecg,eda", *rows]))
    assert readers.contact_signals(path, time_unit="ms").signals[0].rate == pytest.approx(128.0, rel=1e-3)


# ------------------------------------------------------------------------------------------------------------ answers
class Seen:
    """A person's rows, as the stream collects them."""

    def __init__(self, window: Window, frames: int) -> None:
        self.full, self.frames_tracked = window, frames

    def window(self, start: float, end: float) -> Window:
        keep = (self.full.times >= start) & (self.full.times < end)
        rows = {name: getattr(self.full, name)[keep] for name in ("times", "skin", "position", "aus", "pose", "gaze")}
        return replace(self.full, start=start, end=end, **rows)


def person(seconds: float = SECONDS, blind: tuple[float, float] = (0, 0)) -> TrackState:
    times = np.arange(round(seconds * 25)) / 25
    aus = np.random.default_rng(1).uniform(0, 3, (len(times), len(ACTION_UNITS)))
    aus[(times >= blind[0]) & (times < blind[1])] = np.nan
    rows = np.zeros((len(times), 4, 3))
    window = Window(0.0, seconds, times, rows, rows[:, 0], aus, rows[:, 0], rows[:, 0, :2])
    return TrackState(Seen(window, int(np.isfinite(aus[:, 0]).sum())), first=0.0)


def emotions(known: TrackState, id: int = 0, step: float = 0.5) -> list[StepObservation]:
    out = []
    for k in range(int(known.seen.full.end / step)):
        part = known.seen.window(k * step, (k + 1) * step)
        reason = "" if np.isfinite(part.aus).all(axis=1).any() else "no_face"
        out.append(StepObservation(start=k * step, end=(k + 1) * step, face=id, state="tracked", box=np.zeros(4),
                                   aus=np.zeros(18), pose=np.zeros(3), gaze=np.zeros(2), reason=reason,
                                   heart_rate=Measurement(None, "bpm", 0.0, "", "too_short")))
    return out


def model(**change) -> checkpoints.Predictor:
    options = mvp.MVPConfig(**{"signals": ("ecg", "eda"), "seconds": 20.0, "width": 16, "layers": 1, "video_layers": 1,
                             "fusion_layers": 1, "attention_heads": 2, "inner": 32, **change})
    torch.manual_seed(0)
    return checkpoints.Predictor(mvp.MVP(options), VALENCE, options.seconds)


def wires(tmp_path: Path, **change) -> readers.ContactSignals:
    return readers.contact_signals(table(tmp_path / "s.csv", **change), seconds=SECONDS)


def test_rows_are_answers_from_the_seconds_before_them(tmp_path):
    reader, known, contact = model(), person(), wires(tmp_path)
    rows, reported = recording.predict_recording(reader, {0: known}, emotions(known), SECONDS, contact)
    assert [row.reason for row in rows[:9]] == ["too_short"] * 9
    assert not any(row.reason for row in rows if row.end >= 6)
    assert {row.read_from for row in rows if not row.reason} == {"face+ecg+eda"}
    hop = 20.0 / recording.PREDICTIONS_PER_WINDOW
    end = np.floor(22.0 / hop) * hop
    window = replace(known.seen.window(end - 20, end), signals=contact.signals[0])
    expected = reader.predict_window(window)
    np.testing.assert_allclose(next(row for row in rows if row.end == 22.0).probs, expected, atol=1e-5)
    assert reported.used == pytest.approx({"ecg": 30.0, "eda": 30.0, "face": 30.0}, abs=0.6)
    assert reported.notes[-1] == "read by the face and ecg, eda"
    parts = [replace(known.seen.window(a, a + 20), signals=contact.signals[0]) for a in (0.0, 10.0)]
    probs = [reader.predict_window(part) for part in parts]
    np.testing.assert_allclose(reported.probs, np.mean(probs, axis=0), atol=1e-5)
    face = reported.attention["face"]
    assert len(face.times) == 150
    assert np.nanmean(face.share) == pytest.approx(1.0)
    spent = reader.evidence(parts).face.sum(dim=1)  # the rest went to the token that stands for nothing there
    assert face.nowhere == pytest.approx(1 - float(spent.mean()), abs=1e-4)


def given(reader, known: TrackState, contact: readers.ContactSignals, start: float, end: float) -> mvp.MVPOutput:
    """What the model itself says that it used of a window, its signals as the session hands them over."""
    fed = recording._model_signals(contact, reader.needs, SECONDS)[0]
    return reader.evidence([replace(known.seen.window(start, end), signals=fed)])


@pytest.mark.parametrize("rate", [128.0, 250.0])
def test_the_answer_says_what_the_model_used(tmp_path, rate):
    """Crests cut off at every beat, 102 a minute, and a hole; a patch with a hole in it is not used."""
    reader, known = model(seconds=30.0), person(blind=(3.0, 4.3))

    def beats(t, x):
        x = np.exp(-((t % 0.588 - 0.3) ** 2) / 3e-4) + 0.005 * np.sin(9 * t)
        return np.where((t > 20.1) & (t < 22.2), np.nan, np.clip(x, -1, 0.5))

    contact = readers.contact_signals(table(tmp_path / "s.csv", rate=rate, ecg=beats), seconds=SECONDS)
    assert any("ecg: clipped" in note for note in contact.notes)
    _, reported = recording.predict_recording(reader, {0: known}, emotions(known), SECONDS, contact)
    fed = given(reader, known, contact, 0.0, SECONDS)
    assert reported.used == pytest.approx({"ecg": float(fed.signals[0, 0]), "eda": float(fed.signals[0, 1]),
                                       "face": float(fed.video[0])})
    assert reported.used["ecg"] == pytest.approx(30.0 - 2.5, abs=0.51)  # the crests cost nothing, the hole five patches
    assert reported.used["face"] == pytest.approx(30.0 - 1.4, abs=0.21)
    drawn = np.isfinite(reported.signals.values[0])
    assert drawn.sum() / 128 == pytest.approx(reported.used["ecg"], abs=0.02)
    assert not drawn[int(20.01 * 128) : int(22.49 * 128)].any()
    _, reported = recording.predict_recording(model(seconds=20.0), {0: known}, emotions(known), SECONDS, contact)
    assert reported.used["ecg"] == pytest.approx(30.0 - 2.5, abs=0.51)  # of two windows that overlap, each second once


def test_slow_signals_are_judged_as_they_were_recorded(tmp_path):
    """4 Hz in a converter's steps, a response of half a minute: its crest is no clipping, however finely it is read."""
    times = np.arange(120 * 4) / 4
    values = 0.4 + 0.1 * np.exp(-((times - 60) ** 2) / 200) + 0.02 * np.sin(times / 3) * (abs(times - 60) > 10)
    path = tmp_path / "eda.csv"
    path.write_text("time,eda\n" + "\n".join(f"{t},{v}" for t, v in zip(times, np.round(values / 0.005) * 0.005,
                                                                       strict=True)))
    contact = readers.contact_signals(path, seconds=120.0)
    reader, known = model(seconds=120.0, modality="physio"), person(120.0)
    _, reported = recording.predict_recording(reader, {0: known}, [], 120.0, contact)
    assert not any(note.startswith("eda: ") and "has none" not in note for note in reported.notes), reported.notes
    fed = recording._model_signals(contact, reader.needs, 120.0)[0]
    assert "clipped" in str(quality.check_quality(fed.values[1], 128.0, "eda").words)  # as a second look would say
    assert reported.used["eda"] == pytest.approx(119.5)  # of the last patch a quarter of a second is unknown


class Staring:
    """Looks at the planted second of the recording, whichever window it is shown, and a little at nothing."""

    task, needs = VALENCE, ModelRequirements(seconds=20.0, aus=5.0)

    def __init__(self, at: float) -> None:
        self.at = at

    def predict(self, windows, attention=False):
        face = np.full((len(windows), 100), 0.004)
        for row, window in zip(face, windows, strict=True):
            place = round((self.at - window.start) * 5)
            row[place : place + 5] += 0.1 if 0 <= place < 95 else 0.0
        logits, seen = torch.zeros(len(windows), 2), torch.ones(len(windows), 100, dtype=torch.bool)
        return Output(logits, logits, {"face": seen.any(dim=1)}, used={"face": Series(seen, 0.2)},
                      attention={"face": Series(torch.from_numpy(face), 0.2)})


def test_attention_comes_onto_the_clock_of_the_recording():
    for at in (3.0, 14.0, 26.0):  # seen by the first window, by both, by the second
        known = person()
        _, reported = recording.predict_recording(Staring(at), {0: known}, emotions(known), SECONDS, None)
        course = reported.attention["face"]
        best = np.sort(np.argsort(-course.share)[:5])
        np.testing.assert_allclose(course.times[best], at + 0.1 + np.arange(5) / 5, atol=1e-6)
        assert np.mean(course.share) == pytest.approx(1.0)
        assert course.nowhere == pytest.approx(0.35 if at != 14.0 else 0.1, abs=1e-6)


def test_without_signals_the_face_answers_and_says_so(tmp_path):
    known = person()
    rows, reported = recording.predict_recording(model(), {0: known}, emotions(known), SECONDS, None)
    assert {row.read_from for row in rows if not row.reason} == {"face"}
    assert reported.notes == ("read by the face alone: no contact signals were given",)
    assert reported.used["ecg"] == 0.0
    assert reported.attention["face"].share.shape == (150,)
    rows, reported = recording.predict_recording(model(modality="physio"), {0: known}, emotions(known), SECONDS, None)
    assert {row.reason for row in rows} == {"too_short", "no_signals"}
    assert reported.reason == "no_signals"
    assert reported.notes == ("no answer: nothing is left that the model could read",)
    assert np.isnan(reported.probs).all()
    rows, reported = recording.predict_recording(
        model(modality="video"), {0: known}, emotions(known), SECONDS, wires(tmp_path)
    )
    assert "the model does not use signals" in reported.notes


def test_live_a_model_of_both_says_that_it_reads_the_face_and_one_of_signals_is_refused():
    window = person().seen.window(0.0, 20.0)
    probs, parts = model().predict_with_sources(window)
    assert parts == "face"
    assert probs.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="expected a model that reads a face as it is seen"):
        Stream(model(modality="physio"))


def test_signals_answer_for_a_face_that_is_gone_and_for_nobody(tmp_path):
    known, contact = person(blind=(3.0, 30.0)), wires(tmp_path)
    rows, reported = recording.predict_recording(model(), {0: known}, emotions(known), SECONDS, contact)
    assert {row.read_from for row in rows if row.end > 25 and not row.reason} == {"ecg+eda"}
    assert reported.used["face"] == pytest.approx(3.0, abs=0.3)
    rows, reported = recording.predict_recording(model(), {}, [], SECONDS, contact)
    assert rows == []
    assert reported.face is None
    assert reported.notes[-1] == "read by ecg, eda alone"
    blind = person(blind=(0.0, 30.0))
    rows, reported = recording.predict_recording(model(), {0: blind}, emotions(blind), SECONDS, None)
    assert {row.reason for row in rows} == {"no_face"}
    assert reported.reason == "no_face"


@pytest.mark.parametrize(("bad", "left"), [
    ({"ecg": lambda t, x: np.full_like(x, 0.2)}, "eda"), ({"eda": lambda t, x: np.full_like(x, np.nan)}, "ecg")])
def test_a_channel_without_signal_is_not_used(tmp_path, bad, left):
    known = person()
    rows, reported = recording.predict_recording(model(), {0: known}, emotions(known), SECONDS, wires(tmp_path, **bad))
    assert {row.read_from for row in rows if not row.reason} == {f"face+{left}"}
    assert reported.notes[-1] == f"read by the face and {left}"
    both = {name: lambda t, x: np.full_like(x, 1.0) for name in ("ecg", "eda")}
    _, reported = recording.predict_recording(model(), {0: known}, emotions(known), SECONDS, wires(tmp_path, **both))
    assert "read by the face alone: nothing is left of the contact signals (ecg: flat line 100" in reported.notes[-1]
    _, reported = recording.predict_recording(
        model(modality="physio"), {0: known}, emotions(known), SECONDS, wires(tmp_path, **both)
    )
    assert reported.reason == "no_signals"
    assert "ecg: flat line 100.0%" in reported.notes[-1]


def test_signals_belong_to_whoever_is_seen_longest(tmp_path):
    people = {0: person(blind=(0, 20)), 1: person()}
    rows = [row for id, known in people.items() for row in emotions(known, id)]
    rows, reported = recording.predict_recording(model(), people, rows, SECONDS, wires(tmp_path))
    assert reported.face == 1
    assert any("taken to be of person 1, who was seen longest of 2" in note for note in reported.notes)
    assert {row.read_from for row in rows if row.face == 0 and not row.reason} == {"face"}


# ------------------------------------------------------------------------------------------------------------ command
@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A video of 12 s, signals of 12 s that began 3 s before it, and a checkpoint that has learnt nothing."""
    root = tmp_path_factory.mktemp("session")
    scene = simulation.Scene((simulation.Actor(simulation.identity(1)),), size=(240, 180), fps=12.5, seconds=12)
    simulation.write_video(scene, root / "talk.mp4")
    table(root / "s.csv", seconds=12.0)
    recipe = override(tiny_recipe(RECIPES["mvp/amigos-valence"]), {"options.seconds": "10"})
    result = mvp.MVP(recipe.options)
    card = checkpoints.make_card(recipe, recipe.task, result, ("", ""))
    checkpoints.Predictor(result, recipe.task, 10.0, card).save_pretrained(root / "model")
    return root


def analyze(place: Path, *arguments: str):
    return CliRunner().invoke(cli.app, ["analyze", str(place / "talk.mp4"), "--out", str(place / "out"), "--model",
                                        str(place / "model"), "--quiet", *arguments])


def test_the_command_reads_video_and_signals_together(place, monkeypatch):
    monkeypatch.chdir(place)
    done = analyze(place, "--physio", str(place / "s.csv"), "--physio-offset", "-3")
    assert done.exit_code == 0, done.output
    reported = json.loads((place / "out/talk.mp4/summary.json").read_text())["session"]
    assert reported["label"] in ("low", "high")
    assert reported["used_s"] == pytest.approx({"ecg": 9.0, "ecg_left": 0.0, "eda": 9.0, "face": 12.0}, abs=0.8)
    text = (place / "out/talk.mp4/report.html").read_text()
    assert "their time 0 lies at -3 s of the video" in text
    assert "shorter than the video" in text
    assert "the file has no ecg_left, which the model uses" in text
    assert "Attention to the face: no moments are named, since the model is" in text
    assert "it does not show what the answer depends on" in text
    assert "Attention to the face went" not in text
    assert "answers from face, ecg, eda" in text
    assert "estimate of how the person would rate this" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["session"]
    assert [item["name"] for item in data["signals"]] == ["ecg", "eda"]
    assert [item["name"] for item in data["attention"]] == ["the face"]
    ecg = data["signals"][0]
    beats = [x for x, y in zip(ecg["x"], ecg["y"], strict=True) if y is not None and y > 4]
    assert np.abs(np.array(beats) / 1000 % 1.0 - 0.5).max() < 0.06
    assert analyze(place, "--physio", str(place / "s.csv"), "--physio-offset", "-3").exit_code == 0  # nothing to do
    manifest = json.loads((place / "out/manifest.json").read_text())
    assert [row["status"] for row in manifest["files"]] == ["skipped"]


@pytest.mark.parametrize(("arguments", "note", "used"), [
    (["--physio-anchor", "5=2"], "2 by their clock is 5 s of the video", 9.0),
    (["--physio-anchor", "0:05=0:02"], "0:02 by their clock is 5 s of the video", 9.0),
    (["--physio-anchor", "1=1", "--physio-anchor", "11=10.99"], "their clock is 0.100% slow, 0.01 s", 12.0),
    (["--physio-anchor", "beats"], "got none that fit a single offset: not corrected", 12.0),
    (["--physio-time", "stamp of device"], "at their first row (stamp of device: s, as nothing", 12.0),
])
def test_the_options_of_the_clock_through_the_command(place, monkeypatch, tmp_path, arguments, note, used):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "grey.mp4", steady(24, 2), rate=2)
    text = (place / "s.csv").read_text()
    header = text.partition("\n")[0]
    assert header.startswith("time")
    if "--physio-time" in arguments:
        text = text.replace("time (s)", "stamp of device", 1)
    (tmp_path / "s.csv").write_text(text)
    done = CliRunner().invoke(cli.app, ["analyze", "grey.mp4", "--model", str(place / "model"), "--quiet", "--physio",
                                        "s.csv", *arguments])
    assert done.exit_code == 0, done.output
    reported = json.loads((tmp_path / "results/grey.mp4/summary.json").read_text())["session"]
    assert any(note in each for each in reported["notes"]), reported["notes"]
    assert reported["used_s"]["ecg"] == pytest.approx(used, abs=0.8)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--physio", "nothing.csv"], "--physio: expected a table of signals or an E4 folder, got nothing at nothing.csv"),
    (["--physio-offset", "3"], "expected a file of signals with --physio"),
    (["--physio", "s.csv", "--physio-offset", "3", "--physio-start", "1"],
     "got --physio-offset and --physio-start: keep one"),
    (["--physio", "s.csv", *["--physio-anchor", "1=1"] * 3], "--physio-anchor: expected one or two, got 3"),
    (["--physio", "s.csv", "--physio-anchor", "one=1"], "--physio-anchor: expected VIDEO=SIGNALS such as"),
    (["--physio", "s.csv", "--physio-anchor", "1=1", "--physio-anchor", "9=5"], "expected two anchors as far apart"),
    (["--physio", "s.csv", "--physio-time", "stamp"], "expected the columns stamp, got time"),
    (["--physio", "s.csv", "--physio-offset", "nan"], "--physio-offset: expected s, got nan"),
    (["--physio", "s.csv", "--physio-rate", "0"], "--physio-rate: expected a positive rate in Hz, got 0"),
    (["--physio", "s.csv", "--physio-start", "noon"], "--physio-start: expected a date such as"),
    (["--physio", "s.csv", "--model", "facs"], "expected a model that reads contact signals, got facs"),
    (["--physio", "s.csv", "talk.mp4", "copy.mp4"], "expected one video, got 2"),
])
def test_analyze_refuses_bad_signal_options_before_any_work(place, monkeypatch, arguments, said):
    monkeypatch.chdir(place)
    (place / "copy.mp4").write_bytes((place / "talk.mp4").read_bytes())
    done = analyze(place, *arguments)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())


def test_clips_signals_and_attention_share_a_clock(tmp_path, monkeypatch):
    """Windows begin where a clip does, the model's rows and its signals at the same second."""
    reader, known = model(seconds=10.0, video="tiny", features=32), person()
    clips = ClipFeatureBuffer(32, tower=backbones.tiny_tower("videomae"))
    for k in range(12):
        clips.features_by_clip[k], clips.last[k] = np.full(32, k, np.float32), min(2.56 * k + 2.5, 29.96)
    seen = []
    predict = reader.predict
    monkeypatch.setattr(reader, "predict", lambda windows, attention=False: (
        seen.extend(windows), predict(windows, attention))[1])
    _, reported = recording.predict_recording(reader, {0: known}, emotions(known), SECONDS, wires(tmp_path), [clips])
    for window in seen:
        first = window.start / 2.56
        assert first == pytest.approx(round(first), abs=1e-6)
        if len(window.clips) and np.isfinite(window.clips[0, 0]):
            assert window.clips[0, 0] == round(first)
        batch = prepare_batch([window], reader.needs)
        beats = np.flatnonzero(batch.signals[0, 0].nan_to_num().numpy() > 0.8) / 128 + window.start
        assert len(beats) or window.end - window.start < 1
        assert (np.abs(beats % 1.0 - 0.5) < 0.03).all()
    assert {round(window.start / 2.56) for window in seen} >= {0, 2, 4, 8}
    face = reported.attention["face"]
    np.testing.assert_allclose(face.times, 2.56 * (np.arange(12) + 0.5))
    assert reported.used["face"] == pytest.approx(30.0)


def test_clips_are_read_as_they_end_and_forgotten():
    tower = backbones.tiny_tower("videomae")
    album = ClipFeatureBuffer(32, tower=tower)
    pictures = np.random.default_rng(0).integers(0, 255, (200, 32, 32, 3), np.uint8)
    times = np.arange(200) / 25  # 8 s: three clips and a rest of 0.32 s
    for time, picture in zip(times, pictures, strict=True):
        if not 2.56 <= time < 5.0:  # of the second clip three pictures are left
            album.push(float(time), picture)
    assert len(album._pictures) < 10
    album.close()
    rows = album.rows(0.0, 8.0)
    assert np.isfinite(rows).all(axis=1).tolist() == [True, False, True, True]  # the rest too: nothing comes after it
    for row, first in ((0, 0), (2, 128), (3, 192)):
        full = pictures[first : first + 64]
        picked = full[video.pick_frames(len(full), 4)]
        expected = clip_features(tower, [torch.from_numpy(picked).permute(0, 3, 1, 2)])
        np.testing.assert_allclose(rows[row], expected[0].numpy(), atol=1e-5)
    assert album.rows(2.56, 8.0).shape == (3, 32)
    assert np.isnan(album.rows(0.0, 7.5)[2]).all()  # it still goes on


def test_the_command_reads_clips_by_the_tower_of_the_checkpoint(place, monkeypatch):
    monkeypatch.chdir(place)
    recipe = override(tiny_recipe(RECIPES["mvp/amigos-valence"]), {"options.seconds": "10", "options.video": "tiny",
                                                          "options.features": "32"})
    result = mvp.MVP(recipe.options)
    tower = {"source": "tiny", "sha256": backbones.weights_digest(backbones.tiny_tower("videomae"))}
    card = checkpoints.make_card(recipe, recipe.task, result, ("", ""), data={"tower": tower})
    checkpoints.Predictor(result, recipe.task, 10.0, card).save_pretrained(place / "clips")
    done = analyze(place, "--model", "clips", "--out", "seen")
    assert done.exit_code == 0, done.output
    reported = json.loads((place / "seen/talk.mp4/summary.json").read_text())["session"]
    assert reported["used_s"]["face"] == pytest.approx(12.0)
    assert reported["notes"] == ["read by the face alone: no contact signals were given"]


def test_the_report_shows_a_session_without_anybody(tmp_path):
    from fake_timeline import timeline

    _, reported = recording.predict_recording(model(), {}, [], SECONDS, wires(tmp_path))
    page = html.html(replace(timeline(0), session=reported))
    assert "No person in the picture" in page
    assert 'data-chart="session" data-person="-1"' in page
