"""Turn, scale and shift a picture so that five points of the face lie where a model expects them."""

from __future__ import annotations

import cv2
import numpy as np

FIVE_POINTS = ((33, 133), (362, 263), (1,), (61,), (291,))
"""Landmarks of the five points: the middle between the corners of the eye at the left of the picture and of the one at
the right, the tip of the nose, and the corners of the mouth at the left and at the right."""


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Five points of the face.

    Args:
        landmarks: (478, 3) px.

    Returns:
        (5, 2) px: both eyes, tip of the nose, both corners of the mouth; the left of the picture first.
    """
    return np.stack([landmarks[list(indices), :2].mean(axis=0) for indices in FIVE_POINTS])


def similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to others, by least squares (Umeyama 1991,
    10.1109/34.88573, without reflection).

    Args:
        points: (N, 2) px, two different ones or more.
        target: (N, 2) px, where they should be.

    Returns:
        (2, 3) affine map.
    """
    ones, zeros = np.ones(len(points)), np.zeros(len(points))
    x, y = points.T
    rows = np.concatenate([np.stack([x, -y, ones, zeros], axis=1), np.stack([y, x, zeros, ones], axis=1)])
    a, b, right, down = np.linalg.lstsq(rows, target.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


def align(rgb: np.ndarray, landmarks: np.ndarray, target: np.ndarray, size: int) -> np.ndarray:
    """Cut a face by its five points.

    Args:
        rgb: The picture, uint8 (H, W, 3).
        landmarks: (478, 3) px.
        target: (5, 2) px of the result, where the points of `five_points` should be.
        size: Side of the result in px.

    Returns:
        uint8 (size, size, 3); black where the picture does not reach.
    """
    matrix = similarity(five_points(landmarks), target)
    return np.asarray(cv2.warpAffine(rgb, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)
