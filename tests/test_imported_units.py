"""Action units of OpenFace 2 and py-feat in place of ours: planted curves come through, what is not there is masked.

The files are written here as both programs publish them: OpenFace's wiki on its output format, py-feat's `Fex`.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import mien
import prepare_work
from mien import checkpoints, cli, simulation
from mien.core.requirements import ModelRequirements
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex
from mien.evaluation import baselines, cross_validation
from mien.inference import recording
from mien.models import mvp
from mien.preprocessing import build_cache, external_aus, preprocess_trial, trial_reader
from mien.preprocessing.cache import ROW_DTYPE, Cache
from mien.preprocessing.model_inputs import prepare_batch
from mien.recipes import RECIPES, tiny_recipe
from mien.recipes.overrides import override
from mien.simulation import datasets as simulated_datasets
from mien.simulation.datasets import media_files
from mien.training import data_module
from test_session import emotions, person, table

RUNNER = CliRunner()
OPENFACE = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PYFEAT = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
NEEDS = ModelRequirements(seconds=4.0, aus=5.0)
FPS = 25.0


def curve(unit: int, times: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """0..1, of every unit another."""
    return 0.5 + 0.4 * np.sin(2 * np.pi * (0.1 + 0.02 * unit) * times + unit + shift)


def openface(path: Path, times, faces=((0, 100.0, 0.0),), gone=(), absent=(), fps=FPS, stamps=True, doubt=()) -> Path:
    """`faces`: (id, x of the nose, shift of the curves); `gone`: frames without success."""
    units = [unit for unit in OPENFACE if unit not in absent]
    marks = [f"{axis}_{k}" for axis in "xy" for k in range(68)]
    head = ["frame", *(["face_id"] if len(faces) > 1 else []), "timestamp", "confidence", "success", "gaze_0_x",
            "pose_Tx", *marks, *(f"AU{unit:02d}_r" for unit in units), *(f"AU{unit:02d}_c" for unit in (*units, 28))]
    lines = [", ".join(head)]
    for k, time in enumerate(times):
        for who, x, shift in faces:
            good = k not in gone
            stamp = f"{k / fps:.3f}" if stamps else "0"
            places = [x - 30 + 60 * i / 16 if i <= 16 else x for i in range(68)] + [80.0] * 68
            values = [5 * curve(unit, np.float64(time), shift) if good else 0.0 for unit in units]
            cells = [k + 1, *([who] if len(faces) > 1 else []), stamp, 0.98 if good else 0.0, int(good), 0.1, 16.2,
                     *(f"{place:.1f}" for place in places), *(f"{value:.4f}" for value in values),
                     *[int(value > 1) for value in values], 0]
            lines.append(", ".join(str(cell) for cell in cells))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def pyfeat(path: Path, times, people=(("Person_0", 100.0, 0.0),), gone=(), skip=1, units=PYFEAT, binary=False) -> Path:
    """Version 2: `frame` and `Identity` come last; where nobody was found a row is empty."""
    head = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", "Pitch", "Roll", "Yaw",
            *(f"AU{unit:02d}" for unit in units), "Neutral", "Happy", "input", "frame", "approx_time", "Identity"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, head, restval="")
        rows.writeheader()
        for k in range(0, len(times), skip):
            for who, x, shift in people if k not in gone else (("", 0.0, 0.0),):
                row = {"frame": k, "input": "talk.mp4", "approx_time": f"00:{int(times[k]):02d}", "Identity": who}
                if who:
                    values = {f"AU{unit:02d}": curve(unit, np.float64(times[k]), shift) for unit in units}
                    row |= {name: round(value) if binary else f"{value:.5f}" for name, value in values.items()}
                    row |= {"FaceRectX": x - 30, "FaceRectY": 50, "FaceRectWidth": 60, "FaceRectHeight": 60,
                            "FaceScore": 0.99, "Neutral": 0.5, "Happy": 0.5}
                rows.writerow(row)
    return path


def planted(times: np.ndarray, known, shift: float = 0.0) -> np.ndarray:
    """(T, A) 0..5, NaN for units that the program does not know."""
    return np.stack([5 * curve(int(name[2:]), times, shift) if int(name[2:]) in known else np.full(len(times), np.nan)
                     for name in ACTION_UNITS], axis=1)


def at_5_hz(times: np.ndarray, aus: np.ndarray, seconds: float) -> np.ndarray:
    """By hand: the mean of each fifth of a second."""
    return np.stack([np.stack([column[inside].mean() if (inside := np.floor(times * 5 + 1e-6) == k).any() else np.nan
                               for k in range(round(seconds * 5))]) for column in aus.T], axis=1)


def rows(times: np.ndarray, x: float = 100.0) -> np.ndarray:
    """What is known of a trial before the file is put in: one face, at x."""
    table = np.zeros(len(times), ROW_DTYPE)
    table["time"], table["position"], table["aus"] = times, (x, 80.0, 60.0), 1.0
    return table


def joined(path: Path, times: np.ndarray, part_only: bool = False, x: float = 100.0, rate: float = FPS, count=500,
           **trial):
    table = rows(times, x)
    known = Trial("t", "folder", video=Path("v.mp4"), **trial)
    reported, notes = external_aus.merge_aus(known, external_aus.AUFileMatch(path, part_only), table, rate, count)
    return table["aus"], reported, notes


TIMES = np.arange(100) / FPS


# ---------------------------------------------------------------------------------------------------- a file, a trial
@pytest.mark.parametrize(("write", "known", "absent"), [(openface, OPENFACE, ["AU24"]), (pyfeat, PYFEAT, ["AU45"])])
def test_curves_come_on_the_scale_of_ours_and_absent_units_are_masked(tmp_path, write, known, absent):
    aus, reported, notes = joined(write(tmp_path / "v.csv", TIMES, gone=(10, 11)), TIMES)
    expected = planted(TIMES, known)
    expected[[10, 11]] = np.nan
    np.testing.assert_allclose(aus, expected, atol=1e-3)
    assert np.isnan(aus).all(axis=1).nonzero()[0].tolist() == [10, 11]
    assert (reported["absent"], reported["known"], notes) == (absent, 0.98, [])
    assert reported["unused"] == (["AU11", "AU28", "AU43"] if write is pyfeat else [])


@pytest.mark.parametrize("write", [openface, pyfeat])
def test_frames_that_come_unevenly_get_their_own_rows(tmp_path, write):
    """Both programs count frames and take an even rate for granted; the video's rate falls from 30 to 15 Hz."""
    times = np.cumsum(np.r_[0, np.full(60, 1 / 30), np.full(39, 1 / 15)])
    aus, _, notes = joined(write(tmp_path / "v.csv", times), times)
    everyone = aus
    np.testing.assert_allclose(aus, planted(times, OPENFACE if write is openface else PYFEAT), atol=1e-3)
    assert notes == []
    stop = dict(span=(0.0, 2.0))
    aus, _, notes = joined(write(tmp_path / "v.csv", times), times[:60], count=100, **stop)  # only its beginning
    np.testing.assert_allclose(aus, planted(times[:60], OPENFACE if write is openface else PYFEAT), atol=1e-3)
    assert notes == []
    away, _, notes = joined(write(tmp_path / "w.csv", times[:90]), times)  # of another count: its own times hold
    assert np.nanmax(np.abs(away[:90] - everyone[:90])) > 0.5
    assert notes == ["action units from 0.0 to 3.6 s of 4.6 s"]


