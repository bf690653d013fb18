"""Who acts in a lookalike, and what body and face do in one trial: labels become action units, beats and sweat.

What the labels plant, and what they do not:

- valence shows in the face: smiling (AU12, AU06) above 5, frowning (AU04, AU15) below, in proportion;
- arousal shows in the body as a rise over the subject's own rest: up to `RISE` bpm more, and more and larger skin
  conductance responses; a little in the face (AU05, AU25), so that a camera alone has a chance;
- subjects differ in what has nothing to do with the label: face, skin, resting heart rate (58..84 bpm), sweat level,
  breath, liveliness, a resting frown. The spread of resting rates is wider than what arousal adds: a model that does
  not look at the rise within a person learns the person.

The amounts are our choice throughout: they make labels learnable from a few dozen trials, they model no study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.lookalikes import bodies

RISE = 20.0       # bpm that arousal 9 adds over rest
SETTLE = 3.0      # s: time constant of that rise after the onset
RSA = 2.5         # bpm: half swing of the heart rate with the breath


@dataclass(frozen=True)
class Subject:
    """One participant. `face`: seed of the renderer's identity; `rest` bpm; `breath` a minute; `tonic` uS; `lively`
    scales expressions; `frown` 0..5 AU04 at rest; `skin` deg C."""

    name: str
    face: int
    rest: float
    breath: float
    tonic: float
    lively: float
    frown: float
    skin: float


def subject(name: str, number: int, seed: int) -> Subject:
    """The participant of this number: the same for the same seed, whoever else is in the data set."""
    rng = np.random.default_rng([seed, number, 1])
    rest, breath, tonic, lively, frown, skin = (
        float(rng.uniform(*span)) for span in ((58, 84), (11, 18), (2, 9), (0.8, 1.2), (0, 0.6), (29, 34)))
    return Subject(name, int((number + 7 * seed) % 40), rest, breath, tonic, lively, frown, skin)


def ratings(rng: np.random.Generator, count: int) -> np.ndarray:
    """-> (count, 2) valence, arousal 1..9 with every quadrant as often as can be, none within 0.6 of the middle."""
    quadrant = np.arange(count) % 4
    high = np.stack([quadrant % 2, quadrant // 2], 1)[rng.permutation(count)]
    return np.round(np.where(high, rng.uniform(5.6, 9, (count, 2)), rng.uniform(1, 4.4, (count, 2))), 2)


@dataclass(frozen=True, eq=False)
class Trial:
    """What one subject does in one trial.

    `valence`, `arousal` 1..9; the stimulus lasts from 0 to `span` s and the body is known from -`before` to
    `span + after`. `beats` R peaks and `responses` onsets, s; `sizes` uS. `phase`: of the beat at time 0. `look`: the
    face shows these action units instead of what follows from the ratings.
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
        object.__setattr__(self, "beats", bodies.r_peaks(*self._phases()))

    def _phases(self) -> tuple[np.ndarray, np.ndarray]:
        return bodies.beat_phase(self.pace, -self.before - 2, self.span + self.after + 2, self.phase)

    def phase_at(self, time: float) -> float:
        """Phase of the beat in the face, in beats, at time s."""
        return float(np.interp(time, *self._phases()))

    def pace(self, times: Any) -> Any:
        """times s, a number or (N,) -> bpm, the breath's share included."""
        return self.bpm(times) + RSA * bodies.breath(np.asarray(times, float), self.who.breath)

    def bpm(self, times: Any) -> Any:
        """times s -> bpm without the breath's share: rest before the onset, then a rise that settles; back after."""
        t = np.asarray(times, float)
        rise = RISE * (self.arousal - 1) / 8
        up = 1 - np.exp(-np.clip(t, 0, None) / SETTLE)
        down = np.exp(-np.clip(t - self.span, 0, None) / SETTLE)
        return self.who.rest + rise * up * down

    @property
    def heart_rate(self) -> float:
        """bpm, mean over the stimulus."""
        inside = self.beats[(self.beats >= 0) & (self.beats <= self.span)]
        return float(60 * (len(inside) - 1) / (inside[-1] - inside[0]))

    def aus(self) -> dict[str, Callable[[float], float]]:
        """Action unit -> intensity 0..5 as a function of s after the onset; neutral before and after the stimulus."""
        rest = self.who.frown

        def curve(top: float, name: str) -> Callable[[float], float]:
            floor = rest if name == "AU04" else 0.0
            return lambda t: float(np.clip(max(top * envelope(t, self.span), floor), 0, 5))

        tops = self.tops()
        if "AU04" not in tops:
            tops = {**tops, "AU04": 0.0}
        return {name: curve(top, name) for name, top in tops.items()}

    def tops(self) -> dict[str, float]:
        """Action unit -> largest intensity that is planted, 0..5."""
        if self.look is not None:
            return dict(self.look)
        good, bad = max(self.valence - 5, 0) / 4, max(5 - self.valence, 0) / 4
        awake = (self.arousal - 1) / 8
        plan = {"AU12": 4.5 * good, "AU06": 3.5 * good, "AU04": 4.0 * bad, "AU15": 4.0 * bad, "AU05": 2.5 * awake,
                "AU25": 2.0 * awake}
        return {name: min(top * self.who.lively, 5.0) for name, top in plan.items() if top > 0.05}


