"""The stream and the analysis of a file, on the portrait as it drifts: known times, known presence, one face."""

from __future__ import annotations

import threading
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from mien import video
from mien.core.observations import Frame, Window
from mien.core.settings import Settings, neutral_seconds, neutral_spans
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face.backend import OnnxFaceBackend
from mien.face.track_buffer import abstention, mean
from mien.face.tracker_settings import TrackerSettings
from mien.inference.analyze import analyze
from mien.inference.neutral_pictures import pictures_of
from mien.inference.prediction import Smoother
from mien.inference.stream import Stream

AU12 = ACTION_UNITS.index("AU12")


@pytest.fixture(scope="module")
def portrait():
    data = pytest.importorskip("skimage.data")
    return cv2.resize(np.ascontiguousarray(data.astronaut()[:300, 60:360]), (240, 240), interpolation=cv2.INTER_AREA)


def film(portrait, seconds=3.0, fps=20.0, present=lambda t: True, times=None, wall=0):
    """Frames of a portrait that drifts by 10 px before a patterned wall; where it is not `there`, only the wall."""
    wall = np.kron(np.random.default_rng(wall).integers(60, 200, (12, 16, 1), np.uint8), np.ones((40, 40, 3), np.uint8))
    for time in np.arange(0, seconds, 1 / fps) if times is None else times:
        rgb = wall.copy()
        if present(time):
            left = 200 + round(10 * np.sin(time))
            rgb[120:360, left : left + 240] = portrait
        yield Frame(float(time), rgb)


def run(frames, **settings):
    with Stream(settings=Settings(pictures=False, **settings)) as stream:
        rows = [row for frame in frames for row in stream.push(frame)]
        return rows + stream.close(), stream


def test_rows_come_every_step_for_who_is_there(portrait):
    rows, _ = run(film(portrait))
    assert [row.start for row in rows] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert all(row.end - row.start == pytest.approx(0.5, abs=0.06) for row in rows)
    assert {row.face for row in rows} == {1}
    for row in rows:
        assert row.probs.sum() == pytest.approx(1)
        assert row.label == EXPRESSION.label(row.probs)
        assert row.confidence == row.probs.max()
        assert row.heart_rate.abstained
        assert row.heart_rate.reason == "too_short"


def test_fed_one_by_one_equals_fed_at_once(portrait, tmp_path):
    frames = list(film(portrait, times=np.round(np.arange(0, 2.5, 0.05), 3)))
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "bgr0"
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24").reformat(format="bgr0")
            picture.pts = i
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    reported = []
    timeline = analyze(path, progress=reported.append, neutral="first:1s")
    rows, _ = run(frames, neutral="first:1s")
    assert len(timeline.emotions) == len(rows) == 5
    for first, other in zip(timeline.emotions, rows, strict=True):
        assert (first.start, first.end, first.face, first.state, first.label, first.heart_rate) == \
            (other.start, other.end, other.face, other.state, other.label, other.heart_rate)
        for name in ("probs", "aus", "pose", "gaze", "box"):
            assert np.array_equal(getattr(first, name), getattr(other, name), equal_nan=True), name
    assert reported[-1] == 1
    assert reported == sorted(reported)
    person = timeline.faces[0]
    assert person.coverage == 1.0  # the frames of the probation, too
    assert (person.first, person.last) == pytest.approx((0.0, 2.45))
    assert person.picture.shape == (192, 192, 3)
    assert timeline.seconds["total"] > timeline.seconds["track"] > 0
    assert "onnxruntime" in timeline.settings["face_backend"]


def crowd(portrait):
    """Three people before a wall: one leaves and comes back, one comes late; then another wall: a cut."""
    small = cv2.resize(portrait, (150, 150), interpolation=cv2.INTER_AREA)
    for index in range(60):
        time, wall = index / 20, 0 if index < 45 else 7
        rgb = next(film(portrait, times=[0.0], present=lambda _: False, wall=wall)).rgb
        for person, (x, y) in enumerate(((20, 40), (240, 250), (450, 60))):
            if not (person == 0 and 20 <= index < 30) and not (person == 2 and index < 12):
                left = x + round(8 * np.sin(2 * time + person))
                rgb[y : y + 150, left : left + 150] = np.roll(small, 60 * person, axis=2) // (1 + person % 2)
        yield Frame(time, rgb)


