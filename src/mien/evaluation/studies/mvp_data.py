"""Synthetic trials for MVP's parts: an event in the face and one in skin conductance; no rendering.

"Which came first": a smile and a skin conductance response occur in every trial, and the class is their order. Their
times lie on a ring, so that the time of one of them alone carries no information: a response that would come after the
end comes as much after the beginning. "One of two": each may occur, and a trial is high if exactly one does. Neither
modality alone carries information about the class. The lag between the events grades the difficulty.
People differ in pulse, conductance level, resting face and strength of response; faces also move independently of the
class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mien.core.batch import Batch
from mien.core.tasks import ACTION_UNITS
from mien.models.mvp.config import AU_RATE, MVPConfig

RATE, SECONDS = 32.0, 30.0
"""Hz of the signals, and s of a trial. Our choice: the slow responses of skin conductance need no more."""

WIDTH = 1.5  # s, standard deviation of a smile
ONSET, DECAY = 0.8, 4.0  # s, of a skin conductance response
MARGIN = 4.0  # s from an event to both ends of a trial, at least
PERIOD = SECONDS - 2 * MARGIN  # of the ring on which events have their times
NOISY_AU, NOISY_EDA = 0.25, 0.004  # standard deviations of the noise


@dataclass(frozen=True)
class MvpWorld:
    """`order`: the class is the order of both events, otherwise whether exactly one occurs; `lag`: s from one event to
    the other."""

    order: bool
    lag: float


@dataclass(frozen=True, eq=False)
class SyntheticTrials:
    """signals (N, 2, T) ppg and eda, video (N, S, A), target (N,), which of the two events: `smiled`, `responded`;
    `face_at`, `skin_at` (N,): when they would start, s."""

    signals: torch.Tensor
    video: torch.Tensor
    target: torch.Tensor
    smiled: torch.Tensor
    responded: torch.Tensor
    face_at: torch.Tensor
    skin_at: torch.Tensor

    def __len__(self) -> int:
        return len(self.target)


def trials(world: MvpWorld, start: int, count: int, each: int) -> SyntheticTrials:
    """`each` trials of the people numbered start, start + 1, ...; the number alone determines a person."""
    parts = [person(world, number, each) for number in range(start, start + count)]
    return SyntheticTrials(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(7)))


def person(world: MvpWorld, number: int, each: int) -> tuple[np.ndarray, ...]:
    """Trials of one person, all four combinations of events, or of orders, equally often: `SyntheticTrials`' fields."""
    rng = np.random.default_rng([7, number])
    rest, smile = rng.uniform(0, 0.4, len(ACTION_UNITS)), rng.uniform(2, 4)
    pulse, level, response = rng.uniform(55, 95) / 60, rng.uniform(2, 12), rng.uniform(0.4, 1.2)
    combinations = rng.permutation(np.arange(each) % 4)
    smiled, responded = combinations // 2, combinations % 2
    target, later = smiled ^ responded, rng.choice([-1, 1], each)  # the response comes after the smile, or before
    if world.order:
        target, later = responded, 2 * responded - 1
        smiled, responded = np.ones_like(target), np.ones_like(target)
    face_at = rng.uniform(0, PERIOD, each)
    face_at, skin_at = MARGIN + face_at, MARGIN + (face_at + later * world.lag) % PERIOD
    signals = np.stack([_signals(rng, pulse, level, response * on, at)
                        for on, at in zip(responded, skin_at, strict=True)])
    video = np.stack([_video(rng, rest, smile * on, at)
                      for on, at in zip(smiled, face_at, strict=True)])
    return signals, video, target, smiled.astype(bool), responded.astype(bool), face_at, skin_at


def _signals(rng: np.random.Generator, pulse: float, level: float, response: float, at: float) -> np.ndarray:
    """Pulse wave and conductance (2, T) of one trial, with a response that starts `at` s."""
    t = np.arange(int(SECONDS * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pulse + 0.05 * np.sin(2 * np.pi * 0.1 * t + rng.uniform(0, 6))) / RATE
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase + 1) + 0.1 * rng.standard_normal(len(t))
    drift = np.cumsum(rng.standard_normal(len(t))) * 0.0012
    eda = level + drift + response * response_shape(t - at) + NOISY_EDA * rng.standard_normal(len(t))
    return np.stack([wave, eda]).astype(np.float32)


