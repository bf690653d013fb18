"""Compare the installed models with the package that they come from, on a drawing that mien makes itself.

`parity.json` holds what mediapipe 0.10.21 gave for the drawing; benchmarks/model_parity.py wrote it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 192  # px
# Our choice: far above the rounding of float32 (seen: 0.0003 px), far below a wrong weight (a PReLU slope left out
# moves landmarks by whole px).
LANDMARK_TOLERANCE = 0.05  # px of the crop
BOX_TOLERANCE = 0.05  # px of the detector's input
LOGIT_TOLERANCE = 0.01


def drawing() -> np.ndarray:
    """Draw a face from ellipses.

    Integer arithmetic only, so that every platform and library version gives the same bytes.

    Returns:
        RGB uint8 (192, 192, 3).
    """
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.int64)
    picture = np.empty((SIDE, SIDE, 3), np.int64)
    picture[:] = (88, 104, 120)

    def ellipse(cx: int, cy: int, rx: int, ry: int) -> np.ndarray:
        return (x - cx) ** 2 * ry**2 + (y - cy) ** 2 * rx**2 <= (rx * ry) ** 2

    def fill(where: np.ndarray, red: int, green: int, blue: int) -> None:
        picture[where] = (red, green, blue)

    fill(ellipse(96, 84, 62, 74), 58, 40, 30)  # hair
    fill(ellipse(96, 104, 50, 66), 214, 170, 146)  # head
    picture[ellipse(96, 104, 50, 66)] -= (np.abs(x - 96) * 3 // 4)[ellipse(96, 104, 50, 66), None]  # rounder by shade
    for side in (-1, 1):
        fill(ellipse(96 + side * 22, 78, 14, 3), 70, 48, 36)  # brow
        fill(ellipse(96 + side * 22, 91, 11, 6), 150, 112, 96)  # eye socket
        fill(ellipse(96 + side * 22, 91, 9, 4), 238, 234, 230)  # eye
        fill(ellipse(96 + side * 22, 91, 4, 4), 74, 52, 38)  # iris
        fill(ellipse(96 + side * 22, 91, 2, 2), 16, 14, 14)  # pupil
        fill(ellipse(96 + side * 5, 121, 3, 2), 122, 84, 72)  # nostril
    fill(ellipse(96, 117, 5, 5), 222, 182, 160)  # tip of the nose
    fill(ellipse(96, 142, 18, 6), 172, 92, 92)  # lips
    fill(ellipse(96, 142, 15, 1), 96, 44, 48)  # between the lips
    return np.clip(picture, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Difference:
    """How far the installed models are from mediapipe 0.10.21 on the drawing, at most.

    Attributes:
        landmarks: px of the crop.
        boxes: px of the detector's input.
        logits: of the detector.
        presence: whether the mesh finds the drawn face and no face in a blank picture, as mediapipe does.
    """

    landmarks: float
    boxes: float
    logits: float
    presence: bool

    @property
    def small(self) -> bool:
        """Whether every difference is within its tolerance."""
        return (self.presence and self.landmarks <= LANDMARK_TOLERANCE and self.boxes <= BOX_TOLERANCE
                and self.logits <= LOGIT_TOLERANCE)


def compare(detector: Path, landmarks: Path) -> Difference:
    """Run both models on the drawing and compare their outputs with those of mediapipe 0.10.21.

    Args:
        detector: path of the detector's ONNX file.
        landmarks: path of the mesh's ONNX file.

    Returns:
        The largest differences.
    """
    expected = json.loads(Path(__file__).with_name("parity.json").read_text(encoding="utf-8"))
    picture = drawing().astype(np.float32)
    boxes, logits = _run(detector, picture / 127.5 - 1, ["boxes", "logits"])
    points, present = _run(landmarks, picture / 255, ["landmarks", "presence"])
    (absent,) = _run(landmarks, np.zeros_like(picture), ["presence"])
    cells = expected["cells"]
    return Difference(
        landmarks=SIDE * float(np.abs(points[0] - expected["landmarks"]).max()),
        boxes=float(np.abs(boxes[0, cells] - expected["boxes"]).max()),
        logits=float(np.abs(logits[0, cells, 0] - expected["logits"]).max()),
        presence=bool(present[0] >= 0.5 > absent[0]))


def _run(path: Path, picture: np.ndarray, outputs: list[str]) -> list[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(outputs, {"image": np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)})
