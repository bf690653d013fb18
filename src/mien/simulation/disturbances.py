"""Disturbances of a recording: flicker, light changes, an occluding hand, nodding and speech."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Flicker:
    """Flicker of the light in the full picture, as when mains light beats against the frame rate.

    Attributes:
        hz: frequency in the recording in Hz.
        amplitude: relative amplitude.
        phase: phase in cycles.
    """

    hz: float = 1.3
    amplitude: float = 0.01
    phase: float = 0.0

    @classmethod
    def mains(cls, mains: float, fps: float, amplitude: float = 0.01) -> Flicker:
        """Simulate lamps on mains, which flash twice a period, in a camera.

        Args:
            mains: frequency of the mains in Hz.
            fps: frame rate of the camera in Hz.
            amplitude: relative amplitude.

        Returns:
            The flicker at the aliased frequency.
        """
        glow = 2 * mains
        return cls(abs(glow - round(glow / fps) * fps), amplitude)

    def gain(self, times: np.ndarray) -> np.ndarray:
        """times (T,) s -> (T,) around 1."""
        return 1 + self.amplitude * np.sin(2 * np.pi * (self.hz * np.asarray(times) + self.phase))


@dataclass(frozen=True)
class LightChange:
    """Slow drift of the light: a sine with `period` in s and a relative `amplitude`."""

    amplitude: float = 0.15
    period: float = 12.0

    def gain(self, times: np.ndarray) -> np.ndarray:
        """times (T,) s -> (T,) around 1."""
        return 1 + self.amplitude * np.sin(2 * np.pi * np.asarray(times) / self.period)


@dataclass(frozen=True)
class Nod:
    """Nodding: `rate` in Hz, amplitude in `degrees`. 1.2 Hz is in the pulse band."""

    rate: float = 1.2
    degrees: float = 2.5


@dataclass(frozen=True)
class Speech:
    """Talking: movements of lips and jaw with random pauses.

    Attributes:
        rate: syllables a second. Adults have 4-5; our choice is the middle.
        strength: factor on the intensities.
        seed: seed of the movements.
    """

    rate: float = 4.5
    strength: float = 1.0
    seed: int = 0

    def aus(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """Intensities (T,) of the action units that speech moves, at times (T,) in s."""
        times = np.asarray(times, float)
        rng = np.random.default_rng([self.seed, 77])
        end = float(max(times[-1:], default=0.0))
        count = int(end * self.rate * 1.5) + 8
        starts = np.cumsum(rng.gamma(6.0, 1 / self.rate / 6.0, count))
        pause = np.cumsum(rng.random(count) < 0.08) * 0.5
        starts = starts + pause
        jaw, part, wide, tight = (np.zeros(len(times)) for _ in range(4))
        for start in starts[starts < end]:
            bell = np.exp(-0.5 * ((times - start) / (0.30 / self.rate)) ** 2)
            jaw += bell * rng.uniform(0.3, 1.8)
            part += bell * rng.uniform(0.5, 2.5)
            wide += bell * rng.uniform(0, 1.0)
            tight += bell * rng.uniform(0, 1.2) * (rng.random() < 0.3)
        return {name: np.clip(self.strength * value, 0, 4) for name, value in
                (("AU26", jaw), ("AU25", part), ("AU20", wide), ("AU23", tight))}


@dataclass(frozen=True)
class Occlusion:
    """A hand that passes in front of the camera from left to right.

    Attributes:
        start: start in s.
        end: end in s.
        height: height in the picture, from 0 (top) to 1.
        size: half width of the hand relative to the height of the picture.
        colour: sRGB 0..255.
    """

    start: float = 4.0
    end: float = 6.0
    height: float = 0.5
    size: float = 0.22
    colour: tuple[float, float, float] = (198.0, 152.0, 126.0)

    def centre(self, time: float, size: tuple[int, int]) -> tuple[float, float] | None:
        """Position (x, y) of the hand in px, or None if it is outside the picture."""
        if not self.start <= time <= self.end:
            return None
        way = (time - self.start) / max(self.end - self.start, 1e-9)
        reach = 2.5 * self.size * size[1]
        return -reach + way * (size[0] + 2 * reach), self.height * size[1]

    def draw(self, picture: np.ndarray, time: float, gain: float = 1.0) -> np.ndarray | None:
        """Paint the hand into the picture, float32 (H, W, 3), in place.

        Returns:
            The share of each pixel that the hand covers, (H, W) 0..1, or None.
        """
        size = (picture.shape[1], picture.shape[0])
        centre = self.centre(time, size)
        if centre is None:
            return None
        cover = np.zeros(picture.shape[:2], np.uint8)
        r = self.size * size[1]
        parts = [((0.0, 0.15), (0.62, 0.72), 0)]
        parts += [((-0.48 + 0.32 * i, -0.75 - 0.12 * (i in (1, 2))), (0.15, 0.55), 0) for i in range(4)]
        parts += [((-0.75, 0.05), (0.17, 0.45), -35), ((0.0, 1.4), (0.5, 1.2), 0)]
        for (x, y), (a, b), tilt in parts:
            at = (round((centre[0] + x * r) * 16), round((centre[1] + y * r) * 16))
            axes = (round(a * r * 16), round(b * r * 16))
            cv2.ellipse(cover, at, axes, float(tilt), 0.0, 360.0, (255.0,), -1, cv2.LINE_AA, 4)
        alpha = cv2.GaussianBlur(cover, (0, 0), 1.0).astype(np.float32) / 255
        shade = 0.75 + 0.3 * cv2.GaussianBlur(alpha, (0, 0), 0.18 * r)
        hand = np.asarray(self.colour, np.float32) * (gain * shade)[..., None]
        picture += (hand - picture) * alpha[..., None]
        return alpha


def curve(value: object, times: np.ndarray, fps: float, width: int = 0) -> np.ndarray:
    """Sample a curve.

    Args:
        value: a number, a function of time in s, or samples at `fps`. With `width`, each value is a row.
        times: (T,) in s.
        fps: rate of the samples in Hz.
        width: number of columns; 0: the curve has no columns.

    Returns:
        (T,) or (T, width).

    Raises:
        ValueError: the values have a wrong shape.
    """
    times = np.asarray(times, float)
    if callable(value):
        table = np.array([value(float(t)) for t in times], float)
    else:
        given = np.asarray(value, float)
        if given.ndim == bool(width):
            table = np.broadcast_to(given, (len(times), *given.shape)).copy()
        else:
            at = np.arange(len(given)) / fps
            columns = given.reshape(len(given), -1)
            table = np.stack([np.interp(times, at, column) for column in columns.T], -1)
            table = table.reshape(len(times), *given.shape[1:])
    expected: tuple[int, ...] = (len(times),)
    if width:
        expected = (len(times), width)
    if table.shape != expected:
        raise ValueError(f"curve: expected values of shape {expected}, got {table.shape}; give a number, a function of "
                         f"time or samples at {fps} Hz")
    return table


def brightness(light: object, flicker: Flicker | None, times: np.ndarray, fps: float) -> np.ndarray:
    """Relative brightness of the scene at times (T,) in s: slow change times flicker."""
    slow = light.gain(times) if isinstance(light, LightChange) else curve(light, times, fps)
    if flicker is None:
        return slow * 1.0
    return slow * flicker.gain(times)


Curve = float | Callable[[float], float] | np.ndarray
