"""Heart beats with their waveform in the skin, breathing, and blinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Relative strength of the blood volume pulse in red, green and blue: de Haan & van Leest 2014, Improved motion
# robustness of remote-PPG by using the blood volume pulse signature, Physiol. Meas. 35:1913
# (10.1088/0967-3334/35/9/1913).
SIGNATURE = np.array([0.33, 0.77, 0.53])

RATE = 500.0  # Hz, rate of the integration


@dataclass(frozen=True)
class Pulse:
    """A pulse in the skin.

    Attributes:
        bpm: heart rate in beats a minute, a number or a function of time in s.
        amplitude: AC/DC of green, half of peak to peak over the mean; 0 gives no pulse. Our choice of 0.006 is the
            middle of 0.003-0.012, the range of the project's accuracy targets.
        modulation: relative change of the amplitude with breathing.
        baseline: change of the colour of the skin with breathing, relative to `amplitude`.
        phase: phase of the beat at the start of the recording, 0..1.

    Raises:
        ValueError: `amplitude` or `bpm` is out of range.
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
    """Breathing.

    Attributes:
        rate: breaths a minute.
        rsa: amplitude of the respiratory sinus arrhythmia in bpm; the heart is faster during inhalation.
        rise: movement of the shoulders in mm.

    Raises:
        ValueError: `rate` is out of range.
    """

    rate: float = 15.0
    rsa: float = 2.0           # our choice: adults at rest show a swing of 2-10 bpm peak to peak
    rise: float = 0.6          # our choice: sub-pixel to one pixel on a webcam

    def __post_init__(self) -> None:
        if not 2 <= self.rate <= 60:
            raise ValueError(f"Respiration.rate: expected 2..60 breaths a minute, got {self.rate}")


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Heart beats and breathing at given times.

    Attributes:
        bvp: (T,) blood volume, -1..1.
        heart_rate: (T,) in bpm.
        respiration: (T,) -1..1, up is inhalation.
        colour: (T,) relative change of green.
        beats: (B,) times of the systolic peaks in s.
    """

    bvp: np.ndarray
    heart_rate: np.ndarray
    respiration: np.ndarray
    colour: np.ndarray
    beats: np.ndarray


WAVES = ((0.24, 0.095, 1.0), (0.60, 0.11, 0.36))  # centre, width (shares of a beat) and height of systole and dicrotic


def waveform(phase: np.ndarray) -> np.ndarray:
    """Waveform of the blood volume: two Gaussians for each beat, with systolic peak, notch and dicrotic wave.

    The centres and widths are our choice: the rounded waveform of the face.

    Args:
        phase: phase of the beat, 0..1 from foot to foot.

    Returns:
        Blood volume, -1..1.

    References:
        Tang et al. 2020, Synthetic photoplethysmogram generation using two Gaussian functions, Sci. Rep. 10:13883
        (10.1038/s41598-020-69076-x).
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
    """Simulate heart beats and breathing.

    Args:
        times: (T,) in s.
        pulse: the pulse. None or an amplitude of 0 gives a flat bvp and no beats.
        breath: breathing, or None.
    """
    times = np.asarray(times, float)
    end = float(max(times[-1:], default=0.0))
    clock = np.arange(0, end + 2 / RATE, 1 / RATE)
    breath_clock = np.zeros_like(clock)
    if breath:
        breath_clock = np.sin(2 * np.pi * breath.rate / 60 * clock)
    breath_now = np.interp(times, clock, breath_clock)
    if pulse is None or pulse.amplitude == 0:
        flat = np.zeros(len(times))
        return Rhythm(flat, np.full(len(times), np.nan), breath_now, flat.copy(), np.empty(0))
    pace = np.array([float(pulse.bpm(t) if callable(pulse.bpm) else pulse.bpm) for t in clock])
    swell, sway = 1.0, 0.0
    if breath:
        pace = pace + breath.rsa * breath_clock
        swell, sway = 1 + pulse.modulation * breath_now, pulse.baseline * breath_now
    phase = pulse.phase + np.concatenate([[0], np.cumsum((pace[1:] + pace[:-1]) / 120 / RATE)])
    now = np.interp(times, clock, phase)
    bvp = waveform(now)
    colour = -pulse.amplitude * (bvp * swell + sway)
    counts = np.arange(np.ceil(phase[0] - SYSTOLE), np.floor(phase[-1] - SYSTOLE) + 1)
    beats = np.interp(counts + SYSTOLE, phase, clock)
    return Rhythm(bvp, np.interp(times, clock, pace), breath_now, colour, beats[beats <= end])


@dataclass(frozen=True)
class Blinks:
    """Blinks (AU45) at random times.

    Attributes:
        rate: blinks a minute. 17 is the rate at rest of Bentivoglio et al. 1997.
        seconds: duration in s until the eye is open again; our choice: blinks take 0.1 to 0.4 s.
        depth: largest intensity.
        seed: seed of the times.

    References:
        Bentivoglio et al. 1997, Mov. Disord. 12:1028-1034 (10.1002/mds.870120629).
    """

    rate: float = 17.0
    seconds: float = 0.30
    depth: float = 5.0
    seed: int = 0


def blinks(times: np.ndarray, plan: Blinks) -> tuple[np.ndarray, np.ndarray]:
    """Intensity of AU45, (T,) 0..5, at times (T,) in s, and onsets, (B,) in s. Closing takes a third of the time."""
    times = np.asarray(times, float)
    end = float(max(times[-1:], default=0.0))
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
