"""Faces made unrecognisable, for pictures that are shown to others."""

from __future__ import annotations

import cv2
import numpy as np

BLOCKS = 6
"""Colours across a hidden region, so that about three are left across the face itself, however large it is. Our choice:
McPherson, Shokri & Shmatikov 2016 (arXiv 1609.00408) recognise people through mosaics of six blocks and more a face."""

MARGIN = 0.4
"""Of the box, added on every side. Our choice: a face's box ends at brows and chin; hair and ears show who it is."""


def blurred(rgb: np.ndarray) -> np.ndarray:
    """rgb uint8 (H, W, 3) -> the same shape, of which only `BLOCKS` by `BLOCKS` mean colours are left, smoothly joined.

    What is taken away is gone: unlike a Gaussian blur it cannot be sharpened back.
    """
    height, width = rgb.shape[:2]
    few = cv2.resize(rgb, (min(BLOCKS, width), min(BLOCKS, height)), interpolation=cv2.INTER_AREA)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)


def hide(rgb: np.ndarray, box: np.ndarray) -> None:
    """Blur, in place, the head whose face is in `box` (4,) x0 y0 x1 y1 px, as far as it is in the picture."""
    x0, y0, x1, y1 = box
    dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    height, width = rgb.shape[:2]
    left, right = np.clip([np.floor(x0 - dx), np.ceil(x1 + dx)], 0, width).astype(int)
    top, bottom = np.clip([np.floor(y0 - dy), np.ceil(y1 + dy)], 0, height).astype(int)
    if right > left and bottom > top:
        rgb[top:bottom, left:right] = blurred(np.ascontiguousarray(rgb[top:bottom, left:right]))
