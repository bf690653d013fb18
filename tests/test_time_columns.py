"""Time columns as devices, robots and operating systems write them: one wave with a hole of two seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mien.core.text_tables import TableError
from mien.datasets import readers
from mien.datasets.readers import clock_columns, csv_signals, dates

BEGIN = 1764424800  # 2025-11-29 14:00:00 UTC, a Saturday
ROWS = np.array([k for k in range(3000) if not 1200 <= k < 1400])
T = ROWS / 100
WAVE = np.sin(2 * np.pi * 1.2 * T)


def moment(s: float) -> datetime:
    return datetime.fromtimestamp(BEGIN, UTC) + timedelta(milliseconds=round(1000 * s))


def ms(s: float) -> int:
    return round(1000 * s) % 1000


def stamped(form: str) -> Callable[[float], str]:
    """Text of a time by a strftime form; # stands for three digits of ms."""
    return lambda s: moment(s).strftime(form).replace("#", f"{ms(s):03d}")


FORMS: dict[str, tuple[str, Callable[[float], str]]] = {
    "ROS 2": ("header.stamp.sec,header.stamp.nanosec", lambda s: f"{BEGIN + int(s)},{ms(s)}000000"),
    "ROS 1": ("field.header.stamp.secs,field.header.stamp.nsecs", lambda s: f"{BEGIN + int(s)},{ms(s)}000000"),
    "sec, nsec": ("sec,nsec", lambda s: f"{BEGIN + int(s)},{ms(s)}000000"),
    "timeval": ("tv_sec,tv_usec", lambda s: f"{BEGIN + int(s)},{ms(s)}000"),
    "uptime in two": ("seconds,microseconds", lambda s: f"{500 + int(s)},{ms(s)}000"),
    "s and ms": ("time_s,time_ms", lambda s: f"{BEGIN + int(s)},{ms(s)}"),
    "date and ms": ("timestamp,ms", lambda s: f"{moment(s):%Y-%m-%d %H:%M:%S},{ms(s)}"),
    "three of a date": ("Date,Time,ms", lambda s: f"{moment(s):29/11/2025,%H:%M:%S},{ms(s)}"),
    "hour, minute, second": ("Hour,Minute,Second", lambda s: f"14,0,{s:.3f}"),
    "six parts": ("Year,Month,Day,Hour,Minute,Second", lambda s: f"2025,11,29,14,0,{s:.3f}"),
    "both whole": ("time (s),time (ms)", lambda s: f"{s:.3f},{1000 * s:.0f}"),
    "rostopic": ("%time", lambda s: f"{round((BEGIN + s) * 1000)}000000"),
    "pandas' timedelta": ("time", lambda s: f"0 days 00:00:{s:09.6f}"),
    "RFC 2822": ("time", lambda s: f'"Sat, 29 Nov 2025 {stamped("%H:%M:%S.#")(s)}"'),
    "names of files": ("time", stamped("%Y-%m-%d_%H-%M-%S.#")),
    "dashes alone": ("time", stamped("%Y-%m-%d-%H-%M-%S-#")),
    "digits alone": ("timestamp", stamped("%Y%m%d%H%M%S#")),
    "Finnish": ("time", stamped("29.11.2025 %H.%M.%S.#")),
    "h, m, s": ("time", stamped("%Hh%Mm%S.#s")),
    ".NET": ("timestamp", lambda s: f"{round((BEGIN + 62135596800 + s) * 1000)}0000"),
    "Windows": ("timestamp", lambda s: f"{round((BEGIN + 11644473600 + s) * 1000)}0000"),
    "units in cells": ("time", lambda s: f"{1000 * s:.0f} ms"),
    "Fortran": ("time", lambda s: f"{s:.7E}".replace("E", "D")),
    "WFDB's quotes": ("'Elapsed time'", lambda s: f"'0:{s:06.3f}'"),
    **{f"named {name}": (name, lambda s, unit=unit: f"{unit * (77 + s):.0f}") for name, unit in (
        ("ms", 1e3), ("millis", 1e3), ("us", 1e6), ("nanoseconds", 1e9), ("uptime_ms", 1e3), ("Horodatage_ms", 1e3))},
    **{f"named {name}": (name, lambda s: f"{77 + s:.3f}") for name in (
        "epoch", "posix", "UTC", "heure", "tijd", "时间", "Время", "X_Value", "[s]", "Seconds Elapsed", "secs")},
    "recorded_at": ("recorded_at", stamped("%Y-%m-%dT%H:%M:%S.#Z")),
}


@pytest.mark.parametrize("name", FORMS)
def test_times_of_devices_and_systems_are_read(tmp_path, name) -> None:
    head, form = FORMS[name]
    path = tmp_path / "s.csv"
    path.write_text("\n".join([f"{head},ppg", *(f"{form(s)},{x:.4f}" for s, x in zip(T, WAVE, strict=True))]))
    result = readers.contact_signals(path, seconds=30.0)
    [signal] = result.signals
    assert signal.names == ("ppg",)
    assert signal.rate == pytest.approx(100, abs=0.05)
    at = np.arange(signal.values.shape[1]) / signal.rate
    known = np.isfinite(signal.values[0])
    assert known[at < 11.9].all()
    assert not known[(at > 12.1) & (at < 13.9)].any(), "a hole is a hole, not spread over the rows"
    np.testing.assert_allclose(signal.values[0, known], np.interp(at[known], T, WAVE), atol=0.03)


