"""Clocks of devices: a stray first stamp, hhmmss.fff, counters that wrap around, and times spread over columns."""

from __future__ import annotations

import numpy as np
import pytest

from mien.datasets.readers import contact_signals, csv_signals
from mien.datasets.readers.clock_parts import has_clock

BEGIN = 1764424800
T = np.arange(3000) / 100
WAVE = np.sin(2 * np.pi * 1.2 * T)


def write(folder, head, stamps):
    path = folder / "s.csv"
    rows = (f"{stamp},{x:.4f}" for stamp, x in zip(stamps, WAVE, strict=True))
    path.write_text("\n".join([f"{head},ppg", *rows]))
    return path


def assert_whole_wave(contact, atol=0.01):
    [signal] = contact.signals
    assert signal.rate == pytest.approx(100, abs=0.05)
    known = np.isfinite(signal.values[0])
    assert known.mean() > 0.99, contact.notes
    times = np.arange(len(known)) / signal.rate
    np.testing.assert_allclose(signal.values[0, known], np.interp(times[known], T, WAVE), atol=atol)


@pytest.mark.parametrize(("head", "origin"), [("timestamp", BEGIN), ("time", 5000), ("uptime (s)", 60)])
@pytest.mark.parametrize("away", [-1800, -600, -60, -5, 5, 60, 1800])
@pytest.mark.parametrize("row", [0, -1])
def test_a_stray_stamp_at_either_end_is_one_bad_row(tmp_path, head, origin, away, row) -> None:
    stamps = [f"{origin + s:.3f}" for s in T]
    stamps[row] = f"{origin + T[row] + away:.3f}"
    contact = contact_signals(write(tmp_path, head, stamps), seconds=30.0)
    assert_whole_wave(contact, atol=0.08)  # one step of 10 ms less at the start
    assert any("1 of 3000 rows" in note for note in contact.notes), contact.notes
    assert not any("longer than the video" in note for note in contact.notes), contact.notes


def test_a_hole_after_more_rows_is_a_hole(tmp_path) -> None:
    stamps = [f"{s + 5 * (s >= 0.1):.3f}" for s in T]
    contact = contact_signals(write(tmp_path, "time", stamps), seconds=30.0)
    known = np.isfinite(contact.signals[0].values[0])
    assert known[:10].all()
    assert not known[20:500].any()


def test_a_stray_stamp_in_signals_of_a_folder_of_videos_is_left_out(tmp_path) -> None:
    stamps = [f"{s:.2f}" for s in T]
    stamps[-1] = "900.00"
    path = write(tmp_path, "time", stamps)
    assert csv_signals.read_signal(path).values.shape[1] == 2999
    _, problems = csv_signals.check_signal(path, 30.0, "s")
    assert any("1 rows at the start or the end" in problem.reason and problem.line == 3001 for problem in problems)


