"""Pictures of synthetic people with words for what is seen: single movements of a face, pose and light.

No word names an expression: `PHRASES` say what each part of the face does, in the terms of the Facial Action Coding
System (Ekman, Friesen & Hager 2002) in plain English. Who is shown nobody says. The faces are framed as the aligned
ones of `acting`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mien import synthetic
from mien.lookalikes import acting

FIRST = 1000
"""Number of the first person drawn here; the lookalikes of datasets have 0 to 39."""

SHOWN = 1.2  # intensity from which a movement is said to be seen; our choice: the least that `acting.clip` plants
CHANCE = 0.2  # of each movement in a face that moves at random; our choice: three or four of eighteen at a time
DARK = 0.88  # of the usual light; our choice: the middle of what is drawn


@dataclass(frozen=True)
class Phrase:
    """`words`: ways to say it. It holds where all of `every` are seen, one of `some` at least, and none of `none`."""

    words: tuple[str, ...]
    every: tuple[str, ...] = ()
    some: tuple[str, ...] = ()
    none: tuple[str, ...] = ()


_BROWS, _PARTED = ("AU01", "AU02", "AU04", "AU09"), ("AU25", "AU26")

FACE = (
    Phrase(("inner brows drawn up", "the inner ends of the brows raised"), every=("AU01",)),
    Phrase(("the outer brows raised", "the outer ends of the brows lifted"), every=("AU02",)),
    Phrase(("brows high and arched", "the whole brows lifted high"), every=("AU01", "AU02"), none=("AU04",)),
    Phrase(("brows pulled down and together", "a furrow between the brows"), every=("AU04",)),
    Phrase(("brows raised and drawn together",), every=("AU01", "AU04")),
    Phrase(("brows lowered",), some=("AU04", "AU09"), none=("AU01", "AU02")),
    Phrase(("brows level", "resting brows"), none=_BROWS),
    Phrase(("eyes wide open", "upper lids high"), every=("AU05",), none=("AU45",)),
    Phrase(("narrowed eyes", "tight lids"), every=("AU07",), none=("AU45",)),
    Phrase(("closed eyes",), every=("AU45",)),
    Phrase(("lifted cheeks", "fine folds beside the eyes"), every=("AU06",)),
    Phrase(("a wrinkled nose", "wrinkles across the nose"), every=("AU09",)),
    Phrase(("the upper lip curled", "the upper lip raised"), every=("AU10",)),
    Phrase(("lip corners pulled up", "the corners of the mouth go up"), every=("AU12",)),
    Phrase(("dimples beside the mouth",), every=("AU14",)),
    Phrase(("lip corners that sink", "the corners of the mouth go down"), every=("AU15",)),
    Phrase(("a raised chin", "the chin pushed up"), every=("AU17",)),
    Phrase(("lips stretched sideways", "a wide flat mouth"), every=("AU20",)),
    Phrase(("tight narrow lips",), every=("AU23",)),
    Phrase(("lips pressed thin", "lips pressed together"), every=("AU24",)),
    Phrase(("parted lips", "an open mouth"), some=_PARTED),
    Phrase(("the jaw dropped", "the mouth wide open"), every=("AU26",)),
    Phrase(("lips closed", "a closed mouth"), none=(*_PARTED, "AU10")),
    Phrase(("lips closed and straight",), none=(*_PARTED, "AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU20")),
    Phrase(("a calm face at rest", "a face that does not move"), none=synthetic.ACTION_UNITS),
)

SCENE = (("turned to the left",), ("turned to the right",), ("seen from the front",), ("the head raised",),
         ("the head lowered",), ("in the dark", "in dim light"), ("in bright light",))

PHRASES: tuple[tuple[str, ...], ...] = tuple(phrase.words for phrase in FACE) + SCENE
"""(P,) ways to say each phrase, in the order of what `Pictures` hold."""

MIRRORED = tuple(range(len(FACE))) + tuple(len(FACE) + k for k in (1, 0, *range(2, len(SCENE))))
"""(P,) which phrase of a picture holds in its mirror image."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """`rgb` uint8 (N, S, S, 3) of faces; `holds` bool (N, P): which of `PHRASES` are true; `people` (N,) who it is."""

    rgb: np.ndarray
    holds: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)


def draw(number: int, count: int, side: int) -> Pictures:
    """`count` pictures of one person, from `FIRST` on, `side` px wide, each with another face, pose and light.

    Half of the faces act an expression, in the strengths of `acting.clip`; the others move at random.
    """
    if number < FIRST:
        raise ValueError(f"captions.draw: expected a person from {FIRST} on, got {number}: others are for lookalikes")
    rng = np.random.default_rng([number, 77])
    units = np.stack([_acted(rng) if rng.random() < 0.5 else _moved(rng) for _ in range(count)])
    pose = rng.normal(0, 1, (count, 3)) * (4, 9, 4)  # as in `acting.clip`
    light = rng.uniform(0.7, 1.1, count)
    wide = 2 * side  # and averaged down, so that nothing aliases
    actor = synthetic.Actor(
        synthetic.identity(number), aus=dict(zip(synthetic.ACTION_UNITS, units.T, strict=True)), pose=pose, pulse=None,
        respiration=None, position=(wide / 2, 0.47 * wide), scale=acting.ALIGNED * wide / 480)
    scene = synthetic.Scene((actor,), size=(wide, wide), fps=1, seconds=count, light=lambda t: float(light[int(t)]),
                            cuts=tuple(range(1, count)), coarse=_coarse(wide), seed=number)
    rgb = np.stack([cv2.resize(frame.rgb, (side, side), interpolation=cv2.INTER_AREA) for frame in scene.frames()])
    return Pictures(rgb, holds(units >= SHOWN, pose, light), np.full(count, number))


def join(parts: list[Pictures]) -> Pictures:
    """Pictures of several people, one after the other."""
    return Pictures(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("rgb", "holds", "people")))


def _coarse(wide: int) -> float:
    """Maps whose texels (1.25 mm the finest) are as wide as the pixels, nearly; more is not seen, and takes longer."""
    return float(np.clip(480 / (acting.ALIGNED * wide), 1, 2.5))


def _acted(rng: np.random.Generator) -> np.ndarray:
    name = str(rng.choice(list(synthetic.PROTOTYPES)))
    strength = float(rng.uniform(3, 5))
    core = synthetic.expression(name, strength, often=False)
    shown = {unit: value for unit, value in synthetic.expression(name, strength).items()
             if unit in core or rng.random() < 0.5}
    return rng.uniform(0.6, 1) * np.array([shown.get(unit, 0.0) for unit in synthetic.ACTION_UNITS])


def _moved(rng: np.random.Generator) -> np.ndarray:
    count = len(synthetic.ACTION_UNITS)
    return rng.uniform(1.5, 5, count) * (rng.random(count) < CHANCE)


def holds(shown: np.ndarray, pose: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Movements bool (N, 18), pose (N, 3) degrees, light (N,) -> bool (N, P): which phrases are true."""
    seen = dict(zip(synthetic.ACTION_UNITS, shown.T, strict=True))

    def true(phrase: Phrase) -> np.ndarray:
        found = np.ones(len(shown), bool)
        for name in phrase.every:
            found &= seen[name]
        for name in phrase.none:
            found &= ~seen[name]
        return found & np.any([seen[name] for name in phrase.some], axis=0) if phrase.some else found

    pitch, yaw, _ = pose.T
    scene = (yaw > 6, yaw < -6, np.abs(yaw) < 3, pitch > 4, pitch < -4, light < DARK, light >= DARK)
    return np.column_stack([*(true(phrase) for phrase in FACE), *scene])
