"""Open a file, camera or network stream: its container and picture stream, or an error in one line."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mien.video.errors import VideoError
from mien.video.limits import expect_size
from mien.video.pyav import open_container
from mien.video.stills import picture_format

__all__ = ["VideoError", "camera", "cores", "open_file", "open_live", "read_head", "without_password"]

NOT_VIDEO = {
    "tty": "text",
    "bin": "text",
    "xbin": "text",
    "adf": "text",
    "idf": "text",
    "concat": "a list of other files",
    "hls": "a list of other files",
    "dash": "a list of other files",
    "sdp": "a description of a network stream",
}
"""Formats that FFmpeg would render or follow although the file holds no pictures."""

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
"""Brands of HEIC pictures. FFmpeg would read one tile of such a picture instead of the whole."""

JPEG_STREAMS = frozenset({".mjpeg", ".mjpg"})
"""Suffixes of raw streams of JPEGs, in lower case. FFmpeg takes one for a single picture if the first JPEG is large."""

THREADS = 4
"""Largest number of decoder threads. Our choice: 2 threads on 2 cores were as fast as more (benchmarks/video.py), and
each thread holds its own pictures, 12 MB each at 4K."""


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_file(path: Path, span: tuple[int, int] | None = None) -> tuple[InputContainer, VideoStream]:
    """Open the container and picture stream of a file, ready to decode.

    Args:
        path: the file.
        span: first and last byte (exclusive) of the part to open, None for the whole file.

    Raises:
        VideoError: it cannot be read.
    """
    head = read_head(path)
    if head[4:8] == b"ftyp" and not HEIC_BRANDS.isdisjoint(head[start : start + 4] for start in range(8, 40, 4)):
        raise VideoError(f"expected a video or a JPEG, PNG, WebP, BMP or TIFF picture, got the HEIC picture {path}: "
                         "export it as JPEG")
    format = None
    if path.suffix.lower() in JPEG_STREAMS and picture_format(head) == "JPEG":
        format = "mjpeg"
    # "file:" and the whitelist: a name such as "a:b.mp4" is no protocol, and no file can open a network connection.
    address, allowed = f"file:{path}", "file"
    if span is not None:
        address, allowed = f"subfile,,start,{span[0]},end,{span[1]},,:{address}", "file,subfile"
    try:
        container = open_container(address, format=format, container_options={"protocol_whitelist": allowed})
    except (av.FFmpegError, OSError) as error:
        raise VideoError(_unreadable(path, head, error)) from error
    return container, _picture_stream(container, str(path))


def open_live(name: str, address: str, remedy: str, format: str | None = None,
              options: dict[str, str] | None = None) -> tuple[InputContainer, VideoStream]:
    """Open a camera or stream, with a timeout of 10 s (our choice).

    Args:
        name: name for messages, without a password.
        address: of the device or stream.
        remedy: what to do, for the message of an error.
        format: FFmpeg's input format; None to detect it.
        options: options of FFmpeg's container.

    Returns:
        The container and its picture stream.

    Raises:
        VideoError: it cannot be opened.
    """
    try:
        container = open_container(address, format=format, container_options=options or {}, timeout=10.0)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = _reason(error).replace(address, name)
        raise VideoError(f"expected a live picture from {name}, got {why}: {remedy}") from error
    return container, _picture_stream(container, name)


def camera(index: int) -> tuple[str, str]:
    """Name a camera for FFmpeg.

    Args:
        index: number of the camera, from 0.

    Returns:
        FFmpeg's name of the system's camera interface, and of the camera.

    Raises:
        VideoError: there is no such camera, or the system is Windows.
    """
    if sys.platform == "darwin":
        return "avfoundation", f"{index}:none"
    if sys.platform == "win32":
        raise VideoError(
            f"expected Linux or macOS for camera {index} by number, got Windows: "
            "record to a file and read it, or publish the camera over RTSP and open that"
        )
    device = Path(f"/dev/video{index}")
    if not device.exists():
        devices = sorted(str(each) for each in Path("/dev").glob("video*"))
        raise VideoError(
            f"expected camera {index} at {device}, got {', '.join(devices) or 'no camera at all'}: "
            "connect one, choose another index, or hand the device to the container"
        )
    return "v4l2", str(device)


def without_password(url: str) -> str:
    """Remove user and password: 'rtsp://me:secret@host/x' becomes 'rtsp://host/x'."""
    return re.sub(r"(?<=://)[^/]*@", "", url)


def read_head(path: Path) -> bytes:
    """Read the first bytes of a file.

    Args:
        path: the file.

    Returns:
        The bytes.

    Raises:
        VideoError: the file is missing, empty or unreadable.
    """
    if "\0" in str(path):
        raise VideoError(f"expected a file name, got {str(path)!r} with a zero byte: check where the name came from")
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise VideoError(f"expected a video file, got the folder {path}: name a file in it")
        if not stat.S_ISREG(mode):
            raise VideoError(f"expected a video file, got the device or pipe {path}: use webcam() for a camera")
        with path.open("rb") as file:
            head = file.read(512)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(
            f"expected a video file, got {path}, which does not exist: check the name and the folder"
        ) from error
    except PermissionError as error:
        raise VideoError(
            f"expected a file that may be read, got no permission for {path}: change its or its folder's permissions"
        ) from error
    except OSError as error:
        raise VideoError(f"expected a readable file, got '{error.strerror}' for {path}: check the disk") from error
    if not head:
        raise VideoError(f"expected a video, got the empty file {path} (0 bytes): copy or record it again")
    return head


def _unreadable(path: Path, head: bytes, error: Exception) -> str:
    if _is_text(head):
        return f"expected a video, got text in {path}: the name does not make it a video; choose the recording itself"
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return (
            f"expected a whole mp4 or mov, got {path} without its index (the moov atom, written last): "
            "the copy or the recording was cut short; copy it again, or rebuild its index with a repair tool"
        )
    return (
        f"expected a video that FFmpeg reads, got {path} ({_reason(error)}): "
        "check that a player opens it, and convert it to mp4 if so"
    )


def _picture_stream(container: InputContainer, name: str) -> VideoStream:
    try:
        kind = NOT_VIDEO.get(container.format.name)
        if kind:
            raise VideoError(f"expected a video, got {kind} in {name}: choose the recording itself")
        cover = av.stream.Disposition.attached_pic
        streams = [each for each in container.streams.video if not each.disposition & cover]
        if not streams:
            others = sorted({each.type for each in container.streams})
            got = f"only {', '.join(others) or 'nothing'}"
            if "audio" in others:
                got = "audio only"
            raise VideoError(f"expected a stream of pictures, got {got} in {name}: choose the file with the picture")
        best = container.streams.best("video")
        stream = best if best in streams else streams[0]
        if stream.codec_context is None:
            raise VideoError(
                f"expected a codec that FFmpeg decodes, got an unknown one in {name}: convert it to h264"
            )
        expect_size(stream.codec_context.width, stream.codec_context.height, name)
    except VideoError:
        container.close()
        raise
    if stream.codec_context.name == "mjpeg":
        # otherwise the decoder fills what it cannot read with guesses and reports the frame as whole
        stream.codec_context.options = {"err_detect": "explode"}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(cores(), THREADS)
    return stream


def _is_text(head: bytes) -> bool:
    """Whether all bytes are printable ASCII or UTF-8; the last character may be incomplete."""
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head[: max(len(head) - 3, 1)].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end >= len(head) - 6 and error.reason == "unexpected end of data"
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
