"""The colour of the skin, a value a region and frame: where the pulse is read; and of the light it stands in."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mien.core.observations import REGIONS

# Corners in the face mesh's numbering. Forehead: between brows and hairline. Cheeks: under the eye, beside the nose,
# above the mouth, clear of the nasolabial fold that speech moves.
_FOREHEAD = (109, 10, 338, 299, 336, 9, 107, 69)
_LEFT_CHEEK = (346, 347, 329, 266, 425, 411, 352)
_RIGHT_CHEEK = (117, 118, 100, 36, 205, 187, 123)
_POLYGONS = dict(zip(REGIONS, (_FOREHEAD, _LEFT_CHEEK, _RIGHT_CHEEK), strict=False))
_CORNERS = [list(corners) for corners in _POLYGONS.values()]

_SUBPIXEL = 4  # bits of the corner's position that OpenCV keeps: the region glides with the face, it does not jump


def mean_skin_colours(rgb: np.ndarray, landmarks: np.ndarray, background: np.ndarray) -> np.ndarray:
    """rgb uint8 (H, W, 3), landmarks (L, 3) px, background (3,) -> (R, 3) mean RGB of `REGIONS`.

    A region of which less than half lies in the picture is NaN.
    """
    rows = [_mean(rgb, landmarks[corners, :2]) for corners in _CORNERS]
    return np.stack([*rows, background])


def _mean(rgb: np.ndarray, corners: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    across, down = corners.T.tolist()  # a handful of numbers: Python's own arithmetic is faster than arrays
    low, high = (math.floor(min(across)), math.floor(min(down))), (math.ceil(max(across)) + 1, math.ceil(max(down)) + 1)
    left, top = max(low[0], 0), max(low[1], 0)
    right, bottom = min(high[0], width), min(high[1], height)
    area = max(high[0] - low[0], 1) * max(high[1] - low[1], 1)
    inside = max(right - left, 0) * max(bottom - top, 0)
    if inside < 0.5 * area or inside < 4:
        return np.full(3, np.nan)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    points = np.round((corners - [left, top]) * (1 << _SUBPIXEL)).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), (255,), lineType=cv2.LINE_AA, shift=_SUBPIXEL)
    weights = mask.astype(np.float32).ravel()
    total = weights.sum()
    if total == 0:
        return np.full(3, np.nan)
    return (weights @ rgb[top:bottom, left:right].reshape(-1, 3).astype(np.float32)) / total


def background_colour(rgb: np.ndarray, boxes: list[np.ndarray], stride: int = 8) -> np.ndarray:
    """rgb uint8 (H, W, 3), boxes of every person (4,) px -> (3,) mean RGB of what is beside and above them.

    What is below a face is left out: neck and shoulders are skin and move with the pulse and the breath. NaN when
    nothing is left. Every `stride`-th pixel is enough: light is the same everywhere.
    """
    height, width = rgb.shape[:2]
    pixels = rgb[::stride, ::stride]
    free = np.ones(pixels.shape[:2], bool)
    for x0, y0, x1, y1 in boxes:
        margin_x, margin_y = 0.5 * (x1 - x0), 0.5 * (y1 - y0)
        left, right = int(max(x0 - margin_x, 0)) // stride, int(min(x1 + margin_x, width)) // stride + 1
        free[int(max(y0 - margin_y, 0)) // stride :, left:right] = False
        # Shoulders: three face widths, from the chin down.
        left, right = int(max(x0 - 3 * margin_x, 0)) // stride, int(min(x1 + 3 * margin_x, width)) // stride + 1
        free[int(min(max(y1, 0), height)) // stride :, left:right] = False
    if np.count_nonzero(free) < 16:
        return np.full(3, np.nan)
    return np.array(cv2.mean(np.ascontiguousarray(pixels), free.view(np.uint8))[:3])
