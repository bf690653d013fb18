"""Where a face is in a picture: what the detector reports, and the turned square that the landmark model looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

RIGHT_EYE, LEFT_EYE = 33, 263
"""Landmarks of the outer corners of the eyes, the person's own sides."""

SMALLEST = 16.0
"""px: the side of the smallest region that is worth a look. Our choice: a face of 11 px has no features."""


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
    def of_detection(cls, detection: Detection) -> Region:
        """The region around a detected face: its box with a margin, turned so that the eyes are level."""
        x0, y0, x1, y1 = detection.box
        return cls((x0 + x1) / 2, (y0 + y1) / 2, cls.MARGIN * max(x1 - x0, y1 - y0), _tilt(*detection.eyes))

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

    def within(self, rgb: np.ndarray) -> bool:
        """Whether rgb (H, W, 3) shows enough of it: its centre lies in the picture, and it is `SMALLEST` or more."""
        height, width = rgb.shape[:2]
        return 0 <= self.x < width and 0 <= self.y < height and self.side >= SMALLEST

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """points (L, 3) in units of the side, from the square's corner -> px of the picture; z by the same scale."""
        centred = (points - [0.5, 0.5, 0.0]) * self.side
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = centred[:, 0], centred[:, 1]
        return np.stack([self.x + cos * x - sin * y, self.y + sin * x + cos * y, centred[:, 2]], axis=1)


def _tilt(right: np.ndarray, left: np.ndarray) -> float:
    return math.atan2(left[1] - right[1], left[0] - right[0])