def every_number(rows, stream):
    """All that a stream has found, as bytes; latencies aside."""
    reported = [(row.start, row.end, row.face, row.state, row.label, row.reason, row.heart_rate) for row in rows]
    arrays = [getattr(row, name).tobytes() for row in rows for name in ("probs", "aus", "pose", "gaze", "box")]
    for _, person in sorted(stream.people.items()):
        full = person.seen.window(-np.inf, np.inf)
        arrays += [getattr(full, name).tobytes() for name in ("times", "skin", "position", "aus", "pose", "gaze")]
    return reported, arrays


@pytest.mark.parametrize("pulse_only", [False, True])
def test_the_pipeline_gives_what_one_frame_at_a_time_gives(portrait, monkeypatch, pulse_only):
    frames = list(crowd(portrait))
    settings = Settings(pictures=False, pulse_only=pulse_only)
    replies = []
    for cores, feed in ((1, "push"), (1, "run"), (2, "run"), (4, "run")):
        monkeypatch.setattr("mien.inference.stream.cores", lambda cores=cores: cores)
        with Stream(settings=settings, keep_all=True) as stream:
            fed = map(stream.push, frames) if feed == "push" else stream.run(iter(frames))
            rows = [row for step in fed for row in step] + stream.close()
            replies.append(every_number(rows, stream))
    assert len({row[2] for row in replies[0][0]}) >= 5  # three people, and anew after the cut
    assert all(answer == replies[0] for answer in replies[1:])


def test_the_pipeline_ends_with_its_consumer_and_raises_what_its_source_raises(portrait):
    def broken():
        yield from film(portrait, seconds=0.5)
        raise OSError("the disk is gone")

    before = threading.active_count()
    with Stream(settings=Settings(pictures=False)) as stream, pytest.raises(OSError, match="the disk is gone"):
        list(stream.run(broken()))
    assert stream.frames == 10
    with Stream(settings=Settings(pictures=False)) as stream:
        fed = stream.run(film(portrait))
        next(fed)
        fed.close()
    assert threading.active_count() == before


class Counted(OnnxFaceBackend):
    """Counts how often each model looks."""

    def __init__(self):
        super().__init__()
        self.looks = {"detect": 0, "mesh": 0}

    def detect(self, rgb):
        self.looks["detect"] += 1
        return super().detect(rgb)

    def mesh(self, rgb, region):
        self.looks["mesh"] += 1
        return super().mesh(rgb, region)


def test_the_pulse_alone_is_read_with_few_looks_and_no_expression(portrait):
    """A planted pulse of 75 a minute in the skin of the portrait, which drifts: both ways read it."""
    wall = next(film(portrait, present=lambda _: False)).rgb
    rows, looks = {}, {}
    down, across = np.mgrid[:480, :640]
    for pulse_only in (False, True):
        backend = Counted()
        with Stream(settings=Settings(pictures=False, pulse_only=pulse_only), backend=backend) as stream:
            for time in np.arange(0, 12, 0.05):
                middle = 320 + 6 * np.sin(0.6 * time), 240 + 4 * np.cos(0.4 * time)
                place = np.array([[1, 0, middle[0] - 130], [0, 1, middle[1] - 94]])  # of the face in the portrait
                rgb = cv2.warpAffine(portrait, place, (640, 480), dst=wall.copy(), borderMode=cv2.BORDER_TRANSPARENT)
                distance = np.hypot(across - middle[0], down - middle[1])
                wave = 1 + np.array([0.008, 0.02, 0.012]) * np.sin(2 * np.pi * 1.25 * time)
                beating = np.where(distance[..., None] < 60, wave, 1.0)
                dither = np.random.default_rng(round(time * 20)).uniform(-0.5, 0.5, rgb.shape)
                stream.push(Frame(float(time), np.clip(np.round(rgb * beating + dither), 0, 255).astype(np.uint8)))
            rows[pulse_only] = stream.close()[-1]
            looks[pulse_only] = backend.looks
    for row in rows.values():
        assert row.heart_rate.reason == ""
        assert row.heart_rate.value == pytest.approx(75, abs=1)
    assert not rows[False].abstained
    assert (rows[True].reason, rows[True].label) == ("pulse_only", "")
    assert np.isnan(rows[True].aus).all()
    assert np.isfinite(rows[True].pose).all()
    assert np.abs(rows[True].pose - rows[False].pose).max() < 2
    assert looks[True]["mesh"] < looks[False]["mesh"] / 3
    assert looks[True]["detect"] < looks[False]["detect"]


