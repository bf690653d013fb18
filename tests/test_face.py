"""Tracking against people whose path is planted: a face backend that sees exactly what the test says."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mien.core.observations import Frame
from mien.core.settings import Settings
from mien.face import skin
from mien.face.association import RIGID
from mien.face.au_estimator import PoseReader
from mien.face.backend import OnnxFaceBackend
from mien.face.crop import crop
from mien.face.detector import anchors, candidates, letterbox, weighted_suppression
from mien.face.flow import FlowAnchor, similarity, steadied
from mien.face.mesh import LANDMARKS
from mien.face.observer import Observer
from mien.face.region import Detection, Region
from mien.face.track_buffer import TrackBuffer
from mien.face.tracker import Tracker
from mien.face.tracker_settings import TrackerSettings


def _mesh_of(seed: int) -> np.ndarray:
    """A face-like cloud (478, 3), about 1 wide and high, the eyes level; each seed another build."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (LANDMARKS, 3))
    points *= 1 + 0.25 * np.random.default_rng(seed).uniform(-1, 1, (LANDMARKS, 3))
    points[33], points[263] = (-0.25, -0.1, 0), (0.25, -0.1, 0)
    points[234], points[454] = (-0.5, 0, 0), (0.5, 0, 0)
    return points


class Planted:
    """A face backend for planted people.

    `people[name]` is time -> (x, y, width) or None; `picture[0]` is the time now.
    """

    name = "planted"

    def __init__(self, people, blind=()):
        self.people, self.blind, self.time = people, blind, 0.0
        self.meshes = {name: _mesh_of(i) for i, name in enumerate(people)}

    def _there(self):
        for name, path in self.people.items():
            place = path(self.time)
            if place is not None:
                yield name, np.array([*place[:2], 0.0]) + self.meshes[name] * place[2]

    def detect(self, rgb):
        result = []
        for name, marks in self._there():
            if name not in self.blind:
                box = np.concatenate([marks[:, :2].min(0), marks[:, :2].max(0)])
                result.append(Detection(box, 0.9, marks[[33, 263], :2]))
        return result

    def mesh(self, rgb, region):
        for _, marks in self._there():
            centre = (marks[:, :2].min(0) + marks[:, :2].max(0)) / 2
            if np.hypot(*(centre - [region.x, region.y])) < 0.3 * region.side:
                return marks
        return None

    def close(self):
        pass


def _run(people, seconds=6.0, fps=20.0, picture=None, **options):
    backend = Planted(people)
    tracker = Tracker(backend, TrackerSettings(**options))
    seen = []
    for i in range(int(seconds * fps)):
        backend.time = i / fps
        rgb = np.full((240, 320, 3), 90, np.uint8) if picture is None else picture(backend.time)
        seen.append((backend.time, tracker.update(Frame(backend.time, rgb))))
    return seen


def _ids(seen, state="tracked"):
    return sorted({face.id for _, faces in seen for face in faces if face.state == state})


def test_one_person_keeps_one_id_and_is_reported_after_probation():
    seen = _run({"a": lambda t: (100 + 20 * t, 120, 80)})
    assert _ids(seen) == [1]
    tracked = [bool(faces) for _, faces in seen]
    assert tracked.index(True) == 2  # confirmed by the detector at 0, 0.05 and 0.1 s
    assert all(tracked[2:])


RATES = (0.5, 1, 2, 3, 4, 4.5, 5, 6, 10, 15, 24, 25, 29.97, 30, 50, 60, 120, 240)


@pytest.mark.parametrize("fps", RATES)
def test_a_face_that_is_always_found_is_tracked_at_every_frame_rate(fps):
    """The known answer: nobody moves, so it is one person, in every frame after the probation, and never lost."""
    count = max(120, int(3 * fps))
    seen = _run({"a": lambda t: (150, 120, 80)}, seconds=(count + 0.5) / fps, fps=fps)
    states = [faces[0].state if faces else "nobody" for _, faces in seen]
    assert _ids(seen) == [1]
    missing = states.count("nobody")
    assert missing <= max(2, np.ceil(0.14 * fps))  # three looks, and 0.1 s between the first and the last of them
    assert states[missing:] == ["tracked"] * (len(states) - missing)