def test_a_part_of_a_video_takes_its_part_of_the_file(tmp_path):
    full = np.arange(500) / FPS
    part = dict(span=(6.0, 10.0))
    for write, known in ((openface, OPENFACE), (pyfeat, PYFEAT)):
        aus, _, notes = joined(write(tmp_path / "v.csv", full), TIMES, **part)
        np.testing.assert_allclose(aus, planted(TIMES + 6, known), atol=1e-3)
        assert notes == []
        aus, _, _ = joined(write(tmp_path / "t.csv", TIMES + 6), TIMES, part_only=True, **part)  # of the part alone
        np.testing.assert_allclose(aus, planted(TIMES + 6, known), atol=1e-3)
    wrong = openface(tmp_path / "w.csv", full, fps=30)  # stamps of another rate than the video's, but all its frames
    np.testing.assert_allclose(joined(wrong, TIMES, **part)[0], planted(TIMES + 6, OPENFACE), atol=1e-3)
    with pytest.raises(ValueError, match=r"of the trial with this id, got 20\.0 s: give the file of a full video"):
        joined(tmp_path / "v.csv", TIMES, part_only=True, **part)
    with pytest.raises(ValueError, match=r"got some from -40\.0 to -20\.0 s: is it the file of this video"):
        joined(tmp_path / "v.csv", TIMES, span=(40.0, 44.0))


def test_frames_that_were_skipped_stay_unknown(tmp_path):
    """py-feat at 2.5 Hz: steps of 5 Hz near a row are known, the others are not filled in."""
    aus, reported, _ = joined(pyfeat(tmp_path / "v.csv", TIMES, skip=10), TIMES)
    known = np.isfinite(aus[:, 0])
    assert [k for k in range(100) if known[k]] == [k for k in range(100) if min(k % 10, 10 - k % 10) <= 2 and k < 93]
    np.testing.assert_allclose(aus[::10], planted(TIMES[::10], PYFEAT), atol=1e-3)
    assert reported["known"] == known.mean()


