"""A film of the portrait for tests of what is live."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from mien.core.observations import Frame


def film(seconds=3.0, fps=10.0, size=(320, 240)):
    """The portrait that drifts before a wall, with the time of each frame."""
    from skimage import data

    face = cv2.resize(np.ascontiguousarray(data.astronaut()[:300, 60:360]), (200, 200), interpolation=cv2.INTER_AREA)
    wall = np.full((size[1], size[0], 3), 120, np.uint8)
    wall[::16] = 90
    for time_ in np.arange(0, seconds, 1 / fps):
        rgb = wall.copy()
        left = 60 + round(5 * np.sin(time_))
        rgb[30:230, left : left + 200] = face
        yield Frame(float(time_), rgb)


def write(path: Path, seconds: float, keyframes: int = 250) -> Path:
    """The film as an mp4 file, with a keyframe at least every so many frames."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.gop_size = keyframes
        for frame in film(seconds):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        out.mux(stream.encode())
    return path