def _video(rng: np.random.Generator, rest: np.ndarray, smile: float, at: float) -> np.ndarray:
    """Action units (S, A) of one trial, with a smile that is largest `at` s."""
    s = np.arange(int(SECONDS * AU_RATE)) / AU_RATE
    values = rest + NOISY_AU * rng.standard_normal((len(s), len(rest)))
    for name in ("AU25", "AU45", "AU04"):  # movements that do not depend on the class
        for when in rng.uniform(0, SECONDS, 2):
            values[:, ACTION_UNITS.index(name)] += 2 * (np.abs(s - when) < 0.5)
    for name in ("AU06", "AU12"):
        values[:, ACTION_UNITS.index(name)] += smile * smile_shape(s - at)
    return np.clip(values, 0, 5).astype(np.float32)


def smile_shape(since: np.ndarray) -> np.ndarray:
    """A smile over time in s, at most 1."""
    return np.exp(-((since / WIDTH) ** 2) / 2)


def response_shape(since: np.ndarray) -> np.ndarray:
    """A skin conductance response over time in s since its start: a rise and a slower fall."""
    after = np.clip(since, 0, None)
    return np.exp(-after / DECAY) - np.exp(-after / ONSET)


@dataclass(frozen=True, eq=False)
class DetectedEvents:
    """Times (N,) in s and strengths (N,) of the smile and of the response that a matched filter reads."""

    face_at: np.ndarray
    smile: np.ndarray
    skin_at: np.ndarray
    response: np.ndarray


def matched_filter(of: SyntheticTrials) -> DetectedEvents:
    """Best time and strength of both events, by their true shapes.

    The conductance is differentiated first, which turns its drift into white noise.
    """
    t, s = np.arange(int(SECONDS * RATE)) / RATE, np.arange(int(SECONDS * AU_RATE)) / AU_RATE
    at = np.arange(MARGIN - 1, SECONDS - MARGIN + 1, 0.2)
    smiles = np.stack([smile_shape(s - a) for a in at])
    rises = np.diff(np.stack([response_shape(t - a) for a in at]), axis=1)
    face = of.video[..., [ACTION_UNITS.index(name) for name in ("AU06", "AU12")]].numpy().mean(axis=-1)
    skin = np.diff(of.signals[:, 1].numpy(), axis=1)
    out: list[np.ndarray] = []
    for shapes, seen in ((smiles, face), (rises, skin)):
        shapes = shapes - shapes.mean(axis=1, keepdims=True)
        fit = (seen - seen.mean(axis=1, keepdims=True)) @ shapes.T / np.linalg.norm(shapes, axis=1)
        out += [at[fit.argmax(axis=1)], fit.max(axis=1)]
    return DetectedEvents(*out)


def cut_batch(of: SyntheticTrials, rows: torch.Tensor) -> Batch:
    """These trials as a batch."""
    return Batch(signals=of.signals[rows], video=of.video[rows], target=of.target[rows])


def exchanged_modality(of: SyntheticTrials, part: str, rng: np.random.Generator) -> SyntheticTrials:
    """Replace the `video`, or the `signals`, of each trial by those of a random trial."""
    order = torch.from_numpy(rng.permutation(len(of)))
    return replace(of, **{part: getattr(of, part)[order]})


def shuffled_patches(of: SyntheticTrials, options: MVPConfig, rng: np.random.Generator) -> SyntheticTrials:
    """Shuffle the signal patches and the video rows of each trial; the content of each patch stays."""
    samples, count = options.samples, of.signals.shape[-1] // options.samples
    patches = of.signals[..., :count * samples].unflatten(-1, (count, samples))
    signals = torch.stack([trial[:, torch.from_numpy(rng.permutation(count))] for trial in patches]).flatten(2)
    video = torch.stack([rows[torch.from_numpy(rng.permutation(len(rows)))] for rows in of.video])
    return replace(of, signals=signals, video=video)
