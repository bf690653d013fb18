"""Clips to compare and to calibrate with: what a model sees of the user's own videos, or noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from mien import video
from mien.data.prepare import prepare
from mien.settings import Settings
from mien.stream import Stream
from mien.tasks import Task
from mien.types import Needs, Window

MOST = 40
"""Clips in all; every second one calibrates. 20 clips of 16 pictures are a little more than the 300 that NNCF takes by
default."""


@dataclass(frozen=True, eq=False)
class Clip:
    """What a model sees of one person for a moment: `frames` uint8 (T, 3, S, S); `name`: file and seconds."""

    name: str
    frames: np.ndarray


class _Watcher:
    """A model that reads nothing and keeps what it was given."""

    def __init__(self, task: Task, needs: Needs, seconds: float) -> None:
        self.task, self.needs, self.seconds = task, needs, seconds
        self.windows: list[Window] = []

    def read(self, window: Window) -> np.ndarray:
        self.windows.append(window)
        return np.full(len(self.task.classes), 1 / len(self.task.classes))


def watch(videos: Sequence[str | Path], task: Task, needs: Needs, seconds: float,
          told: Callable[[str], None] | None = None) -> list[Clip]:
    """The faces in videos, as the stream would show them to a model, a clip each `seconds`; at most `MOST`, as many of
    each video. Raises ValueError where no face is seen in any of them."""
    share = ceil(MOST / max(len(videos), 1))
    clips: list[Clip] = []
    for path in map(Path, videos):
        found = _one(path, task, needs, seconds, share)
        clips += found
        if told is not None:
            told(f"{path.name}: {len(found)} clips")
    if not clips:
        raise ValueError(f"--clips: expected a face in the {len(videos)} videos, got none: give videos like those that "
                         "the model is to read")
    return clips[:MOST]


def _one(path: Path, task: Task, needs: Needs, seconds: float, most: int) -> list[Clip]:
    watcher = _Watcher(task, needs, seconds)
    with video.read(path) as frames, Stream(watcher, Settings(step=seconds, pictures=False)) as stream:
        for frame in frames:
            stream.push(frame)
            if len(watcher.windows) >= most:
                break
        else:
            stream.close()
    pictured = [window for window in watcher.windows if window.faces is not None and len(window.faces)]
    names = [f"{path.name} {max(window.start, 0):.1f} to {window.end:.1f} s" for window in pictured[:most]]
    return [Clip(name, _frames(window, needs)) for name, window in zip(names, pictured, strict=False)]


def _frames(window: Window, needs: Needs) -> np.ndarray:
    frames = prepare([window], needs).frames
    if frames is None:
        raise ValueError("export: expected a model that looks at pictures, got one that does not")
    return frames[0].numpy()


def noise(needs: Needs, count: int = 4) -> list[Clip]:
    """Clips of coarse coloured noise, always the same: no faces, but pictures whose features differ."""
    rng, side, length = np.random.default_rng(0), needs.size or 0, needs.frames or 0
    coarse = rng.integers(0, 256, (count, length, 8, 8, 3), dtype=np.uint8)
    fine = [[cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR) for picture in clip] for clip in coarse]
    stacked = np.ascontiguousarray(np.moveaxis(np.array(fine), -1, 2))
    return [Clip(f"noise {number}", frames) for number, frames in enumerate(stacked)]
