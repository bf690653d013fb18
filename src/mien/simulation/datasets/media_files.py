"""Write pictures and videos in the formats of the datasets: JPEG frames, and H.264 in mp4, avi and mov."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

CRF = 16           # our choice: it preserves a pulse of 0.5 %; 18 of x264 counts as visually lossless
JPEG_QUALITY = 95  # our choice: OpenCV's default
_GOP = 25          # our choice: frames between key frames, so that seeking is neither free nor slow
_AUDIO_RATE = 44100


def jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write rgb uint8 (H, W, 3) as a JPEG; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ValueError(f"media_files.jpeg: expected a picture that can be encoded, got {rgb.dtype} "
                         f"{rgb.shape} for {path}")
    path.write_bytes(data.tobytes())


def video(path: Path, frames: Iterable[np.ndarray], fps: float | Fraction, audio: bool = False, grey: bool = False,
          reordered: bool = False) -> int:
    """Write an H.264 video with one thread, so that the same frames give the same bytes.

    Args:
        path: file to write; its suffix decides the container. Missing folders are created.
        frames: uint8 (H, W, 3) with even sides.
        fps: frame rate in Hz.
        audio: add a silent AAC track of the same length, because the AMIGOS videos have sound.
        grey: remove the colour.
        reordered: let frames refer to later frames in an avi too; by default, an avi has no such frames.

    Returns:
        The number of frames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(10000)
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, av.VideoStream)  # for mypy
        stream.pix_fmt = "yuv420p"
        options: dict[str, object] = {"crf": str(CRF), "preset": "veryfast", "g": str(_GOP), "threads": "1"}
        if reordered:
            options |= {"bf": "3", "b_strategy": "0"}
        elif path.suffix == ".avi":  # avi stores no presentation times, so a reader could not order such frames
            options["bf"] = "0"
        stream.options = options
        sound = container.add_stream("aac", rate=_AUDIO_RATE, layout="mono") if audio else None
        for rgb in frames:
            if count == 0:
                stream.height, stream.width = rgb.shape[:2]
            if grey:
                rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode())
        if sound is not None:
            _silence(container, sound, count / float(rate))
    return count


def _silence(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    block = 1024
    for start in range(0, round(seconds * _AUDIO_RATE), block):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, block), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _AUDIO_RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def denser(frames: Iterable[np.ndarray], factor: int, count: int) -> Iterator[np.ndarray]:
    """Increase the frame rate by cross-fading.

    Pulse and expression change more slowly than 5 Hz. So 15 rendered frames a second, cross-faded to 61, look like 61
    rendered frames, for a quarter of the work.

    Args:
        frames: uint8 (H, W, 3) at the low rate.
        factor: ratio of the rates.
        count: number of frames to yield.

    Yields:
        Frames at the high rate; the last one is repeated if there are too few.
    """
    before, yielded = None, 0
    for after in frames:
        if before is not None:
            for step in range(factor):
                if yielded == count:
                    return
                share = step / factor
                yield before if step == 0 else cv2.addWeighted(before, 1 - share, after, share, 0)
                yielded += 1
        before = after
    while before is not None and yielded < count:
        yield before
        yielded += 1


def spread(frames: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Resample frames to `count` frames over the same time by cross-fading, like DFEW's temporal interpolation."""
    out = []
    for at in np.linspace(0, len(frames) - 1, count):
        low = int(at)
        high = min(low + 1, len(frames) - 1)
        out.append(cv2.addWeighted(frames[low], 1 - (at - low), frames[high], at - low, 0))
    return out