@pytest.mark.parametrize("fps", RATES)
def test_one_missed_frame_is_predicted_and_a_leaver_is_lost_at_every_frame_rate(fps):
    """A frame without the face in the middle, then none any more, for 10 s and at least 10 frames."""
    before, gone = max(20, int(2 * fps)), max(10, int(10 * fps))

    def path(time):
        index = round(time * fps)
        return None if index == before // 2 or index >= before else (150, 120, 80)

    seen = _run({"a": path}, seconds=(before + gone - 0.5) / fps, fps=fps)
    states = [faces[0].state if faces else "nobody" for _, faces in seen]
    assert states[before // 2] == "predicted"
    assert states[before // 2 + 1] == "tracked"
    assert _ids(seen) == [1]
    after = states[before:]
    predicted = after.count("predicted") / fps
    assert predicted <= max(0.5, 1.5 / fps) + 1 / fps  # the patience of TrackerSettings, to the next frame
    assert set(after[after.count("predicted"):]) <= {"lost", "nobody"}


@pytest.mark.parametrize("fps", [1, 5, 25, 30, 120])
def test_the_frames_of_the_probation_are_delivered_and_those_of_a_pattern_are_not(fps):
    people = {"a": lambda t: (80, 120, 60) if t >= 10 / fps - 1e-6 else None,
              "wall": lambda t: (240, 120, 60) if 3 / fps - 1e-6 <= t < 5 / fps - 1e-6 else None}
    backend = Planted(people)
    observer = Observer(Tracker(backend), lambda _: TrackBuffer(PoseReader()))
    times = []
    for i in range(max(20, int(fps))):
        backend.time = i / fps
        times += [item.time for item in observer.observe(Frame(backend.time, np.full((240, 320, 3), 90, np.uint8)))]
    assert set(observer.people) == {1}
    every = [i / fps for i in range(10, max(20, int(fps)))]
    assert times == every[len(every) - len(times):]
    assert times[0] <= every[0] + 0.1 + 1e-6  # an empty picture is searched every tenth of a second
    assert observer.people[1].frames_tracked == len(times)


def test_observer_confirms_a_face_on_probation_at_the_end_unless_missed():
    for count, missed, known in ((1, (), True), (2, (), True), (2, (1,), False)):
        backend = Planted({"a": lambda t: None if round(t * 30) in missed else (150, 120, 80)})  # noqa: B023 - used here
        observer = Observer(Tracker(backend), lambda _: TrackBuffer(PoseReader()))
        for i in range(count):
            backend.time = i / 30
            assert observer.observe(Frame(backend.time, np.full((240, 320, 3), 90, np.uint8))) == []
        assert [item.time for item in observer.finish()] == [i / 30 for i in range(count * known)]
        assert [face.id for face in observer.faces] == [1] * known


def test_observer_keeps_the_frames_of_a_second_probation():
    backend = Planted({"a": lambda t: None if 2 <= t < 4 else (150, 120, 80)})
    observer = Observer(Tracker(backend), lambda _: TrackBuffer(PoseReader()))
    for i in range(120):
        backend.time = i / 20
        observer.observe(Frame(backend.time, np.full((240, 320, 3), 90, np.uint8)))
    person = observer.people[1]
    states = person.states(0, 10)
    assert len(states) == 120
    assert states[:40] == ["tracked"] * 40
    assert "tracked" not in states[40:80]
    back = states.index("tracked", 80)
    assert back <= 82  # an empty picture is searched every tenth of a second
    assert states[back:] == ["tracked"] * (120 - back)
    assert np.isfinite(person.window(back / 20, 6.0).skin).all()


def test_two_people_who_pass_each_other_keep_their_ids():
    seen = _run({"a": lambda t: (60 + 30 * t, 70, 60), "b": lambda t: (260 - 30 * t, 170, 60)})
    assert _ids(seen) == [1, 2]
    for _, faces in seen[5:]:
        heights = {face.id: (face.box[1] + face.box[3]) / 2 for face in faces}
        assert heights[1] < 120 < heights[2]


def test_a_gap_is_predicted_then_lost_and_the_id_comes_back():
    seen = _run({"a": lambda t: None if 2 <= t < 4 else (150, 120, 80)})
    states = {round(time, 2): faces[0].state for time, faces in seen if faces}
    assert states[1.9] == "tracked"
    assert states[2.2] == "predicted"
    assert states[3.0] == "lost"
    assert states[5.0] == "tracked"
    assert _ids(seen) == [1]


def test_observer_gives_lost_faces_no_landmarks_and_no_skin():
    seen = _run({"a": lambda t: None if t >= 2 else (150, 120, 80)}, seconds=4)
    for _, faces in seen:
        for face in faces:
            assert (face.state == "tracked") == (face.landmarks is not None) == (face.skin is not None)


def test_another_person_elsewhere_is_not_taken_for_the_one_who_left():
    seen = _run({"a": lambda t: (60, 60, 50) if t < 2 else None, "b": lambda t: (270, 190, 50) if t > 2.6 else None})
    assert _ids(seen) == [1, 2]


def test_a_face_of_two_frames_is_a_pattern_on_the_wall():
    seen = _run({"wall": lambda t: (150, 120, 80) if 1 <= t < 1.1 else None})
    assert all(not faces for _, faces in seen)


def test_an_empty_picture_has_no_face():
    assert all(not faces for _, faces in _run({}))


def test_a_scene_cut_starts_new_ids_and_a_light_change_does_not():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 255, (2, 24, 32, 1)).repeat(3, -1).astype(np.uint8)

    def large(small, gain=1.0):
        return np.clip(np.kron(small, np.ones((10, 10, 1))) * gain, 0, 255).astype(np.uint8)

    stay = {"a": lambda t: (150, 120, 80)}
    assert _ids(_run(stay, picture=lambda t: large(first if t < 3 else second))) == [1, 2]
    assert _ids(_run(stay, picture=lambda t: large(first, 1.0 if t < 3 else 0.5))) == [1]


def test_no_more_people_than_asked_for():
    crowd = {str(i): (lambda t, i=i: (40 + 60 * i, 120, 40)) for i in range(5)}
    assert _ids(_run(crowd, faces=3)) == [1, 2, 3]
    assert _ids(_run(crowd)) == [1, 2, 3, 4, 5]


def test_a_mesh_that_the_detector_never_confirms_again_is_given_up():
    backend = Planted({"a": lambda t: (150, 120, 80)})
    tracker = Tracker(backend)
    states = []
    for i in range(100):
        backend.time = i / 20
        backend.blind = ("a",) if backend.time > 1 else ()
        states.append([face.state for face in tracker.update(Frame(backend.time, np.zeros((240, 320, 3), np.uint8)))])
    assert states[18] == ["tracked"]
    assert states[-1] == ["lost"]


@pytest.mark.parametrize("bad", [{"faces": 0}, {"confirmations": 0}, {"patience": -1.0}])
def test_options_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        TrackerSettings(**bad)


def test_region_matrix_maps_the_turned_square_upright():
    region = Region(100.0, 50.0, 40.0, np.pi / 6)
    matrix = region.matrix(192)
    assert matrix @ [100, 50, 1] == pytest.approx([96, 96])
    right = np.array([100 + 20 * np.cos(np.pi / 6), 50 + 20 * np.sin(np.pi / 6), 1])
    assert matrix @ right == pytest.approx([192, 96])


def test_skin_colours_are_those_of_the_regions():
    marks = np.zeros((LANDMARKS, 3))
    places = {"forehead": (100, 40, skin._FOREHEAD), "left": (140, 110, skin._LEFT_CHEEK),
              "right": (60, 110, skin._RIGHT_CHEEK)}
    rgb = np.full((200, 200, 3), 10, np.uint8)
    for colour, (x, y, corners) in enumerate(places.values(), 1):
        angles = np.linspace(0, 2 * np.pi, len(corners), endpoint=False)
        marks[list(corners), 0], marks[list(corners), 1] = x + 12 * np.cos(angles), y + 12 * np.sin(angles)
        rgb[y - 16 : y + 16, x - 16 : x + 16] = 50 * colour
    result = skin.mean_skin_colours(rgb, marks, np.array([1.0, 2.0, 3.0]))
    assert result == pytest.approx(np.array([[50] * 3, [100] * 3, [150] * 3, [1, 2, 3]]))
    outside = skin.mean_skin_colours(rgb, marks + [150, 0, 0], np.zeros(3))
    assert np.isnan(outside[1]).all()


def test_background_leaves_faces_and_shoulders_out():
    rgb = np.full((240, 320, 3), 30, np.uint8)
    rgb[60:140, 120:200] = 200  # the face
    rgb[140:, 80:240] = 120  # shoulders
    assert skin.background_colour(rgb, [np.array([120, 60, 200, 140])]) == pytest.approx([30, 30, 30])
    assert np.isnan(skin.background_colour(rgb, [np.array([0, 0, 320, 240])])).all()


def test_the_portrait_is_found_and_its_mesh_does_not_depend_on_the_past():
    data = pytest.importorskip("skimage.data")
    rgb = np.ascontiguousarray(data.astronaut())
    backend = OnnxFaceBackend()
    result = backend.detect(rgb)
    assert len(result) == 1
    centre = (result[0].box[:2] + result[0].box[2:]) / 2
    assert centre == pytest.approx([222, 118], abs=25)  # by eye: the tip of the nose in the portrait
    region = Region.of_detection(result[0])
    once = backend.mesh(rgb, region)
    backend.mesh(rgb[:, ::-1].copy(), region)
    assert np.array_equal(backend.mesh(rgb, region), once)
    assert once.shape == (LANDMARKS, 3)
    tilted = Region(region.x, region.y, region.side, region.angle + 0.2)
    distance = np.abs(backend.mesh(rgb, tilted) - once)[:, :2]
    assert distance.max() < 0.06 * region.side
    assert backend.detect(np.zeros((100, 100, 3), np.uint8)) == []
    assert backend.mesh(np.zeros((100, 100, 3), np.uint8), Region(500, 500, 50, 0)) is None
    backend.close()


def test_the_detection_threshold_is_the_lowest_score_of_a_face():
    """Noise over a portrait until the detector doubts: what a low threshold finds, a higher one keeps or drops by its
    score alone."""
    data = pytest.importorskip("skimage.data")
    portrait = data.astronaut().astype(float)
    noise = np.random.default_rng(0).normal(0, 1, portrait.shape)
    pictures = [np.clip(portrait + level * noise, 0, 255).astype(np.uint8) for level in (0, 60, 100, 140)]
    low, high = OnnxFaceBackend(0.05), OnnxFaceBackend(0.9)
    scores = [result.score for rgb in pictures for result in low.detect(rgb)]
    kept = [result.score for rgb in pictures for result in high.detect(rgb)]
    assert min(scores) < 0.9 <= min(kept)
    assert kept == [score for score in scores if score >= 0.9]


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.2, float("nan")])
def test_a_detection_threshold_that_makes_no_sense_is_refused(threshold):
    with pytest.raises(ValueError, match="detection_threshold: expected a score above 0 and below 1"):
        OnnxFaceBackend(threshold)
    with pytest.raises(ValueError, match="detection_threshold: expected a score above 0 and below 1"):
        Settings(detection_threshold=threshold)


