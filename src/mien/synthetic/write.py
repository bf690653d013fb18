"""A scene as a file, in the formats and with the faults that real recordings have."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import av
import numpy as np
from av.video.stream import VideoStream

from mien.synthetic.truth import Truth
from mien.types import Frame

PIXELS = {"gif": "rgb8", "ffv1": "bgr0", "rawvideo": "bgr24", "mjpeg": "yuvj420p", "png": "rgb24"}


class Filmed(Protocol):
    """What can be written: a `Scene` or a portrait."""

    size: tuple[int, int]
    fps: float

    def frames(self) -> Iterable[Frame]: ...

    def truth(self) -> Truth: ...


def write(scene: Filmed, path: str | Path, crf: int | None = 23, codec: str = "libx264", rotation: int = 0,
          threads: int = 1) -> Truth:
    """Render a scene into a video file -> its Truth.

    The container follows the path's ending (.mp4, .mkv, .avi, .webm, .gif). `codec`: libx264, libx265, libvpx (VP8),
    libvpx-vp9, mpeg4, mjpeg, ffv1, gif; `crf`: quality of x264, x265 and VP8/9, lower is better, None: the codec's own.
    `rotation` 90, 180 or 270: the file (mp4, mov) stores turned pictures and asks the player to turn them clockwise by
    that much, as telephones do. Time stamps are the scene's, so a variable frame rate stays one.
    Raises ValueError for a rotation that cannot be stored, OSError or av.error.FFmpegError where writing fails.
    """
    path = Path(path)
    if rotation not in (0, 90, 180, 270) or (rotation and path.suffix.lower() not in (".mp4", ".mov")):
        raise ValueError(f"write: expected rotation 0, 90, 180 or 270, in .mp4 or .mov, got {rotation} in {path.name}")
    with av.open(str(path), "w") as container:
        rate = Fraction(scene.fps).limit_denominator(1001)
        stream = cast(VideoStream, container.add_stream(codec, rate=rate))
        width, height = scene.size if rotation in (0, 180) else scene.size[::-1]
        stream.width, stream.height = width, height
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        base = Fraction(1, 100) if codec == "gif" else Fraction(1, 1000) if path.suffix.lower() in (".mkv", ".webm") \
            else 1 / rate if path.suffix.lower() == ".avi" else Fraction(1, 90000)
        stream.time_base = stream.codec_context.time_base = base
        stream.codec_context.thread_count = threads
        if codec in ("libvpx", "libvpx-vp9"):
            stream.bit_rate = 4_000_000
        if crf is not None and codec in ("libx264", "libx265", "libvpx", "libvpx-vp9"):
            stream.options = {"crf": str(crf)}
        last = -1
        for frame in scene.frames():
            rgb = np.ascontiguousarray(np.rot90(frame.rgb, rotation // 90)) if rotation else frame.rgb
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            last = max(last + 1, round(frame.time / base))
            picture.pts, picture.time_base = last, base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    if rotation:
        _turn(path, rotation)
    return scene.truth()


def _turn(path: Path, rotation: int) -> None:
    """Set the display matrix of the only track of an MP4 file (ISO 14496-12, tkhd) to a clockwise turn."""
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    if at < 0:
        raise ValueError(f"{path}: expected a track header (tkhd) to store the rotation in, got none")
    matrix_at = at + 4 + 4 + (32 if content[at + 4] == 1 else 20) + 16
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    one, unit = 1 << 16, 1 << 30
    struct.pack_into(">9i", content, matrix_at, cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, unit)
    path.write_bytes(content)
