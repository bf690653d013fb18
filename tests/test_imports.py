"""Imports: files as the programs and devices write them, against what was planted in them; and files gone wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fake_timeline
from mien import signals
from mien.core.tasks import ACTION_UNITS
from mien.datasets import readers
from mien.simulation.datasets import contact_signals

OPENFACE_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)


def column(values: np.ndarray, unit: str) -> np.ndarray:
    return values[:, ACTION_UNITS.index(unit)]


def write(path: Path, *lines: str, end: str = "\n", mark: bool = False) -> Path:
    path.write_bytes((end.join(lines) + end).encode("utf-8-sig" if mark else "utf-8"))
    return path


# OpenFace

def openface(path: Path, frames: int = 6, faces: tuple[int, ...] = (0,), **options) -> Path:
    """As FaceLandmarkVidMulti writes it, with blanks; AU k of face f in frame i is (k + f + i / 10) / 20."""
    names = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x",
             *(f"AU{k:02d}_r" for k in OPENFACE_UNITS), "AU01_c", "AU28_c"]
    lines = [", ".join(names)]
    for i in range(1, frames + 1):
        for f in faces:
            units = [f"{(k + f + i / 10) / 20:.4f}" for k in OPENFACE_UNITS]
            seen = str(int(i != 3))
            lines.append(", ".join([str(i), str(f), f"{(i - 1) / 25:.3f}", "0.98", seen, "0.1", *units, "1", "0"]))
    return write(path, *lines, **options)


@pytest.mark.parametrize("options", [{}, {"end": "\r\n"}, {"mark": True}, {"end": "\r\n", "mark": True}])
def test_openface_is_read_in_our_order(tmp_path, options) -> None:
    path = openface(tmp_path / "clip.csv", **options)
    read = readers.openface(path)
    frame = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")  # the independent reader
    np.testing.assert_allclose(read.times, frame["timestamp"])
    seen = frame["success"] == 1
    for k in OPENFACE_UNITS:
        np.testing.assert_allclose(column(read.values, f"AU{k:02d}")[seen], frame.loc[seen, f"AU{k:02d}_r"], rtol=1e-6)
    assert np.isnan(column(read.values, "AU24")).all()  # OpenFace has no AU24
    assert np.isnan(read.values[2]).all()  # success 0
    assert read.top == 5
    assert np.array_equal(read.intensities, read.values, equal_nan=True)


def test_one_of_several_faces_is_chosen_by_its_id(tmp_path) -> None:
    path = openface(tmp_path / "two.csv", faces=(0, 1))
    with pytest.raises(ValueError, match=r"two\.csv: expected one face, got 0, 1: choose with face="):
        readers.openface(path)
    with pytest.raises(ValueError, match="one of 0, 1, got 7"):
        readers.openface(path, face=7)
    first, other = readers.openface(path, face=0), readers.openface(path, face=1)
    assert len(first.times) == len(other.times) == 6
    assert column(other.values, "AU12")[0] - column(first.values, "AU12")[0] == pytest.approx(1 / 20)
    assert other.faces == ("0", "1")
    assert other.face == "1"


def test_frames_that_openface_doubts_count_as_without_a_face(tmp_path) -> None:
    path = openface(tmp_path / "clip.csv")
    assert np.isnan(readers.openface(path, least=0.99).values).all()
    assert np.isfinite(column(readers.openface(path, least=0.9).values, "AU12")).sum() == 5


def test_pictures_without_stamps_need_a_rate(tmp_path) -> None:
    path = write(tmp_path / "pictures.csv", "frame, timestamp, confidence, success, AU12_r",
                 *(f"{i}, 0, 0.9, 1, 2.5" for i in (1, 2, 3)))
    with pytest.raises(ValueError, match=r"pictures\.csv, line 3: expected times that increase, got 0 s after 0 s"):
        readers.openface(path)
    assert readers.openface(path, rate=50).times.tolist() == [0.0, 0.02, 0.04]


# py-feat

def pyfeat(path: Path, version: int, people: tuple[str, ...] = ("Person_0",)) -> Path:
    """Version 1: frame first, small letters; 2: frame and Identity last. Every tenth frame; no face in the third."""
    units = ("AU01", "AU06", "AU11", "AU12", "AU24", "AU28", "AU43")
    moods = ("anger", "happiness") if version == 1 else ("Neutral", "Happy")
    rows = []
    for i in range(4):
        for n, person in enumerate(people):
            cell = "" if i == 2 else f"{0.1 * (i + 1 + n):.2f}"
            row = dict.fromkeys(("FaceRectX", "FaceScore", *units, *moods), cell)
            rows.append(row | {"input": "clip.mp4", "frame": f"{10.0 * i}" if version == 1 else f"{10 * i}",
                               "approx_time": "00:00", "Identity": person})
    names = list(rows[0])
    names = ["frame", *(n for n in names if n not in ("frame", "Identity", "approx_time"))] if version == 1 else names
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_pyfeat_is_read_in_both_versions(tmp_path, version) -> None:
    read = readers.pyfeat(pyfeat(tmp_path / "fex.csv", version), rate=25)
    np.testing.assert_allclose(read.times, [0, 0.4, 0.8, 1.2])
    for unit in ("AU01", "AU06", "AU12", "AU24"):
        np.testing.assert_allclose(column(read.values, unit), [0.1, 0.2, np.nan, 0.4], rtol=1e-6)
    assert np.isnan(column(read.values, "AU45")).all()  # closed eyes are no blink
    assert read.unused == ("AU11", "AU28", "AU43")
    assert read.top == 1
    np.testing.assert_allclose(column(read.intensities, "AU12")[:2], [0.5, 1.0], rtol=1e-6)


def test_pyfeat_people_are_chosen_by_identity(tmp_path) -> None:
    path = pyfeat(tmp_path / "fex.csv", 2, ("Person_0", "Person_1"))
    with pytest.raises(ValueError, match="one face, got Person_0, Person_1"):
        readers.pyfeat(path, 25)
    assert column(readers.pyfeat(path, 25, "Person_1").values, "AU12")[0] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="frames a second"):
        readers.pyfeat(path, 0)
    unnamed = pyfeat(tmp_path / "old.csv", 1, ("a", "b"))  # version 1 without identities: two rows a frame
    with pytest.raises(ValueError, match=r"old\.csv, line 3: expected times that increase"):
        readers.pyfeat(unnamed, 25)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "expected a table, got an empty file"),
        (["", " , "], "expected a table, got an empty file"),
        (["timestamp,confidence,success,AU01_r"], "expected rows below the header"),
        (["timestamp,confidence,AU01_r", "0,1,2"], "line 1: expected the columns success"),
        (["timestamp,confidence,success", "0,1,1"], "line 1: expected the columns AU01_r"),
        (["timestamp,confidence,success,AU01_r", "0,1,1,2", "0.04,1,1"], "line 3: expected 4 cells, got 3"),
        (["timestamp,confidence,success,AU01_r", "0,1,1,2", "0.04,1,1,much"], "line 3: expected a number under AU01_r"),
        (["timestamp,confidence,success,AU01_r", "1,1,1,2", "0.5,1,1,2"], "line 3: expected times that increase"),
        (["timestamp,confidence,success,AU01_r", "1,1,1,2", ",1,1,2"], "line 3: expected times that increase"),
    ],
)
def test_a_table_gone_wrong_is_reported_with_its_file_and_line(tmp_path, lines, why) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=why) as reported:
        readers.openface(path)
    assert str(path) in str(reported.value)


def test_openface_reader_refuses_binary_files(tmp_path) -> None:
    for name, data in (("film.csv", bytes(range(256))), ("picture.csv", b"\x89PNG\r\n\x1a\n\xff")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf"{name}, line \d: expected a table in text"):
            readers.openface(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        readers.openface(tmp_path / "none.csv")


# Empatica E4

START = 1_700_000_000.0


def wristband(folder: Path, end: str = "\n", **changed: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    files = {
        "EDA": [f"{START + 1:.6f}", "4.000000", *(f"{v:.6f}" for v in 2 + rng.random(40))],
        "BVP": [f"{START:.6f}", "64.000000", *(f"{v:.2f}" for v in rng.normal(0, 30, 640))],
        "TEMP": [f"{START + 1:.6f}", "4.000000", *["33.51"] * 40],
        "HR": [f"{START + 10:.6f}", "1.000000", "70.5", "71.0"],
        "ACC": [", ".join([f"{START:.6f}"] * 3), "32.000000, 32.000000, 32.000000", *["-64,0,32"] * 320],
        "IBI": [f"{START:.6f}, IBI", "3.25,0.8125", "4.0,0.75"],
        "tags": [f"{START + 7.5:.2f}"],
    } | changed
    for name, lines in files.items():
        write(folder / f"{name}.csv", *lines, end=end)
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_e4_session_is_read(tmp_path, end) -> None:
    read = readers.empatica(wristband(tmp_path / "session", end))
    assert read.zero == START
    eda = read.signals["eda"]
    lines = (tmp_path / "session" / "EDA.csv").read_text().split()
    np.testing.assert_allclose(eda.values[0], np.array(lines[2:], dtype=float), rtol=1e-6)
    assert (eda.rate, eda.start, eda.units) == (4.0, 1.0, ("uS",))
    assert (read.signals["ppg"].rate, read.signals["ppg"].values.shape) == (64.0, (1, 640))
    assert read.signals["heart_rate"].start == 10.0
    assert read.signals["temperature"].values[0, 0] == pytest.approx(33.51)
    np.testing.assert_allclose(read.signals["acceleration"].values[:, 0], [-1.0, 0.0, 0.5])
    assert read.beats.tolist() == [3.25, 4.0]
    assert read.intervals.tolist() == [0.8125, 0.75]
    assert read.tags.tolist() == [7.5]
    assert read.missing == ()


def test_an_e4_session_is_laid_on_the_clock_of_a_video(tmp_path) -> None:
    read = readers.empatica(wristband(tmp_path / "session"), zero=START + 5)
    assert read.signals["ppg"].start == -5.0
    assert read.tags.tolist() == [2.5]
    assert read.beats.tolist() == [-1.75, -1.0]


def test_an_e4_session_that_is_not_whole(tmp_path) -> None:
    folder = wristband(tmp_path / "session")
    for name in ("ACC", "IBI", "tags", "HR"):
        (folder / f"{name}.csv").unlink()
    read = readers.empatica(folder)
    assert set(read.signals) == {"eda", "ppg", "temperature"}
    assert read.missing == ("HR.csv", "ACC.csv", "IBI.csv")
    assert len(read.beats) == len(read.tags) == 0
    with pytest.raises(FileNotFoundError, match=r"expected an E4 session with one of EDA\.csv"):
        readers.empatica(tmp_path)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], r"EDA\.csv: expected a table, got an empty file"),
        ([str(START), "4.0"], r"EDA\.csv: expected a start, a rate and samples, got 2 lines"),
        (["soon", "4.0", "1"], r"EDA\.csv, line 1: expected the start"),
        ([str(START), "0", "1"], r"EDA\.csv, line 2: expected a rate"),
        ([str(START), "4.0", "1", "x"], r"EDA\.csv, line 4: expected numbers, got x"),
        ([str(START), "4.0", "1", "1,2"], r"EDA\.csv, line 4: expected 1 numbers, got 2"),
    ],
)
def test_an_e4_file_gone_wrong_is_reported_with_its_line(tmp_path, lines, why) -> None:
    with pytest.raises(ValueError, match=why):
        readers.empatica(wristband(tmp_path / "session", EDA=lines))


def test_a_start_may_be_a_date(tmp_path) -> None:
    folder = wristband(tmp_path / "session", EDA=["2023-11-14 22:13:25", "4.0", "1", "2"])  # START + 5, UTC
    assert readers.empatica(folder).signals["eda"].start == 5.0


# Plain CSV

TIMES = np.arange(0, 20, 0.004)


def table(path: Path, times: list[str] | None, clock: str = "time", **options) -> Path:
    """ECG with a beat a second, EDA rising by 0.1 uS a second."""
    ecg, eda = contact_signals.ecg(TIMES, np.arange(-2.0, 24.0)), 2 + 0.1 * TIMES
    names = ([clock] if times else []) + ["ECG (mV)", "EDA [uS]", "note"]
    rows = zip(*([times] if times else []), [f"{v:.5f}" for v in ecg], [f"{v:.5f}" for v in eda], ["x"] * len(TIMES),
               strict=True)
    return write(path, ",".join(names), *(",".join(row) for row in rows), **options)


@pytest.mark.parametrize(
    ("clock", "style", "options"),
    [
        ("time", "{:.3f}", {}),
        ("Time (ms)", "{:.0f}", {}),
        ("t", "{:.0f}", {"time_unit": "ms"}),
        ("stamp", "{:.0f}", {"time": "stamp", "time_unit": "us"}),
        ("datetime", "iso", {}),
        ("", "", {"rate": 250.0}),
    ],
)
def test_time_may_be_written_in_many_ways(tmp_path, clock, style, options) -> None:
    scale = {"ms": 1e3, "us": 1e6}.get(options.get("time_unit", "ms" if "ms" in clock else "s"))
    if style == "iso":
        noon = np.datetime64("2026-01-31T12:00:00.000")
        stamps = [str(stamp) for stamp in noon + (TIMES * 1000).round().astype("m8[ms]")]
    else:
        stamps = [style.format(t * (scale or 1)) for t in TIMES] if style else None
    for line_end in ({"end": "\r\n"}, {"mark": True}):
        read = readers.physiology(table(tmp_path / "body.csv", stamps, clock, **line_end), **options)
        assert read.names == ("ecg", "eda")
        assert read.units == ("mV", "uS")
        assert read.rate == pytest.approx(250.0)
        assert read.start == 0
        np.testing.assert_allclose(read.values[1], 2 + 0.1 * TIMES, atol=1e-4)
        assert read.quality is None
    assert signals.ecg.features(read.values[0], read.rate)["median_hr"][0] == pytest.approx(60, abs=0.2)


def test_the_stamps_say_the_rate_not_the_label(tmp_path) -> None:
    """Stated 250 Hz, sampled at 275 with stamps rounded to a millisecond: the heart beats as the stamps say."""
    times = np.arange(0, 40, 1 / 275)
    ecg = contact_signals.ecg(times, np.arange(-2.0, 44.0))
    path = write(tmp_path / "body.csv", "ECG,ms", *(f"{v:.4f},{1000 * t:.0f}" for v, t in zip(ecg, times, strict=True)))
    for rate in (None, 250.0):
        read = readers.physiology(path, time="ms", time_unit="ms", rate=rate)
        assert read.rate == pytest.approx(rate or 275, rel=1e-4)
        assert signals.ecg.features(read.values[0], read.rate)["median_hr"][0] == pytest.approx(60, abs=0.2)


def test_gaps_and_missing_cells_have_no_quality(tmp_path) -> None:
    times = np.delete(np.arange(0, 20, 0.01), slice(500, 800))  # 5 to 8 s
    cells = [f"{np.sin(t):.5f}" for t in times]
    cells[100:130] = ["NaN", "", "nan"] * 10  # 1 to 1.3 s, bridged
    path = write(tmp_path / "body.csv", "time,PPG Ear,PPG finger (a.u.)",
                 *(f"{t:.2f},{c},{c}" for t, c in zip(times, cells, strict=True)))
    read = readers.physiology(path, rate=100.0)
    assert read.names == ("ppg_ear", "ppg_finger")
    assert read.units == ("", "a.u.")
    bad = read.quality == 0
    assert abs(bad.sum() - 300) <= 3
    assert bad[510:790].all()
    assert np.isnan(read.values[:, 510:790]).all()
    good = ~bad
    np.testing.assert_allclose(read.values[0, good], np.sin(read.times[good]), atol=0.02)


def test_semicolons_and_decimal_commas_are_read(tmp_path) -> None:
    rows = [f"{t:.2f};{2 + t:.3f}".replace(".", ",") for t in np.arange(0, 5, 0.25)]
    path = write(tmp_path / "body.csv", "Zeit;GSR", *rows)
    read = readers.physiology(path, time="Zeit")
    assert read.rate == pytest.approx(4.0)
    np.testing.assert_allclose(read.values[0], 2 + np.arange(0, 5, 0.25), atol=1e-3)


def test_tabs_and_decimal_commas_are_read(tmp_path) -> None:
    rows = [f"{t:.2f}\t{2 + t:.3f}".replace(".", ",") for t in np.arange(0, 5, 0.25)]
    read = readers.physiology(write(tmp_path / "body.txt", "time\tGSR", *rows))
    np.testing.assert_allclose(read.values[0], 2 + np.arange(0, 5, 0.25), atol=1e-3)


def test_a_date_is_found_among_times_since_1970(tmp_path) -> None:
    begin = 1769860800.0  # 2026-01-31T12:00:00 UTC
    for unit, step in (("s", 1.0), ("ms", 1e-3)):
        rows = [f"{(begin + t) / step:.3f},1" for t in np.arange(0, 5, 0.1)]
        path = write(tmp_path / f"{unit}.csv", "time,EDA", *rows)
        read = readers.physiology(path, zero="2026-01-31T13:00:02+01:00", time_unit=unit)
        assert read.start == pytest.approx(-2.0)


def test_rows_that_share_a_time_are_reported(tmp_path) -> None:
    sizes = np.random.default_rng(0).integers(1, 30, 50)  # no usual size: nothing to spread
    uneven = write(tmp_path / "packets.csv", "time,ECG", *(f"{k / 10},{k}" for k in np.repeat(np.arange(50), sizes)))
    reported: list[str] = []
    readers.physiology(uneven, notes=reported)
    assert "of the rows have the time of the row before and are not used" in reported[0]
    reported = []
    readers.physiology(write(tmp_path / "own.csv", "time,ECG", *(f"{k / 100},{k}" for k in range(500))), notes=reported)
    assert not reported


def test_channels_units_and_the_zero_of_time_are_named(tmp_path) -> None:
    path = write(tmp_path / "body.csv", "clock,A1", *(f"{100 + t:.2f},{t:.2f}" for t in np.arange(0, 5, 0.05)))
    read = readers.physiology(path, {"respiration": "A1"}, {"respiration": "mV"}, time="clock", zero=101.0)
    assert (read.names, read.units, read.start) == (("respiration",), ("mV",), -1.0)
    rows = [f"2026-01-31T12:00:0{s}.{h}00,1" for s in range(5) for h in (0, 5)]
    dated = write(tmp_path / "dated.csv", "datetime,EDA", *rows)
    assert readers.physiology(dated, zero="2026-01-31T12:00:01").start == -1.0


@pytest.mark.parametrize(
    ("lines", "options", "why"),
    [
        ([], {}, "expected a table, got an empty file"),
        (["time,EDA"], {}, "expected rows below the header"),
        (["time,voltage", "0,1"], {}, "line 1: expected columns such as ecg, eda, ppg"),
        (["EDA,note", "0,1"], {}, "line 1: expected a column of time"),
        (["time,EDA", "0,1", "0.1,1"], {"channels": {"eda": "GSR"}}, "line 1: expected the columns GSR"),
        (["time,EDA", "0,1", "0.1,1", "0.05,1"], {}, "line 4: expected a time that does not go back, got '0.05' after"),
        (["time,EDA", "0,1", "NaN,1", "0.2,1"], {}, "line 3: expected a time that does not go back"),
        (["time,EDA", "0,1", "0.1,one"], {}, "line 3: expected a number under EDA, got 'one'"),
        (["time,EDA", "0,1", "0.1"], {}, "line 3: expected 2 cells, got 1"),
        (["time,EDA", "0,1", "0,25,1,5"], {}, "line 3: expected 2 cells, got 4: where commas are decimal"),
        (["time,EDA", "0,1"], {}, "expected two samples or more"),
        (["time,EDA", "0,1", "4,1", "8,1"], {}, "are the times in ms"),
        (["time,EDA", "0,1", "1,1", "2,1"], {}, "are the times in ms"),
        (["datetime,EDA", "2026-01-31T12:00:00,1", "noon,1"], {}, "line 3: expected a date"),
        (["time,EDA", "0,1", "1,1"], {"time_unit": "fortnight"}, "time_unit: expected s, "),
    ],
)
def test_physiology_gone_wrong_is_reported(tmp_path, lines, options, why) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        readers.physiology(path, **options)


@pytest.mark.parametrize("face", [0, 1])
def test_openface_export_can_be_read_back(tmp_path, face) -> None:
    timeline = fake_timeline.timeline(people=2, seconds=10.0)
    timeline.to_openface().to_csv(tmp_path / "openface.csv", index=False)
    read = readers.openface(tmp_path / "openface.csv", face=face)
    rows = [row for row in timeline.emotions if row.face == face]
    assert len(read.times) == len(rows)
    for row, values in zip(rows, read.values, strict=True):
        expected = row.aus if row.state == "tracked" else np.full(len(ACTION_UNITS), np.nan)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
