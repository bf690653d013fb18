"""Small files of every kind, good and bad, made in a moment: a rendered second that goes round."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from mien import simulation
from mien.core.observations import Frame
from mien.simulation.truth import SceneTruth


@dataclass
class Round:
    """Frames that go round for `seconds`."""

    pictures: list[np.ndarray]
    seconds: float
    fps: float = 10.0
    size: tuple[int, int] = (320, 240)

    def frames(self) -> Iterator[Frame]:
        """Every picture after the other, again and again."""
        for index, picture in zip(range(round(self.seconds * self.fps)), itertools.cycle(self.pictures), strict=False):
            yield Frame(index / self.fps, picture)

    def truth(self) -> SceneTruth:
        """Nothing was planted."""
        return SceneTruth(np.empty(0), (), self.size)


def pictures(seed: int = 1) -> list[np.ndarray]:
    """Half a second of a synthetic person."""
    scene = simulation.Scene((simulation.Actor(simulation.identity(seed), sway=2.0),), (320, 240), fps=10, seconds=0.5)
    return [frame.rgb for frame in scene.frames()]


def film(path: Path, seconds: float = 2.0, rounds: list[np.ndarray] | None = None) -> Path:
    """A person for `seconds`."""
    simulation.write_video(Round(rounds or pictures(), seconds), path)
    return path


def bad(folder: Path, good: Path) -> None:
    """Every kind of bad file beside each other; `cut.mp4` is half of `good`'s frames and is no failure."""
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("This is no video.\n" * 50)
    (folder / "noise.mp4").write_bytes(bytes(np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8)))
    (folder / "head.mp4").write_bytes(good.read_bytes()[:40])
    film(folder / "picture.mp4", 0.1, [np.full((240, 320, 3), 90, np.uint8)])
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    shutil.copy(good, folder / "whole.mkv.part")  # a name that no folder's walk takes


def cut(path: Path, rounds: list[np.ndarray]) -> Path:
    """A film whose end is missing, in a container that can be read without it."""
    simulation.write_video(Round(rounds, 3.0), path, codec="mjpeg")
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    return path