def test_of_several_faces_it_is_the_main_persons(tmp_path):
    two = (("0", 300.0, 1.0), ("1", 100.0, 0.0))
    for write, known in ((openface, OPENFACE), (pyfeat, PYFEAT)):
        path = write(tmp_path / "v.csv", TIMES, two)
        for x, shift in ((100.0, 0.0), (300.0, 1.0)):
            aus, _, notes = joined(path, TIMES, x=x)
            np.testing.assert_allclose(aus, planted(TIMES, known, shift), atol=1e-3)
            assert notes == [f"action units of face {int(x == 100)} of 0, 1, where the main person is"]
        with pytest.raises(ValueError, match="where the main person of the video is, got 0, 1 elsewhere"):
            joined(path, TIMES, x=900.0)
    aus, _, _ = joined(path, TIMES, x=np.nan)  # our tracker saw nobody: the file alone decides
    assert np.isfinite(aus).any()
    bare = tmp_path / "bare.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    bare.write_text("\n".join(",".join(cell for name, cell in zip(lines[0], line, strict=True) if "Rect" not in name)
                              for line in lines))
    with pytest.raises(ValueError, match="or columns that say where each is"):
        joined(bare, TIMES)


def test_external_aus_are_unknown_while_their_person_is_away(tmp_path):
    path = pyfeat(tmp_path / "v.csv", TIMES, (("a", 100.0, 0.0), ("b", 300.0, 1.0)))
    lines = path.read_text().splitlines()
    gone = tuple(f",{k},00:02,a" for k in range(50, 60))
    path.write_text("\n".join(line for line in lines if not line.endswith(gone)))
    aus, _, _ = joined(path, TIMES)
    assert np.isnan(aus).all(axis=1).nonzero()[0].tolist() == [*range(50, 60)]


def test_units_without_degrees_are_reported(tmp_path):
    _, _, notes = joined(pyfeat(tmp_path / "v.csv", TIMES, binary=True), TIMES)
    assert notes == ["the action units are binary (present or absent)"]


@pytest.mark.parametrize(("change", "said"), [
    (lambda text: text.splitlines()[0], "expected rows below the header"),
    (lambda text: "", "expected a table, got an empty file"),
    (lambda text: text.replace(" success", " worked"), "line 1: expected the columns success"),
    (lambda text: text.replace("_r", "_x"),
     "expected intensities of action units, such as AU01_r of OpenFace, got pre"),
    (lambda text: text.replace("0.120,", "0.010,"), r"line 5: expected times that increase, got 0\.01 s after 0\.08 s"),
    (lambda text: text.replace(", 0.98, 1,", ", 0.98, 0,"), "expected a face in some frame of the trial, got none in"),
    (lambda text: text.replace(", 0.98, 1,", ", nan, nan,"), "expected a face in some frame of the trial, got none in"),
    (lambda text: text.rsplit(",", 30)[0], r"line 101: expected \d+ cells, got \d+: is the file whole"),
    (lambda text: text.replace("16.2, ", "16.2, oops", 1), r"line 2: expected a number under x_0, got 'oops"),
    (lambda text: "\n".join([(lines := text.splitlines())[0], lines[1].rsplit(", ", 20)[0] + ", 7.5" + ", 0" * 19]),
     r"line 2: expected action units of OpenFace 2 from 0 to 5, got 7\.5"),
])
def test_external_aus_report_a_bad_file(tmp_path, change, said):
    path = openface(tmp_path / "v.csv", TIMES)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=said):
        joined(path, TIMES)
    with pytest.raises(ValueError, match=r"such as AU01 of py-feat: run it with a model of action units"):
        joined(pyfeat(tmp_path / "w.csv", TIMES, units=()), TIMES)


def test_single_cells_that_say_nothing_are_masked(tmp_path):
    path = pyfeat(tmp_path / "v.csv", TIMES)
    table = list(csv.reader(path.open()))
    table[31][table[0].index("AU12")] = "nan"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)
    aus, _, _ = joined(path, TIMES)
    assert np.isnan(aus[:, ACTION_UNITS.index("AU12")]).nonzero()[0].tolist() == [30]
    assert np.isfinite(aus[30, ACTION_UNITS.index("AU10")])


# ------------------------------------------------------------------------------------------------- which file is whose
def matched_files(tmp_path: Path, files, trials) -> dict[str, str]:
    """`trials`: id -> video -> what each gets, a file or the reason why none."""
    for name in files:
        openface(tmp_path / "aus" / name, TIMES[:2])
    known = [Trial(id, "folder", video=Path("/d") / video) for id, video in trials.items()]
    matches = external_aus.find_au_files(known, tmp_path / "aus").matches
    return {id: first.path.relative_to(tmp_path / "aus").as_posix() if first.path else first.reason
            for id, first in matches.items()}


