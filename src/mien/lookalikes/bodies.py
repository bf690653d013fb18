"""Signals that a body would give on wires, from planted beats, breaths and skin conductance responses. Pure functions.

Time is s after the stimulus' onset, negative before it. Models are compact on purpose: what is true about a signal is
its beats, its breaths and its responses, and those are planted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CLOCK = 500.0          # Hz; of the integration, the renderer's inner clock
FACE_DELAY = 0.16      # s from the R peak to the foot of the pulse in the face; our choice: shorter than to the finger
FINGER_DELAY = 0.22    # s from the R peak to the foot of the pulse at the finger; our choice: adults at rest, 0.2-0.3 s

# P, Q, R, S, T: angle (rad, R at 0), height a and width b (rad) of McSharry et al. 2003, A dynamical model for
# generating synthetic electrocardiogram signals, IEEE Trans. Biomed. Eng. 50:289-294 (10.1109/TBME.2003.808805),
# table I. At constant speed the model's third equation integrates to Gaussians of height a b^2.
_ANGLE = np.array([-np.pi / 3, -np.pi / 12, 0, np.pi / 12, np.pi / 2])
_HEIGHT = np.array([1.2, -5.0, 30.0, -7.5, 0.75])
_BREADTH = np.array([0.25, 0.1, 0.1, 0.1, 0.4])

# Slow and fast time constant (s) of a skin conductance response: Greco et al. 2016, cvxEDA, IEEE Trans. Biomed. Eng.
# 63:797-804 (10.1109/TBME.2015.2474131).
_SLOW, _FAST = 2.0, 0.7


def beat_phase(pace: Callable[[np.ndarray], np.ndarray], start: float, end: float, phase: float = 0.0
               ) -> tuple[np.ndarray, np.ndarray]:
    """Heart rate pace(times) bpm -> clock (N,) s over start..end and the phase (N,) in beats, `phase` at time 0; the
    foot of the pulse in the face is at whole phases."""
    low, high = int(np.floor(start * CLOCK)) - 1, int(np.ceil(end * CLOCK)) + 1
    clock = np.arange(low, high + 1) / CLOCK
    rate = pace(clock)
    run = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 120 / CLOCK)])
    return clock, run - run[-low] + phase


def r_peaks(clock: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Clock and phase of `beat_phase` -> (B,) s of the R peaks, `FACE_DELAY` before the feet in the face."""
    counts = np.arange(np.ceil(phase[0]), np.floor(phase[-1]) + 1)
    return np.interp(counts, phase, clock) - FACE_DELAY


def _around(times: np.ndarray, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """times (N,), beats (B,) ascending -> beats passed since the first (N,), fractional, and the interval there, s."""
    gaps = np.diff(beats)
    more = np.concatenate([[beats[0] - gaps[0]], beats, [beats[-1] + gaps[-1]]])
    whole = np.clip(np.searchsorted(more, times, side="right") - 1, 0, len(more) - 2)
    interval = np.diff(more)[whole]
    return whole + (times - more[whole]) / interval, interval


def ecg(times: np.ndarray, beats: np.ndarray, height: float = 1.0) -> np.ndarray:
    """times (N,) s, R peaks (B,) s, two or more -> (N,) mV with R of `height`."""
    count, _ = _around(times, beats)
    angle = 2 * np.pi * ((count + 0.5) % 1 - 0.5)
    level = _HEIGHT * _BREADTH**2
    out = np.zeros(len(times))
    for where, tall, wide in zip(_ANGLE, level / level[2], _BREADTH, strict=True):
        away = (angle - where + np.pi) % (2 * np.pi) - np.pi
        out += tall * np.exp(-0.5 * (away / wide) ** 2)
    return height * out


def ppg(times: np.ndarray, beats: np.ndarray, delay: float = FINGER_DELAY) -> np.ndarray:
    """times (N,) s, R peaks (B,) s -> (N,) pulse wave 0..1 at the finger, its foot `delay` after each R peak.

    Two Gaussians a beat: Tang et al. 2020, Sci. Rep. 10:13883 (10.1038/s41598-020-69076-x); our choice of centres,
    widths and heights: a systolic wave with a notch, steeper than in the face.
    """
    count, _ = _around(times - delay, beats)
    phase = count % 1
    out = np.zeros(len(times))
    for centre, wide, tall in ((0.20, 0.075, 1.0), (0.48, 0.12, 0.38)):
        away = (phase - centre + 0.5) % 1 - 0.5
        out += tall * np.exp(-0.5 * (away / wide) ** 2)
    return out


def breath(times: np.ndarray, rate: float) -> np.ndarray:
    """times (N,) s, breaths a minute -> (N,) -1..1, up is breathing in; 0 and rising at time 0."""
    return np.sin(2 * np.pi * rate / 60 * times)


def conductance(times: np.ndarray, onsets: np.ndarray, sizes: np.ndarray, tonic: float, drift: float = 0.0
                ) -> np.ndarray:
    """times (N,) s, onsets (K,) s and sizes (K,) uS of responses, tonic level uS, drift uS a minute -> (N,) uS."""
    peak = np.log(_SLOW / _FAST) * _SLOW * _FAST / (_SLOW - _FAST)
    top = np.exp(-peak / _SLOW) - np.exp(-peak / _FAST)
    since = np.clip(times[None] - onsets[:, None], 0, None)
    waves = (np.exp(-since / _SLOW) - np.exp(-since / _FAST)) / top
    return tonic + drift * times / 60 + sizes @ waves


def temperature(times: np.ndarray, level: float, drift: float) -> np.ndarray:
    """times (N,) s, level deg C, drift deg C a minute -> (N,) deg C."""
    return level + drift * times / 60
