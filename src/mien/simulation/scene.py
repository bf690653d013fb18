"""A scene with people, a room, a lamp and a camera. `frames()` renders it; `truth()` returns the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from mien.core.observations import Frame
from mien.simulation.action_units import ACTION_UNITS, JAW
from mien.simulation.actor import Actor
from mien.simulation.background import Body, paste, room
from mien.simulation.disturbances import Flicker, LightChange, Occlusion, brightness, curve
from mien.simulation.motion import Motion, motion, parted
from mien.simulation.physiology import SIGNATURE
from mien.simulation.raycast import View
from mien.simulation.renderer import Figure, Light, figure
from mien.simulation.truth import ActorTruth, SceneTruth

WALK = 0.8  # s to walk in or out; our choice
COLOUR = (SIGNATURE / SIGNATURE[1]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene and its camera.

    The pulse multiplies the final pixel values (after the gamma of the camera), so the file shows the AC/DC directly.

    Attributes:
        actors: the people, from back to front.
        size: (width, height) in px.
        fps: frame rate in Hz.
        seconds: length in s.
        flicker: flicker of the light, or None.
        light: relative brightness: a `LightChange`, a number or a function of time in s.
        lamp: direction and colour of the light.
        occlusion: an occluding hand, or None.
        noise: standard deviation of the sensor noise in grey levels. Our choice is 1.5, a webcam in a lit room. Noise
            also preserves a pulse below one grey level through rounding.
        variable_frame_rate: frame intervals vary by a factor of 0.6-1.6, and one in twenty frames is dropped.
        cuts: times in s at which the room changes, as in a movie.
        black: all frames are black.
        coarse: factor on the size of the texels of the heads, 1..4. 2 is enough for pictures of 130 px, and the head
            takes a sixth of the time.
        seed: seed of the room, the noise and the frame times.

    Raises:
        ValueError: `size`, `fps`, `seconds` or `coarse` is out of range.
    """

    actors: tuple[Actor, ...] = ()
    size: tuple[int, int] = (640, 480)
    fps: float = 30.0
    seconds: float = 20.0
    flicker: Flicker | None = None
    light: LightChange | float | Callable[[float], float] = 1.0
    lamp: Light = field(default_factory=Light)
    occlusion: Occlusion | None = None
    noise: float = 1.5
    variable_frame_rate: bool = False
    cuts: tuple[float, ...] = ()
    black: bool = False
    coarse: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.size) < 16 or not 0 < self.fps <= 1000 or self.seconds <= 0:
            raise ValueError(f"Scene: expected a size of 16 px or more, fps up to 1000 and seconds over 0, got size "
                             f"{self.size}, fps {self.fps}, seconds {self.seconds}")
        if not 1 <= self.coarse <= 4:
            raise ValueError(f"Scene.coarse: expected 1 to 4 times the usual texel, got {self.coarse}")

    @cached_property
    def times(self) -> np.ndarray:
        """(T,) times of the frames in s."""
        count = max(1, round(self.seconds * self.fps))
        if not self.variable_frame_rate:
            return np.arange(count) / self.fps
        rng = np.random.default_rng([self.seed, 30])
        steps = rng.uniform(0.6, 1.6, 2 * count) + (rng.random(2 * count) < 0.05)
        times = np.concatenate([[0], np.cumsum(steps)]) / self.fps
        return np.round(times[times < self.seconds], 5)

    @cached_property
    def _motions(self) -> tuple[Motion, ...]:
        return tuple(motion(actor, self.times, self.fps) for actor in self.actors)

    @cached_property
    def _figures(self) -> tuple[Figure, ...]:
        return tuple(figure(actor.identity, self.coarse) for actor in self.actors)

    @cached_property
    def _bodies(self) -> tuple[Body, ...]:
        parts = zip(self.actors, self._figures, self._scales, strict=True)
        return tuple(Body(actor.identity, figure.place, scale) for actor, figure, scale in parts)

    @cached_property
    def _scales(self) -> tuple[float, ...]:
        share = self.size[0] / max(len(self.actors), 1)
        usual = min(1.12 * self.size[1] / 480, share / 250)
        return tuple(actor.scale or usual for actor in self.actors)

    @cached_property
    def _positions(self) -> tuple[np.ndarray, ...]:
        out = []
        for i, (actor, scale, now) in enumerate(zip(self.actors, self._scales, self._motions, strict=True)):
            spot = actor.position
            if spot is None:
                spot = ((i + 0.5) * self.size[0] / len(self.actors), 0.44 * self.size[1])
            path = curve(spot, self.times, self.fps, 2) + now.offset * [scale, -scale]
            out.append(path + self._walk(actor, path, scale))
        return tuple(out)

    def _walk(self, actor: Actor, path: np.ndarray, scale: float) -> np.ndarray:
        """Offset (T, 2) in px of an actor who walks in or out at the nearer side; at a cut, the actor does not walk."""
        away = np.zeros(len(self.times))
        for moment, sign in zip(actor.present or (), (1, -1), strict=False):
            if 0 < moment < self.seconds and not any(abs(moment - cut) < 1 / self.fps for cut in self.cuts):
                way = np.clip(sign * (self.times - moment) / WALK, 0, 1)
                away = np.maximum(away, 1 - way**2 * (3 - 2 * way))
        width = self.size[0]
        out = np.where(path[:, 0] < width / 2, -path[:, 0] - 230 * scale, width - path[:, 0] + 230 * scale)
        return np.stack([away * out, np.zeros_like(away)], -1)

    @cached_property
    def _gain(self) -> np.ndarray:
        return brightness(self.light, self.flicker, self.times, self.fps)

    @cached_property
    def _rooms(self) -> tuple[np.ndarray, ...]:
        return tuple(room(self.size, self.seed + 17 * i) for i in range(len(self.cuts) + 1))

    @cached_property
    def _grain(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 2])
        grain = rng.standard_normal((self.size[1] + 61, self.size[0] + 67, 3), np.float32)
        return grain * np.float32(self.noise)

    def view(self, actor: int, frame: int) -> View:
        """Pose of an actor's head in a frame."""
        pitch, yaw, roll = self._motions[actor].pose[frame]
        x, y = self._positions[actor][frame]
        return View(pitch, yaw, roll, x, y, self._scales[actor])

    def frames(self) -> Iterator[Frame]:
        """Render the frames in order."""
        for index in range(len(self.times)):
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        """Render one frame. It does not depend on earlier calls."""
        return Frame(float(self.times[index]), self._render(index)[0])

    def skin(self, index: int) -> tuple[np.ndarray, ...]:
        """Share of each pixel of the frame that is skin with a pulse: float32 (H, W) 0..1 for each actor."""
        return self._render(index)[1]

    def _render(self, index: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        gain = float(self._gain[index])
        time = float(self.times[index])
        width, height = self.size
        masks = [np.zeros((height, width), np.float32) for _ in self.actors]
        if self.black:
            return self._expose(np.zeros((height, width, 3), np.float32), index), tuple(masks)
        picture = self._rooms[int(np.searchsorted(self.cuts, time, side="right"))].copy()
        for i in range(len(self.actors)):
            if self._motions[i].present[index]:
                self._person(picture, masks, i, index)
        if self.occlusion:
            cover = self.occlusion.draw(picture, time)
            if cover is not None:
                masks = [mask * (1 - cover) for mask in masks]
        if gain != 1:
            picture *= np.float32(gain)
        return self._expose(picture, index), tuple(masks)

    def _person(self, picture: np.ndarray, masks: list[np.ndarray], i: int, index: int) -> None:
        now, figure, body = self._motions[i], self._figures[i], self._bodies[i]
        at = tuple(self._positions[i][index])
        body.draw(picture, at)
        layer = figure.draw(self.view(i, index), now.aus[index], tuple(now.gaze[index]),
                            now.rhythm.colour[index] * COLOUR, self.lamp, self.size)
        if layer is not None:
            colour = layer.colour
            if self.actors[i].painted:
                colour = _painted(colour)
            paste(picture, colour, layer.alpha, layer.left, layer.top)
            rows = slice(layer.top, layer.top + layer.alpha.shape[0])
            columns = slice(layer.left, layer.left + layer.alpha.shape[1])
            for mask in masks:
                mask[rows, columns] *= 1 - layer.alpha
            masks[i][rows, columns] += layer.skin
        body.draw(picture, at, front=True)

    def _expose(self, picture: np.ndarray, index: int) -> np.ndarray:
        if self.noise <= 0:
            return cv2.convertScaleAbs(picture)
        rng = np.random.default_rng([self.seed, 3, index])
        down, right = int(rng.integers(0, 61)), int(rng.integers(0, 67))
        grain = self._grain[down:down + self.size[1], right:right + self.size[0]]
        return cv2.add(picture, grain, dtype=cv2.CV_8U)

    def truth(self) -> SceneTruth:
        """Ground truth at the times of the frames."""
        return SceneTruth(self.times, tuple(self._truth(i) for i in range(len(self.actors))), self.size)

    def _truth(self, i: int) -> ActorTruth:
        actor, now = self.actors[i], self._motions[i]
        box = np.array([self._box(i, k) for k in range(len(self.times))])
        width, height = self.size
        centre = (box[:, :2] + box[:, 2:]) / 2
        visible = now.present & (centre > 0).all(1) & (centre < [width, height]).all(1) & (not self.black)
        box[~visible] = np.nan
        amplitude = 0.0
        if actor.pulse and not (actor.still or actor.painted):
            amplitude = actor.pulse.amplitude
        return ActorTruth(
            actor.identity.seed, actor.identity.skin_tone, amplitude, parted(now.aus), now.rhythm.bvp,
            now.rhythm.heart_rate, now.rhythm.beats, now.rhythm.respiration, now.pose, now.gaze, box, visible,
            self._covered(box), now.blinks)

    def _box(self, i: int, index: int) -> np.ndarray:
        place, person = self._figures[i].place, self.actors[i].identity
        wide, deep = person["face_width"] / 2, person["head_length"] / 2
        drop = JAW * self._motions[i].aus[index, ACTION_UNITS.index("AU26")] / 5
        points = np.array([[-wide, -12, 20], [wide, -12, 20], [0, place.tr - 6, deep - 10],
                           [0, place.gn - drop, deep - 14], [-30, place.tr - 10, deep - 20],
                           [30, place.tr - 10, deep - 20]])
        projected = self.view(i, index).project(points)
        return np.concatenate([projected.min(0), projected.max(0)])

    def _covered(self, box: np.ndarray) -> np.ndarray:
        out = np.zeros(len(box))
        if self.occlusion is None:
            return out
        for k in np.flatnonzero(np.isfinite(box[:, 0])):
            if self.occlusion.centre(float(self.times[k]), self.size) is None:
                continue
            canvas = np.zeros((self.size[1], self.size[0], 3), np.float32)
            cover = self.occlusion.draw(canvas, float(self.times[k]))
            x0, y0, x1, y1 = np.clip(box[k], 0, [*self.size, *self.size]).astype(int)
            if cover is not None and x1 > x0 and y1 > y0:
                out[k] = cover[y0:y1, x0:x1].mean()
        return out


def _painted(colour: np.ndarray) -> np.ndarray:
    """Turn a rendered face into a painting: flat patches with dark outlines, without pores."""
    flat = cv2.bilateralFilter(np.clip(colour, 0, 255).astype(np.float32), 7, 40, 5)
    grey = cv2.GaussianBlur(flat.mean(2), (0, 0), 1.0)
    edge = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    steps = np.round(flat / 28) * 28
    return (0.35 * flat + 0.65 * steps) * (1 - 0.55 * np.clip(edge / 110, 0, 1))[..., None]