def test_files_are_found_by_id_and_by_video_in_any_folder(tmp_path):
    got = matched_files(tmp_path, ["a/s01/7.csv", "s01_8.csv", "deep/er/s01_trial03.csv", "P1_4_face.mov.csv", "x.CSV"],
                {"s01/7": "face/s01_trial01.avi", "s01/8": "face/s01_trial02.avi", "s01/9": "face/s01_trial03.avi",
                 "P01/4": "Exp1/P1_4_face.mov", "x": "other.mp4", "s02/7": "face/s02_trial01.avi"})
    assert list(got.values())[:5] == ["a/s01/7.csv", "s01_8.csv", "deep/er/s01_trial03.csv", "P1_4_face.mov.csv",
                                      "x.CSV"]
    assert "s02/7.csv or s02_trial01.csv, in" in got["s02/7"]
    assert got["s02/7"].endswith("got none: mien's own are on another scale and are not mixed in")


def test_folders_tell_files_of_one_name_apart(tmp_path):
    got = matched_files(tmp_path, ["day1/anna.csv", "day2/anna.csv", "ben.csv", "one/eve.csv", "two/eve.csv"],
                {"1": "day1/anna.mp4", "2": "day2/anna.mp4", "3": "day1/ben.mp4", "4": "day2/ben.mp4",
                 "5": "day1/eve.mp4"})
    assert (got["1"], got["2"]) == ("day1/anna.csv", "day2/anna.csv")
    for id, other in (("3", "/d/day2/ben.mp4"), ("4", "/d/day1/ben.mp4")):
        assert f"ben.csv: expected the file of one video, got the name of 2, of {other} too" in got[id]
    assert got["5"] == "expected one file of action units, got one/eve.csv, two/eve.csv: keep the right one"


def test_the_trials_of_one_video_share_its_file(tmp_path):
    got = matched_files(tmp_path, ["anna.csv"], {"a": "day1/anna.mp4", "b": "day1/anna.mp4"})
    assert got == {"a": "anna.csv", "b": "anna.csv"}


def test_two_names_for_one_trial_and_tables_of_other_things(tmp_path):
    (tmp_path / "aus").mkdir()
    (tmp_path / "aus" / "ben.csv").write_text("time,ecg\n0,1\n")  # a signal beside the videos
    got = matched_files(tmp_path, ["t1.csv", "anna.csv", "carl.csv"],
                        {"t1": "anna.mp4", "t2": "ben.mp4", "t3": "carl.mp4"})
    assert got["t1"] == "expected one file of action units, got anna.csv, t1.csv: keep the right one"
    assert "ben.csv, line 1: expected a table of OpenFace 2 (AU01_r) or py-feat (AU01, FaceScore), got" in got["t2"]
    assert got["t3"] == "carl.csv"


def test_a_folder_of_no_use_and_of_two_programs_is_refused(tmp_path):
    trials = [Trial(name, "folder", video=Path(f"/d/{name}.mp4")) for name in "ab"]
    with pytest.raises(ValueError, match=r"--aus: expected a folder with a file .* got nothing"):
        external_aus.find_au_files(trials, tmp_path / "none")
    with pytest.raises(ValueError, match=r"--aus: expected files .* for the trials, got none of 0 csv files"):
        external_aus.find_au_files(trials, tmp_path)
    openface(tmp_path / "a.csv", TIMES[:2])
    pyfeat(tmp_path / "b.csv", TIMES[:2])
    with pytest.raises(ValueError, match=r"one program, got 1 of OpenFace 2 and 1 of py-feat .*their scales differ"):
        external_aus.find_au_files(trials, tmp_path)


