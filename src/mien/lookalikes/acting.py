"""The films: synthetic people who act a trial or an expression, marked with number and event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien import synthetic
from mien.lookalikes import films, marks
from mien.lookalikes.people import Trial

PULSE = 0.008     # AC/DC of green; our choice: upper half of what is seen at rest, so that small pictures carry it
CLOSE = 1.55      # our choice: the head fills three quarters of a small picture's height
ALIGNED = 1.95    # our choice: the face fills the picture, as in face-aligned frames


@dataclass(frozen=True)
class Shot:
    """How a trial is filmed.

    `size` (width, height) px, `fps`, from `start` to `end` s after the stimulus' onset; `number` and `event` of the
    marks, none when not `marked`; `seed` of the room and of blinks. From `until` s on the number shown is `after`.
    `drawn`: of so many frames one is drawn, the others are cross-faded.
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
        """Frames."""
        return round((self.end - self.start) * self.fps)

    def mark(self, rgb: np.ndarray, time: float) -> np.ndarray:
        """rgb uint8 (H, W, 3) at time s after the onset -> with its marks."""
        if not self.marked:
            return rgb
        lit = self.event <= time + 1e-6 < self.event + marks.LAMP
        return marks.draw(rgb, self.number if time < self.until else self.after, lit)


def scene(trials: Sequence[Trial], shot: Shot) -> synthetic.Scene:
    """One or several trials, side by side -> what is filmed, without marks; its time 0 is the shot's start."""
    width, height = shot.size
    share = width / len(trials)
    zoom = min(CLOSE * height / 480, share / 190)
    actors = tuple(_actor(trial, shot, i, ((i + 0.5) * share, 0.47 * height), zoom) for i, trial in enumerate(trials))
    return synthetic.Scene(actors, size=shot.size, fps=shot.fps / shot.drawn, seconds=shot.end - shot.start + 0.1,
                           seed=shot.seed)


def _actor(trial: Trial, shot: Shot, place: int, position: tuple[float, float], scale: float) -> synthetic.Actor:
    def later(curve: Callable[[float], float]) -> Callable[[float], float]:
        return lambda t: float(curve(t + shot.start))

    # The breath's share is in `pace` already, so the renderer's own is left out.
    return synthetic.Actor(
        synthetic.identity(trial.who.face), aus={name: later(curve) for name, curve in trial.aus().items()},
        pulse=synthetic.Pulse(bpm=later(trial.pace), amplitude=PULSE, phase=trial.phase_at(shot.start) % 1),
        respiration=synthetic.Respiration(rate=trial.who.breath, rsa=0.0),
        blinks=synthetic.Blinks(seed=shot.seed + place), sway=0.8, position=position, scale=scale)


def frames(trials: Sequence[Trial], shot: Shot) -> Iterator[np.ndarray]:
    """-> marked pictures uint8 (H, W, 3), `shot.count` of them at `shot.fps`."""
    drawn = (frame.rgb for frame in scene(trials, shot).frames())
    for index, rgb in enumerate(films.denser(drawn, shot.drawn, shot.count)):
        yield shot.mark(rgb, shot.start + index / shot.fps)


@dataclass(frozen=True)
class Clip:
    """A clip of a film: one expression on one face. `look`: strengths of its action units."""

    face: int
    expression: str
    look: dict[str, float]
    count: int
    number: int
    seed: int
    pose: tuple[float, float, float]
    brightness: float
    talks: bool


def clip(face: int, expression: str, count: int, number: int, rng: np.random.Generator) -> Clip:
    """Draw a clip: how strong the expression is, which of its frequent companions show, where the head looks.

    Head, light and talking say nothing of the class. Strengths 3..5; each unit that only a part of the people shows is
    left out half of the time.
    """
    strength = float(rng.uniform(3, 5))
    core = synthetic.expression(expression, strength, often=False)
    look = {name: value for name, value in synthetic.expression(expression, strength).items()
            if name in core or rng.random() < 0.5}
    pose = (float(rng.normal(0, 4)), float(rng.normal(0, 9)), float(rng.normal(0, 4)))
    return Clip(face, expression, look, count, number, int(rng.integers(1 << 30)), pose, float(rng.uniform(0.75, 1.1)),
                bool(rng.random() < 0.25))


def clip_frames(plan: Clip, side: int, fps: float = 25.0, marked: bool = True) -> list[np.ndarray]:
    """-> pictures uint8 (side, side, 3). The expression comes up over the first half of the clip and stays."""
    seconds = plan.count / fps

    def curve(top: float) -> Callable[[float], float]:
        return lambda t: top * (0.6 + 0.4 * float(np.clip(2 * t / seconds, 0, 1)))

    speech = synthetic.Speech(strength=0.4, seed=plan.seed) if plan.talks else None
    person = synthetic.Actor(
        synthetic.identity(plan.face), aus={name: curve(top) for name, top in plan.look.items()}, pose=plan.pose,
        pulse=synthetic.Pulse(amplitude=PULSE), speech=speech, sway=0.8, position=(side / 2, 0.47 * side),
        scale=ALIGNED * side / 480)
    film = synthetic.Scene((person,), size=(side, side), fps=fps, seconds=seconds, light=plan.brightness,
                           seed=plan.seed)
    return [marks.draw(frame.rgb, plan.number) if marked else frame.rgb for frame in film.frames()]