def test_the_first_part_of_a_joined_time_may_be_named(tmp_path) -> None:
    path = tmp_path / "s.csv"
    rows = (f"{k},{BEGIN + k // 100},{k % 100}0000000,{x:.4f}" for k, x in zip(ROWS, WAVE, strict=True))
    path.write_text("\n".join(["time,host.sec,host.nanosec,ppg", *rows]))
    result = readers.contact_signals(path, seconds=30.0, time="host.sec", start="2025-11-29T14:00:00")
    assert result.signals[0].rate == pytest.approx(100, abs=0.05)
    assert any("host.sec, host.nanosec (s)" in note or "begins at 2025" in note for note in result.notes)


@pytest.mark.parametrize("fine", ["reaction_ms", "ms_of_trial", "rr_ms"])
def test_other_milliseconds_are_no_part_of_a_time(tmp_path, fine) -> None:
    path = tmp_path / "s.csv"
    rows = (f"{s:.2f},{(7 * k) % 900},{x:.4f}" for k, (s, x) in enumerate(zip(T, WAVE, strict=True)))
    path.write_text("\n".join([f"time,{fine},ppg", *rows]))
    assert readers.contact_signals(path, seconds=30.0).signals[0].rate == pytest.approx(100, abs=0.05)


def test_signals_of_a_folder_of_films_share_the_joined_times(tmp_path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("\n".join(["sec,nanosec,eda", *(f"{k // 4},{k % 4 * 250000000},{k}" for k in range(40))]))
    signal = csv_signals.read_signal(path)
    assert (signal.rate, signal.names) == (4.0, ("eda",))
    np.testing.assert_array_equal(signal.values[0], np.arange(40))


@pytest.mark.parametrize(("text", "seconds"), [
    ("14.00.05,25", 50405.25), ("14h00m05s", 50405.0), ("1 day, 0:00:01", 86401.0), ("2 days 01:00:00", 176400.0),
    ("14:61", None), ("noon", None), ("3 days", None)])
def test_times_of_day(text, seconds) -> None:
    assert dates.time_of_day(text) == seconds


@pytest.mark.parametrize("text", ["20251129T140005.25", "2025-11-29_14-00-05.250", "20251129140005250",
                                  "2025-11-29 14:00:05,25", "2025-11-29T15:00:05.25+01:00", "2025-11-29 140005.25 UTC"])
def test_dates_that_begin_with_the_year(text) -> None:
    assert dates.iso(text) == BEGIN + 5.25


@pytest.mark.parametrize("text", ["1764424800000", "20251329140005", "2025", "2025-13-01", "20251129.5"])
def test_numbers_are_no_dates(text) -> None:
    assert dates.iso(text) is None


@pytest.mark.parametrize(("name", "is_time"), [
    ("ms", True), ("created_at", True), ("at", False), ("rr_ms", False), ("look_at", False), ("milliseconds", True),
    ("Second", False), ("humidity", False)])
def test_names(name, is_time) -> None:
    assert clock_columns.is_clock(name) is is_time


@pytest.mark.parametrize(("content", "why"), [
    (b"PK\x03\x04....", r"got a zip or a workbook \(xlsx, ods\)"),
    (b"\x1f\x8b\x08....", "got a file packed by gzip"),
    (b"0       X X X", "got EDF"),
    (b'{"time": 0.0, "ppg": 1}\n{"time": 0.1, "ppg": 2}\n', "got JSON"),
    (b'[\n {"time": 0.0, "ppg": 1}]', "got JSON"),
    (b"0.00,0.5\n0.01,0.6\n0.02,0.6\n", "line 1: expected a header with the names of the columns, got 0.00, 0.5"),
])
def test_files_that_are_no_table_are_named(tmp_path, content, why) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=why):
        readers.contact_signals(path, seconds=30.0)


@pytest.mark.parametrize("tail", [b"\0" * 512, b"3.1\0\0\0"])
def test_zeros_at_the_end_are_left_out_and_said(tmp_path, tail) -> None:
    path = tmp_path / "s.csv"
    rows = "\n".join(["time,ppg", *(f"{s:.2f},{x:.4f}" for s, x in zip(T, WAVE, strict=True))])
    path.write_bytes(f"{rows}\n".encode() + tail)
    result = readers.contact_signals(path, seconds=30.0)
    assert any(f"ends with {tail.count(0)} zeros" in note for note in result.notes)
    assert result.signals[0].values.shape[1] == 3000


@pytest.mark.parametrize("lines", [
    ["Zeit;PPG;", *(f"{s:.3f};{x:.4f};".replace(".", ",") for s, x in zip(T, WAVE, strict=True))],
    ["Time (s)   PPG (mV)", *(f"{s:8.3f}   {x:8.4f}" for s, x in zip(T, WAVE, strict=True))],
    ["Elapsed time      PPG", "(seconds)     (mV)", *(f"{s:12.3f}  {x:8.3f}" for s, x in zip(T, WAVE, strict=True))],
    ["'Elapsed time','PPG'", "'hh:mm:ss.mmm','mV'", *(f"'0:{s:06.3f}',{x:.3f}" for s, x in zip(T, WAVE, strict=True))],
])
def test_separators_that_another_one_resembles(tmp_path, lines) -> None:
    path = tmp_path / "s.csv"
    path.write_text("\n".join(lines))
    [signal] = readers.contact_signals(path, seconds=30.0).signals
    assert signal.rate == pytest.approx(100, abs=0.05)
    assert np.isfinite(signal.values).mean() > 0.92
