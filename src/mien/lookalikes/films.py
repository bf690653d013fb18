"""Pictures and videos as the datasets keep them: JPEG frames, H.264 in mp4, avi and mov."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

CRF = 16           # our choice: a pulse of 0.5 % survives it; 18 of x264 counts as visually lossless
JPEG_QUALITY = 95  # our choice: OpenCV's default
_GOP = 25          # our choice: frames between key frames, so that seeking is neither free nor slow
_AUDIO_RATE = 44100


def jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write rgb uint8 (H, W, 3) as a JPEG; folders are made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"films.jpeg: expected a picture that can be encoded, got {rgb.dtype} {rgb.shape} for {path}")
    path.write_bytes(data.tobytes())


def video(path: Path, frames: Iterable[np.ndarray], fps: float | Fraction, audio: bool = False, grey: bool = False,
          reordered: bool = False) -> int:
    """Write frames uint8 (H, W, 3) of even sides as H.264; the container follows the suffix. -> number of frames.

    `audio` adds a silent AAC track of the same length, as the AMIGOS films have a sound track. `grey` drops the colour.
    `reordered`: frames refer to later ones also in an avi, which otherwise is kept free of them. One thread: same
    frames, same bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(10000)
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, av.VideoStream)  # tells mypy what libx264 is
        stream.pix_fmt = "yuv420p"
        # An avi keeps no presentation times: of frames out of order a reader would have to guess when they are due.
        order = {"bf": "3", "b_strategy": "0"} if reordered else {"bf": "0"} if path.suffix == ".avi" else {}
        stream.options = {"crf": str(CRF), "preset": "veryfast", "g": str(_GOP), "threads": "1", **order}
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
    """Frames at a low rate -> `count` frames at `factor` times the rate, cross-faded in between.

    A face that is drawn 15 times a second and cross-faded to 61 moves and blushes as one that is drawn 61 times, for
    a quarter of the work: what a pulse and an expression do is slower than 5 Hz.
    """
    before, given = None, 0
    for after in frames:
        if before is not None:
            for step in range(factor):
                if given == count:
                    return
                share = step / factor
                yield before if step == 0 else cv2.addWeighted(before, 1 - share, after, share, 0)
                given += 1
        before = after
    while before is not None and given < count:
        yield before
        given += 1


def spread(frames: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Frames -> `count` frames evenly over the same time, cross-faded: stands in for DFEW's temporal interpolation."""
    out = []
    for at in np.linspace(0, len(frames) - 1, count):
        low = int(at)
        high = min(low + 1, len(frames) - 1)
        out.append(cv2.addWeighted(frames[low], 1 - (at - low), frames[high], at - low, 0))
    return out