def test_with_rare_looks_a_face_that_the_detector_missed_is_looked_for_again_soon(portrait):
    """One look of the detector, after the probation, sees nothing: the next follows 10 frames later, not 1.5 s."""
    times, blind = [], []

    class Blinded(OnnxFaceBackend):
        def detect(self, rgb):
            times.append(now)
            if now > 0.5 and not blind:
                blind.append(now)
                return []
            return super().detect(rgb)

    with Stream(settings=Settings(pictures=False, pulse_only=True), backend=Blinded()) as stream:
        for frame in film(portrait, seconds=6):
            now = frame.time
            stream.push(frame)
    steps = np.diff([time for time in times if time > 0.5])
    assert stream.faces[0].state == "tracked"
    assert steps.max() == pytest.approx(1.5, abs=0.06)
    assert steps.min() == pytest.approx(TrackerSettings().retry_interval, abs=0.06)  # within one frame at 20 Hz


def test_stream_marks_people_who_left_as_lost(portrait):
    rows, _ = run(film(portrait, seconds=4, present=lambda t: t < 2))
    gone = [row for row in rows if row.start >= 2.5]
    assert gone
    for row in gone:
        assert (row.state, row.reason, row.label, row.confidence) == ("lost", "no_face", "", 0.0)
        assert row.heart_rate.reason == "no_face"
        assert np.isnan(row.probs).all()
        assert np.isnan(row.aus).all()
    assert all(not row.abstained for row in rows if row.end <= 2)


def test_an_uneven_clock_and_a_stall_keep_the_steps_on_the_grid(portrait):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.09, 60))
    times[30:] += 1.7  # the camera stalls
    rows, _ = run(film(portrait, times=times))
    with_frames = sorted({0.5 * np.floor(time / 0.5) for time in times})
    assert [row.start for row in rows] == with_frames  # nobody looked in the others
    assert max(np.diff(with_frames)) >= 1.5
    assert {row.state for row in rows} == {"tracked"}


def test_a_neutral_face_from_the_first_seconds_holds_rows_back_and_sets_the_zero(portrait):
    free, _ = run(film(portrait))
    with Stream(settings=Settings(neutral="first:1s", pictures=False)) as stream:
        later = [(frame.time, row) for frame in film(portrait) for row in stream.push(frame)]
        rows = [row for _, row in later] + stream.close()
    assert min(time for time, _ in later) >= 1.0
    assert [row.start for row in rows] == [row.start for row in free]
    assert rows[-1].aus[AU12] < 0.5 < free[-1].aus[AU12]
    for first, other in zip(rows, free, strict=True):
        assert np.array_equal(first.box, other.box)  # of its own time, however late it is reported


def test_a_recording_shorter_than_its_neutral_time_still_gives_rows(portrait):
    rows, _ = run(film(portrait, seconds=1.5), neutral="first:60s")
    assert [row.start for row in rows] == [0, 0.5, 1.0]
    assert all(not row.abstained for row in rows)


def test_a_neutral_face_from_a_picture_sets_the_zero(portrait, tmp_path):
    cv2.imwrite(str(tmp_path / "calm.png"), portrait[:, :, ::-1])
    write(tmp_path / "film.mp4", film(portrait, seconds=1.5))
    with_neutral = analyze(tmp_path / "film.mp4", neutral=str(tmp_path / "calm.png"))
    free = analyze(tmp_path / "film.mp4")
    assert with_neutral.faces[0].aus[AU12] < 0.6 < free.faces[0].aus[AU12]
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((240, 320, 3), 128, np.uint8))
    with pytest.raises(ValueError, match=r"wall\.png: expected one face, got 0"):
        analyze(tmp_path / "film.mp4", neutral=str(tmp_path / "wall.png"))


