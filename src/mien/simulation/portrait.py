"""A real face with a simulated pulse: the public-domain portrait in scikit-image's package data.

`skimage.data.astronaut()` is NASA's photograph of Eileen Collins, in the public domain. The skin gets a pulse, and the
picture small natural motion; there is no other movement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from mien.core.observations import Frame
from mien.simulation.action_units import ACTION_UNITS
from mien.simulation.disturbances import Flicker, LightChange, Nod, brightness
from mien.simulation.motion import drift
from mien.simulation.physiology import SIGNATURE, Pulse, Respiration, Rhythm, rhythm
from mien.simulation.truth import ActorTruth, SceneTruth

CROP = (63, 0, 320, 240)             # x, y, width, height in px of the part of the photograph
FACE = (222.0, 133.0, 44.0, 55.0)    # centre and half axes of the face in px, measured by eye


@dataclass(frozen=True, eq=False)
class Portrait:
    """Video of the photograph, with the methods `frames()`, `frame(i)`, `skin(i)` and `truth()` of a `Scene`.

    Action units, pose and gaze of the photograph are unknown: they are NaN in the ground truth.

    Attributes:
        pulse: the pulse, or None.
        respiration: breathing, or None.
        seconds: length in s.
        fps: frame rate in Hz.
        sway: slow motion of the picture in px.
        nod: nodding; it moves the picture by `degrees` / 2 px. None: no nodding.
        flicker: flicker of the light, or None.
        light: relative brightness, as in `Scene`.
        noise: standard deviation of the sensor noise in grey levels.
        size: (width, height) in px.
        seed: seed of the motion and the noise.
    """

    pulse: Pulse | None = field(default_factory=Pulse)
    respiration: Respiration | None = field(default_factory=Respiration)
    seconds: float = 20.0
    fps: float = 30.0
    sway: float = 1.0
    nod: Nod | None = None
    flicker: Flicker | None = None
    light: LightChange | float | Callable[[float], float] = 1.0
    noise: float = 1.5
    size: tuple[int, int] = (640, 480)
    seed: int = 0

    @cached_property
    def times(self) -> np.ndarray:
        """(T,) s of the frames."""
        return np.arange(max(1, round(self.seconds * self.fps))) / self.fps

    @cached_property
    def _rhythm(self) -> Rhythm:
        return rhythm(self.times, self.pulse, self.respiration)

    @cached_property
    def _picture(self) -> np.ndarray:
        return cv2.resize(_photograph(), self.size, interpolation=cv2.INTER_CUBIC).astype(np.float32)

    @cached_property
    def _scale(self) -> np.ndarray:
        return np.array([self.size[0] / CROP[2], self.size[1] / CROP[3]])

    @cached_property
    def _face(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre and half axes of the face in px."""
        return (np.array(FACE[:2]) - CROP[:2]) * self._scale, np.array(FACE[2:]) * self._scale

    @cached_property
    def _skin(self) -> np.ndarray:
        """(H, W) 0..1: pixels inside the ellipse of the face with the typical colour of the skin."""
        (cx, cy), (a, b) = self._face
        down, across = np.mgrid[0:self.size[1], 0:self.size[0]].astype(np.float32)
        away = np.hypot((across - cx) / a, (down - cy) / b)
        tone = cv2.cvtColor(np.clip(self._picture, 0, 255).astype(np.uint8), cv2.COLOR_RGB2YCrCb).astype(np.float32)
        typical = np.median(tone[away < 0.6], 0)
        odd = np.sqrt((((tone - typical) / [42, 9, 9]) ** 2).sum(-1))
        inside = np.clip((1.02 - away) / 0.08, 0, 1) * np.clip((2.6 - odd) / 0.8, 0, 1)
        return cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.2)

    @cached_property
    def _hold(self) -> np.ndarray:
        """(H, W) 0..1: how much of the head's motion each pixel follows."""
        (cx, cy), (a, b) = self._face
        down, across = np.mgrid[0:self.size[1], 0:self.size[0]].astype(np.float32)
        away = np.hypot((across - cx) / (1.6 * a), (down - cy) / (1.5 * b))
        return np.clip(2.0 - away, 0, 1) ** 2 * (3 - 2 * np.clip(2.0 - away, 0, 1))

    @cached_property
    def _path(self) -> np.ndarray:
        """(T, 2) px that the head has moved."""
        path = self.sway * drift(self.times, self.seed)[:, :2] * [1.0, 0.5]
        if self.respiration:
            path[:, 1] -= self.respiration.rise * self._rhythm.respiration
        if self.nod:
            path[:, 1] -= self.nod.degrees / 2 * np.sin(2 * np.pi * self.nod.rate * self.times)
        return path

    @cached_property
    def _gain(self) -> np.ndarray:
        return brightness(self.light, self.flicker, self.times, self.fps)

    def frames(self) -> Iterator[Frame]:
        """Render the frames in order."""
        for index in range(len(self.times)):
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        """Render one frame."""
        change = (self._rhythm.colour[index] * SIGNATURE / SIGNATURE[1]).astype(np.float32)
        picture = self._picture * (1 + self._skin[..., None] * change)
        picture = self._move(picture, index) * np.float32(self._gain[index])
        rng = np.random.default_rng([self.seed, 8, index])
        if self.noise > 0:
            picture += np.float32(self.noise) * rng.standard_normal(picture.shape, np.float32)
        return Frame(float(self.times[index]), cv2.add(picture, np.zeros_like(picture), dtype=cv2.CV_8U))

    def skin(self, index: int) -> tuple[np.ndarray, ...]:
        """One float32 (H, W): share of each pixel of the frame with a pulse, 0..1."""
        return (self._move(self._skin, index),)

    def _move(self, values: np.ndarray, index: int) -> np.ndarray:
        dx, dy = self._path[index]
        if abs(dx) + abs(dy) < 1e-3:
            return values
        down, across = np.mgrid[0:self.size[1], 0:self.size[0]].astype(np.float32)
        columns, rows = across - np.float32(dx) * self._hold, down - np.float32(dy) * self._hold
        return cv2.remap(values, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)

    def truth(self) -> SceneTruth:
        """Ground truth; unknown values of the photograph are NaN."""
        count = len(self.times)
        centre, half = self._face
        box = np.concatenate([centre - half, centre + half]) + np.tile(self._path, 2)
        unknown = np.full((count, len(ACTION_UNITS)), np.nan)
        return SceneTruth(self.times, (ActorTruth(
            -1, 2, self.pulse.amplitude if self.pulse else 0.0, unknown, self._rhythm.bvp, self._rhythm.heart_rate,
            self._rhythm.beats, self._rhythm.respiration, unknown[:, :3], unknown[:, :2], box,
            np.ones(count, bool), np.zeros(count), np.empty(0)),), self.size)


def portrait(**options) -> Portrait:
    """Make a `Portrait`.

    Args:
        **options: the attributes of `Portrait`.

    Raises:
        ImportError: scikit-image is not installed.
    """
    _photograph()
    return Portrait(**options)


def _photograph() -> np.ndarray:
    """The visible part of the photograph, uint8 (240, 320, 3)."""
    try:
        from skimage import data
    except ImportError as missing:
        raise ImportError("portrait: expected scikit-image, which carries the photograph, got none; "
                          "install it with: pip install 'mien[demo]'") from missing
    x, y, width, height = CROP
    return data.astronaut()[y:y + height, x:x + width]