def test_a_closed_backend_says_so():
    backend = OnnxFaceBackend()
    backend.close()
    backend.close()
    rgb = np.zeros((50, 50, 3), np.uint8)
    for call in (lambda: backend.detect(rgb), lambda: backend.mesh(rgb, Region(25, 25, 50, 0.0))):
        with pytest.raises(ValueError, match="expected an open backend"):
            call()


def test_making_and_using_a_backend_leaves_the_numbers_of_the_process_as_they_are():
    """A model that flushes subnormal numbers to zero does so for all that its thread computes afterwards."""
    smallest = np.nextafter(0.0, 1.0)
    backend = OnnxFaceBackend()
    backend.detect(np.zeros((90, 120, 3), np.uint8))
    backend.mesh(np.zeros((90, 120, 3), np.uint8), Region(60, 45, 50, 0.0))
    backend.close()
    assert smallest > 0
    assert np.array([smallest]).sum() * 2 > 0


def test_threads_that_share_a_backend_get_what_one_alone_gets():
    data = pytest.importorskip("skimage.data")
    rgb = np.ascontiguousarray(data.astronaut())
    pictures = [np.ascontiguousarray(np.roll(rgb, shift, axis=1)) for shift in range(0, 120, 10)]
    backend = OnnxFaceBackend()

    def look(picture):
        result = backend.detect(picture)
        return [(item.score, item.box.tolist(), backend.mesh(picture, Region.of_detection(item)).tolist())
                for item in result]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(look, pictures))
    assert together == [look(picture) for picture in pictures]
    assert all(len(result) == 1 for result in together)


