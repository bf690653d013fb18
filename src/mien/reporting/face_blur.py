"""Make faces unrecognisable in pictures that other people will see."""

from __future__ import annotations

import cv2
import numpy as np

BLOCKS = 6
"""Blocks across a hidden region, so that about three cover the face itself, at any size. Our choice: McPherson, Shokri
& Shmatikov 2016 (arXiv 1609.00408) recognise people in mosaics of six or more blocks per face."""

MARGIN = 0.4
"""Share of the box that is added on every side. Our choice: the box ends at brows and chin, and hair and ears identify
a person."""


def pixelate(rgb: np.ndarray) -> np.ndarray:
    """Reduce a picture to `BLOCKS` by `BLOCKS` mean colours with smooth transitions.

    This removes the details; unlike a Gaussian blur it cannot be reversed by sharpening.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        A picture of the same shape.
    """
    height, width = rgb.shape[:2]
    blocks = cv2.resize(rgb, (min(BLOCKS, width), min(BLOCKS, height)), interpolation=cv2.INTER_AREA)
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_LINEAR)


def blur_faces(rgb: np.ndarray, box: np.ndarray) -> None:
    """Blur a head in place.

    Args:
        rgb: The picture, uint8 (H, W, 3).
        box: Box of the face, x0 y0 x1 y1 in px (4,); it may extend beyond the picture.
    """
    x0, y0, x1, y1 = box
    dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    height, width = rgb.shape[:2]
    left, right = np.clip([np.floor(x0 - dx), np.ceil(x1 + dx)], 0, width).astype(int)
    top, bottom = np.clip([np.floor(y0 - dy), np.ceil(y1 + dy)], 0, height).astype(int)
    if right > left and bottom > top:
        rgb[top:bottom, left:right] = pixelate(np.ascontiguousarray(rgb[top:bottom, left:right]))
