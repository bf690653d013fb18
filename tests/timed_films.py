"""Small films with planned time stamps, sound that starts at another time, and recordings that were joined."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

MS = Fraction(1, 1000)

CODECS = {".mkv": ("mjpeg", "yuvj420p"), ".mp4": ("libx264", "yuv420p"), ".mov": ("libx264", "yuv420p"),
          ".ts": ("libx264", "yuv420p"), ".flv": ("libx264", "yuv420p"), ".webm": ("libvpx", "yuv420p"),
          ".gif": ("gif", "rgb8"), ".avi": ("mpeg4", "yuv420p"), ".mpg": ("mpeg2video", "yuv420p"),
          ".wmv": ("wmv2", "yuv420p"), ".nut": ("mjpeg", "yuvj420p")}
"""Suffix -> encoder and pixel format."""

SOUNDS = {".webm": ("libopus", "flt", 48000), ".mpg": ("mp2", "s16", 48000)}


def steady(count: int, rate: float, first: float = 0.0) -> np.ndarray:
    """Times (count,) in s of a steady recording."""
    return first + np.arange(count) / rate


def with_pause(pause: float, rate: float = 30.0, count: int = 45) -> np.ndarray:
    """Two steady parts of `count` frames each; `pause` s from the last frame of the first to the next one."""
    first = steady(count, rate)
    return np.concatenate([first, first[-1] + pause + first])


def film(path: Path, times: np.ndarray, *, clock: Fraction = MS, rate: int = 30, size: tuple[int, int] = (64, 48),
         sound: tuple[float, float] | None = None, pictures: list[np.ndarray] | None = None,
         noise: bool = False) -> Path:
    """Write a film.

    Args:
        path: Its suffix chooses the container and the codec.
        times: (N,) s of the pictures.
        clock: Resolution of the time stamps in s.
        rate: Nominal rate in Hz.
        size: Width and height in px.
        sound: Start and end of a silent sound track in s; None for no sound.
        pictures: uint8 (H, W, 3) each; None for grey ones.
        noise: Whether grey pictures are noise, for large files.
    """
    codec, pix = CODECS[path.suffix]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pix
        stream.codec_context.time_base = clock
        stream.codec_context.thread_count = 1
        if noise:
            stream.bit_rate = 40_000_000
            stream.options = {"preset": "ultrafast", "qp": "1"} if codec == "libx264" else {"qmin": "1", "qmax": "2"}
        packets = _silence(out, path.suffix, *sound) if sound else []
        for number, time in enumerate(times):
            rgb = pictures[number % len(pictures)] if pictures else _grey(number, size, noise)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts, frame.time_base = round(time / float(clock)), clock
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in sorted(packets, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            out.mux(packet)
    return path


def _grey(number: int, size: tuple[int, int], noise: bool) -> np.ndarray:
    if noise:
        rng = np.random.default_rng(number % 4)
        return rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return np.full((size[1], size[0], 3), 40 + number % 160, np.uint8)


def _silence(out: av.container.OutputContainer, suffix: str, start: float, end: float) -> list[av.Packet]:
    codec, layout, rate = SOUNDS.get(suffix, ("aac", "fltp", 44100))
    stream, packets = out.add_stream(codec, rate=rate), []
    kind = np.int16 if layout == "s16" else np.float32
    for first in range(round(start * rate), round(end * rate), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), kind), layout, "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def joined(path: Path, *parts: Path) -> Path:
    """The bytes of several files one after the other, as `cat` joins them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def first_stamps(path: Path) -> tuple[float, float]:
    """Smallest time stamp in s of the pictures and of all streams, by a demuxer alone: what a player starts from."""
    with av.open(str(path)) as file:
        stamps = [(packet.stream.type, float(packet.pts * packet.time_base)) for packet in file.demux()
                  if packet.pts is not None]
    return min(at for kind, at in stamps if kind == "video"), min(at for _, at in stamps)


def rises(times: list[float]) -> bool:
    """Whether times increase strictly."""
    return all(a < b for a, b in pairwise(times))
