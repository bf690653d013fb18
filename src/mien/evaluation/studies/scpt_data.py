"""Synthetic windows for SCPT's parts: a face of textures, and a pulse with a known rate; nothing is rendered.

Textures repeat in every patch. A random tower averages the patches into its class token and would lose anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mien.backbones.config import BackboneConfig
from mien.core.batch import Batch
from mien.signals import tfr

FRAMES, RATE, SECONDS = 2, 30.0, 10.0


@dataclass(frozen=True)
class SimulationParams:
    """The simulated data.

    `lean`: how often a person shows their class; `identity`, `shown`, `vary`: strength of identity, of the class and of
    the variation between windows in the face; `rise`: increase of the heart rate in bpm with the class, 0 for none;
    `rest`: range of the resting rates; `side`, `patch`: px of face and image; `image`: kind of pulse image; `noise`:
    standard deviation of white noise on a pulse wave of amplitude 1; `frames`: pictures of a window.
    """

    lean: float = 0.9
    identity: float = 1.0
    shown: float = 0.35
    vary: float = 0.5
    rise: float = 0.0
    rest: tuple[float, float] = (55.0, 90.0)
    side: int = 32
    patch: int = 8
    image: tfr.Kind = "cwt"
    noise: float = 0.5
    frames: int = FRAMES

    @property
    def plan(self) -> BackboneConfig:
        """The architecture of the tower."""
        return BackboneConfig("vit", 48, 3, 4, 96, size=self.side, patch=self.patch)


CONFOUND = SimulationParams(lean=1.0, identity=2.0)
"""Every training person shows one class alone, and identity is six times as strong as the class. Our choice: with a
lean of 0.97 and half the identity a single adapter loses nothing on new people (seed 100)."""

PULSE = SimulationParams(lean=0.5, shown=0.0, rise=20.0, rest=(60.0, 80.0), side=64, patch=16, frames=1)
"""The face carries no information about the class. Our choice: 64 px, since a waveform of 10 s in 32 columns would be
aliased above 96 bpm, a disadvantage for the raw waveform alone."""


@dataclass(frozen=True, eq=False)
class SubjectPool:
    """N of them: `looks` (N, 3, S, S), `rest` (N,) bpm."""

    looks: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """The simulated windows: `train` of the training people, who each lean to a class; `other` of the same people and
    `test` of new people, both without a lean; `signs`: textures of the class; `rng` for later draws; `bpm`: heart
    rates (N,) in bpm of `train` and `test`."""

    signs: np.ndarray
    train: Batch
    other: Batch
    test: Batch
    bpm: tuple[np.ndarray, np.ndarray]
    rng: np.random.Generator


def draw(world: SimulationParams, seed: int, known: int, new: int, each: int, test_each: int) -> SyntheticBatch:
    """Draw `known` training people with `each` windows, and `new` test people with `test_each` windows."""
    rng = np.random.default_rng(seed)
    signs, who = textures(world, rng, 1), people(world, rng, known)
    train, bpm = windows(world, rng, signs, who, each, world.lean)
    other, _ = windows(world, rng, signs, who, each, 0.5)
    test, test_bpm = windows(world, rng, signs, people(world, rng, new), test_each, 0.5)
    return SyntheticBatch(signs, train, other, test, (bpm, test_bpm), rng)


def textures(world: SimulationParams, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, S, S), the same in every patch, deviation 1."""
    patch = rng.standard_normal((count, 3, world.patch, world.patch))
    patch = patch / patch.std(axis=(1, 2, 3), keepdims=True)
    return np.tile(patch, (1, 1, world.side // world.patch, world.side // world.patch))


def people(world: SimulationParams, rng: np.random.Generator, count: int) -> SubjectPool:
    """Looks and resting rates."""
    return SubjectPool(textures(world, rng, count), rng.uniform(*world.rest, count))


def windows(
    world: SimulationParams, rng: np.random.Generator, signs: np.ndarray, who: SubjectPool, each: int, lean: float
) -> tuple[Batch, np.ndarray]:
    """`each` windows of every person -> batch, and heart rates (N,) in bpm. Half of the people lean to each class."""
    subject = np.repeat(np.arange(len(who.rest)), each)
    often = np.where(np.arange(len(who.rest)) % 2, lean, 1 - lean)
    target = (rng.random(len(subject)) < often[subject]).astype(np.int64)
    face = (world.identity * who.looks[subject] + world.vary * textures(world, rng, len(subject))
            + world.shown * np.where(target, 1, -1)[:, None, None, None] * signs)
    frames = face[:, None] + 0.5 * rng.standard_normal((len(subject), world.frames, 3, world.side, world.side))
    bpm = who.rest[subject] + world.rise * target + 3 * rng.standard_normal(len(subject))
    phase = 2 * np.pi * (bpm[:, None] / 60 * np.arange(SECONDS * RATE) / RATE + rng.random((len(subject), 1)))
    waves = np.sin(phase) + 0.3 * np.sin(2 * phase) + world.noise * rng.standard_normal(phase.shape)
    image = tfr.tfr_image(torch.tensor(waves, dtype=torch.float32), RATE, (world.side, world.side), world.image)
    pixels = torch.tensor(np.clip(128 + 30 * frames, 0, 255), dtype=torch.uint8)
    return Batch(frames=pixels, tfr=image, pulse_quality=torch.ones(len(subject)), target=torch.tensor(target),
                 subject=torch.tensor(subject)), bpm


def rows(batch: Batch, index: np.ndarray) -> Batch:
    """Some rows of a batch, in any order."""
    chosen = torch.from_numpy(index)
    names = ("frames", "tfr", "pulse_quality", "target", "subject")
    return Batch(**{name: getattr(batch, name)[chosen] for name in names})
