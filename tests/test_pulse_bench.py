"""`mien bench pulse`: lookalikes written from the layouts' descriptions, with a planted offset of the clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import av
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from mien.core.observations import Window
from mien.datasets.pulse import LAYOUTS, PulseRecording
from mien.datasets.pulse.readers import pure_pictures
from mien.evaluation.pulse import bench_pulse, bit_rate_group
from mien.evaluation.pulse.scores import scores
from mien.video.jpeg import MOST_SCANS
from skin_traces import window
from test_jpeg import jpeg, with_scans

SECONDS, OFFSET = 75.0, 1.7


def beat_times(person: int) -> np.ndarray:
    """A heart that breathes and swings slowly, other in each person."""
    rng = np.random.default_rng(person)
    at, times = -3.0, []
    while at < SECONDS + 10:
        times.append(at)
        at += 0.8 + 0.07 * person + 0.06 * np.sin(2 * np.pi * 0.06 * at + person) + 0.015 * rng.normal()
    return np.array(times)


def contact(person: int, rate: float, fault: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) s on the contact sensor's clock, which is `OFFSET` behind the film's, and the blood volume (N,)."""
    times = np.arange(int(SECONDS * rate)) / rate
    if fault == "off":
        return times, 0.01 * np.random.default_rng(person).normal(size=len(times))
    beats = beat_times(person)
    phase = 2 * np.pi * np.interp(times + OFFSET, beats, np.arange(len(beats))) - 0.35  # the crest is at the beat
    wave = np.cos(phase) - 0.2 * np.sin(2 * phase)  # blood volume rises faster than it falls
    return (times / 2 if fault == "rate" else times), wave


def ubfc_2(root: Path, person: int, fault: str) -> None:
    folder = root / f"subject{person}"
    folder.mkdir(parents=True)
    times, wave = contact(person, 30.0, fault)
    lines = [" ".join(f"{each:.7e}" for each in row) for row in (wave, np.full(len(wave), 60.0), times)]
    (folder / "ground_truth.txt").write_text("\n".join(lines))
    (folder / "vid.avi").touch()


def ubfc_1(root: Path, person: int, fault: str) -> None:
    folder = root / f"{person}-gt"
    folder.mkdir(parents=True)
    times, wave = contact(person, 60.0, fault)
    np.savetxt(folder / "gtdump.xmp", np.stack([1000 * times, 60 + 0 * times, 97 + 0 * times, wave], axis=1),
               delimiter=",")
    (folder / "vid.avi").touch()


def ubfc_phys(root: Path, person: int, fault: str) -> None:
    folder = root / f"s{person}"
    folder.mkdir(parents=True)
    wave = contact(person, 64.0, fault)[1]
    np.savetxt(folder / f"bvp_s{person}_T1.csv", wave[::2] if fault == "rate" else wave)
    (folder / f"vid_s{person}_T1.avi").touch()


def pure(root: Path, person: int, fault: str) -> None:
    name = f"{person:02d}-01"
    (root / name / name).mkdir(parents=True)
    times, wave = contact(person, 60.0, fault)
    first = 1392643993642815000
    package = [{"Timestamp": first + int(1e9 * time), "Value": {"waveform": float(value), "pulseRate": 60}}
               for time, value in zip(times, wave, strict=True)]
    (root / name / f"{name}.json").write_text(json.dumps({"/FullPackage": package, "/Image": []}))
    (root / name / name / f"Image{first}.png").touch()


def cohface(root: Path, person: int, fault: str) -> None:
    folder = root / str(person) / "0"
    folder.mkdir(parents=True)
    times, wave = contact(person, 256.0, fault)
    with h5py.File(folder / "data.hdf5", "w") as file:
        file["pulse"], file["time"] = wave, times
    (folder / "data.avi").touch()


def mmpd(root: Path, person: int, fault: str) -> None:
    folder = root / f"subject{person}"
    folder.mkdir(parents=True)
    wave = contact(person, 30.0, fault)[1]
    savemat(folder / f"p{person}_0.mat", {"GT_ppg": wave[None, ::2 if fault == "rate" else 1], "motion": "Stationary",
                                         "light": "LED-low", "exercise": "False", "skin_color": [[3 + person % 2]]})


