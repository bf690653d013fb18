"""Pictures of a face for models that look at pixels: the same cut for a recording, a camera and a dataset."""

from __future__ import annotations

import cv2
import numpy as np

MARGIN = 0.3
"""Room around the mesh's box, as a share of its longer side: hair line and chin are in. Our choice: the mesh ends at
brows and chin, the aligned frames of DFEW and FERV39k show the whole head's front."""


def crop(rgb: np.ndarray, box: np.ndarray, side: int, margin: float = MARGIN) -> np.ndarray:
    """rgb uint8 (H, W, 3), box (4,) px -> uint8 (side, side, 3): a square around the box, edges of rgb repeated.

    Averages where it shrinks, so that nothing aliases. Raises ValueError for a box without area.
    """
    half = (1 + margin) / 2 * float(np.max(box[2:] - box[:2]))
    if not half > 0 or not np.isfinite(box).all():
        raise ValueError(f"crop: expected a box x0 y0 x1 y1 with an area, in px, got {np.asarray(box).tolist()}")
    x, y = (box[:2] + box[2:]) / 2
    x0, y0 = round(float(x) - half), round(float(y) - half)
    length = max(round(2 * half), 1)
    height, width = rgb.shape[:2]
    rows = np.clip(np.arange(y0, y0 + length), 0, height - 1)
    columns = np.clip(np.arange(x0, x0 + length), 0, width - 1)
    inside = rows[0] == y0 and columns[0] == x0 and rows[-1] == y0 + length - 1 and columns[-1] == x0 + length - 1
    piece = rgb[y0 : y0 + length, x0 : x0 + length] if inside else rgb[np.ix_(rows, columns)]
    return fit(piece, side)


def fit(rgb: np.ndarray, side: int) -> np.ndarray:
    """rgb uint8 (H, W, 3), a picture that is a face already -> uint8 (side, side, 3)."""
    if rgb.shape[:2] == (side, side):
        return np.ascontiguousarray(rgb)
    shrinks = max(rgb.shape[:2]) > side
    return cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
