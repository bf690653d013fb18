"""A camera followed: hysteresis, the person who matters, bounded queues, cameras that are lost; and `mien stream`."""

from __future__ import annotations

import itertools
import json
import math
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from fake_timeline import timeline
from mien import video
from mien.cli import app
from mien.core.observations import Frame
from mien.core.requirements import ModelRequirements
from mien.core.results import Measurement
from mien.core.settings import Settings
from mien.core.tasks import EXPRESSION
from mien.inference.live.camera import Camera
from mien.inference.live.camera_thread import Live
from mien.inference.live.debounce import Debouncer
from mien.inference.live.frame_queue import DropOldestQueue
from mien.inference.live.session import LiveSession
from mien.inference.live.target_selection import select_person
from mien.inference.prediction import BuiltInModel
from mien.inference.stream import Stream
from mien.reporting.llm.message import NO_PERSON
from mien.video.errors import VideoError

ROW = next(row for row in timeline(seconds=20).emotions if not row.abstained)
STEP = 0.5


def row(i, label="neutral", p=0.9, heart=None, **changes):
    """Row i of half a second: `label` with probability p, the rest spread over the others."""
    probs = np.full(7, (1 - p) / 6)
    probs[EXPRESSION.classes.index(label)] = p
    reading = Measurement(heart, "bpm", 0.8, "POS", "" if heart is not None else "too_short")
    return replace(ROW, start=i * STEP, end=(i + 1) * STEP, probs=probs, label=label, confidence=p, heart_rate=reading,
                   **changes)


def away(i, reason="turned_away", **changes):
    return replace(row(i), probs=np.full(7, np.nan), label="", confidence=0.0, reason=reason, **changes)


def steadied(rows, hold=1.0):
    steady = Debouncer(hold)
    return [steady.push(each) for each in rows]


# ---------------------------------------------------------------- hysteresis


def test_a_label_that_flickers_is_not_said():
    reported = steadied([row(i, "happy" if i % 2 else "neutral") for i in range(40)])
    assert {said.label for said, _, _ in reported} == {"neutral"}
    assert [change for _, _, change in reported[1:]] == [""] * 39


def test_a_label_that_stays_is_said_once_and_since_when_it_began():
    reported = steadied([row(i) for i in range(6)] + [row(i, "happy") for i in range(6, 12)])
    changed = [(i, since) for i, (_, since, change) in enumerate(reported) if change and i]
    assert changed == [(7, 3.0)]  # said after a second of it, and dated back to its beginning
    assert reported[6][0].label == "neutral"
    assert reported[-1][0].label == "happy"


def test_near_ties_are_no_change():
    probs = [np.array([0.44 + d, 0.0, 0.46 - d, 0.1, 0, 0, 0]) for d in (0, 0.05)]
    rows = [replace(row(i), probs=probs[i > 3], label=EXPRESSION.label(probs[i > 3]),
                    confidence=float(probs[i > 3].max())) for i in range(12)]
    assert {said.label for said, _, _ in steadied(rows)} == {"neutral"}


def test_confidence_at_the_edge_of_a_word_does_not_flicker():
    reported = steadied([row(i, p=0.8 + 0.03 * math.sin(i)) for i in range(40)], hold=0.0)
    assert len({said.certainty for said, _, _ in reported}) == 1


def test_heart_rate_moves_only_by_more_than_its_error():
    wavering, higher = [row(i, heart=70 + 2 * (i % 2)) for i in range(20)], [row(i, heart=80.0) for i in range(20, 26)]
    reported = steadied(wavering + higher)
    assert [said.heart_rate for said, _, _ in reported] == [70] * 21 + [80] * 5
    assert [i for i, (_, _, change) in enumerate(reported) if change == "heart_rate"] == [21]


def test_a_glance_aside_is_not_said_but_turning_away_is():
    rows = [row(i) for i in range(6)] + [away(6)] + [row(i) for i in range(7, 10)] + [away(i) for i in range(10, 14)]
    reasons = [said.reason for said, _, _ in steadied(rows)]
    assert reasons == [""] * 11 + ["turned_away"] * 3


