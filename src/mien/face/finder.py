"""Where faces are and where their parts lie, behind a protocol of two verbs.

The default is mediapipe 0.10.14-0.10.29, whose wheel carries its models (Apache-2.0): the full-range BlazeFace detector
(Bazarevsky et al. 2019, arXiv 1907.05047) and the face mesh with irises (Kartynnik et al. 2019, arXiv 1907.06724;
Grishchenko et al. 2020, arXiv 2006.10962). The mesh is run on a region that we choose, so it is a pure function of a
picture and a region: several people, small faces and missing frames need no second mode.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

LANDMARKS = 478
_INPUT = 192  # px: what the mesh model takes
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners, the person's own sides


@dataclass(frozen=True, eq=False)
class Detection:
    """A face found in a whole picture: `box` (4,) px, `score` 0..1, `eyes` (2, 2) px, the person's right eye first."""

    box: np.ndarray
    score: float
    eyes: np.ndarray


@dataclass(frozen=True)
class Region:
    """A turned square of the picture: centre and side in px, angle in radians (0 is an upright face)."""

    x: float
    y: float
    side: float
    angle: float

    # The mesh was trained on squares 1.5 times the face, upright by the eyes (arXiv 1907.06724, section 2).
    MARGIN = 1.5

    @classmethod
    def of_detection(cls, found: Detection) -> Region:
        x0, y0, x1, y1 = found.box
        return cls((x0 + x1) / 2, (y0 + y1) / 2, cls.MARGIN * max(x1 - x0, y1 - y0), _tilt(*found.eyes))

    @classmethod
    def of_landmarks(cls, landmarks: np.ndarray) -> Region:
        """landmarks (L, 3) px of the frame before -> where to look now."""
        angle = _tilt(landmarks[RIGHT_EYE, :2], landmarks[LEFT_EYE, :2])
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        upright = landmarks[:, :2] @ turn.T
        low, high = upright.min(0), upright.max(0)
        x, y = turn.T @ ((low + high) / 2)
        return cls(float(x), float(y), cls.MARGIN * float((high - low).max()), angle)

    def matrix(self, pixels: int) -> np.ndarray:
        """(2, 3) affine map from the picture to this square, upright and `pixels` wide."""
        scale = pixels / self.side
        cos, sin = scale * math.cos(self.angle), scale * math.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        return np.column_stack([turn, pixels / 2 - turn @ [self.x, self.y]])


def _tilt(right: np.ndarray, left: np.ndarray) -> float:
    return math.atan2(left[1] - right[1], left[0] - right[0])


class Finder(Protocol):
    """What a face library must do for us. Both are pure functions of their arguments."""

    name: str

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """rgb uint8 (H, W, 3) -> every face in it, the surest first."""

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """rgb uint8 (H, W, 3) and where a face is thought to be -> landmarks (478, 3) px, or None: no face there."""

    def close(self) -> None:
        """Free what the library holds."""


# All in the calling thread: a hand-over from thread to thread costs more than it gains on one small picture.
_MESH_GRAPH = """
executor { type: "ApplicationThreadExecutor" }
input_stream: "image"
input_stream: "region"
input_side_packet: "irises"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "WITH_ATTENTION:irises"
  output_stream: "LANDMARKS:landmarks"
}
"""


class MediapipeFinder:
    """Full-range detection and the refined mesh of mediapipe's `solutions`, with the models inside its wheel.

    score: a detection below it is no face (0.5 is mediapipe's own default).
    """

    name = "mediapipe full-range detector, refined face mesh"

    def __init__(self, score: float = 0.5) -> None:
        with _quiet():
            self._build(score)
            blank = np.zeros((_INPUT, _INPUT, 3), np.uint8)
            self.detect(blank)
            self.mesh(blank, Region(_INPUT / 2, _INPUT / 2, _INPUT, 0.0))

    def _build(self, score: float) -> None:
        import mediapipe as mp
        from google.protobuf import text_format
        from mediapipe.framework import calculator_pb2
        from mediapipe.python import packet_creator
        from mediapipe.python._framework_bindings import calculator_graph, resource_util

        self._detector = mp.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=score)
        resource_util.set_resource_dir(str(Path(mp.__file__).parent.parent))
        config = calculator_pb2.CalculatorGraphConfig()
        text_format.Parse(_MESH_GRAPH, config)
        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
        results: list = []  # the graph holds the callable, which must not hold us in turn, or nobody is ever freed
        self._results = results
        self._graph.observe_output_stream("landmarks", lambda _, packet: results.append(packet), True)
        self._graph.start_run({"irises": packet_creator.create_bool(True)})
        self._count = 0

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """rgb uint8 (H, W, 3) -> every face, the surest first."""
        height, width = rgb.shape[:2]
        scale = np.array([width, height], dtype=float)
        found = []
        for item in self._detector.process(rgb).detections or []:
            place = item.location_data
            rough = place.relative_bounding_box
            box = np.array([rough.xmin, rough.ymin, rough.xmin + rough.width, rough.ymin + rough.height])
            eyes = np.array([[point.x, point.y] for point in place.relative_keypoints[:2]]) * scale
            found.append(Detection(box * np.tile(scale, 2), min(float(item.score[0]), 1.0), eyes))
        return sorted(found, key=lambda one: -one.score)

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """The face in the region -> its landmarks (L, 3) px; None where there is none."""
        from mediapipe.framework.formats import rect_pb2
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.python._framework_bindings import image_frame

        there = region.matrix(_INPUT)
        if not _inside(rgb, region):
            return None
        piece = cv2.warpAffine(rgb, there, (_INPUT, _INPUT), flags=cv2.INTER_LINEAR)
        whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0, rotation=0.0)
        image = packet_creator.create_image_frame(image_format=image_frame.ImageFormat.SRGB, data=piece)
        self._count += 1
        self._results.clear()
        self._graph.add_packet_to_input_stream("image", image.at(self._count))
        self._graph.add_packet_to_input_stream("region", packet_creator.create_proto(whole).at(self._count))
        self._graph.wait_until_idle()
        if not self._results or self._results[-1].is_empty():
            return None
        return _back(_points(packet_getter.get_proto(self._results[-1])), region)

    def close(self) -> None:
        self._graph.close_all_packet_sources()
        self._graph.wait_until_done()
        self._detector.close()


