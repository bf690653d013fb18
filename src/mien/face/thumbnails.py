"""The best view of a person: how frontal a face is, and its picture with a margin."""

from __future__ import annotations

import cv2
import numpy as np


def frontality(landmarks: np.ndarray) -> float:
    """Measure how frontal a face is.

    Args:
        landmarks: (L, 3) or (L, 2) px.

    Returns:
        1 if the nose is midway between the ears, towards 0 if the head is turned.
    """
    nose, ears = landmarks[1, 0], landmarks[[234, 454], 0]
    sides = np.abs(ears - nose)
    return float(sides.min() / max(sides.max(), 1e-9))


def portrait(rgb: np.ndarray, box: np.ndarray, side: int = 192) -> np.ndarray:
    """Cut out a head with a margin.

    Args:
        rgb: uint8 (H, W, 3).
        box: (4,) px: left, top, right, bottom.
        side: side of the result in px.

    Returns:
        uint8 (side, side, 3).
    """
    centre, half = (box[:2] + box[2:]) / 2, 0.75 * float(np.max(box[2:] - box[:2]))
    scale = side / (2 * half)
    matrix = np.array([[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]])
    return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