def test_debouncer_drops_a_refuted_value_though_the_new_one_alternates():
    heart = [Measurement(None, "bpm", 0.1, "POS", why) for why in ("motion", "low_snr")]
    shades = {
        "certainty": ([row(i, "sad", 0.52 - 0.04 * (i % 2), heart=72) for i in range(6, 16)], "label", "sad"),
        "reason": ([away(i, ("turned_away", "motion")[i % 2]) for i in range(6, 16)], "label", ""),
        "no heart": ([replace(row(i), heart_rate=heart[i % 2]) for i in range(6, 16)], "heart_rate", None),
        "heart": ([row(i, heart=90 + 4 * (i % 2)) for i in range(6, 16)], "heart_rate", 94),
    }
    for name, (rows, field, then) in shades.items():
        reported = [getattr(said, field) for said, _, _ in steadied([row(i, heart=72) for i in range(6)] + rows)]
        assert reported[:7] == [getattr(steadied([row(0, heart=72)])[0][0], field)] * 7, name
        assert reported[7:] == [then] * 9, name


def test_an_expression_holds_on_while_only_its_certainty_changes():
    reported = steadied([row(i, p=0.6) for i in range(6)] + [row(i, p=0.95) for i in range(6, 12)])
    assert [i for i, (_, _, change) in enumerate(reported) if change] == [0, 7]
    assert {since for _, since, _ in reported} == {0.0}


def test_changes_are_never_nearer_than_the_hold_whatever_comes():
    rng = np.random.default_rng(0)
    kinds = np.repeat(rng.integers(0, 3, 600), rng.integers(1, 6, 600))[:600]  # runs of one to five rows
    rows = [away(i) if kind == 2 else row(i, EXPRESSION.classes[kind]) for i, kind in enumerate(kinds)]
    at = [i * STEP for i, (_, _, change) in enumerate(steadied(rows, hold=1.5)) if change == "expression"]
    assert len(at) > 20
    assert min(np.diff(at)) >= 1.5


# ---------------------------------------------------------------- who


def person(face, width=100.0, yaw=0.0, state="tracked"):
    return replace(ROW, face=face, box=np.array([0, 0, width, width]), pose=np.array([0.0, yaw, 0.0]), state=state)


def test_select_person_takes_the_nearest_who_faces_the_camera():
    assert select_person([person(1, 100), person(2, 150)]) == 2
    assert select_person([person(1, 100), person(2, 150, yaw=70)]) == 1
    assert select_person([person(1, 100), person(2, 300, state="lost")]) == 1
    assert select_person([]) is None
    assert select_person([person(1, state="lost")]) is None
    assert select_person([person(1, state="lost")], current=1) == 1  # whoever was followed may come back


def test_the_choice_does_not_jump_between_two_who_sit_side_by_side():
    rng = np.random.default_rng(1)
    chosen = None
    seen = set()
    for _ in range(200):
        chosen = select_person([person(1, 100 * rng.uniform(0.9, 1.1)), person(2, 100 * rng.uniform(0.9, 1.1))], chosen)
        seen.add(chosen)
    assert len(seen) == 1
    assert select_person([person(1, 100), person(2, 140)], current=1) == 2
    assert select_person([person(1, state="lost"), person(2)], current=1) == 2


# ---------------------------------------------------------------- the queue


def test_a_full_queue_drops_the_oldest_and_counts():
    buffer = DropOldestQueue(3)
    for i in range(10):
        buffer.put(i)
    assert (len(buffer), buffer.dropped) == (3, 7)
    buffer.close()
    buffer.put(11)
    assert [buffer.get(0), buffer.get(0), buffer.get(0), buffer.get(0)] == [7, 8, 9, None]
    assert buffer.ended


def test_a_reader_that_waits_is_woken():
    buffer, got = DropOldestQueue(2), []
    reader = threading.Thread(target=lambda: got.extend([buffer.get(CEILING), buffer.get(CEILING)]))
    reader.start()
    buffer.put("one")
    time.sleep(0.05)
    buffer.close()
    reader.join(CEILING)
    assert got == ["one", None]


# ---------------------------------------------------------------- a session


