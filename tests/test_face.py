"""Tracking against people whose path is planted: a finder that sees exactly what the test says."""

from __future__ import annotations

import gc
import weakref
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mien.face import LANDMARKS, Detection, MediapipeFinder, Region, TaskFinder, Tracker, crop, skin
from mien.types import Frame


def _mesh_of(seed: int) -> np.ndarray:
    """A face-like cloud (478, 3), about 1 wide and high, the eyes level; each seed another build."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (LANDMARKS, 3))
    points *= 1 + 0.25 * np.random.default_rng(seed).uniform(-1, 1, (LANDMARKS, 3))
    points[33], points[263] = (-0.25, -0.1, 0), (0.25, -0.1, 0)
    points[234], points[454] = (-0.5, 0, 0), (0.5, 0, 0)
    return points


class Planted:
    """A finder for planted people: `people[name]` is time -> (x, y, width) or None; `picture[0]` is the time now."""

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
        found = []
        for name, marks in self._there():
            if name not in self.blind:
                box = np.concatenate([marks[:, :2].min(0), marks[:, :2].max(0)])
                found.append(Detection(box, 0.9, marks[[33, 263], :2]))
        return found

    def mesh(self, rgb, region):
        for _, marks in self._there():
            centre = (marks[:, :2].min(0) + marks[:, :2].max(0)) / 2
            if np.hypot(*(centre - [region.x, region.y])) < 0.3 * region.side:
                return marks
        return None

    def close(self):
        pass


def _run(people, seconds=6.0, fps=20.0, picture=None, **options):
    finder = Planted(people)
    tracker = Tracker(finder, **options)
    seen = []
    for i in range(int(seconds * fps)):
        finder.time = i / fps
        rgb = np.full((240, 320, 3), 90, np.uint8) if picture is None else picture(finder.time)
        seen.append((finder.time, tracker.update(Frame(finder.time, rgb))))
    return seen


def _ids(seen, state="tracked"):
    return sorted({face.id for _, faces in seen for face in faces if face.state == state})


def test_one_person_keeps_one_id_and_is_reported_after_probation():
    seen = _run({"a": lambda t: (100 + 20 * t, 120, 80)})
    assert _ids(seen) == [1]
    tracked = [bool(faces) for _, faces in seen]
    assert tracked.index(True) == 3
    assert all(tracked[3:])


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


def test_who_is_not_seen_has_no_landmarks_and_no_skin():
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
    finder = Planted({"a": lambda t: (150, 120, 80)})
    tracker = Tracker(finder)
    states = []
    for i in range(100):
        finder.time = i / 20
        finder.blind = ("a",) if finder.time > 1 else ()
        states.append([face.state for face in tracker.update(Frame(finder.time, np.zeros((240, 320, 3), np.uint8)))])
    assert states[18] == ["tracked"]
    assert states[-1] == ["lost"]


@pytest.mark.parametrize("bad", [{"faces": 0}, {"every": 0}])
def test_options_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        Tracker(Planted({}), **bad)


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
    found = skin.colours(rgb, marks, np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx(np.array([[50] * 3, [100] * 3, [150] * 3, [1, 2, 3]]))
    outside = skin.colours(rgb, marks + [150, 0, 0], np.zeros(3))
    assert np.isnan(outside[1]).all()


def test_background_leaves_faces_and_shoulders_out():
    rgb = np.full((240, 320, 3), 30, np.uint8)
    rgb[60:140, 120:200] = 200  # the face
    rgb[140:, 80:240] = 120  # shoulders
    assert skin.background(rgb, [np.array([120, 60, 200, 140])]) == pytest.approx([30, 30, 30])
    assert np.isnan(skin.background(rgb, [np.array([0, 0, 320, 240])])).all()


def test_mediapipe_finds_the_portrait_and_its_mesh_does_not_depend_on_the_past():
    data = pytest.importorskip("skimage.data")
    rgb = np.ascontiguousarray(data.astronaut())
    finder = MediapipeFinder()
    found = finder.detect(rgb)
    assert len(found) == 1
    centre = (found[0].box[:2] + found[0].box[2:]) / 2
    assert centre == pytest.approx([222, 118], abs=25)  # by eye: the tip of the nose in the portrait
    region = Region.of_detection(found[0])
    once = finder.mesh(rgb, region)
    finder.mesh(rgb[:, ::-1].copy(), region)
    assert np.array_equal(finder.mesh(rgb, region), once)
    assert once.shape == (LANDMARKS, 3)
    tilted = Region(region.x, region.y, region.side, region.angle + 0.2)
    apart = np.abs(finder.mesh(rgb, tilted) - once)[:, :2]
    assert apart.max() < 0.06 * region.side
    assert finder.detect(np.zeros((100, 100, 3), np.uint8)) == []
    assert finder.mesh(np.zeros((100, 100, 3), np.uint8), Region(500, 500, 50, 0)) is None
    finder.close()


def test_the_tasks_api_takes_a_task_file_that_the_user_names(tmp_path):
    """The file is put together from the wheel's own models. Its mesh model is of the older kind, with another input, so
    only what the adapter does is asked: one face, where it is, nothing on a blank picture, landmarks in px."""
    data = pytest.importorskip("skimage.data")
    import mediapipe

    models = Path(mediapipe.__file__).parent / "modules"
    with zipfile.ZipFile(tmp_path / "face_landmarker.task", "w", zipfile.ZIP_STORED) as bundle:
        bundle.write(models / "face_detection/face_detection_short_range.tflite", "face_detector.tflite")
        bundle.write(models / "face_landmark/face_landmark.tflite", "face_landmarks_detector.tflite")
    finder = TaskFinder(tmp_path / "face_landmarker.task")
    rgb = np.ascontiguousarray(data.astronaut())
    found = finder.detect(rgb)
    assert len(found) == 1
    assert (found[0].box[:2] + found[0].box[2:]) / 2 == pytest.approx([222, 118], abs=60)
    marks = finder.mesh(rgb, Region(222, 118, 200, 0.0))
    assert marks.shape == (LANDMARKS, 3)
    assert marks[:, :2].mean(0) == pytest.approx([222, 118], abs=60)
    assert finder.detect(np.zeros((200, 200, 3), np.uint8)) == []
    assert finder.name == "mediapipe tasks, face_landmarker.task"
    finder.close()
    with pytest.raises(ValueError, match=r"expected a \.task file"):
        TaskFinder(tmp_path / "absent.task")


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
    """Its graph is memory outside Python, megabytes of it, which an analysis of a thousand files would pile up."""
    finder = MediapipeFinder()
    gone = weakref.ref(finder)
    finder.close()
    del finder
    gc.collect()
    assert gone() is None