def test_a_folder_of_neutral_pictures_serves_each_recording_by_its_name(portrait, tmp_path):
    folder = tmp_path / "calm"
    (folder / "P2_talk").mkdir(parents=True)
    for name in ("P1.png", "P2_talk/1.png"):
        cv2.imwrite(str(folder / name), portrait[:, :, ::-1])
    free = {}
    for name in ("P1.mp4", "P1_rest.mp4", "P2_talk.mp4", "P10.mp4"):
        write(tmp_path / name, film(portrait, seconds=1.5))
        result = analyze(tmp_path / name, neutral=str(folder))
        free[name] = result.faces[0].aus[AU12] >= 0.6
    assert free == {"P1.mp4": False, "P1_rest.mp4": False, "P2_talk.mp4": False, "P10.mp4": True}


def test_pictures_of_a_folder_belong_to_people(tmp_path):
    for name in ("P1.jpg", "P1_a.jpg", "2.jpg", "P3/1.jpg", "P3/3.png", "P3/notes.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    result = {name: {person: str(path.relative_to(tmp_path)) for person, path in pictures_of(tmp_path, name).items()}
             for name in ("P1.mp4", "P1_a-talk.mp4", "P3.mp4", "films/P4.mp4")}
    assert result == {"P1.mp4": {0: "P1.jpg"}, "P1_a-talk.mp4": {0: "P1_a.jpg"},
                     "P3.mp4": {1: "P3/1.jpg", 2: "2.jpg", 3: "P3/3.png"}, "films/P4.mp4": {2: "2.jpg"}}


def test_latency_waits_for_what_comes_after(portrait):
    with Stream(settings=Settings(latency=0.4, pictures=False)) as stream:
        when = [(frame.time, row.end) for frame in film(portrait) for row in stream.push(frame)]
    assert all(end + 0.4 <= time < end + 0.46 for time, end in when)


def test_live_memory_is_bounded(portrait):
    still = next(film(portrait)).rgb
    with Stream(settings=Settings(duration=2.0, pictures=False)) as stream:
        for i in range(800):
            stream.push(Frame(i / 80, still))
    person = stream.people[1].seen
    assert len(person._times) == 1024
    assert 4 < person.window(0, 100).times[0] < 9


def shots(portrait, lengths):
    """A film of cuts: in each shot another wall; time, frame and the number of the shot."""
    start = 0.0
    for number, length in enumerate(lengths):
        for frame in film(portrait, seconds=length, wall=number):
            yield Frame(start + frame.time, frame.rgb)
        start += length


def test_a_cut_in_mid_step_loses_nobody(portrait):
    rows, stream = run(shots(portrait, [0.9, 0.4, 0.4, 0.8]))
    assert {row.face for row in rows} == {1, 2, 3, 4}
    for face in (1, 2, 3, 4):
        mine = [row for row in rows if row.face == face]
        assert any(not row.abstained for row in mine)
    assert [row.start for row in rows if row.face == 1] == [0.0, 0.5]
    assert set(stream.people) == {4}  # live: who is gone for good is forgotten


def test_a_recording_keeps_who_left_closely_packed(portrait):
    with Stream(settings=Settings(), keep_all=True) as stream:
        rows = [row for frame in shots(portrait, [0.8, 0.6, 0.6]) for row in stream.push(frame)] + stream.close()
    assert set(stream.people) == {1, 2, 3} == {row.face for row in rows}
    for known in stream.people.values():
        assert not known.seen.unread
    assert len(stream.people[1].seen._times) == stream.people[1].seen._count


def test_a_face_that_the_edge_cuts_says_so(portrait):
    frames = [Frame(f.time, f.rgb[:, 325:].copy()) for f in film(portrait, seconds=2)]  # a third of the face is outside
    rows, _ = run(frames)
    assert {row.reason for row in rows if row.state == "tracked"} == {"cut_off"}


def test_time_must_go_forward(portrait):
    with Stream() as stream:
        stream.push(Frame(1.0, np.zeros((60, 80, 3), np.uint8)))
        with pytest.raises(ValueError, match=r"after 1\.0+ s, got one at 1\.0+ s"):
            stream.push(Frame(1.0, np.zeros((60, 80, 3), np.uint8)))


def test_frames_may_change_size(portrait):
    frames = [Frame(f.time, f.rgb if f.time < 1 else cv2.resize(f.rgb, (960, 720))) for f in film(portrait, seconds=2)]
    rows, _ = run(frames)
    assert all(not row.abstained for row in rows if row.end <= 1 or row.start >= 1.5)