@pytest.fixture(scope="module")
def portrait():
    data = pytest.importorskip("skimage.data")
    return cv2.resize(np.ascontiguousarray(data.astronaut()[:300, 60:360]), (240, 240), interpolation=cv2.INTER_AREA)


def film(portrait, seconds=3.0, fps=15.0, present=lambda t: True, start=0.0):
    wall = np.kron(np.random.default_rng(0).integers(60, 200, (8, 12, 1), np.uint8), np.ones((40, 40, 3), np.uint8))
    for time_ in np.arange(0, seconds, 1 / fps):
        rgb = wall.copy()
        if present(time_):
            left = 100 + round(10 * np.sin(time_))
            rgb[60:300, left : left + 240] = portrait
        yield Frame(float(start + time_), rgb)


def fed(session, frames):
    return [event for frame in frames for event in session.push(frame)]


def test_a_session_tells_what_a_stream_reads(portrait):
    with Stream(settings=Settings(pictures=False)) as stream:
        rows = [each for frame in film(portrait) for each in stream.push(frame)]
    with LiveSession() as session:
        events = fed(session, film(portrait))
    reported = [event for event in events if event.row is not None]
    assert len(reported) == len(rows) == 5
    assert reported[0].change == "person"
    for event, each in zip(reported, rows, strict=True):
        assert (event.row.start, event.row.label, event.row.face) == (each.start, each.label, each.face)
        assert np.array_equal(event.row.probs, each.probs)
        assert 0 < event.latency < 5
        assert event.text == events[-1].text
    plain = json.loads(json.dumps(events[-1].json(), allow_nan=False))
    expected = {"schema", "t", "face_id", "state", "expression", "valence", "arousal", "confidence", "abstained",
              "reason", "heart_rate", "window", "since", "latency_ms", "text", "neutral_known"}
    assert expected <= set(plain)
    assert plain["schema"] == "mien.event/1"
    assert {"value", "quality"} <= set(plain["heart_rate"])
    known = [event.neutral_known for event in events if event.row is not None]
    assert 0 <= known[0] < known[-1] < 1  # the longer the person is seen, the better the neutral face is known


def test_an_empty_picture_says_nobody_and_leaving_is_reported(portrait):
    with LiveSession() as session:
        events = fed(session, film(portrait, seconds=7, present=lambda t: 1.5 < t < 4))
    assert events[0].row is None
    assert events[0].json()["face_id"] is None
    assert [event.said == NO_PERSON for event in events][::4] == [True, False, False, True]
    assert [event.change for event in events if event.change] == ["person", "person", "person"]  # nobody, came, left
    assert all(b.end - a.end == pytest.approx(0.5) for a, b in pairwise(events))
    json.dumps([event.json() for event in events], allow_nan=False)


def test_an_id_is_followed_whoever_else_is_there(portrait):
    with LiveSession(person=7) as session:
        events = fed(session, film(portrait, seconds=2))
    assert {event.said for event in events} == {NO_PERSON}


def test_times_that_go_back_are_counted_and_a_leap_starts_anew(portrait):
    with LiveSession() as session:
        first = fed(session, film(portrait, seconds=2, start=100))
        assert session.push(Frame(99.0, np.zeros((60, 80, 3), np.uint8))) == []
        assert session.backwards == 1
        later = fed(session, film(portrait, seconds=2, start=1e9))  # a step a second of that would never end
        assert len(later) <= 4
        ids = {face.id for face in session.faces}
    assert {event.row.face for event in first if event.row} == {1}
    assert {event.row.face for event in later if event.row} == {2} == ids
    assert all(event.start >= 100 for event in first)
    assert all(event.start >= 1e9 for event in later)


def test_of_frames_that_were_dropped_nothing_is_said(portrait):
    """A model so slow that only every third half second is seen: the person is there all the time."""
    seen = [frame for frame in film(portrait, seconds=12) if frame.time < 1.99 or frame.time % 1.5 < 0.49]
    with LiveSession() as session:
        events = fed(session, seen)
    assert {event.row.state for event in events if event.end > 1} == {"tracked"}
    assert [event.row.heart_rate.value for event in events if event.row.heart_rate.value is not None] == []
    said = [event.change for event in events if event.change and event.row.heart_rate.reason != "low_rate"]
    assert said == ["person"]  # and that there are too few pictures for a pulse
    assert [event.start for event in events if event.start >= 2] == [3.0, 4.5, 6.0, 7.5, 9.0]