# ------------------------------------------------------------------------------------------------------------ a cache
@pytest.fixture
def clips(tmp_path, monkeypatch) -> DatasetIndex:
    """Three clips of 100 pictures."""
    monkeypatch.setattr(preprocess_trial, "_backend", prepare_work.Blind)
    monkeypatch.setattr(build_cache, "run", lambda jobs, work, *_: ((job, work(job, None)) for job in jobs))
    rng = np.random.default_rng(0)
    for number in range(3):
        folder = tmp_path / "clips" / f"c{number}"
        folder.mkdir(parents=True)
        for k in range(100):
            cv2.imwrite(str(folder / f"{k + 1}.png"), rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    return prepare_work.survey(tmp_path / "clips")


def prepared(clips: DatasetIndex, out: Path, aus: Path | None):
    return build_cache.build_cache(clips, out, preprocess_trial.Preparation(size=16), aus=aus)


def manifest(cache: Path) -> dict[str, dict[str, str]]:
    return {row["item"]: row for row in csv.DictReader((cache / "manifest.csv").open())}


@pytest.mark.parametrize(("write", "known", "by"), [(openface, OPENFACE, "openface"), (pyfeat, PYFEAT, "py-feat")])
def test_planted_curves_come_back_from_the_cache_at_5_hz(clips, tmp_path, write, known, by):
    for number in range(3):
        write(tmp_path / "aus" / f"c{number}.csv", TIMES + number, gone=range(40, 52))
    built = prepared(clips, tmp_path / "cache", tmp_path / "aus")
    assert built.complete
    cache = Cache(tmp_path / "cache")
    assert (cache.aus["by"], cache.aus["files"], cache.aus["trials"]) == (by, 3, 3)
    for number in range(3):
        window = cache.window(f"c{number}")
        assert window.aus_by == by
        expected = planted(TIMES + number, known)
        expected[40:52] = np.nan
        result = prepare_batch([window], replace(NEEDS, aus_by=by))
        by_hand = at_5_hz(TIMES, expected, 4.0)
        by_hand[10] = expected[52:55].mean(axis=0)
        np.testing.assert_allclose(result.video[0].numpy(), by_hand, atol=2e-3)
        assert result.video_mask[0].tolist() == [k not in (8, 9) for k in range(20)]
    with pytest.raises(ValueError, match=f"expected action units by mien, got those by {by}: their scales differ"):
        prepare_batch([window], replace(NEEDS, aus_by="mien"))
    with pytest.raises(ValueError, match="their scales differ"):
        prepare_batch([window, replace(window, aus_by="mien")], NEEDS)
    reported = manifest(tmp_path / "cache")
    lacks = "AU24" if by == "openface" else "AU45"
    assert reported["c1"]["aus"].endswith(f": c1.csv, 88 % of frames without {lacks}")
    assert reported["aus"]["status"] == "imported"
    assert reported["aus"]["reason"].endswith(f"files for 3 of 3 filmed trials; it lacks {lacks}: masked")


def test_pictures_need_no_time_stamps(clips, tmp_path):
    for number in range(3):
        openface(tmp_path / "aus" / f"c{number}.csv", TIMES, stamps=False)
    assert prepared(clips, tmp_path / "cache", tmp_path / "aus").complete
    np.testing.assert_allclose(Cache(tmp_path / "cache").window("c0").aus, planted(TIMES, OPENFACE), atol=1e-3)


def test_prepare_fails_only_trials_without_a_readable_au_file(clips, tmp_path):
    openface(tmp_path / "aus/c0.csv", TIMES)
    openface(tmp_path / "aus/stranger.csv", TIMES)
    (tmp_path / "aus/c1.csv").write_text((tmp_path / "aus/c0.csv").read_text().splitlines()[0])
    built = prepared(clips, tmp_path / "cache", tmp_path / "aus")
    assert [id for id, _ in built.failed] == ["c1", "c2"]
    assert "expected rows below the header" in built.failed[0][1]
    assert "got none: mien's own are on another scale" in built.failed[1][1]
    reported = manifest(tmp_path / "cache")
    assert [reported[name]["status"] for name in ("c0", "c1", "c2")] == ["ok", "failed", "failed"]
    assert reported["aus"]["note"] == "1 files of action units belong to no trial: stranger.csv"
    openface(tmp_path / "aus/c1.csv", TIMES[:30])
    openface(tmp_path / "aus/c2.csv", TIMES)
    before = Cache(tmp_path / "cache").entries["c0"].folder
    assert prepared(clips, tmp_path / "cache", tmp_path / "aus").complete
    cache = Cache(tmp_path / "cache")
    assert cache.entries["c0"].folder == before
    assert cache.entries["c1"].note == "no face was found; action units from 0.0 to 1.2 s of 4.0 s"
    assert np.isfinite(cache.window("c1").aus[:, 0]).sum() == 30
    openface(tmp_path / "aus/c0.csv", TIMES + 1)  # another file: made again
    assert prepared(clips, tmp_path / "cache", tmp_path / "aus").complete
    np.testing.assert_allclose(Cache(tmp_path / "cache").window("c0").aus, planted(TIMES + 1, OPENFACE), atol=1e-3)


def test_scales_are_not_mixed_in_one_cache(clips, tmp_path):
    for number in range(3):
        openface(tmp_path / "open" / f"c{number}.csv", TIMES)
        pyfeat(tmp_path / "fex" / f"c{number}.csv", TIMES)
    assert prepared(clips, tmp_path / "own", None).complete
    assert prepared(clips, tmp_path / "cache", tmp_path / "open").complete
    assert Cache(tmp_path / "own").aus is None
    for out, aus, said in (
        ("own", "open", "expected mien's own action units, with which .*own was prepared, got those of OpenFace 2: "
                        "their scales differ; choose another --out"),
        ("cache", None, "expected those of OpenFace 2, .*; give --aus FOLDER again, or choose another"),
        ("cache", "fex", "expected those of OpenFace 2, .* got those of py-feat"),
    ):
        before = (tmp_path / out / "cache.json").read_bytes()
        with pytest.raises(ValueError, match=said):
            prepared(clips, tmp_path / out, None if aus is None else tmp_path / aus)
        assert (tmp_path / out / "cache.json").read_bytes() == before


# --------------------------------------------------------------------------------------- from a dataset to a checkpoint
@pytest.fixture(scope="module")
def amigos(tmp_path_factory) -> Path:
    """Five people with four films of 8 s, in which we see nobody; OpenFace saw all but one. P01/4 has no signals: it is
    no trial."""
    root = tmp_path_factory.mktemp("amigos")
    grey = np.full((48, 64, 3), 128, np.uint8)

    def film(base, variant, start, seconds, marked, scene):
        media_files.video(base / scene.path, [grey] * 80, 10)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_datasets.amigos, "_film", film)
        patch.setattr(preprocess_trial, "_backend", prepare_work.Blind)
        simulated_datasets.LOOKALIKES["amigos"](root / "data", size=4, participants=(1, 2, 3, 4, 5), seconds=8.0)
        films_ = sorted((root / "data").glob("Exp1*/*.mov"))
        for number, path in enumerate(films_):
            if number != 3:
                openface(root / "aus" / f"{path.stem}.csv", np.arange(80) / 10 + number, fps=10)
        patch.setattr(build_cache, "run", lambda jobs, work, *_: ((job, work(job, None)) for job in jobs))
        done = RUNNER.invoke(cli.app, ["data", "prepare", "amigos", str(root / "data"), "--out", str(root / "cache"),
                                       "--aus", str(root / "aus"), "--size", "16"])
    assert done.exit_code == 1, done.output
    (root / "reported.txt").write_text(done.output)
    return root