@pytest.mark.parametrize("before", ["sys.stderr = None", "os.close(2)", "os.close(2); sys.stderr = None", "pass"])
def test_no_standard_error_is_needed_and_none_is_touched(before):
    """As under pythonw, a windowed program or a service. Two backends are made and used in two threads at once; then
    descriptor 2 and sys.stderr are what they were."""
    code = f"""
import os, sys
from threading import Barrier, Thread
import numpy as np
from mien.face import OnnxFaceBackend, Region
kept, stream = os.dup(2), sys.stderr
{before}
def state():
    try:
        return os.fstat(2).st_ino, id(sys.stderr)
    except OSError:
        return None, id(sys.stderr)
then, done, barrier = state(), [], Barrier(2)
def work():
    barrier.wait()
    backend = OnnxFaceBackend()
    backend.detect(np.zeros((90, 120, 3), np.uint8))
    backend.mesh(np.zeros((90, 120, 3), np.uint8), Region(60, 45, 50, 0.0))
    backend.close()
    done.append(True)
threads = [Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
done.append(state() == then)
os.dup2(kept, 2)
sys.stderr = stream
print(done)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[True, True, True]\n", "")


def test_the_picture_is_letterboxed_and_its_places_come_back():
    """Two lit squares in a wide and in a high picture: their middles in the model's square, taken back, are theirs."""
    for height, width in ((240, 320), (320, 240), (192, 192), (90, 400)):
        rgb = np.zeros((height, width, 3), np.uint8)
        places = np.array([[width * 0.25, height * 0.25], [width * 0.75, height * 0.75]])
        for x, y in places.astype(int):
            rgb[y - 6 : y + 6, x - 6 : x + 6] = 255
        square, scale, corner = letterbox(rgb)
        assert square.shape == (1, 3, 192, 192)
        assert square.min() == pytest.approx(-1, abs=1e-6)
        assert square.max() == pytest.approx(1, abs=1e-6)
        light = (square[0, 0] + 1) / 2
        for rows, (x, y) in zip((slice(0, 96), slice(96, 192)), places, strict=True):
            y_found, x_found = (np.argwhere(light[rows] > 0.5) + [rows.start, 0]).mean(axis=0) / scale + corner[::-1]
            assert (x_found, y_found) == pytest.approx((x, y), abs=1.0 / scale)