def test_a_camera_that_goes_black_while_the_systems_clock_is_set_loses_only_the_dark(portrait, monkeypatch):
    """Times are those of the frames, so that a clock that leaps by years (NTP, a user) changes no event."""
    years = itertools.count(0.0, 1e9)
    monkeypatch.setattr(time, "time", lambda: next(years))
    dark = [Frame(f.time, f.rgb * np.uint8(not 3 < f.time < 6)) for f in film(portrait, seconds=9)]
    with LiveSession() as session:
        events = fed(session, dark)
    assert all(b.end - a.end == pytest.approx(0.5) for a, b in pairwise(events))
    assert {event.row.face for event in events if event.end <= 3 and event.row} == {1}
    assert all(event.said == NO_PERSON for event in events if 4.6 <= event.start < 5.5)
    assert [event for event in events if event.start > 7 and event.row and not event.row.abstained]


def test_frames_may_change_size(portrait):
    with LiveSession() as session:
        fed(session, film(portrait, seconds=1))
        events = fed(session, (Frame(f.time, cv2.resize(f.rgb, (720, 480))) for f in film(portrait, 1.5, start=1)))
    assert events[-1].row is not None
    assert not events[-1].row.abstained


def test_a_model_that_reads_no_face_is_refused():
    class Late(BuiltInModel):
        needs = ModelRequirements(seconds=30, signals=("ecg",), rate=128)

    with pytest.raises(ValueError, match="analyse a recording"):
        LiveSession(model=Late())


# ---------------------------------------------------------------- cameras


@pytest.fixture(scope="module")
def clip(portrait, tmp_path_factory):
    return written(tmp_path_factory.mktemp("live") / "clip.mp4", film(portrait, seconds=2.2))


def written(path, frames, codec="libx264", **options):
    with av.open(str(path), "w", **options) as out:
        stream = out.add_stream(codec, rate=15)
        for i, frame in enumerate(frames):
            if not i:
                stream.height, stream.width, stream.pix_fmt = *frame.rgb.shape[:2], "yuv420p"
            picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
            picture.pts = i
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


CEILING = 300.0
"""s that a test waits for what must come, however busy the machine is."""


