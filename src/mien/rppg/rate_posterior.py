"""The posterior of a heart rate that drifts, from the evidence of all pieces of a recording.

A hidden Markov model: between pieces the rate takes a step of a few bpm, and the pulse may vanish behind movement and
come back. Its amplitude is the same all the time. Forward and backward passes give, in linear time, the probability
that there is a pulse at all, and not a steady light or movement instead, and the posterior of the rate of each piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import convolve1d

from mien.rppg.evidence import ANSWER, GRID, RATES, STEP, Evidence

USUAL, SPREAD, RARE = 72.0, 0.35, 0.003
"""Mean in bpm, spread in natural log, and floor relative to the peak, of the prior on heart rate. Our choice: Quer et
al. 2020, 10.1371/journal.pone.0227709, found a mean of 65 bpm and a range of 40 to 109 in 92,457 adults lying at rest.
A person in front of a camera has a slightly higher rate, and may have run."""

PRESENT, STEADY = 0.5, 0.25
"""Prior probabilities that the recording shows a pulse, or that it shows, instead, light or movement at a steady rate
that nothing else explains; otherwise there is only noise (our choice)."""

VISIBLE, STAYS = 0.9, 0.95
"""Probability that a pulse is visible in the first piece, and that this stays so from piece to piece (our choice)."""

CHANGE = 2.0
"""bpm: scale of the change of the rate from piece to piece, two-sided exponential (our choice)."""

NEAR = 5.0
"""bpm on either side of the most probable rate of a piece that count as this rate: the resolution of a piece."""

PAUSE = 12
"""Most steps that the model takes across a gap: after a minute nothing is known of the rate (our choice)."""


@dataclass(frozen=True, eq=False)
class RatePosterior:
    """The posterior of the heart rate over a recording.

    Attributes:
        starts: (T,) s of the pieces.
        length: (T,) s of each piece.
        present: probability that the recording shows a pulse at all.
        visible: (T,) probability, given that, that a piece shows it.
        rates: (T, F) posterior over `evidence.RATES` of each piece.
    """

    starts: np.ndarray
    length: np.ndarray
    present: float
    visible: np.ndarray
    rates: np.ndarray

    def between(self, start: float, end: float) -> RatePosterior:
        """The pieces with their middle from `start` to `end` s."""
        middle = self.starts + self.length / 2
        inside = (middle >= start) & (middle <= end)
        return RatePosterior(self.starts[inside], self.length[inside], self.present, self.visible[inside],
                             self.rates[inside])

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Most probable rate (T,) bpm of each piece, and the probability (T,) that the rate is within `NEAR` of it.

        A parabola through the logarithms places the rate between those of the grid.
        """
        at = np.clip(self.rates.argmax(axis=1), 1, len(RATES) - 2)
        left, top, right = (np.log(np.maximum(self.rates[np.arange(len(at)), at + k], 1e-30)) for k in (-1, 0, 1))
        shift = np.clip(0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-9), -0.5, 0.5)
        close = np.abs(RATES[None] - RATES[at][:, None]) <= NEAR
        return RATES[at] + GRID * shift, (self.rates * close).sum(axis=1)

    def answer(self) -> tuple[float, float]:
        """Mean rate in bpm, weighted by how well each piece shows it, and the probability 0..1 that it is right."""
        if not len(self.starts):
            return float("nan"), 0.0
        best, close = self.best()
        weight = self.visible * close
        if not weight.sum() > 0:
            return float("nan"), 0.0
        sure = float((close * self.visible).sum() / self.visible.sum())
        return float((best * weight).sum() / weight.sum()), min(self.present * sure, 1.0)

    def weighed(self, share: float) -> RatePosterior:
        """The same, where a pulse explains only this share 0..1 of what is there."""
        return replace(self, present=self.present * share)

    def interval(self, share: float = 0.95) -> tuple[float, float]:
        """Rates in bpm between which the mean posterior of all pieces has this share of its probability."""
        if not len(self.starts):
            return float("nan"), float("nan")
        total = np.cumsum((self.rates * self.visible[:, None]).sum(axis=0))
        tails = np.array([(1 - share) / 2, (1 + share) / 2]) * total[-1]
        low, high = np.interp(tails, total, RATES)
        return float(low), float(high)

    def outside(self) -> float:
        """Probability of a pulse whose rate is outside of `evidence.ANSWER`."""
        if not len(self.starts):
            return 0.0
        low, high = ANSWER
        beyond = (low > RATES) | (high < RATES)
        return self.present * float(self.rates[:, beyond].sum(axis=1).mean())


