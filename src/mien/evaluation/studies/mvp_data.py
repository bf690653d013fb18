"""Synthetic trials for MVP's parts: two events far apart, one in the face and one in skin conductance; no rendering.

A smile may occur, and a skin conductance response may occur, 40 s apart and in either order. A trial is high if exactly
one of the two occurs, so neither modality alone carries information about the class. People differ in pulse,
conductance level, resting face and strength of response; faces also move independently of the class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mien.core.batch import Batch
from mien.core.tasks import ACTION_UNITS
from mien.models.mvp.config import AU_RATE, MVPConfig

RATE, SECONDS, APART = 128.0, 60.0, 40.0
"""Hz of the signals; s of a trial, and from one event to the other."""


@dataclass(frozen=True, eq=False)
class SyntheticTrials:
    """signals (N, 2, T) ppg and eda, video (N, S, A), target (N,), which of the two events: `smiled`, `responded`."""

    signals: torch.Tensor
    video: torch.Tensor
    target: torch.Tensor
    smiled: torch.Tensor
    responded: torch.Tensor

    def __len__(self) -> int:
        return len(self.target)


def trials(start: int, count: int, each: int) -> SyntheticTrials:
    """`each` trials of the people numbered start, start + 1, ...; the number alone determines a person."""
    parts = [person(number, each) for number in range(start, start + count)]
    return SyntheticTrials(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(5)))


def first_trials(of: SyntheticTrials, count: int) -> SyntheticTrials:
    """The first `count` trials."""
    return SyntheticTrials(
        of.signals[:count], of.video[:count], of.target[:count], of.smiled[:count], of.responded[:count]
    )


def person(number: int, each: int) -> tuple[np.ndarray, ...]:
    """Trials of one person, all four combinations of the two events equally often: the fields of `SyntheticTrials`."""
    rng = np.random.default_rng([7, number])
    rest, smile = rng.uniform(0, 0.4, len(ACTION_UNITS)), rng.uniform(2, 4)
    pulse, level, response = rng.uniform(55, 95) / 60, rng.uniform(2, 12), rng.uniform(0.4, 1.2)
    t, s = np.arange(int(SECONDS * RATE)) / RATE, np.arange(int(SECONDS * AU_RATE)) / AU_RATE
    combinations = rng.permutation(np.arange(each) % 4)
    smiled, responded = combinations // 2, combinations % 2
    signals, video = np.empty((each, 2, len(t)), np.float32), np.empty((each, len(s), len(rest)), np.float32)
    for k in range(each):
        early = rng.uniform(4, 14)
        face, skin = early, early + APART
        if rng.random() >= 0.5:
            face, skin = skin, face
        phase = 2 * np.pi * np.cumsum(pulse + 0.05 * np.sin(2 * np.pi * 0.1 * t + rng.uniform(0, 6))) / RATE
        signals[k, 0] = np.sin(phase) + 0.4 * np.sin(2 * phase + 1) + 0.1 * rng.standard_normal(len(t))
        drift = np.cumsum(rng.standard_normal(len(t))) * 0.0006
        since = np.clip(t - skin, 0, None)
        rise = (np.exp(-since / 4) - np.exp(-since / 0.8)) * response  # of a skin conductance response
        signals[k, 1] = level + drift + rise * responded[k] + 0.004 * rng.standard_normal(len(t))
        values = rest + 0.25 * rng.standard_normal((len(s), len(rest)))
        for name in ("AU25", "AU45", "AU04"):  # movements that do not depend on the class
            for when in rng.uniform(0, SECONDS, 4):
                values[:, ACTION_UNITS.index(name)] += 2 * (np.abs(s - when) < 0.5)
        for name in ("AU06", "AU12"):
            values[:, ACTION_UNITS.index(name)] += smile * smiled[k] * np.exp(-(((s - face) / 2.5) ** 2))
        video[k] = np.clip(values, 0, 5)
    return signals, video, smiled ^ responded, smiled.astype(bool), responded.astype(bool)


def cut_windows(of: SyntheticTrials, rows: torch.Tensor, starts: np.ndarray, seconds: float) -> Batch:
    """Windows of these trials that start at `starts` s."""
    if seconds == SECONDS:
        return Batch(signals=of.signals[rows], video=of.video[rows], target=of.target[rows])
    sound = [of.signals[row, :, round(start * RATE):][:, :round(seconds * RATE)]
             for row, start in zip(rows, starts, strict=True)]
    seen = [of.video[row, round(start * AU_RATE):][:round(seconds * AU_RATE)]
            for row, start in zip(rows, starts, strict=True)]
    return Batch(signals=torch.stack(sound), video=torch.stack(seen), target=of.target[rows])


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
