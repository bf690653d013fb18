"""Read picture files (JPEG, PNG, WebP, BMP, TIFF) of any depth and colour mode as upright RGB, with Pillow."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from mien.video.convert import UPRIGHT, turn
from mien.video.errors import VideoError
from mien.video.jpeg import MOST_SCANS, count_scans
from mien.video.limits import expect_size, wanted_size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""The formats that Pillow may read. We exclude its other formats: they are rare, and each adds attack surface."""

ORIENTATION = 0x0112
"""The EXIF tag of the camera's orientation."""

TURNS = {2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1), 5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0),
         8: (0, -1, 1, 0)}
"""EXIF orientation -> the matrix that turns the picture upright (EXIF 2.32, tag 274); 1 and others are upright."""

PAPER = (255, 255, 255)
"""Background of a transparent picture. Our choice: white, as in image viewers and browsers."""

BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError,
          struct.error, zlib.error, Image.DecompressionBombError)
"""The exceptions that Pillow raises for a damaged file."""

_SUBFILE = 254  # TIFF tag NewSubfileType: bit 0 marks a reduced copy of another page, bit 2 a mask


def picture_format(head: bytes) -> str:
    """Detect the format of a picture file from its first bytes.

    Args:
        head: At least 12 bytes.

    Returns:
        The name of Pillow's format, or '' for anything else. A raw stream of JPEGs begins as a JPEG does.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    known = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF",
             b"II+\0": "TIFF", b"MM\0+": "TIFF"}  # fmt: skip
    return next((name for begin, name in known.items() if head.startswith(begin)), "")


@contextmanager
def open_picture(source: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    """Open a picture file and check its size; no pixel is decoded yet.

    Args:
        source: A file's path, or an open file.
        name: For messages.

    Yields:
        The open picture.

    Raises:
        VideoError: The file is not a complete picture of a format in `FORMATS`, or it is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `expect_size` decides
            image = Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise VideoError(f"{wanted_size()}, got more in {name}: scale it down") from error
    except BROKEN as error:
        raise VideoError(damaged_message(name, error)) from error
    with image:
        expect_size(*image.size, name)
        if image.format in ("JPEG", "MPO"):
            _expect_few_scans(image, name)
        yield image


def _expect_few_scans(image: Image.Image, name: str) -> None:
    """Reject an open JPEG that would keep the decoder busy for long; the position in its file stays."""
    file = image.fp  # type: ignore[attr-defined]  # an attribute of pictures that come from a file
    place = file.tell()
    file.seek(0)
    scans = count_scans(file.read())
    file.seek(place)
    if scans > MOST_SCANS:
        raise VideoError(f"expected a JPEG of {MOST_SCANS} scans or fewer, got more in {name}: save it again")


def damaged_message(name: str, error: BaseException) -> str:
    """The error message for a picture that does not decode."""
    why = " ".join(str(error).split()).replace(name, "it") or type(error).__name__
    return f"expected a whole picture, got a damaged one ({why}) in {name}: copy or export the file again"


def pages(image: Image.Image) -> Sequence[int]:
    """The pages of an open file, as numbers for `Image.seek`, without thumbnails, masks and second views.

    An animation may announce billions of pictures that it does not have.
    """
    count = getattr(image, "n_frames", 1)
    if image.format == "MPO" or count == 1:  # a camera's JPEG with appended previews or a second eye
        return [0]
    if image.format != "TIFF":
        first = bool(image.info.get("default_image"))  # APNG: a picture for programs that show no animation
        return range(int(first), count)
    full_pages = []
    for page in range(count):
        image.seek(page)
        if not getattr(image, "tag_v2", {}).get(_SUBFILE, 0) & 0b101:
            full_pages.append(page)
    image.seek(0)
    return full_pages or [0]


def to_rgb(image: Image.Image) -> np.ndarray:
    """Decode the current page of an open picture.

    The EXIF orientation is applied. 16 bits become 8, grey becomes RGB, and transparent pixels become white.
    Colour profiles are not applied.

    Args:
        image: An open picture.

    Returns:
        uint8 (H, W, 3), contiguous, its own memory.

    Raises:
        ValueError: The colour mode has no defined conversion to RGB, such as floats.
        OSError: The file is damaged. Pillow also raises the others of `BROKEN`.
    """
    image.load()
    matrix = TURNS.get(orientation(image), UPRIGHT)
    return turn(np.array(_opaque(image)), matrix)


def read_picture(path: Path) -> np.ndarray:
    """Read a picture file.

    Args:
        path: A file of one of `FORMATS`; of several pages, the first.

    Returns:
        As `to_rgb`.

    Raises:
        VideoError: The file is no whole picture, or it is too large.
    """
    try:
        with open_picture(path, str(path)) as image:
            return to_rgb(image)
    except VideoError:
        raise
    except BROKEN as error:
        raise VideoError(damaged_message(str(path), error)) from error


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of a picture, 1 to 8; 1 where it states none or its EXIF block is damaged."""
    try:
        stated = image.getexif().get(ORIENTATION, 1)
    except BROKEN:
        return 1  # a damaged block states nothing: viewers show such a picture as it is stored
    if isinstance(stated, int) and 1 <= stated <= 8:
        return stated
    return 1


def orientation_of_jpeg(data: bytes) -> int:
    """The EXIF orientation of a JPEG frame of a video, 1 to 8; 1 where it states none."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return orientation(image)
    except BROKEN:
        return 1  # FFmpeg decodes more than Pillow; such a picture is used as stored


def _opaque(image: Image.Image) -> Image.Image | np.ndarray:
    if image.mode.startswith("I"):
        return _eight_bit_grey(image)
    if image.mode == "F":
        raise ValueError("expected 8 or 16 bits a channel, got floats: export it with 8 bits")
    if not image.has_transparency_data:
        if image.mode == "RGB":
            return image
        return image.convert("RGB")
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, (*PAPER, 255)), layers).convert("RGB")


def _eight_bit_grey(image: Image.Image) -> np.ndarray:
    """Convert 16-bit grey to 8-bit RGB; Pillow's own conversion would clip all values above 255."""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError("expected 8 or 16 bits a channel, got 32: export it with 8 bits")
    grey = (levels >> 8).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
