"""Simulated participants and trials: ratings become action units, heart beats and skin conductance responses.

Effect of the ratings:

- Valence changes the face: smiles (AU12, AU06) above 5, frowns (AU04, AU15) below, in proportion.
- Arousal changes the body relative to the subject's rest: up to `RISE` bpm more, and more and larger skin conductance
  responses. It has a small effect on the face (AU05, AU25), so that a camera alone can detect it.
- Subjects differ in traits that do not depend on the label: face, skin, resting heart rate (58..84 bpm), tonic skin
  conductance, breathing, liveliness, and a resting frown. The resting heart rates differ by more than arousal adds. So
  a model that ignores the rise within a person learns the person.

All amounts are our choice. They make the labels learnable from a few dozen trials and follow no study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.simulation.datasets import contact_signals

RISE = 20.0       # bpm above rest at arousal 9
SETTLE = 3.0      # s: time constant of that rise after the onset
RSA = 2.5         # bpm: amplitude of the respiratory sinus arrhythmia


@dataclass(frozen=True)
class Subject:
    """One participant.

    Attributes:
        name: name in the dataset.
        face: seed of the synthetic identity.
        rest: resting heart rate in bpm.
        breath: breaths a minute.
        tonic: tonic skin conductance in uS.
        lively: factor on the expressions.
        frown: AU04 at rest, 0..5.
        skin: skin temperature in deg C.
    """

    name: str
    face: int
    rest: float
    breath: float
    tonic: float
    lively: float
    frown: float
    skin: float


def subject(name: str, number: int, seed: int) -> Subject:
    """Draw the participant with this number and seed; other participants have no influence."""
    rng = np.random.default_rng([seed, number, 1])
    rest, breath, tonic, lively, frown, skin = (
        float(rng.uniform(*span)) for span in ((58, 84), (11, 18), (2, 9), (0.8, 1.2), (0, 0.6), (29, 34)))
    return Subject(name, int((number + 7 * seed) % 40), rest, breath, tonic, lively, frown, skin)


def ratings(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw ratings (count, 2) of valence and arousal, 1..9, balanced over the quadrants, at least 0.6 from 5."""
    quadrant = np.arange(count) % 4
    high = np.stack([quadrant % 2, quadrant // 2], 1)[rng.permutation(count)]
    return np.round(np.where(high, rng.uniform(5.6, 9, (count, 2)), rng.uniform(1, 4.4, (count, 2))), 2)


@dataclass(frozen=True, eq=False)
class SimulatedTrial:
    """Body and face of one subject in one trial. Times are in s after the onset of the stimulus.

    Attributes:
        who: the participant.
        valence: rating, 1..9.
        arousal: rating, 1..9.
        span: length of the stimulus in s.
        before: length of the signals before the onset in s.
        after: length of the signals after the stimulus in s.
        phase: phase of the beat at time 0, in beats.
        responses: onsets of the skin conductance responses in s.
        sizes: sizes of the responses in uS.
        look: action units of the face; None: they follow from the ratings.
        beats: times of the R peaks in s.
    """

    who: Subject
    valence: float
    arousal: float
    span: float
    before: float
    after: float
    phase: float
    responses: np.ndarray
    sizes: np.ndarray
    look: dict[str, float] | None = None
    beats: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "beats", contact_signals.r_peaks(*self._phases()))

    def _phases(self) -> tuple[np.ndarray, np.ndarray]:
        return contact_signals.beat_phase(self.pace, -self.before - 2, self.span + self.after + 2, self.phase)

    def phase_at(self, time: float) -> float:
        """Phase of the pulse in the face at `time` s, in beats."""
        return float(np.interp(time, *self._phases()))

    def pace(self, times: Any) -> Any:
        """Heart rate in bpm at times in s, a number or (N,), with respiratory sinus arrhythmia."""
        return self.bpm(times) + RSA * contact_signals.breath(np.asarray(times, float), self.who.breath)

    def bpm(self, times: Any) -> Any:
        """Heart rate in bpm at times in s, without respiratory sinus arrhythmia.

        It is the resting rate before the onset, rises during the stimulus, and returns after it.
        """
        t = np.asarray(times, float)
        rise = RISE * (self.arousal - 1) / 8
        up = 1 - np.exp(-np.clip(t, 0, None) / SETTLE)
        down = np.exp(-np.clip(t - self.span, 0, None) / SETTLE)
        return self.who.rest + rise * up * down

    @property
    def heart_rate(self) -> float:
        """Mean heart rate during the stimulus in bpm."""
        inside = self.beats[(self.beats >= 0) & (self.beats <= self.span)]
        return float(60 * (len(inside) - 1) / (inside[-1] - inside[0]))

    def aus(self) -> dict[str, Callable[[float], float]]:
        """Intensity 0..5 of each action unit as a function of time in s; neutral before and after the stimulus."""
        rest = self.who.frown

        def curve(top: float, name: str) -> Callable[[float], float]:
            floor = rest if name == "AU04" else 0.0
            return lambda t: float(np.clip(max(top * envelope(t, self.span), floor), 0, 5))

        tops = self.tops()
        if "AU04" not in tops:
            tops = {**tops, "AU04": 0.0}
        return {name: curve(top, name) for name, top in tops.items()}

    def tops(self) -> dict[str, float]:
        """Largest intensity of each action unit, 0..5."""
        if self.look is not None:
            return dict(self.look)
        good, bad = max(self.valence - 5, 0) / 4, max(5 - self.valence, 0) / 4
        awake = (self.arousal - 1) / 8
        plan = {"AU12": 4.5 * good, "AU06": 3.5 * good, "AU04": 4.0 * bad, "AU15": 4.0 * bad, "AU05": 2.5 * awake,
                "AU25": 2.0 * awake}
        return {name: min(top * self.who.lively, 5.0) for name, top in plan.items() if top > 0.05}


def envelope(t: float, span: float) -> float:
    """Time course of an expression at `t` s, 0..1: it rises within 1.5 s, varies a little, and ends with the span."""
    up = np.clip((t - 0.3) / 1.2, 0, 1)
    down = np.clip((span - t) / 0.8, 0, 1)
    gate = min(up * up * (3 - 2 * up), down * down * (3 - 2 * down))
    return float(gate * (0.85 + 0.15 * np.sin(2 * np.pi * 0.13 * t)))


def trial(who: Subject, valence: float, arousal: float, span: float, before: float, after: float,
          rng: np.random.Generator, look: dict[str, float] | None = None) -> SimulatedTrial:
    """Draw a trial: the phase of the beat, and the onsets and sizes of the skin conductance responses.

    Before and after the stimulus there are 2 responses a minute; during it 3..24 a minute, depending on arousal. Two
    responses are at least 1 s apart.

    Args:
        who: the participant.
        valence: rating, 1..9.
        arousal: rating, 1..9.
        span: length of the stimulus in s.
        before: length of the signals before the onset in s.
        after: length of the signals after the stimulus in s.
        rng: random generator.
        look: action units of the face; None: they follow from the ratings.
    """
    awake = (arousal - 1) / 8
    onsets_before = _times(rng, -before, 0.0, 2.0)
    onsets_during = _times(rng, 1.0, span, 3.0 + 21.0 * awake)
    onsets_after = _times(rng, span, span + after, 2.0)
    onsets = np.concatenate([onsets_before, onsets_during, onsets_after])
    sizes = rng.lognormal(np.log(0.15), 0.25, len(onsets))
    sizes[len(onsets_before) : len(onsets_before) + len(onsets_during)] *= 1 + 3 * awake
    return SimulatedTrial(who, valence, arousal, span, before, after, float(rng.uniform(0, 1)), onsets, sizes, look)


def _times(rng: np.random.Generator, start: float, end: float, rate: float) -> np.ndarray:
    """Draw onsets between start and end in s at `rate` a minute, at least 1 s apart."""
    if end <= start:
        return np.zeros(0)
    gaps = 1.0 + rng.exponential(max(60 / rate - 1, 0.1), int((end - start) * rate / 30) + 8)
    at = start + rng.uniform(0, 60 / rate) + np.concatenate([[0], np.cumsum(gaps)])
    return at[at < end]


def deranged(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw a permutation of 0..count - 1 without fixed points, so that pairing by position is always wrong."""
    while True:
        order = rng.permutation(count)
        if (order != np.arange(count)).all():
            return order


def event(index: int, seconds: float) -> float:
    """Time of the marked event of trial `index` in s after the onset: different for each, 2 s or more from the ends."""
    golden = (np.sqrt(5) - 1) / 2
    return round(2.0 + float((0.37 + index * golden) % 1) * (seconds - 4.0), 3)
