"""Windows of skin colour with known truth, made without pictures: for tests of the pulse only.

The model of a region's mean colour, written from the dichromatic reflection model (Wang et al. 2017, section II), apart
from the code under test: light x (diffuse colour x shading x (1 - blood x pulse) + specular) + noise.
"""

from __future__ import annotations

import numpy as np

from mien.core.observations import Window

BLOOD = np.array([0.43, 1.0, 0.69])
"""Relative absorption change of R, G, B with one beat: 0.33, 0.77, 0.53 with green at 1."""


def beats(bpm: float, seconds: float, spread: float = 0.0, seed: int = 0) -> np.ndarray:
    """Beat times (B,) s at a mean rate, each interval with a random deviation of `spread` s."""
    rng = np.random.default_rng(seed)
    count = int(seconds * bpm / 60) + 4
    return np.cumsum(60 / bpm + spread * rng.normal(size=count)) - 60 / bpm * 1.5


def pulse_wave(times: np.ndarray, beat_times: np.ndarray) -> np.ndarray:
    """times (T,), beat times (B,) -> (T,) in -1..1 with its crest at each beat: a fundamental and one harmonic."""
    phase = np.interp(times, beat_times, np.arange(len(beat_times)))
    return (np.cos(2 * np.pi * phase) + 0.3 * np.cos(4 * np.pi * phase)) / 1.3


def window(seconds: float = 20.0, rate: float = 30.0, bpm: float = 72.0, amplitude: float = 0.006, *, seed: int = 0,
           tone: tuple[float, float, float] = (178.0, 128.0, 104.0), noise: float = 0.12,
           nod: tuple[float, float] = (0, 0), flicker: tuple[float, float] = (0, 0), drift: float = 0.02,
           specular: float = 0.06, step: float = 0.0, jitter: float = 0.0, beat_times: np.ndarray | None = None,
           blood: np.ndarray = BLOOD) -> Window:
    """A `Window` of one face at rest, plus what is asked for.

    amplitude: peak change of green over its mean; noise: grey levels a frame of a region's mean; nod: (Hz, degrees);
    flicker: (Hz, relative); drift: slow relative change of light; specular: share of white gloss; step: rounding of the
    traces in grey levels; jitter: spread of the time stamps in frames.
    """
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    times = (np.arange(count) + jitter * rng.uniform(-0.5, 0.5, count)) / rate
    wave = pulse_wave(times, beats(bpm, seconds + 4) if beat_times is None else beat_times)
    light = 1 + drift * np.sin(2 * np.pi * 0.11 * times + rng.uniform(0, 6))
    light = light + 0.003 * np.cumsum(rng.normal(size=count)) / rate
    light = light * (1 + flicker[1] * np.sin(2 * np.pi * flicker[0] * times))
    pitch = nod[1] * np.sin(2 * np.pi * nod[0] * times + rng.uniform(0, 6)) + 0.15 * _wander(rng, times)
    skin = np.empty((count, 4, 3))
    for region, (slope, gloss) in enumerate(((0.006, 1.5), (-0.003, 0.8), (-0.004, 0.9))):
        shade = 1 + slope * pitch
        shine = specular * gloss * (1 + 0.02 * pitch) * 255
        diffuse = np.asarray(tone) * shade[:, None] * (1 - amplitude * rng.uniform(0.85, 1.15) * wave[:, None] * blood)
        skin[:, region] = light[:, None] * (diffuse + shine[:, None])
    skin[:, 3] = light[:, None] * np.array([120.0, 118.0, 110.0])
    skin += noise * rng.normal(size=skin.shape)
    if step:
        skin = np.round(skin / step) * step
    x, y = 320 + _wander(rng, times), 240 + _wander(rng, times) + 2.5 * pitch
    place = np.stack([x, y, np.full(count, 160.0)], axis=1)
    turn = np.stack([pitch, 0.3 * _wander(rng, times), 0.2 * _wander(rng, times)], axis=1)
    return Window(start=float(times[0]), end=float(times[-1]), times=times, skin=skin,
                  position=place + 0.15 * rng.normal(size=(count, 3)), pose=turn + 0.1 * rng.normal(size=(count, 3)),
                  aus=np.zeros((count, 18)), gaze=np.zeros((count, 2)))


def hide(seen: Window, start: float, end: float) -> Window:
    """The same window with the face unseen from `start` to `end` s."""
    lost = (seen.times >= start) & (seen.times < end)
    parts = {}
    for name in ("skin", "position", "pose", "aus", "gaze"):
        parts[name] = getattr(seen, name).copy()
        parts[name][lost] = np.nan
    return Window(seen.start, seen.end, seen.times, **parts)


def _wander(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """(T,) slow irregular movement of about unit size."""
    tones = rng.uniform(0.05, 0.5, 5)
    return sum(np.sin(2 * np.pi * f * times + rng.uniform(0, 6)) for f in tones) / 1.6
