"""Example clips for comparison and calibration: the model's inputs from the user's videos, or noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from mien import video
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.core.settings import Settings
from mien.inference.prediction import WindowRequest
from mien.inference.stream import Stream
from mien.preprocessing.model_inputs import prepare_batch

MAX_CLIPS = 40
"""Largest number of clips; every second one calibrates. 20 clips of 16 pictures are slightly more than the 300 pictures
of NNCF's default."""


@dataclass(frozen=True, eq=False)
class ExampleClip:
    """A model's input of one person in one window: `frames` uint8 (T, 3, S, S); `name`: file and seconds."""

    name: str
    frames: np.ndarray


def record_clips(videos: Sequence[str | Path], needs: ModelRequirements, seconds: float,
          log: Callable[[str], None] | None = None) -> list[ExampleClip]:
    """Record clips of the faces in videos, as the stream passes them to a model.

    Args:
        videos: paths.
        needs: the model's inputs.
        seconds: length of a window, and the step from one clip to the next.
        log: receives a line for each video.

    Returns:
        At most `MAX_CLIPS` clips, about equally many of each video; none without videos.

    Raises:
        ValueError: no video has a face.
    """
    share = ceil(MAX_CLIPS / max(len(videos), 1))
    clips: list[ExampleClip] = []
    for path in map(Path, videos):
        recorded = _clips_of(path, needs, seconds, share)
        clips += recorded
        if log is not None:
            log(f"{path.name}: {len(recorded)} clips")
    if videos and not clips:
        raise ValueError(f"--clips: expected a face in the {len(videos)} videos, got none: give videos like those that "
                         "the model will analyse")
    return clips[:MAX_CLIPS]


def _clips_of(path: Path, needs: ModelRequirements, seconds: float, most: int) -> list[ExampleClip]:
    windows: list[Window] = []
    request = WindowRequest(needs, seconds)
    with (
        video.open_video(path) as frames,
        Stream(None, Settings(step=seconds, pictures=False), request=request) as stream,
    ):
        for frame in frames:
            stream.push(frame)
            windows += _windows(stream)
            if len(windows) >= most:
                break
        else:
            stream.close()
            windows += _windows(stream)
    pictured = [window for window in windows if window.faces is not None and len(window.faces)]
    names = [f"{path.name} {max(window.start, 0):.1f} to {window.end:.1f} s" for window in pictured[:most]]
    return [ExampleClip(name, _frames(window, needs)) for name, window in zip(names, pictured, strict=False)]


def _windows(stream: Stream) -> list[Window]:
    return [step.window for step in stream.observed() if step.window is not None]


def _frames(window: Window, needs: ModelRequirements) -> np.ndarray:
    frames = prepare_batch([window], needs).frames
    if frames is None:
        raise ValueError("export: expected a model that takes pictures, got one that takes none")
    return frames[0].numpy()


def noise_clips(needs: ModelRequirements, count: int = 4) -> list[ExampleClip]:
    """Make clips of coarse coloured noise, without faces but with different features; the seed is fixed.

    Args:
        needs: the model's inputs.
        count: number of clips.

    Returns:
        The clips.
    """
    rng, side, length = np.random.default_rng(0), needs.size or 0, needs.frames or 0
    coarse = rng.integers(0, 256, (count, length, 8, 8, 3), dtype=np.uint8)
    fine = [[cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR) for picture in clip] for clip in coarse]
    stacked = np.ascontiguousarray(np.moveaxis(np.array(fine), -1, 2))
    return [ExampleClip(f"noise {number}", frames) for number, frames in enumerate(stacked)]
