"""The time line of a recording: pauses, late pictures, leaps of the clock, joined files, and counts that add up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import skin_traces
from mien import video
from mien.core.observations import Frame
from mien.core.recording_timeline import FrameCounts
from mien.core.results import Source
from mien.face.detector import Detection
from mien.inference.live import recorder
from mien.inference.live.session import LiveSession
from mien.inference.stream import Stream
from mien.rppg.vitals import vitals
from mien.video.completeness import _seconds
from mien.video.decode_stats import DecodeStats
from mien.video.timestamps import gap_mask, gaps, in_order, is_variable, mean_rate
from timed_films import film, first_stamps, joined, rises, steady, with_pause

DAY, YEAR = 86400.0, 365.25 * 86400


def read(path: Path, **options) -> tuple[list[float], Source]:
    """Times in s of all frames, and the source after them; the counts of every recording add up."""
    with video.open_video(path, **options) as frames:
        times = [frame.time for frame in frames]
        source = frames.source
    assert source.timeline.counts.mismatch == ""
    assert source.timeline.counts.shown == len(times) == sum(each.frames for each in source.timeline.segments)
    assert rises(times)
    return times, source


@pytest.mark.parametrize(("rate", "tick"), [
    (30, 1e-3), (30, 1 / 15360), (30000 / 1001, 1 / 30000), (60, 1e-3), (25, 1 / 12800),
])
def test_a_pause_of_any_length_is_reported(rate, tick):
    """60 s, a pause, 60 s."""
    rng = np.random.default_rng(0)
    for pause in rng.uniform(5, 120, 200):
        first = np.arange(round(60 * rate)) / rate
        times = np.concatenate([first, first[-1] + pause + first])
        assert "1 gap in the time stamps" in gaps(np.round(times / tick) * tick, tick)


@pytest.mark.parametrize(("rate", "tick"), [
    (30, 1e-3), (30000 / 1001, 1 / 30000), (10, 1e-2), (0.5, 1e-3), (240, 1e-5),
])
def test_a_pause_is_neither_a_varying_rate_nor_a_slow_one(rate, tick):
    rng = np.random.default_rng(0)
    for pause in rng.uniform(5, 120, 20):
        first = np.arange(round(20 * rate)) / rate
        times = np.round(np.concatenate([first, first[-1] + pause + first]) / tick) * tick
        assert f"(the longest {np.diff(times).max():.2f} s" in gaps(times, tick)
        assert not is_variable(times, tick)
        assert mean_rate(times, tick) == pytest.approx(rate, rel=2e-3)


@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, 10, 15, 24, 25, 30000 / 1001, 30, 50, 60, 120, 240])
def test_a_steady_rate_has_no_gap_and_every_hole_beyond_the_limit_is_one(rate):
    times = steady(200, rate)
    assert not gap_mask(times, 1e-3).any()
    limit = max(1.5 / rate, 0.25)
    for hole, is_gap in ((0.99 * limit, False), (limit + 0.002, True)):
        if hole < 1 / rate:
            continue
        torn = np.concatenate([times[:70], times[69] + hole + (times[70:] - times[70])])
        assert gap_mask(torn, 1e-3).sum() == int(is_gap), hole
    assert gap_mask(np.delete(times, [0]), 1e-3).sum() == 0
    assert gap_mask(np.concatenate([[0.0], times[1:] + 9]), 1e-3).tolist()[:2] == [True, False]  # right at the start


def test_a_rate_that_changes_or_varies_is_no_row_of_gaps():
    slower = np.concatenate([steady(300, 60), 5 + steady(100, 2)])
    assert gap_mask(slower, 1e-3).sum() < 16
    varying = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.12, 500))
    assert gaps(varying, 1e-3) == ""
    varying[250:] += 3.456
    assert "1 gap in the time stamps" in gaps(varying, 1e-3)


@pytest.mark.parametrize("pause", [0.617, 2.017, 61.773])
@pytest.mark.parametrize(("name", "tick"), [
    ("a.mkv", 1e-3), ("a.mp4", 1e-3), ("a.ts", 1e-3), ("a.webm", 1e-3), ("a.flv", 1e-3), ("a.nut", 1e-3),
    ("a.gif", 1e-2), ("a.avi", 1 / 30),
])
def test_a_pause_is_reported_by_every_container(tmp_path, name, tick, pause):
    rate = 10 if name == "a.gif" else 30
    clock = Fraction(1, 30) if name == "a.avi" else Fraction(1, 1000)
    _, source = read(film(tmp_path / name, with_pause(pause, rate, 20), clock=clock, rate=rate))
    line = source.timeline
    assert [each.frames for each in line.segments] == [20, 20]
    assert len(line.gaps) == 1
    assert line.gaps[0].seconds == pytest.approx(pause, abs=1.01 * tick)
    assert line.missing == line.gaps[0].seconds
    assert "1 gap in the time stamps" in source.lost
    assert source.fps_mean == pytest.approx(rate, rel=0.02)
    assert line.jumps == ()


@pytest.mark.parametrize(("rate", "hole"), [(30, 0.3), (5, 0.4), (1, 1.6), (60, 0.26)])
def test_a_hole_just_beyond_the_limit_is_reported(tmp_path, rate, hole):
    _, source = read(film(tmp_path / "a.mp4", with_pause(hole, rate, 20), rate=rate))
    (gap,) = source.timeline.gaps
    assert gap.seconds == pytest.approx(hole, abs=0.002)
    assert "1 gap in the time stamps" in source.lost


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.flv", "a.webm", "a.mpg"])
@pytest.mark.parametrize(("picture", "sound"), [
    (2.0, 0.0), (0.0, 2.0), (0.5, 0.0), (7.0, 0.0), (7.3, 7.0), (0.0, None)])
def test_times_are_on_the_players_clock(tmp_path, name, picture, sound):
    span = None if sound is None else (sound, picture + 3)
    path = film(tmp_path / name, steady(60, 30, picture), clock=Fraction(1, 30), sound=span)
    first, origin = first_stamps(path)
    times, source = read(path)
    assert times[0] == source.start == source.timeline.start == pytest.approx(first - origin, abs=0.03)
    assert source.end == pytest.approx(times[0] + 2, abs=0.04)
    later = picture - (picture if sound is None else min(picture, sound))
    assert source.start == pytest.approx(later, abs=0.1)
    said = [f"the first picture is at {source.start:.2f} s of the player's clock, on which all times are"] * bool(later)
    if origin > 0.1 and name in ("a.mkv", "a.webm"):  # their clocks begin at 0
        said.append("the time stamps of the file begin at 7.00 s, which is time 0 here")
    assert source.lost == "; ".join(said)


def test_a_part_is_on_the_players_clock(tmp_path):
    path = film(tmp_path / "a.mkv", steady(60, 30, 2.0), sound=(0.0, 4.0))
    times, source = read(path, start=2.5, end=3.0)
    assert (min(times), max(times)) == pytest.approx((2.5, 2.967), abs=2e-3)
    assert source.lost == ""


@pytest.mark.parametrize("leap", [1.1 * DAY, 12 * DAY, 30 * YEAR])
@pytest.mark.parametrize("name", ["a.mkv", "a.nut"])
def test_a_clock_that_is_set_ahead_is_followed(tmp_path, name, leap):
    times, source = read(film(tmp_path / name, np.concatenate([steady(30, 30), leap + steady(30, 30, 1.0)])))
    np.testing.assert_allclose(times, steady(60, 30), atol=2.1e-3)
    assert [each.frames for each in source.timeline.segments] == [30, 30]
    (jump,) = source.timeline.jumps
    assert (jump.time, jump.by) == (pytest.approx(1.0, abs=2e-3), pytest.approx(leap, abs=2e-3))
    assert re.search(r"the clock leaps \d+\.\d (h|days|years) ahead at 1\.0\d s", source.lost)
    assert source.duration == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("leap", [-1.0, -3600.0, -12 * DAY, -30 * YEAR, 12 * DAY, 30 * YEAR])
def test_a_clock_that_is_set_keeps_every_frame_but_one(leap, ahead):
    stats = DecodeStats()
    stamps = [*steady(60, 30), *steady(60, 30, 2.0 + leap), *steady(60, 30, 4.0)]  # set, and set back
    times = [time for time, _ in in_order(((time, None) for time in stamps), stats, ahead)]
    assert len(times) >= 180 - 2 * (not ahead)
    assert len(times) + stats.backwards == 180
    assert len(stats.jumps) == 2 - (leap == -1.0 or leap == -3600.0)  # an hour ahead is a pause
    assert np.diff(times)[:118].max() < 0.11


@given(st.lists(st.tuples(st.integers(3, 20), st.floats(-1e9, 1e9)), min_size=1, max_size=5))
def test_steady_parts_with_any_leaps_between_them_are_kept(parts):
    stamps, at = [], 0.0
    for count, leap in parts:
        stamps += steady(count, 25, at).tolist()
        at = stamps[-1] + (leap if abs(leap) > 1 else 1.0 + leap)
    stats = DecodeStats()
    kept = [number for _, number in in_order(zip(stamps, range(len(stamps)), strict=True), stats)]
    assert len(kept) + stats.backwards == len(stamps)
    assert stats.backwards <= len(parts) - 1
    assert len(stats.jumps) <= 2 * (len(parts) - 1)


class SameFace:
    """Sees the same face in every frame."""

    name = "sees the same face"
    turn = np.linspace(0, 2 * np.pi, 478)
    marks = np.stack([160 + 50 * np.cos(turn), 120 + 60 * np.sin(turn), 5 * np.sin(3 * turn)], axis=1)

    def detect(self, rgb):
        return [Detection(np.array([110.0, 60.0, 210.0, 180.0]), 0.99, np.array([[140.0, 100.0], [180.0, 100.0]]))]

    def mesh(self, rgb, region):
        return self.marks

    def close(self):
        pass


@pytest.mark.parametrize("at", [1, 30])
def test_a_stream_skips_a_leap_in_a_few_steps(monkeypatch, at):
    """Steps are counted, not seconds: their number must not grow with the leap."""
    picture, steps, rows = np.full((240, 320, 3), 128, np.uint8), {}, {}
    finish = Stream._finish
    for leap in (60.0, 1e3, 1e6, 12 * DAY, 30 * YEAR, 1.76e9):
        ended = []
        monkeypatch.setattr(Stream, "_finish", lambda self, *how, ended=ended: ended.append(1) or finish(self, *how))
        with Stream(backend=SameFace(), keep_all=True) as stream:
            fed = [stream.push(Frame(k / 30 + (leap if k >= at else 0), picture)) for k in range(60)]
            rows[leap] = [row for step in [*fed, stream.close()] for row in step]
        steps[leap] = len(ended)
        assert all(row.start < 1 or row.start >= leap for row in rows[leap]), "rows of a time without frames"
    assert max(steps.values()) <= 8
    assert max(len(each) for each in rows.values()) <= 6


@pytest.mark.parametrize("back", [-2.0, -3600.0, -12 * DAY, -30 * YEAR])
def test_a_live_session_follows_a_clock_that_is_set_back(back):
    picture = np.full((240, 320, 3), 128, np.uint8)
    with LiveSession(backend=SameFace()) as session:
        before = [event for k in range(45) for event in session.push(Frame(k / 30, picture))]
        after = [event for k in range(45) for event in session.push(Frame(1.5 + back + k / 30, picture))]
        assert session.backwards == 1
        assert session.push(Frame(session._last - 0.5, picture)) == []  # overtaken on the network
        assert session.backwards == 2
    assert before[-1].row.state == after[-1].row.state == "tracked"
    assert 1.5 + back <= after[0].start < 1.6 + back + 0.5


def test_a_clock_that_hardly_advances_fills_no_memory(monkeypatch):
    picture = np.full((240, 320, 3), 128, np.uint8)
    monkeypatch.setattr(recorder, "MOST_FRAMES", 40)
    with LiveSession(backend=SameFace(), record=True) as session:
        for k in range(30):
            session.push(Frame(k / 30, picture))
        for k in range(100):
            session.push(Frame(1 + k * 1e-6, picture))
        assert (session.frames, session.backwards) == (31, 99)
        for k in range(30):
            session.push(Frame(-1000 + k / 30, picture))  # a clock that was set back: its hour never ends
        assert session.timeline().source.frames == 40


def test_a_pause_says_nothing_against_the_pulse():
    single, second = skin_traces.window(60.0), skin_traces.window(60.0, seed=1)
    names = ("skin", "position", "aus", "pose", "gaze")
    both = {name: np.concatenate([getattr(single, name), getattr(second, name)]) for name in names}
    paused = replace(single, times=np.concatenate([single.times, second.times + 3600]), end=3660.0, **both)
    assert vitals(paused).heart_rate.value == pytest.approx(72, abs=1)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mpg", "a.ts"])
@pytest.mark.parametrize("first", [0.0, 100.0])
def test_a_joined_recording_keeps_both_halves(tmp_path, name, first):
    single = film(tmp_path / f"one_{name}", steady(45, 30, first), clock=Fraction(1, 30), sound=(first, first + 1.5))
    two = film(tmp_path / f"two_{name}", steady(60, 30), clock=Fraction(1, 30), sound=(0.0, 2.0))
    times, source = read(joined(tmp_path / name, single, two))
    dropped = source.timeline.counts.damaged + source.timeline.counts.out_of_order
    assert len(times) + dropped >= 105
    assert dropped <= 2
    assert bool(dropped) == ("dropped" in source.lost)
    assert source.duration == pytest.approx(3.5, abs=0.25)
    assert len(source.timeline.jumps) == 1
    assert "the clock leaps" in source.lost


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.flv", "a.wmv", "a.nut"])
def test_a_joined_recording_of_which_players_read_the_first_half_is_read_to_its_end(tmp_path, name):
    single = film(tmp_path / f"one_{name}", steady(60, 30), clock=Fraction(1, 30), noise=True)
    two = film(tmp_path / f"two_{name}", steady(1, 30), clock=Fraction(1, 30), size=(48, 64), sound=(0.0, 0.5))
    times, source = read(joined(tmp_path / name, single, two, single))
    assert len(times) == 121
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=2e-3)
    assert "3 recordings one after the other: all are read" in source.lost
    assert "1 frame of another size" in source.lost
    assert len(source.timeline.jumps) == 2
    assert source.timeline.counts.mismatch == ""
    assert read(single)[1].lost == ""


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_joined_recording_that_is_cut_short_says_so(tmp_path, name):
    single = film(tmp_path / f"one_{name}", steady(60, 30), clock=Fraction(1, 30), noise=True)
    full = joined(tmp_path / name, single, single).read_bytes()
    (tmp_path / name).write_bytes(full[:-2000])  # the index of the second one is at its end
    times, source = read(tmp_path / name)
    assert len(times) == 60
    assert "recording 2 of 2 cannot be read" in source.lost


def test_a_joined_recording_is_sought(tmp_path):
    single = film(tmp_path / "one.mp4", steady(90, 2), clock=Fraction(1, 30), rate=2)
    path = joined(tmp_path / "a.mp4", single, single)
    with video.open_video(path, start=50.0) as frames:
        times = [frame.time for frame in frames]
    np.testing.assert_allclose(times, np.arange(50, 90, 0.5), atol=1e-2)


def test_a_transport_stream_in_which_sound_appears_late_is_read_to_its_end(tmp_path):
    """FFmpeg probes 5 MB at the front and some at the end: the sound is between them."""
    parts = [film(tmp_path / f"{number}.ts", steady(count, 30, first), clock=Fraction(1, 30), size=(320, 240),
                  sound=sound, noise=True)
             for number, (count, first, sound) in enumerate(
                 [(75, 0.0, None), (8, 2.5, (2.5, 2.7)), (8, 2.8, None)])]
    assert parts[0].stat().st_size > 5_200_000
    path = joined(tmp_path / "a.ts", *parts)
    times, source = read(path)
    assert len(times) + source.timeline.counts.damaged + source.timeline.counts.out_of_order >= 91
    assert len(times) >= 87


@pytest.mark.parametrize("tag", ["00:00:inf", "00:00:nan", "aa:bb:cc", "-1:00:05.0", "00:00:05", "99999999:00:00", ""])
def test_a_duration_tag_is_a_time_or_nothing(tmp_path, tag):
    path = film(tmp_path / "a.mkv", steady(30, 30))
    data = path.read_bytes()
    assert data.count(b"00:00:01.000000000") == 1
    path.write_bytes(data.replace(b"00:00:01.000000000", tag.encode().ljust(18, b"\0")))
    times, source = read(path)
    assert len(times) == 30
    assert source.lost == ("the container announces 5.00 s, the pictures end at 1.00 s" if tag == "00:00:05" else "")


def test_duration_tags():
    assert _seconds("01:02:03.5") == 3723.5
    assert _seconds("00:00:1e9") is None


def test_a_reference_picture_of_vp8_is_not_a_packet_without_a_picture(tmp_path):
    """RFC 6386, 9.1: bit 4 of the first byte of a packet says that it is shown."""
    path = film(tmp_path / "a.webm", steady(30, 30), noise=True)
    with av.open(str(path)) as file:
        packet = [bytes(packet) for packet in file.demux(video=0)][17]
    before, _, after = path.read_bytes().rpartition(packet)
    path.write_bytes(before + bytes([packet[0] & ~0x10]) + packet[1:] + after)
    times, source = read(path)
    assert len(times) == 29
    assert (source.timeline.counts.hidden, source.timeline.counts.silent) == (1, 0)
    assert source.lost
    assert "without a picture" not in source.lost


def test_the_number_of_a_frame_counts_no_gap(tmp_path):
    _, source = read(film(tmp_path / "a.mkv", 2 + with_pause(7.313, 30, 20), sound=(0.0, 9.0)))
    times = np.array([2.0, 2.1, 2.5, 2.633, 6.0, 9.9463, 10.0463, 99.0])
    assert source.timeline.frame_at(times).tolist() == [0, 3, 15, 19, 19, 20, 23, 39]


def test_counts_that_do_not_add_up_say_which():
    assert FrameCounts(packets=3, decoded=3, shown=3).mismatch == ""
    assert "2 frames were decoded, 1 are accounted for" in FrameCounts(packets=2, decoded=2, shown=1).mismatch
    assert "3 packets were demuxed, 2 are accounted for" in FrameCounts(packets=3, decoded=2, shown=2).mismatch


@pytest.fixture(scope="module")
def portrait() -> list[np.ndarray]:
    data = pytest.importorskip("skimage.data")
    face = cv2.resize(np.ascontiguousarray(data.astronaut()[:300, 60:360]), (240, 240), interpolation=cv2.INTER_AREA)
    wall = np.kron(np.random.default_rng(0).integers(60, 200, (12, 16, 1), np.uint8), np.ones((40, 40, 3), np.uint8))
    wall[120:360, 200:440] = face
    return [wall]


def test_the_command_tells_it_in_every_output(tmp_path, portrait):
    """Sound begins at 0 s, the picture 2 s later, and the camera pauses for 7.313 s: by summary, manifest, report,
    subtitles, ELAN's table and the means of segments."""
    film(tmp_path / "late.mp4", 2 + with_pause(7.313, 10, 20), size=(640, 480), rate=10, sound=(0.0, 13.2),
         pictures=portrait)
    (tmp_path / "events.csv").write_text("start,end,condition\n0,2,before\n2,4,first\n4.2,11,pause\n11,14,second\n")
    command = ["analyze", "late.mp4", "--out", "out", "--format", "srt,elan", "--segments", "events.csv"]
    done = subprocess.run([sys.executable, "-m", "mien.cli", *command], cwd=tmp_path, capture_output=True, text=True,
                          timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    notes = {row["folder"]: row["note"] for row in json.loads((tmp_path / "out/manifest.json").read_text())["files"]}
    folder = tmp_path / "out/late.mp4"
    source = json.loads((folder / "summary.json").read_text())["source"]
    assert source["start_s"] == pytest.approx(2.0, abs=0.05)
    (gap,) = source["timeline"]["gaps"]
    assert (gap["start_s"], gap["end_s"]) == pytest.approx((3.9, 11.213), abs=0.05)
    assert [each["frames"] for each in source["timeline"]["segments"]] == [20, 20]
    assert source["timeline"]["counts"]["shown"] == source["frames"] == 40
    for text in (source["lost"], notes["late.mp4"]):
        assert "first picture is at 2.0" in text
        assert "1 gap in the time stamps" in text
        assert "announces" not in text
    page = (folder / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["gaps"][0] == pytest.approx([1000 * gap["start_s"], 1000 * gap["end_s"]], abs=0.1)
    assert data["duration"] == pytest.approx(13.2, abs=0.1)
    assert "1 gap without pictures" in page
    cues = re.findall(r"(\d\d):(\d\d):(\d\d),(\d{3})", (folder / "timeline.srt").read_text())
    cues = [int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in cues]
    assert cues[0] == pytest.approx(2.0, abs=0.05)
    assert not [at for at in cues if 4.5 < at < 11]
    elan = pd.read_csv(folder / "timeline.txt", sep="\t")
    assert elan["Begin Time - ss.msec"].min() == pytest.approx(2.0, abs=0.05)
    means = pd.read_csv(folder / "segments.csv").set_index("condition")["seconds"]
    assert means[["before", "pause"]].tolist() == [0.0, 0.0]
    assert means[["first", "second"]].tolist() == pytest.approx([2.0, 2.2], abs=0.3)
