"""Size limits of pictures, for videos, pictures, cameras, uploads and streams."""

from __future__ import annotations

from mien.core.observations import LARGEST_SIDE
from mien.video.errors import VideoError

LARGEST_AREA = 178_956_970
"""Largest area in px: Pillow's limit against decompression bombs, twice 256 MiB of three bytes a pixel."""


def too_large(width: int, height: int) -> str:
    """Describe what is wrong with a picture of this size in px; empty when nothing is."""
    if max(width, height) <= LARGEST_SIDE and width * height <= LARGEST_AREA:
        return ""
    return f"{wanted_size()}, got {width}x{height}"


def wanted_size() -> str:
    """The limits in words: the beginning of an error message."""
    return f"expected a picture of at most {LARGEST_SIDE} px a side and {LARGEST_AREA} px in all"


def expect_size(width: int, height: int, name: str) -> None:
    """Reject a picture that is too large.

    Args:
        width: In px.
        height: In px.
        name: The file or camera, for the message.

    Raises:
        VideoError: A side or the area is above the limit.
    """
    wrong = too_large(width, height)
    if wrong:
        raise VideoError(f"{wrong} in {name}: scale it down")
