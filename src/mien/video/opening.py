"""A file, a camera or a network stream -> an open container and its picture stream, or one line of what is wrong."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

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
"""Formats that FFmpeg would draw or follow although the file itself holds no pictures."""

THREADS = 4
"""Decoder threads at most. Our choice: 2 threads on 2 cores were as fast as more (benchmarks/video.py), and each
thread holds pictures of its own, 12 MB for each at 4K."""


class VideoError(ValueError):
    """One line: what was expected, what came, and what to do about it."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_file(path: Path) -> tuple[InputContainer, VideoStream]:
    """path -> container and picture stream, ready to decode. Raises VideoError."""
    head = _read_head(path)
    try:
        # "file:" and the whitelist: a name such as "a:b.mp4" is no protocol, and no file makes us call the network.
        container = av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError) as error:
        raise VideoError(_unreadable(path, head, error)) from error
    return container, _picture_stream(container, str(path))


def open_live(name: str, address: str, remedy: str, format: str | None = None,
              options: dict[str, str] | None = None) -> tuple[InputContainer, VideoStream]:
    """A camera or a stream, waited for during 10 s (our choice). `name` is for messages: it holds no password."""
    try:
        container = av.open(address, format=format, options=options or {}, metadata_errors="replace", timeout=10.0)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = _reason(error).replace(address, name)
        raise VideoError(f"expected a live picture from {name}, got {why}: {remedy}") from error
    return container, _picture_stream(container, name)


def camera(index: int) -> tuple[str, str]:
    """index -> FFmpeg's name of the system's camera interface, and of the camera in it."""
    if sys.platform == "darwin":
        return "avfoundation", f"{index}:none"
    if sys.platform == "win32":
        raise VideoError(
            f"expected Linux or macOS for camera {index} by number, got Windows: "
            "record to a file and read it, or publish the camera over RTSP and open that"
        )
    device = Path(f"/dev/video{index}")
    if not device.exists():
        found = sorted(str(each) for each in Path("/dev").glob("video*"))
        raise VideoError(
            f"expected camera {index} at {device}, got {', '.join(found) or 'no camera at all'}: "
            "connect one, choose another index, or hand the device to the container"
        )
    return "v4l2", str(device)


def without_password(url: str) -> str:
    """'rtsp://me:secret@host/x' -> 'rtsp://host/x'."""
    return re.sub(r"(?<=://)[^/]*@", "", url)


def _read_head(path: Path) -> bytes:
    """The file's first bytes, once it is certain that there is a file to be read."""
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
            got = "audio only" if "audio" in others else f"only {', '.join(others) or 'nothing'}"
            raise VideoError(f"expected a stream of pictures, got {got} in {name}: choose the file with the picture")
        best = container.streams.best("video")
        stream = best if best in streams else streams[0]
        if stream.codec_context is None:
            raise VideoError(
                f"expected a codec that FFmpeg decodes, got an unknown one in {name}: convert it to h264"
            )
    except VideoError:
        container.close()
        raise
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(cores(), THREADS)
    return stream


def _is_text(head: bytes) -> bool:
    """Printable bytes only, in ASCII or UTF-8 (a last character cut in two is forgiven)."""
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head[: max(len(head) - 3, 1)].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end >= len(head) - 6 and error.reason == "unexpected end of data"
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
