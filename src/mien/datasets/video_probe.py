"""Read a video's duration and frame rate from its container, and check that the file is complete, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.datasets import integrity
from mien.datasets.index import DatasetProblem
from mien.video.errors import VideoError
from mien.video.open import open_file


@dataclass(frozen=True)
class VideoProbe:
    """Frame rate in Hz and duration in s stated by the container; None if it states none. Size of a picture in px."""

    rate: float | None
    seconds: float | None
    size: tuple[int, int] = (0, 0)

    def bits_per_pixel(self, path: Path) -> float:
        """Bits of the file for each pixel that it shows, sound included; NaN where the container states too little."""
        shown = (self.rate or 0.0) * (self.seconds or 0.0) * self.size[0] * self.size[1]
        return 8 * path.stat().st_size / shown if shown else float("nan")


def probe(path: Path) -> VideoProbe:
    """Read the header of a video.

    Args:
        path: The file.

    Returns:
        What the header says.

    Raises:
        VideoError: The file is missing, empty, no video, or without its index.
    """
    container, stream = open_file(path)
    try:
        rate = stream.average_rate or stream.guessed_rate
        seconds = None
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / 1e6
    finally:
        container.close()
    size = (stream.width, stream.height)
    if not rate:
        return VideoProbe(None, seconds, size)
    return VideoProbe(float(rate), seconds, size)


def check_probe(path: Path, item: str) -> tuple[VideoProbe | None, list[DatasetProblem]]:
    """Read the header of a video, None if it is unusable, and its problems. A truncated video is used."""
    try:
        seen = probe(path)
    except VideoError as error:
        return None, [DatasetProblem("unreadable", item, str(error), path)]
    cut = integrity.is_cut_video(path)
    if not cut:
        return seen, []
    return seen, [DatasetProblem("doubtful", item, f"{cut}; what is there is used", path)]
