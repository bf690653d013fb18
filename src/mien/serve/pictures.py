"""One binary message -> one frame, or a reason in words; nothing is decoded before its size is known.

A message is a capture time (8 bytes, little-endian float64, s on any clock that only goes forward) and a picture:
either JPEG, or `RGB8`, width and height (2 bytes each, little-endian) and the pixels, three bytes each, row by row.
"""

from __future__ import annotations

import io
import math
import struct
import warnings

import cv2
import numpy as np
from PIL import Image

from mien.types import Frame

_TIME = struct.Struct("<d")
_SIZE = struct.Struct("<HH")
RAW = b"RGB8"
SMALLEST = 16
"""px a side. Our choice: below that there is no face to be found."""


class Malformed(ValueError):
    """A message that is no frame: what was expected, what came."""


def decode(message: bytes, pixels: int) -> Frame:
    """A message of at most `pixels` pixels -> the frame. Raises Malformed."""
    if len(message) < _TIME.size + 4:
        raise Malformed(f"expected 8 bytes of time and a picture, got {len(message)} bytes")
    (time,) = _TIME.unpack_from(message)
    if not math.isfinite(time) or abs(time) > 1e12:
        raise Malformed("expected a finite capture time in s as float64, little-endian")
    picture = memoryview(message)[_TIME.size:]
    rgb = _raw(picture, pixels) if bytes(picture[:4]) == RAW else _jpeg(picture, pixels)
    return Frame(time, rgb)


def encode(time: float, rgb: np.ndarray, quality: int = 92) -> bytes:
    """s, rgb uint8 (H, W, 3) -> a message with a JPEG, or with raw pixels for quality 0."""
    if not quality:
        return _TIME.pack(time) + RAW + _SIZE.pack(rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
    good, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"encode: expected a picture that JPEG can hold, got {rgb.shape}")
    return _TIME.pack(time) + jpeg.tobytes()


def _raw(picture: memoryview, pixels: int) -> np.ndarray:
    if len(picture) < 8:
        raise Malformed("expected the size of a raw picture, got the end of the message")
    width, height = _SIZE.unpack_from(picture, 4)
    _check(width, height, pixels)
    if len(picture) != 8 + 3 * width * height:
        raise Malformed(f"expected {3 * width * height} bytes for {width}x{height}, got {len(picture) - 8}")
    return np.frombuffer(picture, np.uint8, offset=8).reshape(height, width, 3)


def _jpeg(picture: memoryview, pixels: int) -> np.ndarray:
    if bytes(picture[:3]) != b"\xff\xd8\xff":
        raise Malformed("expected a JPEG or RGB8 after the time, got neither")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check` is stricter
            with Image.open(io.BytesIO(picture), formats=("JPEG",)) as head:  # reads the header alone
                _check(*head.size, pixels)
    except (OSError, SyntaxError, struct.error, IndexError, Image.DecompressionBombError) as error:
        raise Malformed("expected a whole JPEG, got one that cannot be read") from error
    bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None or bgr.shape[0] * bgr.shape[1] > pixels:
        raise Malformed("expected a whole JPEG, got one that does not decode")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _check(width: int, height: int, pixels: int) -> None:
    if width < SMALLEST or height < SMALLEST or width * height > pixels:
        raise Malformed(f"expected {SMALLEST} px a side or more and at most {pixels} px, got {width}x{height}")
