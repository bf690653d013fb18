"""Captioned pictures of synthetic faces: movements of single parts, head pose and light.

No caption names an expression or describes the person. `PHRASES` describe in plain English what each part of the face
does, after the Facial Action Coding System (Ekman, Friesen & Hager 2002). The faces are framed like the aligned ones of
`acted_video`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mien import simulation
from mien.simulation.datasets import acted_video

FIRST = 1000
"""Number of the first person; the synthetic datasets use 0 to 39."""

SHOWN = 1.2  # intensity from which a movement counts as visible; our choice: the smallest one of `acted_video.clip`
CHANCE = 0.2  # probability of each movement in a random face; our choice: three or four of eighteen at a time
DARK = 0.88  # relative brightness below which the picture is dark; our choice: the middle of the range


@dataclass(frozen=True)
class Phrase:
    """A phrase about the face, and the action units for which it is true.

    Attributes:
        words: different wordings.
        every: all of these units are visible.
        some: at least one of these units is visible.
        none: none of these units is visible.
    """

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
    Phrase(("a calm face at rest", "a face that does not move"), none=simulation.ACTION_UNITS),
)

SCENE = (("turned to the left",), ("turned to the right",), ("seen from the front",), ("the head raised",),
         ("the head lowered",), ("in the dark", "in dim light"), ("in bright light",))

PHRASES: tuple[tuple[str, ...], ...] = tuple(phrase.words for phrase in FACE) + SCENE
"""(P,) wordings of each phrase, in the order of `Pictures.holds`."""

MIRRORED = tuple(range(len(FACE))) + tuple(len(FACE) + k for k in (1, 0, *range(2, len(SCENE))))
"""(P,) index of the phrase that is true for the mirror image if phrase p is true for the picture."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Captioned pictures.

    Attributes:
        rgb: uint8 (N, S, S, 3).
        holds: bool (N, P), which of `PHRASES` are true.
        people: (N,) number of the person.
    """

    rgb: np.ndarray
    holds: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.rgb)


def draw(number: int, count: int, side: int) -> Pictures:
    """Render pictures of one person, each with another facial movement, pose and light.

    Half of the faces act an expression with the strengths of `acted_video.clip`; the others move at random.

    Args:
        number: number of the person, `FIRST` or more.
        count: number of pictures.
        side: width and height in px.

    Raises:
        ValueError: `number` is too small.
    """
    if number < FIRST:
        raise ValueError(f"captioned_pictures.draw: expected a person from {FIRST} on, got {number}: others are for "
                         "lookalikes")
    rng = np.random.default_rng([number, 77])
    units = np.stack([_acted(rng) if rng.random() < 0.5 else _moved(rng) for _ in range(count)])
    pose = rng.normal(0, 1, (count, 3)) * (4, 9, 4)  # as in `acted_video.clip`
    light = rng.uniform(0.7, 1.1, count)
    wide = 2 * side  # the pictures are averaged down, which avoids aliasing
    actor = simulation.Actor(
        simulation.identity(number),
        aus=dict(zip(simulation.ACTION_UNITS, units.T, strict=True)),
        pose=pose,
        pulse=None,
        respiration=None,
        position=(wide / 2, 0.47 * wide),
        scale=acted_video.ALIGNED * wide / 480,
    )
    scene = simulation.Scene((actor,), size=(wide, wide), fps=1, seconds=count, light=lambda t: float(light[int(t)]),
                            cuts=tuple(range(1, count)), coarse=_coarse(wide), seed=number)
    rgb = np.stack([cv2.resize(frame.rgb, (side, side), interpolation=cv2.INTER_AREA) for frame in scene.frames()])
    return Pictures(rgb, holds(units >= SHOWN, pose, light), np.full(count, number))


def join(parts: list[Pictures]) -> Pictures:
    """Concatenate pictures of several people."""
    return Pictures(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("rgb", "holds", "people")))


def _coarse(wide: int) -> float:
    """Texel size of the maps, relative to the finest (1.25 mm): about one pixel. Finer maps only take longer."""
    return float(np.clip(480 / (acted_video.ALIGNED * wide), 1, 2.5))


def _acted(rng: np.random.Generator) -> np.ndarray:
    name = str(rng.choice(list(simulation.PROTOTYPES)))
    strength = float(rng.uniform(3, 5))
    core = simulation.expression(name, strength, often=False)
    shown = {unit: value for unit, value in simulation.expression(name, strength).items()
             if unit in core or rng.random() < 0.5}
    return rng.uniform(0.6, 1) * np.array([shown.get(unit, 0.0) for unit in simulation.ACTION_UNITS])


def _moved(rng: np.random.Generator) -> np.ndarray:
    count = len(simulation.ACTION_UNITS)
    return rng.uniform(1.5, 5, count) * (rng.random(count) < CHANCE)


def holds(shown: np.ndarray, pose: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Decide which phrases are true.

    Args:
        shown: bool (N, 18), visible action units.
        pose: (N, 3) in degrees.
        light: (N,) relative brightness.

    Returns:
        bool (N, P).
    """
    visible = dict(zip(simulation.ACTION_UNITS, shown.T, strict=True))

    def is_true(phrase: Phrase) -> np.ndarray:
        """Compute for which faces a phrase is true, bool (N,)."""
        result = np.ones(len(shown), bool)
        for name in phrase.every:
            result &= visible[name]
        for name in phrase.none:
            result &= ~visible[name]
        if phrase.some:
            result &= np.any([visible[name] for name in phrase.some], axis=0)
        return result

    pitch, yaw, _ = pose.T
    scene = (yaw > 6, yaw < -6, np.abs(yaw) < 3, pitch > 4, pitch < -4, light < DARK, light >= DARK)
    return np.column_stack([*(is_true(phrase) for phrase in FACE), *scene])
