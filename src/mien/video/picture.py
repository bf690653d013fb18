"""A decoded frame -> an upright RGB picture of square pixels."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

_UPRIGHT = (1, 0, 0, 1)


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The frame's turn to the nearest right angle: signs (a, b, c, d) of x' = a x + c y, y' = b x + d y.

    Phones store the picture as the sensor saw it and say with this matrix how it was held; it may also mirror.
    """
    data = cast(Mapping, frame.side_data)
    if "DISPLAYMATRIX" not in data:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(data["DISPLAYMATRIX"], np.int32)[:5].tolist()
    if not a and not b and not c and not d:
        return _UPRIGHT
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Stored size and shape of a pixel (width / height) -> the size of the same picture with square pixels.

    Wide pixels widen the picture and tall ones heighten it: nothing that was recorded is thrown away, and a face has
    its true proportions. Shapes beyond 4:1 are broken headers and are ignored (our choice: the widest in use,
    anamorphic film on DVD, are below 2:1).
    """
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return width, height
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def turn(rgb: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """rgb uint8 (H, W, 3), signs of `display_matrix` -> the upright picture, contiguous."""
    a, b, c, d = matrix
    if matrix != _UPRIGHT:
        pixels = np.ascontiguousarray(rgb).view("V3")[..., 0]  # whole pixels: three times as fast as bytes
        if b:
            pixels, a, d = pixels.T, c, b
        rgb = np.ascontiguousarray(pixels[::d, ::a])[..., None].view(np.uint8)
    return np.ascontiguousarray(rgb)


class Converter:
    """Turns frames of whatever format and depth into RGB uint8 of one size, as FFmpeg's swscale does (bilinear).

    `size` is before the turn. Brightness range and matrix are the stream's own; what it does not state is read as
    FFmpeg does (BT.601, limited range). Transparency is dropped. High dynamic range is not tone-mapped: it looks flat.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._width, self._height = size
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, matrix: tuple[int, int, int, int]) -> np.ndarray:
        """-> uint8 (H, W, 3), upright, contiguous, its own memory."""
        # threads=1: a second thread made the conversion slower at 640x480 (benchmarks/video.py)
        scaled = self._scaler.reformat(frame, self._width, self._height, "rgb24", threads=1)
        rgb = scaled.to_ndarray()
        return turn(rgb.copy() if scaled is frame else rgb, matrix)