def test_candidates_are_decoded_around_their_cells():
    regressors, logits = np.zeros((2304, 16)), np.full(2304, -200.0)
    cell = 48 * 10 + 20  # the 11th row's 21st cell, whose middle is x 82, y 42
    logits[cell] = np.log(3.0)  # a probability of 3/4
    regressors[cell] = [2, -1, 30, 40, *range(12)]
    regressors[5, 2], logits[5] = -3, 9  # a box of negative width is none
    scores, values = candidates(logits, regressors, anchors(), 0.6)
    assert scores == pytest.approx([0.75])
    assert values[0, :4] == pytest.approx([84 - 15, 41 - 20, 84 + 15, 41 + 20])
    assert values[0, 4:8] == pytest.approx([82 + 0, 42 + 1, 82 + 2, 42 + 3])
    assert len(candidates(logits, regressors, anchors(), 0.76)[0]) == 0


def test_candidates_of_one_face_become_their_weighted_mean():
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10], [0, 7, 10, 17.0]])
    scores = np.array([0.9, 0.8, 0.6, 0.7])  # the third overlaps the first by 9 / 11, the fourth by 3 / 17
    faces = weighted_suppression(scores, boxes)
    assert [score for score, _ in faces] == [0.9, 0.8, 0.7]
    assert faces[0][1] == pytest.approx([0.4, 0, 10.4, 10])  # (0.9 * 0 + 0.6 * 1) / 1.5
    assert faces[1][1] == pytest.approx(boxes[1])
    assert faces[2][1] == pytest.approx(boxes[3])
    point = weighted_suppression(np.array([0.9, 0.8]), np.zeros((2, 4)))
    assert [score for score, _ in point] == [0.9, 0.8]  # boxes without an area overlap nothing


