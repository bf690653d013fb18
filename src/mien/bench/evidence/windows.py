"""Windows of synthetic people for SCPT's parts: a face of textures, a pulse of a rate; nothing is rendered.

Textures repeat patch by patch: a tower drawn at random makes a mean over patches of its class token, and anything else
would be lost on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mien import tfr
from mien.batch import Batch
from mien.towers import Plan

FRAMES, RATE, SECONDS = 2, 30.0, 10.0


@dataclass(frozen=True)
class World:
    """What is planted: how often a person shows their class; how strong identity, class and what changes from window to
    window are in the face; the rise of the heart rate in bpm with the class, 0: none, and `rest`, from where to where
    people's own rates lie; `side` and `patch` px of face and
    image, `image` what is made of the pulse."""

    lean: float = 0.9
    identity: float = 1.0
    shown: float = 0.35
    vary: float = 0.5
    rise: float = 0.0
    rest: tuple[float, float] = (55.0, 90.0)
    side: int = 32
    patch: int = 8
    image: tfr.Kind = "cwt"

    @property
    def plan(self) -> Plan:
        """Of the tower."""
        return Plan("vit", 48, 3, 4, 96, size=self.side, patch=self.patch)


CONFOUND = World()
"""A person shows one class nine times as often as the other, and looks three times as much like themselves as like it.
Our choice, on seeds from 100 on: a single adapter then does clearly worse on new people than what can be read from the
tower where nothing is confounded, so that there is something to mend."""

PULSE = World(lean=0.5, shown=0.0, rise=20.0, rest=(60.0, 80.0), side=64, patch=16)
"""The face says nothing of the class. Our choice: 64 px, since a waveform of 10 s in 32 columns would be aliased above
96 bpm, and a raw one would lose by that alone."""


@dataclass(frozen=True, eq=False)
class People:
    """N of them: `looks` (N, 3, S, S), `rest` (N,) bpm."""

    looks: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True, eq=False)
class Drawn:
    """Who is learnt from, and windows: `taught`, of which each person leans to a class; `other`, of the same people,
    who do not; `judged`, of new people, who do not; `signs` of the class, `rng` for what is drawn later; heart rates
    (N,) in bpm of `taught` and `judged`."""

    signs: np.ndarray
    taught: Batch
    other: Batch
    judged: Batch
    bpm: tuple[np.ndarray, np.ndarray]
    rng: np.random.Generator


def draw(world: World, seed: int, known: int, new: int, each: int, judged: int) -> Drawn:
    """`known` people with `each` windows to learn from, `new` ones with `judged`."""
    rng = np.random.default_rng(seed)
    signs, who = textures(world, rng, 1), people(world, rng, known)
    taught, bpm = windows(world, rng, signs, who, each, world.lean)
    other, _ = windows(world, rng, signs, who, each, 0.5)
    test, later = windows(world, rng, signs, people(world, rng, new), judged, 0.5)
    return Drawn(signs, taught, other, test, (bpm, later), rng)


def textures(world: World, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, S, S), the same in every patch, deviation 1."""
    one = rng.standard_normal((count, 3, world.patch, world.patch))
    one = one / one.std(axis=(1, 2, 3), keepdims=True)
    return np.tile(one, (1, 1, world.side // world.patch, world.side // world.patch))


def people(world: World, rng: np.random.Generator, count: int) -> People:
    """Looks and resting rates."""
    return People(textures(world, rng, count), rng.uniform(*world.rest, count))


def windows(world: World, rng: np.random.Generator, signs: np.ndarray, who: People, each: int, lean: float
            ) -> tuple[Batch, np.ndarray]:
    """`each` windows of every person -> batch, and the heart rates (N,) in bpm. Every other person leans to each class.
    """
    subject = np.repeat(np.arange(len(who.rest)), each)
    often = np.where(np.arange(len(who.rest)) % 2, lean, 1 - lean)
    target = (rng.random(len(subject)) < often[subject]).astype(np.int64)
    face = (world.identity * who.looks[subject] + world.vary * textures(world, rng, len(subject))
            + world.shown * np.where(target, 1, -1)[:, None, None, None] * signs)
    frames = face[:, None] + 0.5 * rng.standard_normal((len(subject), FRAMES, 3, world.side, world.side))
    bpm = who.rest[subject] + world.rise * target + 3 * rng.standard_normal(len(subject))
    phase = 2 * np.pi * (bpm[:, None] / 60 * np.arange(SECONDS * RATE) / RATE + rng.random((len(subject), 1)))
    waves = np.sin(phase) + 0.3 * np.sin(2 * phase) + 0.5 * rng.standard_normal(phase.shape)
    image = tfr.image(torch.tensor(waves, dtype=torch.float32), RATE, (world.side, world.side), world.image)
    pixels = torch.tensor(np.clip(128 + 30 * frames, 0, 255), dtype=torch.uint8)
    return Batch(frames=pixels, tfr=image, pulse_quality=torch.ones(len(subject)), target=torch.tensor(target),
                 subject=torch.tensor(subject)), bpm


def rows(batch: Batch, index: np.ndarray) -> Batch:
    """Some rows of a batch, in any order."""
    chosen = torch.from_numpy(index)
    names = ("frames", "tfr", "pulse_quality", "target", "subject")
    return Batch(**{name: getattr(batch, name)[chosen] for name in names})


def other_images(batch: Batch, rng: np.random.Generator) -> Batch:
    """Each window with the pulse's image of another one, of anybody."""
    if batch.tfr is None:
        raise ValueError("other_images: expected images in the batch, got none")
    return replace(batch, tfr=batch.tfr[torch.from_numpy(rng.permutation(len(batch)))])
