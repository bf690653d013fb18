"""Convert decoded frames to upright RGB pictures with square pixels."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from mien.video.pyav import call_with_optional

UPRIGHT = (1, 0, 0, 1)
"""The signs of `display_matrix` that leave a picture unchanged."""


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Rotation and mirroring of a frame to the nearest right angle: signs (a, b, c, d) of x' = a x + c y, y' = b x + d
    y.

    Phones store the picture as the sensor saw it and state their orientation with this matrix; it may also mirror.

    Raises:
        ValueError: PyAV does not know all side data of the frame, as versions 15 to 18 with EXIF.
    """
    data = cast(Mapping, frame.side_data)
    if "DISPLAYMATRIX" not in data:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(data["DISPLAYMATRIX"], np.int32)[:5].tolist()
    if not a and not b and not c and not d:
        return UPRIGHT
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _sign(a), 0, 0, _sign(d)
    return 0, _sign(b), _sign(c), 0


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Size in px of a stored picture after conversion to square pixels; `aspect` is the pixel's width over its height.

    Wide pixels widen the picture and tall ones heighten it, so no resolution is lost and a face keeps its proportions.
    Ratios beyond 4:1 are broken headers and are ignored (our choice: the widest in use, anamorphic film on DVD, are
    below 2:1).
    """
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return width, height
    if aspect >= 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def turn(rgb: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Turn a picture, uint8 (H, W, 3), upright by the signs of `display_matrix`; the result is contiguous."""
    a, b, c, d = matrix
    if matrix != UPRIGHT:
        pixels = np.ascontiguousarray(rgb).view("V3")[..., 0]  # whole pixels: three times as fast as bytes
        if b:
            pixels, a, d = pixels.T, c, b
        rgb = np.ascontiguousarray(pixels[::d, ::a])[..., None].view(np.uint8)
    return np.ascontiguousarray(rgb)


HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of high dynamic range: ISO 23091-2, table 3."""


def conversion_notes(frame: av.VideoFrame, transfer: int) -> list[str]:
    """What the conversion of a stream to 8-bit RGB loses, as sentences.

    Args:
        frame: The first frame.
        transfer: Transfer characteristics of the stream by their code in ISO 23091-2.
    """
    phrases = []
    if transfer in HDR:
        phrases.append(f"high dynamic range ({HDR[transfer]}) is not tone-mapped: the picture looks flat, and colours "
                       "are not those of a player")
    if any(component.is_alpha for component in frame.format.components):
        opacity = frame.reformat(format="rgba").to_ndarray()[..., 3]
        if opacity.min() < 255:
            phrases.append("the picture has transparent parts: the colours under them are used")
    return phrases


class Converter:
    """Converts frames of any format and depth to RGB uint8 of a fixed size with FFmpeg's swscale (bilinear).

    Brightness range and matrix are those of the stream; FFmpeg's defaults apply if it states none (BT.601, limited
    range). Transparency is dropped. High dynamic range is not tone-mapped and looks flat.

    Args:
        size: Width and height in px before the turn.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._width, self._height = size
        self._scaler = VideoReformatter()
        self._optional = {"threads": 1}  # PyAV up to 16 has no such argument and uses one

    def __call__(self, frame: av.VideoFrame, matrix: tuple[int, int, int, int]) -> np.ndarray:
        """Convert a frame to uint8 (H, W, 3), upright and contiguous, in its own memory."""
        # threads=1: a second thread made the conversion slower at 640x480 (benchmarks/video.py)
        scaled = call_with_optional(self._scaler.reformat, frame, self._width, self._height, "rgb24",
                                    optional=self._optional)
        rgb = scaled.to_ndarray()
        if scaled is frame:
            rgb = rgb.copy()
        return turn(rgb, matrix)
