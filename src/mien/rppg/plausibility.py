"""Whether the most probable rate is that of blood: not of light, and not the harmonic of a pulse that was removed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.rppg.evidence import AMPLITUDES, RATES, Evidence
from mien.rppg.nuisance import CleanTraces
from mien.rppg.rate_posterior import RatePosterior, prior
from mien.rppg.steadiness import unsteadiness

# No paper states the following. All are our choice, made on traces without pictures and on the tuning videos of
# benchmarks/pulse_photographs.py; no reported figure uses these, with one exception: that a harmonic was answered was
# seen on a clip of benchmarks/pulse.py (identity 6, a nod).

APART, SECOND, CAREFUL = 24.0, 3.0, 6.0
"""bpm from a rate and its harmonics beyond which something else changes: two resolutions of a piece (our choice)."""

LEFT = 0.5
"""A rate may be the harmonic of a pulse that was removed with light or movement: where at half the rate so much was
removed that it may hide a fundamental of which this is the strongest harmonic (`evidence.HARMONICS`), and where the
amplitude that is left there is this share of that at the rate, or more. A regression seldom removes all of a pulse."""

BLOOD_RED, LIGHT_RED = (0.5, 0.12), (1.0, 0.1)
"""Mean and spread of red over green: of a pulse, which video coding shifts towards grey, and of white light. Blood has
0.43 (de Haan & van Leest 2014); the spreads are our choice."""


@dataclass(frozen=True, eq=False)
class TracePiece:
    """A piece of the traces: `rate` bpm, the most probable one; `visible`, the probability that the pulse shows; `nats`
    for a pulse there; log colour (N, C) without light and movement, and what was removed; `hz` of the samples."""

    rate: float
    visible: float
    nats: float
    values: np.ndarray
    removed: np.ndarray
    hz: float

    def tone(self, values: np.ndarray, bpm: float) -> np.ndarray:
        """Complex amplitudes (C,) of values (N, C) at a rate, times a constant."""
        times = np.arange(len(values)) / self.hz
        return (np.hanning(len(values) + 2)[1:-1] * np.exp(-2j * np.pi * bpm / 60 * times)) @ values


def segments_of(
    posterior: RatePosterior, clean: tuple[CleanTraces, ...], evidence: tuple[Evidence, ...]
) -> list[TracePiece]:
    """Cut the traces into the pieces of the posterior.

    Args:
        posterior: the posterior of all runs.
        clean: the runs without light and movement.
        evidence: the evidence of each run.

    Returns:
        (T,) pieces, in the order of time.
    """
    rates, _ = posterior.best()
    runs = [(run, at, start, shown) for run, at in zip(clean, evidence, strict=True)
            for start, shown in zip(at.starts, at.alone, strict=True)]
    segments = []
    for rate, visible, (run, at, start, shown) in zip(rates, posterior.visible, runs, strict=True):
        first = round((start - run.start) * run.rate)
        part = slice(first, first + round(at.length * run.rate))
        segments.append(TracePiece(float(rate), float(visible), max(float(np.interp(rate, RATES, shown)), 0.0),
                                   run.values[part], run.removed[part], run.rate))
    return segments


def may_be_harmonic(segments: list[TracePiece]) -> bool:
    """Whether light or movement at half the rate may hide the fundamental, by the green of all regions and pieces."""
    power = np.zeros(3)
    for segment in segments:
        green, gone = segment.values[:, 1::3], segment.removed[:, 1::3]
        half = segment.rate / 2
        tones = segment.tone(green, segment.rate), segment.tone(gone, half), segment.tone(green, half)
        power += segment.visible * np.array([np.mean(np.abs(tone) ** 2) for tone in tones])
    at_rate, removed, left = np.sqrt(power)
    return bool(removed * AMPLITUDES[0] / AMPLITUDES[1] > at_rate and left > LEFT * at_rate)


def prior_share(posterior: RatePosterior) -> float:
    """Prior probability 0..1 of the answered rate, where it or half of it is the heart rate."""
    rate, _ = posterior.answer()
    at, half = np.interp([rate, rate / 2], RATES, prior(), left=0.0)
    return float(at / (at + half)) if np.isfinite(rate) else 1.0


def blood_share(posterior: RatePosterior, clean: tuple[CleanTraces, ...], evidence: tuple[Evidence, ...],
                 segments: list[TracePiece]) -> float:
    """How far blood, and not white light, has the colour at the most probable rates, by red over green: 0..1.

    The share multiplies the probability of a pulse: no strength of what changes at a steady rate makes grey light into
    blood. It is 1 where the colour is no more that of light than that of blood; so a weak pulse, whose colour is
    hardly known, keeps its probability. The error of the measured ratio falls with the evidence.
    """
    if any(run.grey for run in evidence):
        return _heart_share(posterior, clean, evidence)
    red = green = nats = 0.0
    for segment in segments:
        tone = segment.tone(segment.values, segment.rate)
        phase = tone[1::3].mean()
        red += segment.visible * float((tone[0::3].mean() * phase.conj()).real)
        green += segment.visible * float(abs(phase) ** 2)
        nats += segment.visible * segment.nats
    if not green > 0:
        return 1.0
    spreads = [float(np.hypot(spread, 1 / np.sqrt(max(nats, 0.5)))) for _, spread in (BLOOD_RED, LIGHT_RED)]
    blood, light = (-0.5 * ((red / green - mean) / spread) ** 2 - float(np.log(spread))
                    for (mean, _), spread in zip((BLOOD_RED, LIGHT_RED), spreads, strict=True))
    return 2 / (1 + float(np.exp(min(max(light - blood, 0.0), 60.0))))


def _heart_share(posterior: RatePosterior, clean: tuple[CleanTraces, ...], evidence: tuple[Evidence, ...]) -> float:
    """How far a heart, and not steady light, has the rhythm of the longest run of a camera without colour: 0..1.

    It is 0 where a second steady change is there that is no harmonic: either may be the heart, and each disturbs the
    rhythm of the other.
    """
    rate, _ = posterior.answer()
    if not np.isfinite(rate):
        return 0.0
    other = np.all([np.abs(RATES - times * rate) > APART for times in (1, 2, 3)], axis=0)
    if max(float(run.alone[:, other].max()) for run in evidence) > SECOND:
        return 0.0
    longest = max(clean, key=lambda run: len(run.values))
    odds = unsteadiness(longest.values[:, 1::3].mean(axis=1), longest.rate, rate)
    return float(1 / (1 + np.exp(-np.clip(odds - CAREFUL, -60, 60))))
