"""What SCPT is fed: windows of trials, batches of several people, the pulse as an image from skin or from a wire."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import neurokit2
import numpy as np
import pytest
import torch

import skin_traces
from mien.core.observations import Signal, Window
from mien.core.requirements import ModelRequirements
from mien.core.trials import Trial
from mien.datasets.labels import RULES
from mien.preprocessing import cache as cache_module
from mien.preprocessing import rppg_inputs
from mien.preprocessing.cache import Cache
from mien.preprocessing.data_loader import TrialDataset, evaluation_loader
from mien.preprocessing.model_inputs import prepare_batch
from mien.preprocessing.samplers import SubjectBalancedSampler
from mien.preprocessing.window_dataset import WindowSource, trial_id_of_window
from mien.recipes import RECIPES
from mien.recipes.overrides import override
from mien.signals import tfr
from mien.simulation.physiology import Pulse, Respiration, rhythm
from mien.training.fabric import check_batch_size

NEEDS = ModelRequirements(seconds=10.0, tfr=(64, 32))
ROWS = tfr.frequency_grid(64)


def ridge(image: torch.Tensor) -> float:
    """(F, T) -> bpm of the brightest row."""
    return 60 * float(ROWS[int(image.mean(dim=-1).argmax())])


def wired(bpm: float, seconds: float = 10.0, rate: float = 128.0) -> Window:
    """Skin without a pulse, and a wire with one; a flat wire, one with holes, one that is mostly missing."""
    times = np.arange(int(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * bpm / 60 * times) + 5
    holes = np.where((times > 3) & (times < 3.5), np.nan, wave)
    missing = np.where(times > 2, np.nan, wave)
    values = np.stack([wave, np.zeros_like(wave), holes, missing]).astype(np.float32)
    names = ("ppg", "flat", "holes", "missing")
    return replace(skin_traces.window(seconds, amplitude=0.0), signals=Signal(values, rate, names, ("",) * 4))


@pytest.mark.parametrize("bpm", [55, 72, 110])
def test_the_pulse_of_the_skin_stands_in_its_image(bpm):
    result = prepare_batch([skin_traces.window(10.2, bpm=bpm, seed=seed) for seed in range(6)], NEEDS)
    assert result.tfr.shape == (6, 1, 64, 32)
    read = [image[0] for image, quality in zip(result.tfr, result.pulse_quality, strict=True) if quality > 0.3]
    assert len(read) >= 3  # ten seconds do not always suffice
    assert all(abs(ridge(image) - bpm) < 5 for image in read)


@pytest.mark.parametrize("name", ["ppg", "holes"])
def test_a_wire_takes_the_same_door(name):
    result = prepare_batch([wired(84)], replace(NEEDS, tfr_of=name))
    assert float(result.pulse_quality) == (1.0 if name == "ppg" else pytest.approx(1 - 1 / 13, abs=0.03))
    assert abs(ridge(result.tfr[0, 0]) - 84) < 4


@pytest.mark.parametrize("name", ["ppg", "ecg"])
def test_a_wire_is_believed_only_where_a_heart_beats_on_it(name):
    """Noise, mains, a line, a step, one spike: none has a rate. NeuroKit2's ECG and the synthetic people's pulse do."""
    rate, rng = 128, np.random.default_rng(5)
    times = np.arange(int(10.2 * rate)) / rate
    beating = neurokit2.ecg_simulate(duration=11, sampling_rate=rate, heart_rate=75, random_state=1)[: len(times)]
    if name == "ppg":
        beating = rhythm(times, Pulse(bpm=75.0), Respiration()).bvp
    other = {"noise": rng.normal(size=len(times)), "mains": np.sin(2 * np.pi * 50 * times), "line": 3 * times + 1,
             "step": (times > 5) * 1.0, "spike": (np.arange(len(times)) == 300) * 1.0}

    def quality(wave: np.ndarray) -> float:
        signals = Signal(wave[None].astype(np.float32), float(rate), (name,), ("",))
        return rppg_inputs.pulse_waveform(replace(skin_traces.window(10.2), signals=signals), name)[1]

    assert {what: quality(wave) for what, wave in other.items()} == dict.fromkeys(other, 0.0)
    assert quality(beating) == 1.0
    assert 0.5 < quality(np.where((times > 4) & (times < 6), rng.normal(size=len(times)), beating)) < 1.0


def test_prepare_batch_gives_zeros_without_a_pulse():
    still, short = skin_traces.window(10.2, amplitude=0.0, seed=4), skin_traces.window(4.0)
    hidden = skin_traces.hide(skin_traces.window(10.2), 0.0, 11.0)
    result = prepare_batch([still, short, hidden], NEEDS)
    assert result.pulse_quality.tolist() == [0.0, 0.0, 0.0]
    assert not result.tfr.any()
    for name in ("flat", "missing", "ecg"):
        assert prepare_batch([wired(84)], replace(NEEDS, tfr_of=name)).pulse_quality.tolist() == [0.0]
    assert prepare_batch([short], replace(NEEDS, tfr_of="ppg")).pulse_quality.tolist() == [0.0]


def test_three_windows_are_three_of_one_and_the_kind_is_obeyed():
    seen = [skin_traces.window(10.2, bpm=bpm, seed=2) for bpm in (55, 72, 110)]
    full = prepare_batch(seen, NEEDS)
    each = [prepare_batch([item], NEEDS) for item in seen]
    torch.testing.assert_close(full.tfr, torch.cat([item.tfr for item in each]), atol=1e-5, rtol=1e-4)
    assert torch.equal(full.pulse_quality, torch.cat([item.pulse_quality for item in each]))
    kinds = [prepare_batch(seen[:1], replace(NEEDS, tfr_kind=kind)).tfr for kind in ("cwt", "stft", "ssq", "wave")]
    assert all(not torch.allclose(a, b) for i, a in enumerate(kinds) for b in kinds[:i])
    wave, quality = rppg_inputs.pulse_waveform(seen[0])
    assert (wave.shape, wave.dtype, quality > 0) == ((300,), np.float32, True)


# ---------------------------------------------------------------------------------------------- several people

def test_every_batch_has_several_people_with_as_many_rows_each():
    subject = tuple(who for who in range(8) for _ in range(8))
    steps = SubjectBalancedSampler(64, 16, 3, seed=1, subject=subject, people=4)
    batches = list(steps)
    assert len(batches) == len(steps) == 3 * 4
    for rows in batches:
        assert sorted(Counter(subject[row] for _, row, _ in rows).values()) == [4, 4, 4, 4]
    for epoch in range(3):
        rows = [row for result in batches for when, row, _ in result if when == epoch]
        assert len(set(rows)) == len(rows) == 64
    assert batches == list(steps)
    assert batches[5:] == list(replace(steps, start=5))
    assert batches != list(replace(steps, seed=2))


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_processes_share_the_batch_that_one_would_have(ranks):
    steps = SubjectBalancedSampler(
        64, 16, 3, seed=1, subject=tuple(who for who in range(8) for _ in range(8)), people=4
    )
    parts = [list(replace(steps, rank=rank, ranks=ranks)) for rank in range(ranks)]
    for full, *shares in zip(steps, *parts, strict=True):
        assert [place for row in zip(*shares, strict=True) for place in row] == full


def test_a_batch_with_nobody_to_compare_is_refused():
    recipe = override(RECIPES["scpt/deap-arousal"], {"options.adversarial": "1"})
    for devices in (1, 2, 4, 8, 16):
        check_batch_size(recipe, devices, 1)
    with pytest.raises(ValueError, match="expected a multiple of the 3 devices, got 16"):
        check_batch_size(recipe, 3, 1)
    for changed in ({"schedule.batch": "2"}, {"schedule.people": "1"}):
        with pytest.raises(ValueError, match="3 or more windows of two or more people in a batch"):
            check_batch_size(override(recipe, changed), 1, 1)
        check_batch_size(override(recipe, {**changed, "options.decouple": "false"}), 1, 1)


def test_people_show_their_own_classes_equally_often():
    """Six people with eleven rows of a class and one of the other, and two who have one class alone."""
    subject = tuple(who for who in range(8) for _ in range(12))
    classes = tuple(int(row % 12 == 0 and row < 72) for row in range(96))
    steps = SubjectBalancedSampler(96, 16, 6, seed=1, subject=subject, people=4, classes=classes)
    for batch in steps:
        shown = Counter((subject[row], classes[row]) for _, row, _ in batch)
        for who in {who for who, _ in shown}:
            assert (shown[who, 0], shown[who, 1]) in ([(2, 2)] if who < 6 else [(4, 0)])
    assert len(steps) == len(replace(steps, classes=())) == 36


def test_people_with_few_rows_come_again_and_few_people_are_all_there():
    subject = (0,) * 30 + (1,) * 2 + (2,) * 4
    for rows in SubjectBalancedSampler(36, 12, 2, seed=0, subject=subject, people=3):
        assert Counter(subject[row] for _, row, _ in rows) == {0: 4, 1: 4, 2: 4}
    for rows in SubjectBalancedSampler(36, 12, 2, seed=0, subject=subject, people=9):
        assert len({subject[row] for _, row, _ in rows}) == 3
    assert [len(rows) for rows in SubjectBalancedSampler(3, 8, 1, seed=0, subject=(0, 0, 1))] == [3]
    with pytest.raises(ValueError, match="the subject of each of 5 rows"):
        SubjectBalancedSampler(5, 2, 1, seed=0, subject=(1, 2))


# ---------------------------------------------------------------------------------------------- windows of trials

def write(root: Path, trials: list[Trial], seconds: dict[str, float], hidden: tuple[float, float] = (0, 0),
          looks: dict[str, int] | None = None) -> Cache:
    """A cache by hand: skin with a pulse at 10 Hz of pictures whose red counts seconds, and a ppg at 64 Hz; `looks`:
    subject -> the seed of a face of their own."""
    entries = []
    for number, trial in enumerate(trials):
        folder = root / str(number)
        folder.mkdir(parents=True)
        seen = skin_traces.window(seconds[trial.id], bpm=60 + 10 * number, seed=number)
        rows = np.zeros(len(seen.times), cache_module.ROW_DTYPE)
        rows["time"] = seen.times
        for part in ("skin", "position", "aus", "pose", "gaze"):
            rows[part] = getattr(seen, part)
        look = 0 if looks is None else np.random.default_rng(looks[trial.subject]).integers(0, 200, (32, 32, 3))
        with open(folder / cache_module.FACES, "wb") as faces:
            for row in rows[::3]:
                if hidden[0] <= row["time"] < hidden[1]:
                    continue
                picture = (np.full((32, 32, 3), int(row["time"])) + look).astype(np.uint8)
                data = cv2.imencode(".jpg", picture)[1].tobytes()
                row["offset"], row["length"] = faces.tell(), len(data)
                faces.write(data)
        np.save(folder / cache_module.ROWS, rows)
        times = np.arange(int(seconds[trial.id] * 64)) / 64
        np.save(folder / cache_module.SIGNALS, np.sin(2 * np.pi * 1.5 * times)[None].astype(np.float32))
        wires = {"rate": 64.0, "start": 0.0, "names": ["ppg"], "units": [""], "quality": False}
        entries.append({"trial": cache_module.trial_fields(trial, root), "folder": str(number), "frames": len(rows),
                        "pictures": int((rows["length"] > 0).sum()), "end": float(rows["time"][-1]) + 1e-9,
                        "coverage": 1.0, "signals": wires, "note": ""})
    index = {"schema": cache_module.SCHEMA, "dataset": trials[0].dataset, "settings": {"size": 32}, "trials": entries}
    (root / cache_module.INDEX).write_text(json.dumps(index))
    return Cache(root)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [Trial(f"s{who}/{number}", "deap", subject=f"s{who}", labels={"arousal": 3.0 + 4 * number})
            for who in range(2) for number in range(2)]


def test_trials_are_cut_into_windows_with_their_pictures_pulse_and_target(tmp_path, trials):
    lengths = dict(zip((trial.id for trial in trials), (35.0, 20.0, 6.0, 10.0), strict=True))
    cache = write(tmp_path / "cache", trials, lengths)
    windows = WindowSource(cache, 10.0)
    result = windows.cut(RULES["scpt/arousal"](trials))
    expected = "s0/0@0 s0/0@1 s0/0@2 s0/1@0 s0/1@1 s1/0@0 s1/1@0"
    assert [trial.id for trial in result.trials] == expected.split()
    assert result.target.tolist() == [0, 0, 0, 1, 1, 0, 1]
    assert [trial_id_of_window(trial.id) for trial in result.trials][:4] == ["s0/0", "s0/0", "s0/0", "s0/1"]
    needs = ModelRequirements(frames=4, size=32, seconds=10.0, tfr=(64, 32))
    clips = TrialDataset(
        result.trials, windows, needs, {t.id: int(k) for t, k in zip(result.trials, result.target, strict=True)}
    )
    batch = next(iter(evaluation_loader(clips, 8)))
    assert batch.frames.shape == (7, 4, 3, 32, 32)
    assert batch.subject.tolist() == [0] * 5 + [1] * 2
    seconds = batch.frames[:, :, 0, 0, 0].tolist()
    assert all(10 * k <= second < 10 * k + 10 for row, k in zip(seconds, (0, 1, 2, 0, 1, 0, 0), strict=True)
               for second in row)
    good = batch.pulse_quality > 0
    assert good.tolist() == [True, True, True, True, True, False, True]  # six seconds tell no pulse
    assert abs(ridge(batch.tfr[0, 0]) - 60) < 5
    assert abs(ridge(batch.tfr[3, 0]) - 70) < 5
    wire = prepare_batch([windows(result.trials[1])], replace(needs, tfr_of="ppg"))
    assert abs(ridge(wire.tfr[0, 0]) - 90) < 4


def test_windows_of_which_none_has_a_pulse_are_refused(tmp_path, trials):
    cache = write(tmp_path / "cache", trials, dict.fromkeys((trial.id for trial in trials), 20.0))
    windows = WindowSource(cache, 10.0)
    result = windows.cut(RULES["scpt/arousal"](trials))
    assert windows.pulses(result) == "train: pulse of camera read in 8 of 8 checked windows"
    assert "pulse of ppg read in 8 of 8" in windows.pulses(result, "ppg")
    with pytest.raises(ValueError, match=r"with a pulse of ecg, got none in 8 .* --set options.prompts=none"):
        windows.pulses(result, "ecg")
    rows = np.load(tmp_path / "cache" / "0" / cache_module.ROWS)
    rows["skin"] = np.nan
    for number in range(4):
        np.save(tmp_path / "cache" / str(number) / cache_module.ROWS, rows)
    cache_module._table.cache_clear()
    with pytest.raises(ValueError, match="with a pulse of camera, got none in 8"):
        WindowSource(Cache(tmp_path / "cache"), 10.0).pulses(result)


def test_windows_without_a_face_are_left_out(tmp_path, trials):
    cache = write(tmp_path / "cache", trials[:1], {trials[0].id: 30.0}, hidden=(10.0, 20.0))
    targets = RULES["scpt/arousal"](trials[:1])
    assert [trial.id for trial in WindowSource(cache, 10.0).cut(targets).trials] == ["s0/0@0", "s0/0@2"]
    none = write(tmp_path / "none", trials[:1], {trials[0].id: 30.0}, hidden=(0.0, 30.0))
    with pytest.raises(ValueError, match="with a face in them, got none in 1 trials"):
        WindowSource(none, 10.0).cut(targets)
