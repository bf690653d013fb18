"""What an upload is, by its content: nobody's word is taken for it."""

from __future__ import annotations

from pathlib import Path

import av

from mien.serve.options import Options
from mien.video.opening import VideoError, open_file

HEAD = 512
"""Bytes that tell a kind of file."""

FASTEST = 240
"""Pictures a second, at most: as the fastest cameras of telephones film."""


def suffix(head: bytes) -> str:
    """The first bytes -> '.mp4', '.webm', ...; '' for what is no video."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ".mp4"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return ".avi"
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return ".ts"
    known = {b"\x1aE\xdf\xa3": ".webm", b"OggS": ".ogv", b"FLV\x01": ".flv", b"GIF8": ".gif", b"\0\0\x01\xba": ".mpg"}
    return known.get(head[:4], "")


def check(path: Path, options: Options) -> None:
    """Read a file's packets, none of them decoded, against the limits. Raises VideoError."""
    container, stream = open_file(path)
    with container:
        context = stream.codec_context
        if context.width * context.height > 4 * options.pixels:
            raise VideoError(f"expected pictures of {4 * options.pixels} px or fewer, got {context.width}x"
                             f"{context.height}: make it smaller")
        first, last, count = None, 0.0, 0
        try:
            for packet in container.demux(stream):
                if packet.pts is None or packet.time_base is None:
                    continue
                time = float(packet.pts * packet.time_base)
                first, last, count = time if first is None else min(first, time), max(last, time), count + 1
                if last - first > options.seconds or count > FASTEST * options.seconds:
                    raise VideoError(f"expected {options.seconds:g} s or less, got a longer video: cut it, or use "
                                     "mien analyze, which has no limit")
        except av.FFmpegError:
            return  # what is damaged is told by the analysis, which reads as far as it can