def envelope(t: float, span: float) -> float:
    """0..1: an expression comes up within 1.5 s, waxes and wanes a little, and is gone at the end of the span."""
    up = np.clip((t - 0.3) / 1.2, 0, 1)
    down = np.clip((span - t) / 0.8, 0, 1)
    gate = min(up * up * (3 - 2 * up), down * down * (3 - 2 * down))
    return float(gate * (0.85 + 0.15 * np.sin(2 * np.pi * 0.13 * t)))


def trial(who: Subject, valence: float, arousal: float, span: float, before: float, after: float,
          rng: np.random.Generator, look: dict[str, float] | None = None) -> Trial:
    """Draw a trial: the phase of the beat, and the onsets and sizes of the skin conductance responses.

    Before the onset responses come at 2 a minute; during it at 3..24 a minute with arousal; never within 1 s.
    """
    awake = (arousal - 1) / 8
    calm = _times(rng, -before, 0.0, 2.0)
    busy = _times(rng, 1.0, span, 3.0 + 21.0 * awake)
    late = _times(rng, span, span + after, 2.0)
    onsets = np.concatenate([calm, busy, late])
    sizes = rng.lognormal(np.log(0.15), 0.25, len(onsets))
    sizes[len(calm) : len(calm) + len(busy)] *= 1 + 3 * awake
    return Trial(who, valence, arousal, span, before, after, float(rng.uniform(0, 1)), onsets, sizes, look)


def _times(rng: np.random.Generator, start: float, end: float, rate: float) -> np.ndarray:
    """Onsets between start and end at `rate` a minute, at least 1 s apart."""
    if end <= start:
        return np.zeros(0)
    gaps = 1.0 + rng.exponential(max(60 / rate - 1, 0.1), int((end - start) * rate / 30) + 8)
    at = start + rng.uniform(0, 60 / rate) + np.concatenate([[0], np.cumsum(gaps)])
    return at[at < end]


def deranged(rng: np.random.Generator, count: int) -> np.ndarray:
    """-> a permutation of 0..count - 1 that leaves nothing in its place: pairing by position is always wrong."""
    while True:
        order = rng.permutation(count)
        if (order != np.arange(count)).all():
            return order


def event(index: int, seconds: float) -> float:
    """s after the onset at which the marked event of trial `index` happens: each its own, 2 s or more from the ends."""
    golden = (np.sqrt(5) - 1) / 2
    return round(2.0 + float((0.37 + index * golden) % 1) * (seconds - 4.0), 3)
