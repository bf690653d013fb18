"""Write a scene as a video file, in common formats and with the usual faults of recordings."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import av
import numpy as np
from av.video.stream import VideoStream

from mien.core.observations import Frame
from mien.simulation.truth import SceneTruth

PIXELS = {"gif": "rgb8", "ffv1": "bgr0", "rawvideo": "bgr24", "mjpeg": "yuvj420p", "png": "rgb24"}


class WrittenVideo(Protocol):
    """A scene that can be written: a `Scene` or a `Portrait`."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    def frames(self) -> Iterable[Frame]:
        """The frames, in order."""

    def truth(self) -> SceneTruth:
        """What the frames show."""


def write_video(scene: WrittenVideo, path: str | Path, crf: int | None = 23, codec: str = "libx264", rotation: int = 0,
          threads: int = 1) -> SceneTruth:
    """Render a scene into a video file. The file has the time stamps of the scene, also with a variable frame rate.

    Args:
        scene: the scene.
        path: file to write; its suffix decides the container (.mp4, .mkv, .avi, .webm, .gif).
        crf: quality of x264, x265 and VP8/9; lower is better. None: the default of the codec.
        codec: libx264, libx265, libvpx (VP8), libvpx-vp9, mpeg4, mjpeg, ffv1 or gif.
        rotation: 0, 90, 180 or 270. The file (mp4, mov) stores rotated pictures and tells the player to turn them
            clockwise by this angle in degrees, like phones do.
        threads: threads of the encoder.

    Returns:
        The ground truth of the scene.

    Raises:
        ValueError: the rotation cannot be stored.
        OSError: the file cannot be written.
        av.error.FFmpegError: the encoder fails.
    """
    path = Path(path)
    if rotation not in (0, 90, 180, 270) or (rotation and path.suffix.lower() not in (".mp4", ".mov")):
        raise ValueError(f"write: expected rotation 0, 90, 180 or 270, in .mp4 or .mov, got {rotation} in {path.name}")
    with av.open(str(path), "w") as container:
        rate = Fraction(scene.fps).limit_denominator(1001)
        stream = cast(VideoStream, container.add_stream(codec, rate=rate))
        stream.width, stream.height = scene.size
        if rotation in (90, 270):
            stream.height, stream.width = scene.size
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        base = _time_base(codec, path.suffix.lower(), rate)
        stream.time_base = stream.codec_context.time_base = base
        stream.codec_context.thread_count = threads
        if codec in ("libvpx", "libvpx-vp9"):
            stream.bit_rate = 4_000_000
        if crf is not None and codec in ("libx264", "libx265", "libvpx", "libvpx-vp9"):
            stream.options = {"crf": str(crf)}
        last = -1
        for frame in scene.frames():
            rgb = frame.rgb
            if rotation:
                rgb = np.ascontiguousarray(np.rot90(rgb, rotation // 90))
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            last = max(last + 1, round(frame.time / base))
            picture.pts, picture.time_base = last, base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    if rotation:
        _turn(path, rotation)
    return scene.truth()


def _time_base(codec: str, suffix: str, rate: Fraction) -> Fraction:
    """Unit of the time stamps in s."""
    if codec == "gif":
        return Fraction(1, 100)
    if suffix == ".avi":
        return 1 / rate
    return {".mkv": Fraction(1, 1000), ".webm": Fraction(1, 1000)}.get(suffix, Fraction(1, 90000))


def _turn(path: Path, rotation: int) -> None:
    """Set the display matrix of the only track of an MP4 file (ISO 14496-12, tkhd) to a clockwise rotation."""
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    if at < 0:
        raise ValueError(f"{path}: expected a track header (tkhd) to store the rotation in, got none")
    matrix_at = at + 4 + 4 + {1: 32}.get(content[at + 4], 20) + 16
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    scale, unit = 1 << 16, 1 << 30  # 16.16 and 2.30 fixed point
    struct.pack_into(">9i", content, matrix_at, cos * scale, sin * scale, 0, -sin * scale, cos * scale, 0, 0, 0, unit)
    path.write_bytes(content)
