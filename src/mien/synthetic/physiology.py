"""The body's rhythms: heart beats and their waveform in the skin, breath, blinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Relative strength of the blood volume pulse in red, green and blue: de Haan & van Leest 2014, Improved motion
# robustness of remote-PPG by using the blood volume pulse signature, Physiol. Meas. 35:1913
# (10.1088/0967-3334/35/9/1913).
SIGNATURE = np.array([0.33, 0.77, 0.53])

RATE = 500.0  # Hz of the inner clock


@dataclass(frozen=True)
class Pulse:
    """A pulse in the skin.

    `bpm`: beats a minute, a number or a function of time in s. `amplitude`: AC/DC of green, half of peak to peak over
    the mean; our choice of 0.006: the middle of the 0.003-0.012 that the project's bars name; 0 plants none.
    `modulation`: share by which the amplitude swells with the breath; `baseline`: slow swing of the skin's colour with
    the breath, as a share of `amplitude`. `phase`: 0..1, where in the beat the recording starts.
    """

    bpm: float | Callable[[float], float] = 72.0
    amplitude: float = 0.006
    modulation: float = 0.10   # our choice: respiratory modulation of the PPG amplitude is some 5-20 % at rest
    baseline: float = 0.25     # our choice: of the order of the AC, mostly below the cardiac band
    phase: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.amplitude <= 0.1:
            raise ValueError(f"Pulse.amplitude: expected AC/DC 0..0.1 (0.006 is 0.6 %), got {self.amplitude}")
        if not callable(self.bpm) and not 20 <= self.bpm <= 300:
            raise ValueError(f"Pulse.bpm: expected 20..300 beats a minute, got {self.bpm}")


@dataclass(frozen=True)
class Respiration:
    """Breath: `rate` breaths a minute; `rsa` bpm by which the heart quickens while breathing in (half of the swing);
    `rise` mm by which the shoulders lift."""

    rate: float = 15.0
    rsa: float = 2.0           # our choice: adults at rest show a swing of 2-10 bpm peak to peak
    rise: float = 0.6          # our choice: sub-pixel to one pixel on a webcam

    def __post_init__(self) -> None:
        if not 2 <= self.rate <= 60:
            raise ValueError(f"Respiration.rate: expected 2..60 breaths a minute, got {self.rate}")


@dataclass(frozen=True, eq=False)
class Rhythm:
    """What heart and lungs do at the times asked for, all (T,): `bvp` blood volume -1..1, `heart_rate` bpm,
    `respiration` -1..1 (breathing in is up), `colour` relative change of green; and `beats` (B,) s of the systolic
    peaks within the span of the times."""

    bvp: np.ndarray
    heart_rate: np.ndarray
    respiration: np.ndarray
    colour: np.ndarray
    beats: np.ndarray


WAVES = ((0.24, 0.095, 1.0), (0.60, 0.11, 0.36))  # centre, width (shares of a beat) and height of systole and dicrotic


def waveform(phase: np.ndarray) -> np.ndarray:
    """Phase of the beat, 0..1 from foot to foot -> blood volume: systolic peak, notch and dicrotic wave, -1..1.

    Two Gaussians a beat, as in Tang et al. 2020, Synthetic photoplethysmogram generation using two Gaussian functions,
    Sci. Rep. 10:13883 (10.1038/s41598-020-69076-x); our choice of centres and widths: the rounded beat of the face.
    """
    p = np.asarray(phase) % 1.0
    out = np.zeros_like(p)
    for centre, width, height in WAVES:
        for lap in (-1, 0, 1):
            out += height * np.exp(-0.5 * ((p - centre - lap) / width) ** 2)
    return (out - _LOW) / (_HIGH - _LOW) * 2 - 1


def _extremes() -> tuple[float, float, float]:
    p = np.linspace(0, 1, 20001)
    raw = np.sum([h * np.exp(-0.5 * ((p - c - lap) / w) ** 2) for c, w, h in WAVES for lap in (-1, 0, 1)], 0)
    return float(raw.min()), float(raw.max()), float(p[int(np.argmax(raw))])


_LOW, _HIGH, SYSTOLE = _extremes()


def rhythm(times: np.ndarray, pulse: Pulse | None, breath: Respiration | None) -> Rhythm:
    """times (T,) s, pulse, respiration -> Rhythm; a pulse of None or of amplitude 0 gives a flat bvp and no beats."""
    times = np.asarray(times, float)
    end = float(times[-1]) if len(times) else 0.0
    clock = np.arange(0, end + 2 / RATE, 1 / RATE)
    breath_clock = np.sin(2 * np.pi * breath.rate / 60 * clock) if breath else np.zeros_like(clock)
    breath_now = np.interp(times, clock, breath_clock)
    if pulse is None or pulse.amplitude == 0:
        flat = np.zeros(len(times))
        return Rhythm(flat, np.full(len(times), np.nan), breath_now, flat.copy(), np.empty(0))
    pace = np.array([float(pulse.bpm(t) if callable(pulse.bpm) else pulse.bpm) for t in clock])
    pace = pace + (breath.rsa * breath_clock if breath else 0)
    phase = pulse.phase + np.concatenate([[0], np.cumsum((pace[1:] + pace[:-1]) / 120 / RATE)])
    now = np.interp(times, clock, phase)
    bvp = waveform(now)
    swell = 1 + pulse.modulation * breath_now if breath else 1.0
    sway = pulse.baseline * breath_now if breath else 0.0
    colour = -pulse.amplitude * (bvp * swell + sway)
    counts = np.arange(np.ceil(phase[0] - SYSTOLE), np.floor(phase[-1] - SYSTOLE) + 1)
    beats = np.interp(counts + SYSTOLE, phase, clock)
    return Rhythm(bvp, np.interp(times, clock, pace), breath_now, colour, beats[beats <= end])


@dataclass(frozen=True)
class Blinks:
    """Blinks of the lids, AU45: `rate` a minute, at irregular times drawn from `seed`.

    17 a minute at rest: Bentivoglio et al. 1997, Mov. Disord. 12:1028-1034 (10.1002/mds.870120629); `seconds` from the
    first movement to open again, our choice: blinks take a tenth to four tenths of a second.
    """

    rate: float = 17.0
    seconds: float = 0.30
    depth: float = 5.0
    seed: int = 0


def blinks(times: np.ndarray, plan: Blinks) -> tuple[np.ndarray, np.ndarray]:
    """times (T,) s -> intensity of AU45 (T,) 0..5 and the onsets (B,) s. Closing takes a third of the time."""
    times = np.asarray(times, float)
    end = float(times[-1]) if len(times) else 0.0
    rng = np.random.default_rng([plan.seed, 45])
    onsets: list[float] = []
    at = float(rng.uniform(0.5, 2.0))
    while plan.rate > 0 and at + plan.seconds < end:
        onsets.append(at)
        at += max(plan.seconds + 0.3, float(rng.gamma(4.0, 60.0 / plan.rate / 4.0)))
    out = np.zeros(len(times))
    for onset in onsets:
        u = (times - onset) / plan.seconds
        shut = np.where(u < 0.35, u / 0.35, (1 - u) / 0.65)
        shut = np.clip(shut, 0, 1)
        out = np.maximum(out, plan.depth * np.clip(1.25 * shut * shut * (3 - 2 * shut), 0, 1) * ((u > 0) & (u < 1)))
    return out, np.asarray(onsets)