def digits(s, hour=9, minute=30, second=45, form="{:02d}{:02d}{:06.3f}"):
    total = hour * 3600 + minute * 60 + second + s
    return form.format(int(total // 3600), int(total // 60) % 60, round(total % 60, 3))


@pytest.mark.parametrize(("head", "form"), [
    ("time", digits), ("UTC", digits), ("time", lambda s: digits(s, form="{:d}{:02d}{:06.3f}", minute=59)),
    ("time", lambda s: digits(s, hour=14).replace(".", "")), ("time (hhmmss)", lambda s: digits(s, second=0, hour=14)),
])
def test_times_of_day_in_digits(tmp_path, head, form) -> None:
    path = write(tmp_path, head, map(form, T))
    contact = contact_signals(path, seconds=30.0)
    assert_whole_wave(contact)
    assert any("written hhmmss" in note for note in contact.notes)


def test_a_start_fits_times_of_day_in_digits(tmp_path) -> None:
    path = write(tmp_path, "time", map(digits, T))
    assert_whole_wave(contact_signals(path, seconds=30.0, start="09:30:45"))


def test_seconds_that_look_like_digits_of_a_clock_stay_seconds(tmp_path) -> None:
    contact = contact_signals(write(tmp_path, "time", [f"{140000 + s:.3f}" for s in T]), seconds=30.0)
    assert_whole_wave(contact)
    assert not any("hhmmss" in note for note in contact.notes)


@pytest.mark.parametrize(("bits", "unit", "head"), [
    (32, 1e3, "millis"), (32, 1e6, "micros"), (32, 1e3, "time (ms)"), (32, 1e6, "timestamp"), (31, 1e3, "ms"),
    (24, 1e3, "timestamp_ms"), (16, 1e3, "ms"), (16, 1e3, "time"),
])
@pytest.mark.parametrize("signed", [False, True])
def test_a_counter_that_wraps_around_goes_on(tmp_path, bits, unit, head, signed) -> None:
    size = 2**bits
    top = size // 2 if signed else size
    counts = [(round(s * unit) + top - round(12 * unit)) % size for s in T]
    counts = [count - size if count >= top else count for count in counts]
    assert min(np.diff(counts)) < 0
    contact = contact_signals(write(tmp_path, head, counts), seconds=30.0)
    assert_whole_wave(contact)
    assert any(f"{bits} bits" in note for note in contact.notes), contact.notes


def test_a_counter_of_16_bits_may_wrap_often(tmp_path) -> None:
    path = tmp_path / "s.csv"
    seconds = np.arange(30000) / 100
    path.write_text("\n".join(["ms,ppg", *(f"{round(1000 * s) % 2**16},{np.sin(7 * s):.4f}" for s in seconds)]))
    [signal] = contact_signals(path, seconds=300.0).signals
    assert np.isfinite(signal.values).mean() > 0.99


def test_a_device_that_begins_anew_is_no_wrap(tmp_path) -> None:
    counts = [round(1000 * s) if s < 15 else round(1000 * (s - 15)) for s in T]
    with pytest.raises(ValueError, match="does not go back"):
        contact_signals(write(tmp_path, "ms", counts), seconds=30.0)


@pytest.mark.parametrize(("head", "form"), [
    ("hour,minute,second,millisecond", lambda m, s, f: f"14,{m},{s},{f}"),
    ("hh,mm,ss,ms", lambda m, s, f: f"14,{m},{s},{f}"),
    ("hours,minutes,seconds,microseconds", lambda m, s, f: f"14,{m},{s},{1000 * f}"),
    ("Year,Month,Day,Hour,Minute,Second,ms", lambda m, s, f: f"2025,11,29,14,{m},{s},{f}"),
    ("min,sec", lambda m, s, f: f"{m},{s}.{f:03d}"),
    ("minute,second,ms", lambda m, s, f: f"{m},{s},{f}"),
    ("rtc_hour,rtc_min,rtc_sec", lambda m, s, f: f"14,{m},{s}.{f:03d}"),
    ("time (hour),time (min),time (sec)", lambda m, s, f: f"14,{m},{s}.{f:03d}"),
])
def test_times_spread_over_columns(tmp_path, head, form) -> None:
    stamps = []
    for s in T + 45:
        ms = round(1000 * s)
        stamps.append(form(ms // 60000, ms // 1000 % 60, ms % 1000))
    assert_whole_wave(contact_signals(write(tmp_path, head, stamps), seconds=30.0))


@pytest.mark.parametrize("head", ["time,min,max", "time,min,sec", "sec,min,max"])
def test_a_minimum_is_no_minute(tmp_path, head) -> None:
    path = write(tmp_path, head, [f"{s:.2f},{k % 7},{s:.2f}" for k, s in enumerate(T)])
    contact = contact_signals(path, seconds=30.0, offset=0.0)
    assert_whole_wave(contact)


def test_min_alone_is_no_time(tmp_path) -> None:
    assert not has_clock(["min", "ppg"])
    path = write(tmp_path, "min", [f"{s / 60:.7f}" for s in T])
    with pytest.raises(ValueError, match="--physio-time"):
        contact_signals(path, seconds=30.0)
    assert_whole_wave(contact_signals(path, seconds=30.0, time="min"))