def test_a_film_of_one_frame_is_a_picture_without_a_pulse(tmp_path, portrait):
    write(tmp_path / "one.mp4", film(portrait, times=[0.0]))
    timeline = analyze(tmp_path / "one.mp4")
    (row,), (person,) = timeline.emotions, timeline.faces
    assert (row.start, row.end, row.state, row.abstained) == (0, 0, "tracked", False)
    assert (person.coverage, person.first, person.last, person.pulse) == (1, 0, 0, None)
    measures = [row.heart_rate, person.heart_rate, person.respiration, person.blink_rate, *person.hrv.values()]
    assert {measure.reason for measure in measures} == {"picture"}
    with pytest.raises(video.VideoError, match="expected a video for --neutral first:1s, got a single picture"):
        analyze(tmp_path / "one.mp4", neutral="first:1s")


def test_a_film_without_faces_gives_an_empty_timeline(tmp_path, portrait):
    write(tmp_path / "wall.mp4", film(portrait, present=lambda t: False))
    timeline = analyze(tmp_path / "wall.mp4")
    assert timeline.emotions == ()
    assert timeline.faces == ()
    assert timeline.source.frames == 60


@pytest.mark.parametrize("bad", [{"step": 0}, {"duration": float("nan")}, {"faces": 0}, {"latency": -1},
                                 {"neutral": "first:x"}, {"neutral": "first:-5s"}, {"neutral": "spans:5"},
                                 {"neutral": "spans:5-2"}, {"neutral": "spans:"}])
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        Settings(**bad)


def test_a_model_that_is_not_there_is_refused_by_name(tmp_path, portrait):
    write(tmp_path / "film.mp4", film(portrait, seconds=0.5))
    with pytest.raises(FileNotFoundError, match="clip: expected the folder of a checkpoint or a hub id"):
        analyze(tmp_path / "film.mp4", model="clip")


def test_neutral_seconds():
    assert [neutral_seconds(text) for text in ("first:5s", "first:2.5", "", "calm.jpg")] == [5, 2.5, 0, 0]


def test_neutral_spans():
    assert neutral_spans("spans:0-10,60-70.5") == ((0, 10), (60, 70.5))
    assert neutral_spans("first:5s") == neutral_spans("") == neutral_spans("calm.jpg") == ()


def test_smoother_is_the_exponential_answer_to_a_step_at_uneven_times():
    smooth = Smoother(0.7)
    smooth.push(0.0, np.array([1.0, 0.0]))
    for time in (0.1, 0.35, 0.4, 1.1):
        value = smooth.push(time, np.array([0.0, 1.0]))
        assert value == pytest.approx([np.exp(-time / 0.7), 1 - np.exp(-time / 0.7)])
    assert smooth.push(9.0, np.array([0.5, 0.5])) == pytest.approx([0.5, 0.5])  # long after: anew


def test_abstention_names_what_hides_the_face():
    def step(level=120.0, yaw=0.0, seen=10):
        rows = {"aus": np.zeros((10, len(ACTION_UNITS))), "pose": np.tile([0.0, yaw, 0.0], (10, 1)),
                "gaze": np.zeros((10, 2)), "position": np.ones((10, 3)), "skin": np.full((10, 4, 3), float(level))}
        for value in rows.values():
            value[seen:] = np.nan
        return Window(0, 0.5, np.linspace(0, 0.45, 10), **rows)

    assert abstention(step(), ["tracked"] * 10) == ""
    assert abstention(step(level=5), ["tracked"] * 10) == "too_dark"
    unread = {"aus": np.full((10, len(ACTION_UNITS)), np.nan)}
    assert abstention(replace(step(yaw=60), **unread), ["tracked"] * 10) == "turned_away"
    assert abstention(replace(step(yaw=5), **unread), ["tracked"] * 10) == "cut_off"
    assert abstention(step(seen=3), ["tracked"] * 3 + ["lost"] * 7) == "no_face"
    assert abstention(replace(step(), end=0.6), []) == "no_face"


def test_mean_leaves_unseen_rows_out():
    assert mean(np.array([[1.0, 2], [np.nan, np.nan], [3, 4]])) == pytest.approx([2, 3])
    assert np.isnan(mean(np.full((3, 2), np.nan))).all()


def write(path, frames):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=20, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        out.mux(stream.encode())