def mcd(root: Path, person: int, fault: str) -> None:
    for folder in ("video", "ppg_sync"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    name = f"{1020 + person}_FullHDwebcam_before"
    times, wave = contact(person, 100.0, fault)
    np.savetxt(root / "ppg_sync" / f"{name}.txt", np.stack([wave, np.diff(times, prepend=2 * times[0] - times[1])], 1))
    (root / "video" / f"{name}.avi").touch()


def write_person(root: Path, person: int, fault: str) -> None:
    root.mkdir(exist_ok=True)
    times, wave = contact(person, 100.0, fault)
    pd.DataFrame({"time": times, "ppg": wave}).to_csv(root / f"{person}_rest.csv", index=False)
    (root / f"{person}_rest.mp4").touch()


LOOKALIKES = {"ubfc-rppg-2": ubfc_2, "ubfc-rppg-1": ubfc_1, "ubfc-phys": ubfc_phys, "pure": pure, "cohface": cohface,
              "mmpd": mmpd, "mcd-rppg": mcd, "folder": write_person}


def film(recording: PulseRecording) -> Window:
    """The skin of the person of a lookalike."""
    return skin_of(int("".join(letter for letter in recording.person if letter.isdigit())) % 1020)


@lru_cache
def skin_of(person: int) -> Window:
    return window(SECONDS, beat_times=beat_times(person), amplitude=0.008, noise=0.05, seed=person)


@pytest.mark.parametrize("layout", list(LOOKALIKES))
def test_offset_bad_sensor_and_wrong_rate_of_a_lookalike(layout: str, tmp_path: Path) -> None:
    write: Callable[[Path, int, str], None] = LOOKALIKES[layout]
    for person, fault in ((1, ""), (2, ""), (3, "off"), (4, "rate")):
        write(tmp_path / "data", person, fault)
    text = bench_pulse(tmp_path / "data", tmp_path / "out", observe=film)
    table = pd.read_csv(tmp_path / "out" / "recordings.csv")
    assert list(table.problem.fillna("")) == ["", "", "sensor_off", "rate_mismatch"]
    assert table.offset_s[:2].to_numpy() == pytest.approx(OFFSET, abs=0.1)
    assert table.offset_s[2:].isna().all()
    windows = pd.read_csv(tmp_path / "out" / "windows.csv")
    assert list(windows.recording.unique()) == list(table.recording[:2])
    assert len(windows) == 6
    assert (windows.camera - windows.truth).abs().max() < 2
    assert windows.correlation.min() > 0.8
    assert "Left out: rate_mismatch 1; sensor_off 1." in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.md", "windows.csv", "recordings.csv", "folds.csv", "bland_altman.png", "risk_coverage.png"}
    if layout == "mmpd":
        assert "| answered, skin_color 3 |" in text
        assert "| answered, skin_color 4 |" in text


def test_hostile_files_of_a_recording_are_its_problem(tmp_path: Path) -> None:
    names = [f"{person:02d}-01" for person in (1, 2, 3, 4)]
    for person, _ in enumerate(names, 1):
        pure(tmp_path / "data", person, "")
    many_scans = with_scans(jpeg(progressive=True), MOST_SCANS)
    for name, content in zip(names[1:3], (b"[" * 10**5, b"[1]"), strict=True):
        (tmp_path / "data" / name / f"{name}.json").write_bytes(content)
    (pure_pictures(tmp_path / "data" / names[3] / f"{names[3]}.json")[0]).write_bytes(many_scans)

    def observe(recording: PulseRecording) -> Window | None:
        if recording.person == "04":
            next(recording.open_frames(recording.path))
        return film(recording)

    bench_pulse(tmp_path / "data", tmp_path / "out", observe=observe)
    problems = pd.read_csv(tmp_path / "out" / "recordings.csv").problem.fillna("")
    assert problems[0] == ""
    assert "nested too deeply" in problems[1]
    assert "/FullPackage" in problems[2]
    assert f"{MOST_SCANS} scans or fewer" in problems[3]


def test_every_layout_has_a_lookalike_or_a_reason() -> None:
    pictures = {"scamps", "ibvp"}  # one file for each picture, or all in one: too large for a test
    assert set(LAYOUTS) == set(LOOKALIKES) | pictures


def test_another_program_is_scored_by_the_same_rules(tmp_path: Path) -> None:
    for person in (1, 2):
        write_person(tmp_path / "data", person, "")
    rows = [("1_rest.mp4", 0, 30, 90.0), ("1_rest.mp4", 30, 60, np.nan), ("2_rest.mp4", 0, 75, 63.0)]
    other = tmp_path / "other.csv"
    pd.DataFrame(rows, columns=["recording", "start", "end", "heart_rate"]).to_csv(other, index=False)
    bench_pulse(tmp_path / "data", tmp_path / "out", predictions=other, observe=film)
    windows = pd.read_csv(tmp_path / "out" / "windows.csv")
    assert list(windows.camera.fillna(0)) == [90, 0, 0, 63, 63, 63]
    other.write_text("recording,heart_rate\nnone.mp4,70\n")
    with pytest.raises(ValueError, match="name each video by its path"):
        bench_pulse(tmp_path / "data", tmp_path / "out", predictions=other, observe=film)


@pytest.mark.parametrize(("cells", "text"), [("abc,0,30,1", "heart_rate, got abc"),
                                             ("inf,0,30,1", "heart_rate, got inf"),
                                             ("70,x,30,1", "start, got x"), ("70,0,30,?", r"quality, got \?")])
def test_predictions_without_numbers_are_refused_in_one_sentence(cells: str, text: str, tmp_path: Path) -> None:
    write_person(tmp_path / "data", 1, "")
    other = tmp_path / "other.csv"
    other.write_text(f"recording,heart_rate,start,end,quality\n1_rest.mp4,70,0,30,1\n1_rest.mp4,{cells}\n")
    with pytest.raises(ValueError, match=rf"expected numbers in the column {text} in row 2: leave a cell empty"):
        bench_pulse(tmp_path / "data", tmp_path / "out", predictions=other, observe=film)


def test_the_error_of_a_layout_names_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"layout: expected one of .*folder, mahnob, deap, amigos, got 'xx'"):
        bench_pulse(tmp_path, tmp_path / "out", layout="xx", observe=film)


