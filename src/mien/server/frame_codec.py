"""Encode and decode frames as binary messages; the size is checked before a picture is decoded.

A message has a capture time and a picture. The time is a little-endian float64 in s on any clock that only goes
forward. The picture is a JPEG, or `RGB8` followed by width and height (2 bytes each, little-endian) and the pixels
(three bytes each, row by row).
"""

from __future__ import annotations

import io
import math
import struct
import warnings

import cv2
import numpy as np
from PIL import Image

from mien.core.observations import LARGEST_SIDE, Frame
from mien.video.jpeg import MOST_SCANS, count_scans, has_end

_TIME = struct.Struct("<d")
_SIZE = struct.Struct("<HH")
RAW = b"RGB8"
MIN_SIDE = 16
"""Smallest side in px. Our choice: the detector finds no face in a smaller picture."""


class FrameDecodeError(ValueError):
    """A message cannot be decoded as a frame; its text names what was expected and received."""


def decode(message: bytes, pixels: int) -> Frame:
    """Decode a message.

    Args:
        message: Time and picture.
        pixels: Largest number of pixels.

    Returns:
        The frame.

    Raises:
        FrameDecodeError: The message is damaged, or the picture is too small or too large.
    """
    if len(message) < _TIME.size + 4:
        raise FrameDecodeError(f"expected 8 bytes of time and a picture, got {len(message)} bytes")
    (time,) = _TIME.unpack_from(message)
    if not math.isfinite(time) or abs(time) > 1e12:
        raise FrameDecodeError("expected a finite capture time in s as float64, little-endian")
    picture = memoryview(message)[_TIME.size:]
    rgb = _raw(picture, pixels) if bytes(picture[:4]) == RAW else _jpeg(picture, pixels)
    return Frame(time, rgb)


def encode(time: float, rgb: np.ndarray, quality: int = 92) -> bytes:
    """Encode a frame as a message.

    Args:
        time: Capture time in s.
        rgb: Picture, uint8 (H, W, 3).
        quality: JPEG quality 1..100; 0 for raw pixels.

    Returns:
        The message.

    Raises:
        ValueError: JPEG cannot hold a picture of this size.
    """
    if not quality:
        return _TIME.pack(time) + RAW + _SIZE.pack(rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
    good, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"encode: expected a picture that JPEG can hold, got {rgb.shape}")
    return _TIME.pack(time) + jpeg.tobytes()


def _raw(picture: memoryview, pixels: int) -> np.ndarray:
    if len(picture) < 8:
        raise FrameDecodeError("expected the size of a raw picture, got the end of the message")
    width, height = _SIZE.unpack_from(picture, 4)
    _check(width, height, pixels)
    if len(picture) != 8 + 3 * width * height:
        raise FrameDecodeError(f"expected {3 * width * height} bytes for {width}x{height}, got {len(picture) - 8}")
    return np.frombuffer(picture, np.uint8, offset=8).reshape(height, width, 3)


def _jpeg(picture: memoryview, pixels: int) -> np.ndarray:
    if bytes(picture[:3]) != b"\xff\xd8\xff":
        raise FrameDecodeError("expected a JPEG or RGB8 after the time, got neither")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check` is stricter
            with Image.open(io.BytesIO(picture), formats=("JPEG",)) as head:  # reads only the header
                _check(*head.size, pixels)
    except (OSError, SyntaxError, struct.error, IndexError, Image.DecompressionBombError) as error:
        raise FrameDecodeError("expected a whole JPEG, got one that cannot be read") from error
    if count_scans(picture) > MOST_SCANS:
        raise FrameDecodeError(f"expected a JPEG of {MOST_SCANS} scans or fewer, got more: send a baseline JPEG")
    if not has_end(picture):
        raise FrameDecodeError("expected a whole JPEG, got one without its end")
    bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None or bgr.shape[0] * bgr.shape[1] > pixels:
        raise FrameDecodeError("expected a whole JPEG, got one that does not decode")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _check(width: int, height: int, pixels: int) -> None:
    small, large = min(width, height), max(width, height)
    if small < MIN_SIDE or large > LARGEST_SIDE or width * height > pixels:
        raise FrameDecodeError(f"expected {MIN_SIDE} to {LARGEST_SIDE} px a side and at most {pixels} px, got "
                        f"{width}x{height}")