@pytest.fixture(scope="module")
def textured():
    """A smooth random picture, and landmarks in the middle of it."""
    rng = np.random.default_rng(5)
    rgb = cv2.resize(rng.integers(0, 256, (15, 20, 3), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    return rgb, _mesh_of(1) * 90 + [160, 120, 0]


@pytest.mark.parametrize(("turn", "scale", "shift"), [(0.0, 1.0, (0.4, -0.3)), (0.1, 1.05, (6.0, -3.0)),
                                                      (-0.08, 0.93, (-9.0, 8.0))])
def test_flow_carries_landmarks_with_a_planted_movement(textured, turn, scale, shift):
    rgb, marks = textured
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]])
    offset = np.array([160, 120]) - matrix @ [160, 120] + shift
    later = cv2.warpAffine(rgb, np.column_stack([matrix, offset]), (320, 240), borderMode=cv2.BORDER_REFLECT)
    anchor = FlowAnchor(rgb, marks, list(RIGID))
    result = anchor.follow(later)
    missed = np.hypot(*(result[:, :2] - (marks[:, :2] @ matrix.T + offset)).T)
    assert missed.max() < 0.9  # a hundredth of the face
    assert result[:, 2] == pytest.approx(scale * marks[:, 2], rel=0.01, abs=0.1)
    assert np.abs(anchor.follow(rgb) - marks).max() < 0.2  # every frame is found from the anchor: nothing adds up


def test_flow_that_has_lost_the_face_says_so(textured):
    rgb, marks = textured
    anchor = FlowAnchor(rgb, marks, list(RIGID))
    assert anchor.follow(np.random.default_rng(6).integers(0, 256, rgb.shape, dtype=np.uint8)) is None
    assert FlowAnchor(rgb, marks * [0.02, 0.02, 1], list(RIGID)).follow(rgb) is None  # 2 px wide


def test_a_few_points_that_move_otherwise_do_not_move_the_fit_and_most_of_them_end_it():
    before = np.random.default_rng(7).uniform(0, 200, 24) + 1j * np.random.default_rng(8).uniform(0, 200, 24)
    after = 1.04 * np.exp(0.1j) * before + (3 - 5j)
    after[:4] += 40  # a blink
    factor, shift = similarity(before, after)
    assert abs(factor - 1.04 * np.exp(0.1j)) < 0.02
    assert abs(factor * 100 + shift - (1.04 * np.exp(0.1j) * 100 + 3 - 5j)) < 2
    after[:16] += np.random.default_rng(9).uniform(-60, 60, 16)
    assert similarity(before, after) is None
    assert similarity(before, 2 * before) is None
    assert similarity(before[:5], before[:5]) is None


def test_the_mesh_corrects_the_flow_little_by_little_and_replaces_it_where_it_is_far_off():
    marks = _mesh_of(2) * 100
    assert steadied(None, marks) is None
    assert np.array_equal(steadied(marks, None), marks)
    assert steadied(marks, marks + 1) == pytest.approx(marks + 0.9)
    assert np.array_equal(steadied(marks, marks + 30), marks)


def test_a_crop_is_a_square_around_the_box_that_repeats_edges_and_averages_where_it_shrinks():
    rgb = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    same = crop(rgb, np.array([20.0, 10.0, 52.0, 42.0]), 32, margin=0.0)
    assert np.array_equal(same, rgb[10:42, 20:52])
    half = crop(rgb, np.array([20.0, 10.0, 52.0, 42.0]), 16, margin=0.0)
    mean = rgb[10:42, 20:52].reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(half - mean).max() <= 0.5
    corner = crop(rgb, np.array([-8.0, -8.0, 8.0, 8.0]), 16, margin=0.0)
    assert np.array_equal(corner[8:, 8:], rgb[:8, :8])
    assert (corner[:9, :9] == rgb[0, 0]).all()
    tall = crop(rgb, np.array([30.0, 10.0, 40.0, 30.0]), 26, margin=0.3)
    assert np.array_equal(tall, rgb[7:33, 22:48])
    with pytest.raises(ValueError, match="expected a box"):
        crop(rgb, np.array([5.0, 5.0, 5.0, 5.0]), 16)


def test_a_finder_that_nobody_holds_is_freed():
    """Its models are memory outside Python, megabytes of it, which an analysis of a thousand files would pile up."""
    backend = OnnxFaceBackend()
    gone = weakref.ref(backend)
    backend.close()
    del backend
    gc.collect()
    assert gone() is None
