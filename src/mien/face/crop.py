"""Pictures of a face for models that look at pixels: the same cut for a recording, a camera and a dataset."""

from __future__ import annotations

import cv2
import numpy as np

from mien.face.association import RIGID
from mien.face.region import LEFT_EYE, RIGHT_EYE

MARGIN = 0.3
"""Room around the mesh's box, as a share of its longer side: hair line and chin are in. Our choice: the mesh ends at
brows and chin, the aligned frames of DFEW and FERV39k show the whole head's front."""

LONG, BELOW = 1.25, 0.17
"""The longer side of the mesh's box, and how far its middle lies below the mean of the rigid points, in widths of the
face (ear to ear in three dimensions). Our choice: what neutral faces have. Taken from points that no expression moves,
the cut neither grows when the mouth opens nor shrinks when the head turns."""

_EARS = (454, 234)
_RIGID = list(RIGID)


def crop(rgb: np.ndarray, where: np.ndarray, side: int, margin: float = MARGIN) -> np.ndarray:
    """Cut a square around one face out of a picture. Shrinking averages pixels, so that nothing aliases.

    Args:
        rgb: The picture, uint8 (H, W, 3). Beyond its edges the edge pixels are repeated.
        where: Landmarks (L, 3) in px, which make the eyes level; or a box (4,) in px.
        side: Side of the result in px.
        margin: Margin around the face, as a share of its size.

    Returns:
        The square, uint8 (side, side, 3).

    Raises:
        ValueError: The face has no area.
    """
    where = np.asarray(where, dtype=np.float64)
    if where.shape == (4,):
        centre, longer, angle = (where[:2] + where[2:]) / 2, float(np.max(where[2:] - where[:2])), 0.0
    else:
        centre, longer, angle = _upright(where)
    if not longer > 0 or not np.isfinite([*centre, angle]).all():
        got = where.tolist() if where.shape == (4,) else f"landmarks {where.shape} of width {longer / LONG:g}"
        raise ValueError(f"crop: expected a box x0 y0 x1 y1 or landmarks with an area, in px, got {got}")
    length = max(round((1 + margin) * longer), 1)
    if where.shape == (4,):
        return fit(_square(rgb, centre - length / 2, length), side)
    return _turned(rgb, centre, length, angle, side)


def _upright(landmarks: np.ndarray) -> tuple[np.ndarray, float, float]:
    """landmarks (L, 3) px -> middle of the face (2,) px, its longer side in px, its tilt in radians."""
    across = landmarks[LEFT_EYE, :2] - landmarks[RIGHT_EYE, :2]
    angle = float(np.arctan2(across[1], across[0]))
    width = float(np.linalg.norm(landmarks[_EARS[0]] - landmarks[_EARS[1]]))
    down = np.array([-np.sin(angle), np.cos(angle)])
    return landmarks[_RIGID, :2].mean(axis=0) + BELOW * width * down, LONG * width, angle


def _square(rgb: np.ndarray, corner: np.ndarray, length: int) -> np.ndarray:
    """The square of that upper left corner (x, y) px, repeated edges where it leaves the picture."""
    x0, y0 = round(float(corner[0])), round(float(corner[1]))
    height, width = rgb.shape[:2]
    if x0 >= 0 and y0 >= 0 and x0 + length <= width and y0 + length <= height:
        return rgb[y0 : y0 + length, x0 : x0 + length]
    rows = np.clip(np.arange(y0, y0 + length), 0, height - 1)
    columns = np.clip(np.arange(x0, x0 + length), 0, width - 1)
    return rgb[np.ix_(rows, columns)]


def _turned(rgb: np.ndarray, centre: np.ndarray, length: int, angle: float, side: int) -> np.ndarray:
    """The square of that centre (x, y) px, turned upright. Linear interpolation shrinks to a half without harm; what
    shrinks more is averaged first, so many pixels to one."""
    times = int(length / side)
    if times > 1:
        pixels = int(np.ceil(length * (abs(np.cos(angle)) + abs(np.sin(angle))) / times)) + 2
        corner = np.round(centre - pixels * times / 2)
        rgb = cv2.resize(_square(rgb, corner, pixels * times), (pixels, pixels), interpolation=cv2.INTER_AREA)
        centre, scale = (centre - corner) / times, side * times / length
    else:
        scale = side / length
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    matrix = np.column_stack([turn, (side - 1) / 2 - turn @ (centre - 0.5)])  # OpenCV counts from the middles of pixels
    return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def fit(rgb: np.ndarray, side: int) -> np.ndarray:
    """Scale a picture that already is a face crop.

    Args:
        rgb: uint8 (H, W, 3).
        side: side of the result in px.

    Returns:
        uint8 (side, side, 3).
    """
    if rgb.shape[:2] == (side, side):
        return np.ascontiguousarray(rgb)
    shrinks = max(rgb.shape[:2]) > side
    return cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
