"""Check uploads by their content; the client's file name and media type are ignored."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import av

from mien.video.errors import VideoError
from mien.video.open import open_file

HEAD = 512
"""Number of bytes at the start of a file that identify its format."""

MAX_FRAME_RATE = 240
"""Highest frame rate in Hz: that of the fastest phone cameras."""


def detect_suffix(head: bytes) -> str:
    """The suffix for a file that begins with these bytes, such as '.mp4'; '' if it is no known video format."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ".mp4"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return ".avi"
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return ".ts"
    known = {b"\x1aE\xdf\xa3": ".webm", b"OggS": ".ogv", b"FLV\x01": ".flv", b"GIF8": ".gif", b"\0\0\x01\xba": ".mpg"}
    return known.get(head[:4], "")


def check_upload(path: Path, pixels: int, longest: float) -> float:
    """Check a video against the limits without decoding it.

    Args:
        path: The uploaded file.
        pixels: Largest number of pixels of a picture.
        longest: Longest duration in s.

    Returns:
        Its duration in s, as far as the packets state it.

    Raises:
        VideoError: The file cannot be opened, or its picture or duration is too large.
    """
    container, stream = open_file(path)
    with container:
        context = stream.codec_context
        if context.width * context.height > pixels:
            raise VideoError(f"expected pictures of {pixels} px or fewer, got {context.width}x"
                             f"{context.height}: make it smaller")
        first, last, count = float("inf"), 0.0, 0
        # the analysis reads a damaged file as far as possible and reports the damage
        with suppress(av.FFmpegError):
            for packet in container.demux(stream):
                if packet.pts is None or packet.time_base is None:
                    continue
                time = float(packet.pts * packet.time_base)
                first, last, count = min(first, time), max(last, time), count + 1
                if last - first > longest or count > MAX_FRAME_RATE * longest:
                    raise VideoError(f"expected {longest:g} s or less, got a longer video: cut it, or use "
                                     "mien analyze, which has no limit")
    return max(0.0, last - first)