class TaskFinder:
    """mediapipe's Tasks API with a `.task` file that the user names (face_landmarker.task).

    It has no separate detector: faces are found by its own, in the whole picture and again in the region.
    """

    def __init__(self, path: str | Path, faces: int = 8, score: float = 0.5) -> None:
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions

        if not Path(path).is_file():
            raise ValueError(f"face model: expected a .task file, got {path}; name a face_landmarker.task on this disk")
        self.name = f"mediapipe tasks, {Path(path).name}"
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)), num_faces=faces, min_face_detection_confidence=score)
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        found = []
        for points in self._landmarks(rgb):
            box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
            found.append(Detection(box, 1.0, points[[RIGHT_EYE, LEFT_EYE], :2]))
        return found

    def mesh(self, rgb: np.ndarray, region: Region) -> np.ndarray | None:
        """The face in the region -> its landmarks (L, 3) px; None where there is none."""
        # Its detector is short-range: it wants the face with surroundings.
        wide = Region(region.x, region.y, 1.3 * region.side, region.angle)
        if not _inside(rgb, wide):
            return None
        faces = self._landmarks(cv2.warpAffine(rgb, wide.matrix(2 * _INPUT), (2 * _INPUT, 2 * _INPUT)))
        if not faces:
            return None
        nearest = min(faces, key=lambda points: float(np.hypot(*(points[:, :2].mean(0) - _INPUT))))
        return _back(nearest / (2 * _INPUT), wide)

    def _landmarks(self, rgb: np.ndarray) -> list[np.ndarray]:
        import mediapipe as mp

        height, width = rgb.shape[:2]
        result = self._landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb)))
        return [np.array([(p.x, p.y, p.z) for p in face]) * [width, height, width] for face in result.face_landmarks]

    def close(self) -> None:
        self._landmarker.close()


# Protocol Buffers write a landmark of 15 bytes behind its tag and length, and each of its three numbers behind a tag.
_POINT = np.dtype([("", "V3"), ("x", "<f4"), ("", "V1"), ("y", "<f4"), ("", "V1"), ("z", "<f4")])


def _points(found: Any) -> np.ndarray:
    """A NormalizedLandmarkList -> (L, 3), from its bytes where they have the usual form: an eighth of the time."""
    content = found.SerializeToString()
    if len(content) == LANDMARKS * _POINT.itemsize and content[:3] == b"\x0a\x0f\x0d":
        table = np.frombuffer(content, _POINT)
        return np.stack([table["x"], table["y"], table["z"]], axis=1).astype(np.float64)
    return np.array([(point.x, point.y, point.z) for point in found.landmark])


@contextmanager
def _quiet() -> Iterator[None]:
    """mediapipe's C++ side notes its start on standard error, past Python and past every setting; not while this lasts.

    Errors still come as exceptions.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _inside(rgb: np.ndarray, region: Region) -> bool:
    """Whether enough of the region lies in the picture to look: its centre does, and it is 16 px or more."""
    height, width = rgb.shape[:2]
    return 0 <= region.x < width and 0 <= region.y < height and region.side >= 16


def _back(points: np.ndarray, region: Region) -> np.ndarray:
    """points (L, 3) in units of the region's side, from its corner -> px of the picture; z by the same scale."""
    centred = (points - [0.5, 0.5, 0.0]) * region.side
    cos, sin = math.cos(region.angle), math.sin(region.angle)
    x, y = centred[:, 0], centred[:, 1]
    return np.stack([region.x + cos * x - sin * y, region.y + sin * x + cos * y, centred[:, 2]], axis=1)


def shrink(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """rgb (H, W, 3) -> grey float (height, width): a thumbnail to compare pictures by, from a few pixels of each."""
    few = cv2.resize(rgb, (4 * width, 4 * height), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_AREA).mean(axis=2, dtype=np.float64)