def until(condition, seconds=CEILING):
    """Wait for a condition -> whether it came true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def collect(camera, seconds=CEILING):
    frames, end = [], time.monotonic() + seconds
    while not camera.frames.ended and time.monotonic() < end:
        frames += [item for item in [camera.frames.get(0.1)] if item is not None]
    return frames


def test_a_file_comes_at_its_own_pace(clip):
    camera = Camera(str(clip), depth=100)  # all of it, should this machine stand still for a while
    camera.start()
    frames = collect(camera)
    wall = frames[-1].at - frames[0].at
    assert len(frames) == 33
    assert wall > frames[-1].frame.time - frames[0].frame.time - 0.1  # not faster; a busy machine may be slower
    assert (camera.dropped, camera.state) == (0, "ended")


def test_a_reader_that_is_too_slow_loses_the_oldest_and_is_reported(clip):
    camera = Camera(str(clip), depth=2)
    camera.start()
    assert until(lambda: camera.dropped > 5)
    frames = collect(camera)
    camera.close()
    assert camera.dropped + len(frames) == camera.frames_read == 33
    assert frames[0].frame.time > 5 / 15


def test_a_file_that_is_not_there_and_a_camera_that_is_not_there_are_reported(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        Camera(str(tmp_path / "none.mp4")).start()
    with pytest.raises(VideoError, match="camera 97"):
        Camera("97").start()


def test_a_lost_camera_is_opened_again_later_and_later_and_its_clock_goes_on(clip):
    opened = []

    def flaky():
        opened.append(time.perf_counter())
        if len(opened) in (2, 3, 4):
            raise VideoError("expected a camera, got none")
        return video.open_video(clip, end=0.3)

    class Noting(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            return super().wait(timeout)

    reported, waits = [], []
    camera = Camera("rtsp://camera.invalid/x", back_off=(0.05, 10.0), log=reported.append, open=flaky)
    camera._stop = Noting()
    camera.start()
    items, end = [], time.monotonic() + CEILING
    while len(opened) < 6 and time.monotonic() < end:
        items += [item for item in [camera.frames.get(0.1)] if item is not None]
    camera.close()
    assert [("is lost" in words, "is back" in words) for words in reported][:2] == [(True, False), (False, True)]
    assert waits[:4] == pytest.approx([0.05, 0.1, 0.2, 0.4])  # back-off
    times, came = (np.array([value(item) for item in items]) for value in (lambda i: i.frame.time, lambda i: i.at))
    assert (np.diff(times) > 0).all()
    lost = np.diff(times).argmax()
    assert opened[4] - opened[1] < times[lost + 1] - times[lost] <= came[lost + 1] - came[lost]


def test_a_network_stream_that_breaks_comes_back(clip, tmp_path):
    content = written(tmp_path / "s.ts", (Frame(0.0, np.full((48, 64, 3), i, np.uint8)) for i in range(40)),
                      "mpeg2video", format="mpegts").read_bytes()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            client, _ = server.accept()
            client.sendall(content)
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    camera = Camera(f"tcp://127.0.0.1:{server.getsockname()[1]}", back_off=(0.05, 0.1), depth=200)
    camera.start()
    assert until(lambda: camera.opened == 2 and camera.frames_read > 40)
    camera.close()
    server.close()
    assert camera.opened == 2
    assert "127.0.0.1" in camera.error or "no more pictures" in camera.error


def test_a_camera_that_hangs_without_a_word_is_given_up_and_opened_again(clip):
    """The third opening works; those that hang are left to themselves, and their late frames count for nothing."""
    release, opened, reported = threading.Event(), [], []

    class Hangs:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            yield Frame(0.0, np.zeros((48, 64, 3), np.uint8))
            release.wait(CEILING)
            yield Frame(0.1, np.full((48, 64, 3), 255, np.uint8))

    def hanging():
        opened.append(time.perf_counter())
        return Hangs() if len(opened) < 3 else video.open_video(clip)

    states = set()

    class Noting(Camera):
        def __setattr__(self, name, value):
            states.update([value] * (name == "state"))
            super().__setattr__(name, value)

    camera = Noting("rtsp://camera.invalid/x", back_off=(0.05, 0.2), stall=0.3, depth=200, log=reported.append,
                    open=hanging)
    camera.start()
    assert until(lambda: camera.frames_read >= 12)
    release.set()
    time.sleep(0.2)
    items = [camera.frames.get(0) for _ in range(len(camera.frames))]
    camera.close()
    assert "stalled" in states
    assert camera.opened >= 3
    assert ["sent nothing for 0.3 s" in words for words in reported[:4]] == [True, False, True, False]
    assert reported[1] == reported[3] == "the camera is back"
    times = [item.frame.time for item in items]
    assert times == sorted(times)
    assert all(item.frame.rgb.mean() < 250 for item in items)
    assert times[-1] > 0.7  # time went on while it hung


def test_cameras_that_hang_do_not_pile_up():
    before, release, opened = threading.active_count(), threading.Event(), []

    def never():
        opened.append(1)
        release.wait(CEILING)
        raise VideoError("expected a camera, got none")

    camera = Camera("rtsp://camera.invalid/x", back_off=(0.01, 0.01), stall=0.05, open=never)
    camera.start()
    assert until(lambda: len(opened) == 3 and camera.state == "stalled")
    time.sleep(0.5)  # and no fourth one
    assert len(opened) == 3
    assert threading.active_count() <= before + 4
    assert camera.state == "stalled"
    release.set()
    assert until(lambda: len(opened) >= 5)  # those that hung have ended: it is tried again
    camera.close()
    assert camera.state == "ended"


def test_a_network_stream_that_stalls_is_opened_again(tmp_path):
    content = written(tmp_path / "s.ts", (Frame(0.0, np.full((48, 64, 3), i, np.uint8)) for i in range(40)),
                      "mpeg2video", format="mpegts").read_bytes()
    server, clients = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        for _ in range(2):
            clients.append(server.accept()[0])
            clients[-1].sendall(content)  # and not another word

    threading.Thread(target=serve, daemon=True).start()
    camera = Camera(f"tcp://127.0.0.1:{server.getsockname()[1]}", back_off=(0.05, 0.1), stall=1.0, depth=200)
    camera.start()
    assert until(lambda: camera.opened == 2)
    camera.close()
    for each in (*clients, server):
        each.close()
    assert camera.opened == 2


# ---------------------------------------------------------------- live


def test_latest_never_waits_while_the_work_stands_still(clip):
    standing, release, released = threading.Event(), threading.Event(), []

    class Slow(LiveSession):
        def push(self, frame, arrived=None):
            result = super().push(frame, arrived)
            if result:
                standing.set()
                released.append(release.wait(CEILING))  # False when nobody came
            return result

    with Live(str(clip), session=Slow()) as live:
        assert standing.wait(CEILING)
        for _ in range(1000):
            assert live.latest() is not None
        assert not released  # the work stood still all the time
        assert until(lambda: live.camera.dropped > 0)
        release.set()
        events = list(live.events())
    assert all(released)
    assert live.camera.dropped > 0  # and frames were dropped meanwhile, not kept
    assert events


def test_camera_thread_raises_errors_where_events_are_read(clip):
    class Broken(LiveSession):
        def push(self, frame, arrived=None):
            raise ZeroDivisionError("planted")

    with Live(str(clip), session=Broken()) as live, pytest.raises(ZeroDivisionError, match="planted"):
        list(live.events())
    assert not live._thread.is_alive()
    assert live.camera.state == "ended"


def run(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "mien.cli", "stream", *arguments], capture_output=True, text=True,
                          timeout=CEILING, check=False, **options)


def test_the_command_prints_a_line_an_event(clip):
    done = run("--source", str(clip), "--step", "0.5")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    left_out = int(re.search(r"33 frames, (\d+) dropped", done.stderr).group(1))  # by how busy this machine is
    times = [event["t"] for event in events]
    assert times == [0.5, 1.0, 1.5, 2.0] if left_out == 0 else times == sorted({*times} & {0.5, 1.0, 1.5, 2.0})
    assert events[-1]["dropped"] <= left_out
    assert events[0]["change"] == "person"


def test_the_command_prints_a_sentence_when_it_changes(clip):
    done = CliRunner().invoke(app, ["stream", "--source", str(clip), "--format", "prompt", "--language", "de"])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("Die Person wirkt")


def test_the_command_ends_when_nobody_reads_on_though_there_is_nothing_new_to_say(clip):
    command = [sys.executable, "-m", "mien.cli", "stream", "--source", str(clip), "--loop", "--format", "prompt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline().startswith("The person ")
        running.stdout.close()
        assert running.wait(CEILING) == 0
        assert running.stderr.read() == ""


def test_the_command_tells_what_is_wrong_in_one_line(tmp_path):
    for source, language, words in ((str(tmp_path / "no.mp4"), "en", "does not exist"), ("96", "en", "camera 96"),
                                    ("96", "xx", "expected de or en")):
        done = CliRunner().invoke(app, ["stream", "--source", source, "--language", language])
        assert done.exit_code == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_wave_is_the_planted_pulse():
    from mien import simulation

    portrait = simulation.portrait(pulse=simulation.Pulse(90.0, 0.015), respiration=None, seconds=13, fps=15, noise=1.0,
                                  size=(320, 240), sway=0.3)
    with LiveSession() as session:
        assert session.wave() is None
        fed(session, portrait.frames())
        wave = session.wave()
    rate = session.latest.said.heart_rate
    power = np.abs(np.fft.rfft(wave.values[0] * np.hanning(wave.values.shape[1]), 4096))
    peak = np.fft.rfftfreq(4096, 1 / wave.rate)[power.argmax()]
    assert 60 * peak == pytest.approx(90, abs=4)
    assert rate == pytest.approx(90, abs=4)
    assert 10 < wave.times[-1] - wave.times[0] < 12.1