def test_preparing_tells_the_source_and_whose_file_is_missing(amigos):
    reported = " ".join((amigos / "reported.txt").read_text().split())
    assert "files for 18 of 19 filmed trials; it lacks AU24: masked" in reported
    missing = sorted((amigos / "data").glob("Exp1*/*.mov"))[3].stem
    assert f"{missing}.csv, in" in reported
    cache = Cache(amigos / "cache")
    assert cache.aus == {"by": "openface", "files": 18, "trials": 19, "absent": {"AU24": 18}}
    unfilmed = [entry for entry in cache.entries.values() if entry.trial.video is None]
    assert unfilmed
    assert all(entry.aus is None for entry in unfilmed)


def test_training_and_baselines_run_on_it_and_tell_the_source(amigos, tmp_path, monkeypatch):
    common = ["mvp/amigos-valence", "--data", str(amigos / "data"), "--cache", str(amigos / "cache"), "--tiny",
              "--device", "cpu", "--set", "schedule.epochs=1", "--set", "options.seconds=8"]
    before = (amigos / "cache/cache.json").read_bytes()
    done = RUNNER.invoke(cli.app, ["train", *common, "--fold", "1", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "action units: OpenFace 2, files for 18 of 19 filmed trials; it lacks AU24: masked" in done.stderr
    assert (amigos / "cache/cache.json").read_bytes() == before  # what has no file is not prepared with ours
    card = json.loads((tmp_path / "run/chosen/card.json").read_text())
    assert card["data"]["aus"] == {"by": "openface", "files": 18, "trials": 19, "absent": {"AU24": 18}}
    model = mien.load(tmp_path / "run/chosen", precision="32")
    assert model.needs.aus_by == "openface"
    cache = Cache(amigos / "cache")
    window = cache.window(next(id for id, entry in cache.entries.items() if entry.aus))
    assert np.isfinite(model.predict_window(window)).all()
    moved = replace(window, aus=window.aus + np.float32(1.0))
    assert np.abs(model.predict_window(moved) - model.predict_window(window)).max() > 1e-7
    filled = window.aus.copy()
    filled[:, ACTION_UNITS.index("AU24")] = 0.0
    change = model.predict_window(replace(window, aus=filled)) - model.predict_window(window)
    assert np.abs(change).max() > 1e-9  # absent is not zero
    with pytest.raises(ValueError, match="expected action units by openface, got those by mien"):
        model.predict_window(replace(window, aus_by="mien"))
    index = json.loads(before)
    del index["aus"]
    other = tmp_path / "ours"  # the same trials, as if we had read them
    other.mkdir()
    (other / "cache.json").write_text(json.dumps(index))
    (other / "trials").symlink_to(amigos / "cache/trials")
    ours = [str(other) if word == str(amigos / "cache") else word for word in common]
    monkeypatch.setattr(data_module, "cached_targets", lambda survey, cache: True)
    done = RUNNER.invoke(cli.app, ["train", *ours, "--fold", "1", "--out", str(tmp_path / "run")])
    assert "this same training, interrupted, got one with another source of action units" in done.stderr
    for cache, said in ((amigos / "cache", ""), (other, "expected action units by openface, which")):
        ready = Cache(cache)
        place = tmp_path / "bench"
        place.mkdir(exist_ok=True)
        (place / "done.json").write_text(json.dumps({"aus": "openface"}))
        if said:
            with pytest.raises(ValueError, match=said):
                cross_validation._expect_same_units(place, ready)
        else:
            cross_validation._expect_same_units(place, ready)
    for name in ("random forest", "gradient boosting"):  # which take long
        monkeypatch.delitem(baselines.CLASSIFIERS, name)
    done = RUNNER.invoke(cli.app, ["bench", *common, "--baselines", "--folds", "1", "--out", str(tmp_path / "b")])
    assert done.exit_code == 0, done.output
    assert "SVM" in done.stdout


# ------------------------------------------------------------------------------------------------------ own recordings
def model(by: str = "openface", **change) -> checkpoints.Predictor:
    """Of action units by that program, and of signals."""
    options = {"options.seconds": "10", **{f"options.{name}": value for name, value in change.items()}}
    recipe = override(tiny_recipe(RECIPES["mvp/amigos-valence"]), options)
    torch.manual_seed(0)
    result = mvp.MVP(recipe.options)
    data = {} if by == "mien" else {"aus": {"by": by, "files": 3, "trials": 3, "absent": {}}}
    return checkpoints.Predictor(result, recipe.task, 10.0, checkpoints.make_card(recipe, recipe.task, result, ("", ""),
                                                                            data=data))


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> Path:
    """A video of 12 s, the files of both programs, and checkpoints that learnt from each."""
    root = tmp_path_factory.mktemp("talk")
    scene = simulation.Scene((simulation.Actor(simulation.identity(1)),), size=(240, 180), fps=12.5, seconds=12)
    simulation.write_video(scene, root / "talk.mp4")
    times = np.arange(150) / 12.5
    openface(root / "of.csv", times, fps=12.5)
    pyfeat(root / "fex.csv", times)
    openface(root / "two.csv", times, (("0", 500.0, 1.0), ("1", 120.0, 0.0)), fps=12.5)
    for by in ("mien", "openface", "py-feat"):
        model(by, signals="ecg,eda").save_pretrained(root / by)
    model("openface", modality="video").save_pretrained(root / "face")
    return root


def rows_of(known, tables) -> recording.ExternalAUs:
    return recording.load_external_aus(str(tables), FPS, known.seen.full.times, {0: known})


def test_a_recording_is_read_by_the_units_of_the_program(tmp_path):
    """The same answer as of a window of a cache with these units; ours count for nothing."""
    known, reader = person(), model(signals="ecg,eda")
    times = known.seen.full.times
    units = rows_of(known, openface(tmp_path / "v.csv", times, gone=range(250, 300)))
    reported = recording.predict_recording(reader, {0: known}, [], 30.0, None, units=units)[1]
    rows_ = np.searchsorted(times, [0.0, 10.0, 20.0, 30.0])
    full = replace(known.seen.window(0.0, 30.0), aus=planted(times, OPENFACE).astype(np.float32), aus_by="openface")
    full.aus[250:300] = np.nan
    parts = [replace(full, start=10.0 * k, end=10.0 * k + 10, **{
        name: getattr(full, name)[rows_[k] : rows_[k + 1]]
        for name in ("times", "skin", "position", "aus", "pose", "gaze")}) for k in range(3)]
    np.testing.assert_allclose(reported.probs, reader.predict_proba(parts).mean(axis=0), atol=1e-4)
    assert reported.used["face"] == pytest.approx(28.0, abs=0.21)
    assert reported.notes[:2] == ("action units by OpenFace 2, v.csv, known in 93 % of frames",
                                  "the file lacks AU24")
    other = person()
    noise = np.random.default_rng(5).uniform(0, 5, other.seen.full.aus.shape)
    other = replace(other, seen=type(other.seen)(replace(other.seen.full, aus=noise), 750))
    same = recording.predict_recording(reader, {0: other}, [], 30.0, None, units=units)[1]
    np.testing.assert_array_equal(same.probs, reported.probs)


def test_recording_uses_external_aus_where_no_face_was_seen(tmp_path):
    known, blind, reader = person(), person(blind=(0.0, 30.0)), model(signals="ecg,eda")
    units = rows_of(known, openface(tmp_path / "v.csv", known.seen.full.times))
    rows_, reported = recording.predict_recording(reader, {0: blind}, emotions(blind, step=2.0), 30.0, None,
                                                  units=units)
    assert {row.read_from for row in rows_ if row.end >= 6} == {"face"}
    rows_, reported = recording.predict_recording(reader, {}, [], 30.0, None, units=units)
    assert reported.used["face"] == pytest.approx(30.0, abs=0.21)
    people = {0: person(blind=(0.0, 20.0)), 1: known}
    rows_ = [row for id, first in people.items() for row in emotions(first, id, 2.0)]
    rows_, reported = recording.predict_recording(reader, people, rows_, 30.0, None, units=units)
    assert {row.reason for row in rows_ if row.face == 0} <= {"no_face", "too_short"}
    assert not any(row.reason for row in rows_ if row.face == 1 and row.end >= 6)
    assert any("of person 1, who was seen longest of 2: the model reads no other face" in note
               for note in reported.notes)
    short = rows_of(known, openface(tmp_path / "w.csv", known.seen.full.times[:250]))
    reported = recording.predict_recording(reader, {0: known}, [], 30.0, None, units=short)[1]
    assert any(note == "the file is shorter than the video's 30.0 s, to 10.0 s: is it of this video?"
               for note in reported.notes)
    assert reported.used["face"] == pytest.approx(10.0, abs=0.21)


def analyze(talk: Path, name: str, *arguments: str):
    return RUNNER.invoke(cli.app, ["analyze", str(talk / "talk.mp4"), "--out", str(talk / "out"), "--model",
                                   str(talk / name), "--quiet", *arguments])


def test_the_command_reads_the_file_beside_video_and_signals(talk, monkeypatch):
    monkeypatch.chdir(talk)
    table(talk / "s.csv", seconds=12.0)
    done = analyze(talk, "openface", "--aus", str(talk / "of.csv"), "--physio", str(talk / "s.csv"))
    assert done.exit_code == 0, done.output
    reported = json.loads((talk / "out/talk.mp4/summary.json").read_text())["session"]
    assert reported["used_s"] == pytest.approx({"ecg": 12.0, "eda": 12.0, "face": 12.0}, abs=0.8)
    assert "action units by OpenFace 2, of.csv, known in 100 % of frames" in reported["notes"]
    timeline = mien.analyze(talk / "talk.mp4", model=str(talk / "face"), aus=str(talk / "two.csv"))
    assert "face 1 is used (faces in the file: 0, 1)" in timeline.session.notes
    assert timeline.session.used["face"] == pytest.approx(12.0, abs=0.3)


@pytest.mark.parametrize(("name", "arguments", "said"), [
    ("openface", (), "expected action units by OpenFace 2, the program of its training, got those by mien: their "
                     "scales differ; give the file that OpenFace 2 wrote for this video to mien analyze, with "
                     "--aus FILE"),
    ("openface", ("--aus", "fex.csv"), "by OpenFace 2, the program of its training, got those by py-feat"),
    ("py-feat", ("--aus", "of.csv"), "by py-feat, the program of its training, got those by OpenFace 2"),
    ("mien", ("--aus", "of.csv"), "got those by OpenFace 2: their scales differ; leave --aus out"),
    ("mien", ("--aus", "none.csv"), "--aus: expected a file, got nothing at none.csv"),
    ("openface", ("--aus", "broken.csv"), "broken.csv, line 2: expected"),
    ("openface", ("--aus", "of.csv", "talk.mp4", "more.mp4"), "--aus: expected one video, got 2"),
])
def test_units_of_another_scale_are_refused_before_the_video_is_read(talk, monkeypatch, name, arguments, said):
    monkeypatch.chdir(talk)
    (talk / "more.mp4").write_bytes(b"")
    (talk / "broken.csv").write_text("\n".join((talk / "of.csv").read_text().splitlines()[:2])[:-80])
    done = analyze(talk, name, *arguments)
    assert done.exit_code == 2 or done.exit_code == 1
    assert said in " ".join(done.stderr.split())


def test_a_film_says_its_pace(talk):
    rate, count = trial_reader.video_rate(Trial("t", "folder", video=talk / "talk.mp4"))
    assert (round(rate, 6), count) == (12.5, 150)


def test_models_that_read_no_action_units_take_no_file(talk):
    with pytest.raises(ValueError, match="aus: expected a model trained on action units"):
        mien.Settings(aus="of.csv")
    with pytest.raises(ValueError, match="expected a model that reads action units, got one that does not"):
        recording.check_au_program(ModelRequirements(frames=8, size=32), "of.csv")


def test_a_live_stream_refuses_a_model_of_another_program(talk):
    with pytest.raises(ValueError, match="by OpenFace 2, the program of its training, got those by mien"):
        mien.Live("0", mien.Settings(model=str(talk / "openface")))
    with pytest.raises(ValueError, match="expected action units by openface, got those by mien"):
        mien.load(talk / "openface", precision="32").predict_with_sources(person().seen.window(0.0, 10.0))