def test_a_program_that_learnt_on_a_person_is_not_judged_on_them(tmp_path: Path) -> None:
    for person in range(1, 7):
        write_person(tmp_path / "data", person, "")
    other = tmp_path / "other.csv"
    other.write_text("recording,heart_rate,trained_on\n1_rest.mp4,70,2; 3\n2_rest.mp4,70,1; 3\n")
    bench_pulse(tmp_path / "data", tmp_path / "out", predictions=other, observe=film)
    folds = pd.read_csv(tmp_path / "out" / "folds.csv")
    assert folds.groupby("person").fold.nunique().max() == 1
    assert sorted(folds.fold.unique()) == list(range(5))
    other.write_text("recording,heart_rate,trained_on\n1_rest.mp4,70,2; 1\n")
    with pytest.raises(ValueError, match=r"got 1_rest\.mp4 with 1 in trained_on"):
        bench_pulse(tmp_path / "data", tmp_path / "out", predictions=other, observe=film)


def test_the_breath_of_a_belt_is_compared(tmp_path: Path) -> None:
    write_person(tmp_path / "data", 1, "")
    table = pd.read_csv(tmp_path / "data" / "1_rest.csv")
    breath = np.sin(2 * np.pi * 0.25 * table.time) + 0.1 * np.random.default_rng(0).normal(size=len(table))
    table.assign(resp_belt=breath).to_csv(tmp_path / "data" / "1_rest.csv", index=False)
    text = bench_pulse(tmp_path / "data", tmp_path / "out", observe=film)
    result = pd.read_csv(tmp_path / "out" / "recordings.csv")
    assert result.respiration_reference_per_min[0] == pytest.approx(15, abs=0.3)
    assert " of 1 videos" in text[text.index("Respiration:"):]


def test_films_have_a_group_by_their_bit_rate(tmp_path: Path) -> None:
    result = {}
    for crf in (5, 40):
        path = tmp_path / f"{crf}.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=30, options={"crf": str(crf)})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            rng = np.random.default_rng(0)
            for _ in range(30):
                picture = (128 + 20 * rng.normal(size=(240, 320, 3))).clip(0, 255).astype(np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode())
        result[crf] = bit_rate_group(path)["bits_per_pixel"]
    assert result[5] == "0.2 or more"
    assert result[40] != result[5]
    assert bit_rate_group(tmp_path / "none.png") == {}


def test_a_folder_with_numbers_only(tmp_path: Path) -> None:
    write_person(tmp_path, 1, "")
    (tmp_path / "1_rest.csv").write_text("heart_rate\n68.4\n")
    bench_pulse(tmp_path, tmp_path / "out", observe=film)
    windows = pd.read_csv(tmp_path / "out" / "windows.csv")
    assert list(windows.truth) == [68.4]
    with pytest.raises(ValueError, match="expected videos with a contact pulse"):
        bench_pulse(tmp_path / "out", tmp_path / "again", observe=film)


def test_scores_of_planted_errors() -> None:
    truth = np.array([60.0, 70.0, 80.0, 90.0])
    result = scores(truth, truth + np.array([1.0, -1.0, 4.0, -8.0]), np.array(["a", "a", "b", "b"]))
    assert result["mae"] == 3.5
    assert result["rmse"] == pytest.approx(np.sqrt(82 / 4))
    assert result["bias"] == -1.0
    assert result["within_3"] == 50
    assert result["within_5"] == 75
    assert result["lower"] == pytest.approx(-1 - 1.96 * np.std([1, -1, 4, -8], ddof=1))
    assert result["mae_low"] == 1.0  # both draws person a
    assert result["mae_high"] == 6.0


def test_a_person_who_is_alone_has_no_row_of_somebody_else(tmp_path: Path) -> None:
    write_person(tmp_path, 1, "")
    text = bench_pulse(tmp_path, tmp_path / "out", observe=film)
    assert "| rate of another person | 0 |" in text
