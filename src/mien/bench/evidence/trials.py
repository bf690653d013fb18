"""Trials of synthetic people for MVP's parts: two events far apart, one in the face and one in the skin; no rendering.

A smile comes or not and a response of skin conductance comes or not, 40 s apart, in either order. High is whether
exactly one of the two happens: neither modality alone says anything of it. A person has a pulse, a level of
conductance, a face at rest and strengths of their own; faces also do what faces do anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from mien.batch import Batch
from mien.models.mvp.options import AU_RATE, Options
from mien.tasks import ACTION_UNITS

RATE, SECONDS, APART = 128.0, 60.0, 40.0
"""Hz of the signals; s of a trial, and from one event to the other."""


@dataclass(frozen=True, eq=False)
class Trials:
    """signals (N, 2, T) ppg and eda, video (N, S, A), target (N,), which of the two events: `smiled`, `responded`."""

    signals: torch.Tensor
    video: torch.Tensor
    target: torch.Tensor
    smiled: torch.Tensor
    responded: torch.Tensor

    def __len__(self) -> int:
        return len(self.target)


def trials(first: int, count: int, each: int) -> Trials:
    """`each` trials of the people numbered first, first + 1, ..., who come from their numbers alone."""
    parts = [person(number, each) for number in range(first, first + count)]
    return Trials(*(torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(5)))


def first(of: Trials, count: int) -> Trials:
    """The first `count` trials."""
    return Trials(of.signals[:count], of.video[:count], of.target[:count], of.smiled[:count], of.responded[:count])


def person(number: int, each: int) -> tuple[np.ndarray, ...]:
    """Trials of one person, all four combinations of the two events equally often: the fields of `Trials`."""
    rng = np.random.default_rng([7, number])
    rest, smile = rng.uniform(0, 0.4, len(ACTION_UNITS)), rng.uniform(2, 4)
    pulse, level, response = rng.uniform(55, 95) / 60, rng.uniform(2, 12), rng.uniform(0.4, 1.2)
    t, s = np.arange(int(SECONDS * RATE)) / RATE, np.arange(int(SECONDS * AU_RATE)) / AU_RATE
    combinations = rng.permutation(np.arange(each) % 4)
    smiled, responded = combinations // 2, combinations % 2
    signals, video = np.empty((each, 2, len(t)), np.float32), np.empty((each, len(s), len(rest)), np.float32)
    for k in range(each):
        early = rng.uniform(4, 14)
        late = early + APART
        face, skin = (early, late) if rng.random() < 0.5 else (late, early)
        phase = 2 * np.pi * np.cumsum(pulse + 0.05 * np.sin(2 * np.pi * 0.1 * t + rng.uniform(0, 6))) / RATE
        signals[k, 0] = np.sin(phase) + 0.4 * np.sin(2 * phase + 1) + 0.1 * rng.standard_normal(len(t))
        drift = np.cumsum(rng.standard_normal(len(t))) * 0.0006
        since = np.clip(t - skin, 0, None)
        rise = (np.exp(-since / 4) - np.exp(-since / 0.8)) * response  # of a skin conductance response
        signals[k, 1] = level + drift + rise * responded[k] + 0.004 * rng.standard_normal(len(t))
        values = rest + 0.25 * rng.standard_normal((len(s), len(rest)))
        for name in ("AU25", "AU45", "AU04"):  # what faces do anyway
            for when in rng.uniform(0, SECONDS, 4):
                values[:, ACTION_UNITS.index(name)] += 2 * (np.abs(s - when) < 0.5)
        for name in ("AU06", "AU12"):
            values[:, ACTION_UNITS.index(name)] += smile * smiled[k] * np.exp(-(((s - face) / 2.5) ** 2))
        video[k] = np.clip(values, 0, 5)
    return signals, video, smiled ^ responded, smiled.astype(bool), responded.astype(bool)


def cut(of: Trials, rows: torch.Tensor, starts: np.ndarray, seconds: float) -> Batch:
    """Windows of these trials that begin at `starts` s."""
    if seconds == SECONDS:
        return Batch(signals=of.signals[rows], video=of.video[rows], target=of.target[rows])
    sound = [of.signals[row, :, round(start * RATE):][:, :round(seconds * RATE)]
             for row, start in zip(rows, starts, strict=True)]
    seen = [of.video[row, round(start * AU_RATE):][:round(seconds * AU_RATE)]
            for row, start in zip(rows, starts, strict=True)]
    return Batch(signals=torch.stack(sound), video=torch.stack(seen), target=of.target[rows])


def exchanged(of: Trials, part: str, rng: np.random.Generator) -> Trials:
    """Each trial with the `video`, or the `signals`, of another one, of anybody."""
    order = torch.from_numpy(rng.permutation(len(of)))
    return replace(of, **{part: getattr(of, part)[order]})


def reordered(of: Trials, options: Options, rng: np.random.Generator) -> Trials:
    """The patches of the signals and the rows of the video of each trial in another order, what they hold untouched: as
    if the tokens' places in time were dealt out anew."""
    samples, count = options.samples, of.signals.shape[-1] // options.samples
    patches = of.signals[..., :count * samples].unflatten(-1, (count, samples))
    signals = torch.stack([one[:, torch.from_numpy(rng.permutation(count))] for one in patches]).flatten(2)
    video = torch.stack([one[torch.from_numpy(rng.permutation(len(one)))] for one in of.video])
    return replace(of, signals=signals, video=video)
