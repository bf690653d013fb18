"""Videos of synthetic people who act a trial or an expression, marked with a number and an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien import simulation
from mien.simulation.datasets import markers, media_files
from mien.simulation.datasets.participants import SimulatedTrial

PULSE = 0.008     # AC/DC of green; our choice: upper half of the range at rest, so that small pictures show it
CLOSE = 1.55      # our choice: the head fills three quarters of a small picture's height
ALIGNED = 1.95    # our choice: the face fills the picture, as in face-aligned frames
COARSE = 1.6      # texels of 1 mm in pictures of 1 px per mm; our choice, for heads that draw in half the time


@dataclass(frozen=True)
class Shot:
    """How to film a trial.

    Attributes:
        size: (width, height) in px.
        fps: frame rate in Hz.
        start: start of the video in s after the onset of the stimulus.
        end: end of the video in s after the onset of the stimulus.
        number: number in the marks.
        event: time of the event in the marks, in s after the onset.
        seed: seed of the room and the blinks.
        marked: draw the marks.
        until: from this time in s on, the marks show the number `after`.
        after: see `until`.
        drawn: one of so many frames is rendered; the others are cross-faded.
    """

    size: tuple[int, int]
    fps: float
    start: float
    end: float
    number: int
    event: float
    seed: int
    marked: bool = True
    until: float = float("inf")
    after: int = 0
    drawn: int = 1

    @property
    def count(self) -> int:
        """Number of frames."""
        return round((self.end - self.start) * self.fps)

    def mark(self, rgb: np.ndarray, time: float) -> np.ndarray:
        """rgb uint8 (H, W, 3) at `time` s after the onset -> the picture with its marks."""
        if not self.marked:
            return rgb
        lit = self.event <= time + 1e-6 < self.event + markers.LAMP
        number = self.number if time < self.until else self.after
        return markers.draw(rgb, number, lit)


def scene(trials: Sequence[SimulatedTrial], shot: Shot) -> simulation.Scene:
    """Make the scene of one or several trials, side by side, without marks. Its time 0 is the start of the shot."""
    width, height = shot.size
    share = width / len(trials)
    zoom = min(CLOSE * height / 480, share / 190)
    actors = tuple(_actor(trial, shot, i, ((i + 0.5) * share, 0.47 * height), zoom) for i, trial in enumerate(trials))
    return simulation.Scene(actors, size=shot.size, fps=shot.fps / shot.drawn, seconds=shot.end - shot.start + 0.1,
                           seed=shot.seed, coarse=COARSE)


def _actor(trial: SimulatedTrial, shot: Shot, place: int, position: tuple[float, float],
           scale: float) -> simulation.Actor:
    def shifted(curve: Callable[[float], float]) -> Callable[[float], float]:
        return lambda t: float(curve(t + shot.start))

    # `pace` already contains the effect of breathing on the heart rate, so the renderer's rsa is 0.
    return simulation.Actor(
        simulation.identity(trial.who.face), aus={name: shifted(curve) for name, curve in trial.aus().items()},
        pulse=simulation.Pulse(bpm=shifted(trial.pace), amplitude=PULSE, phase=trial.phase_at(shot.start) % 1),
        respiration=simulation.Respiration(rate=trial.who.breath, rsa=0.0),
        blinks=simulation.Blinks(seed=shot.seed + place), sway=0.8, position=position, scale=scale)


def frames(trials: Sequence[SimulatedTrial], shot: Shot) -> Iterator[np.ndarray]:
    """Render `shot.count` marked pictures, uint8 (H, W, 3), at `shot.fps`."""
    drawn = (frame.rgb for frame in scene(trials, shot).frames())
    for index, rgb in enumerate(media_files.denser(drawn, shot.drawn, shot.count)):
        yield shot.mark(rgb, shot.start + index / shot.fps)


@dataclass(frozen=True)
class SimulatedClip:
    """A clip with one expression on one face.

    Attributes:
        face: seed of the identity.
        expression: name of the expression.
        look: intensity 0..5 by action unit.
        count: number of frames.
        number: number in the marks.
        seed: seed of the scene and of speech.
        pose: pitch, yaw and roll in degrees.
        brightness: relative brightness of the light.
        talks: the person talks.
    """

    face: int
    expression: str
    look: dict[str, float]
    count: int
    number: int
    seed: int
    pose: tuple[float, float, float]
    brightness: float
    talks: bool


def clip(face: int, expression: str, count: int, number: int, rng: np.random.Generator) -> SimulatedClip:
    """Draw a random clip: strength of the expression, action units, head pose, light and speech.

    Pose, light and speech do not depend on the class. The strength is 3..5. A unit that only a part of the people shows
    is left out with probability 0.5.
    """
    strength = float(rng.uniform(3, 5))
    core = simulation.expression(expression, strength, often=False)
    look = {name: value for name, value in simulation.expression(expression, strength).items()
            if name in core or rng.random() < 0.5}
    pose = (float(rng.normal(0, 4)), float(rng.normal(0, 9)), float(rng.normal(0, 4)))
    return SimulatedClip(face, expression, look, count, number, int(rng.integers(1 << 30)), pose,
                         float(rng.uniform(0.75, 1.1)), bool(rng.random() < 0.25))


def clip_frames(plan: SimulatedClip, side: int, fps: float = 25.0, marked: bool = True) -> list[np.ndarray]:
    """Render a clip -> pictures uint8 (side, side, 3). The expression rises in the first half of the clip and stays."""
    seconds = plan.count / fps

    def curve(top: float) -> Callable[[float], float]:
        return lambda t: top * (0.6 + 0.4 * float(np.clip(2 * t / seconds, 0, 1)))

    speech = None
    if plan.talks:
        speech = simulation.Speech(strength=0.4, seed=plan.seed)
    person = simulation.Actor(
        simulation.identity(plan.face), aus={name: curve(top) for name, top in plan.look.items()}, pose=plan.pose,
        pulse=simulation.Pulse(amplitude=PULSE), speech=speech, sway=0.8, position=(side / 2, 0.47 * side),
        scale=ALIGNED * side / 480)
    film = simulation.Scene((person,), size=(side, side), fps=fps, seconds=seconds, light=plan.brightness,
                           seed=plan.seed, coarse=COARSE)
    pictures = [frame.rgb for frame in film.frames()]
    if not marked:
        return pictures
    return [markers.draw(rgb, plan.number) for rgb in pictures]