def rate_posterior(runs: Sequence[Evidence]) -> RatePosterior:
    """Pool the evidence of all runs of a recording, in the order of time."""
    evidence = np.concatenate([run.pulse for run in runs])
    starts = np.concatenate([run.starts for run in runs])
    lengths = np.concatenate([np.full(len(run.starts), run.length) for run in runs])
    gaps = np.clip(np.round(np.diff(starts) / STEP), 1, PAUSE).astype(int)
    ahead, pulse = _forward(evidence, gaps)
    both = _smoothed(evidence, gaps, ahead)
    _, steady = _forward(np.concatenate([run.line for run in runs])[:, None], gaps)
    others = np.logaddexp(np.log(1 - PRESENT - STEADY), np.log(STEADY) + steady)
    present = float(1 / (1 + np.exp(-np.clip(pulse + np.log(PRESENT) - others, -60, 60))))
    return RatePosterior(starts, lengths, present, both[:, 0].sum(axis=1), both.sum(axis=1))


@lru_cache(maxsize=1)
def prior() -> np.ndarray:
    """(F,) prior over `evidence.RATES`."""
    shape = np.exp(-0.5 * (np.log(RATES / USUAL) / SPREAD) ** 2) + RARE
    return shape / shape.sum()


@lru_cache(maxsize=1)
def _kernel() -> np.ndarray:
    reach = np.arange(-round(40 / GRID), round(40 / GRID) + 1)
    kernel = np.exp(-np.abs(reach) * GRID / CHANGE)
    return kernel / kernel.sum()


def _moved(state: np.ndarray, steps: int) -> np.ndarray:
    """(2, S, F) some steps on: the rate changes, and the pulse may vanish or come back."""
    kernel = _kernel()
    for _ in range(steps):
        state = convolve1d(state, kernel, axis=-1, mode="constant")
        state = STAYS * state + (1 - STAYS) * state[::-1]
    return state


def _emission(piece: np.ndarray) -> tuple[np.ndarray, float]:
    """Likelihoods (2, S, F) of a visible and a hidden pulse, divided by the exponential of the second value."""
    top = max(float(piece.max()), 0.0)
    likelihood = np.empty((2, *piece.shape))
    np.exp(piece - top, out=likelihood[0])
    likelihood[1] = np.exp(-top)
    return likelihood, top


def _forward(evidence: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, float]:
    """Forward probabilities (T, 2, S, F) and the log likelihood ratio of a pulse over none."""
    size = evidence.shape[1]
    state = np.stack([share * np.tile(prior() / size, (size, 1)) for share in (VISIBLE, 1 - VISIBLE)])
    ahead, total = np.empty((len(evidence), *state.shape)), 0.0
    for index, piece in enumerate(evidence):
        if index:
            state = _moved(state, gaps[index - 1])
        likelihood, top = _emission(piece)
        state = state * likelihood
        mass = float(state.sum())
        total += np.log(mass) + top
        state = state / mass
        ahead[index] = state
    return ahead, total


def _smoothed(evidence: np.ndarray, gaps: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Posterior (T, 2, F) of each piece given all pieces."""
    back = np.ones_like(ahead[0])
    out = np.empty((len(evidence), 2, evidence.shape[2]))
    for index in range(len(evidence) - 1, -1, -1):
        joint = ahead[index] * back
        out[index] = joint.sum(axis=1) / joint.sum()
        if index:
            back = _moved(back * _emission(evidence[index])[0], gaps[index - 1])
            back = back / back.max()
    return out
