"""Simulated contact signals from given beats, breaths and skin conductance responses, as pure functions.

Times are in s after the onset of the stimulus, negative before it. The models are simple on purpose: the ground truth
of a signal is its beats, breaths and responses, and these are given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CLOCK = 500.0          # Hz; rate of the integration, as in the renderer
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
    """Integrate the heart rate to the phase of the beats.

    The foot of the pulse in the face is at integer phases.

    Args:
        pace: heart rate in bpm as a function of times in s.
        start: start in s.
        end: end in s.
        phase: phase in beats at time 0.

    Returns:
        The clock, (N,) in s from start to end, and the phase, (N,) in beats.
    """
    low, high = int(np.floor(start * CLOCK)) - 1, int(np.ceil(end * CLOCK)) + 1
    clock = np.arange(low, high + 1) / CLOCK
    rate = pace(clock)
    run = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 120 / CLOCK)])
    return clock, run - run[-low] + phase


def r_peaks(clock: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Clock and phase of `beat_phase` -> (B,) times of the R peaks in s, `FACE_DELAY` before the pulse in the face."""
    counts = np.arange(np.ceil(phase[0]), np.floor(phase[-1]) + 1)
    return np.interp(counts, phase, clock) - FACE_DELAY


def _around(times: np.ndarray, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """times (N,), beats (B,) ascending -> fractional number of beats since the first (N,), beat interval (N,) in s."""
    gaps = np.diff(beats)
    padded = np.concatenate([[beats[0] - gaps[0]], beats, [beats[-1] + gaps[-1]]])
    index = np.clip(np.searchsorted(padded, times, side="right") - 1, 0, len(padded) - 2)
    interval = np.diff(padded)[index]
    return index + (times - padded[index]) / interval, interval


def ecg(times: np.ndarray, beats: np.ndarray, height: float = 1.0) -> np.ndarray:
    """Simulate an ECG.

    Args:
        times: (N,) in s.
        beats: (B,) times of the R peaks in s, two or more.
        height: height of the R peak in mV.

    Returns:
        (N,) in mV.
    """
    count, _ = _around(times, beats)
    angle = 2 * np.pi * ((count + 0.5) % 1 - 0.5)
    level = _HEIGHT * _BREADTH**2
    out = np.zeros(len(times))
    for centre, tall, wide in zip(_ANGLE, level / level[2], _BREADTH, strict=True):
        away = (angle - centre + np.pi) % (2 * np.pi) - np.pi
        out += tall * np.exp(-0.5 * (away / wide) ** 2)
    return height * out


def ppg(times: np.ndarray, beats: np.ndarray, delay: float = FINGER_DELAY) -> np.ndarray:
    """Simulate a finger PPG with two Gaussians for each beat.

    The centres, widths and heights are our choice: a systolic wave with a notch, steeper than in the face.

    Args:
        times: (N,) in s.
        beats: (B,) times of the R peaks in s.
        delay: time from the R peak to the foot of the pulse in s.

    Returns:
        (N,) pulse wave, 0..1.

    References:
        Tang et al. 2020, Sci. Rep. 10:13883 (10.1038/s41598-020-69076-x).
    """
    count, _ = _around(times - delay, beats)
    phase = count % 1
    out = np.zeros(len(times))
    for centre, wide, tall in ((0.20, 0.075, 1.0), (0.48, 0.12, 0.38)):
        away = (phase - centre + 0.5) % 1 - 0.5
        out += tall * np.exp(-0.5 * (away / wide) ** 2)
    return out


def breath(times: np.ndarray, rate: float) -> np.ndarray:
    """Simulate breathing: times (N,) in s, rate in breaths a minute -> (N,) -1..1, 0 and breathing in at time 0."""
    return np.sin(2 * np.pi * rate / 60 * times)


def skin_conductance(times: np.ndarray, onsets: np.ndarray, sizes: np.ndarray, tonic: float, drift: float = 0.0
                ) -> np.ndarray:
    """Simulate skin conductance.

    Args:
        times: (N,) in s.
        onsets: (K,) onsets of the responses in s.
        sizes: (K,) sizes of the responses in uS.
        tonic: tonic level in uS.
        drift: drift of the tonic level in uS a minute.

    Returns:
        (N,) in uS.
    """
    peak = np.log(_SLOW / _FAST) * _SLOW * _FAST / (_SLOW - _FAST)
    top = np.exp(-peak / _SLOW) - np.exp(-peak / _FAST)
    since = np.clip(times[None] - onsets[:, None], 0, None)
    waves = (np.exp(-since / _SLOW) - np.exp(-since / _FAST)) / top
    return tonic + drift * times / 60 + sizes @ waves


def temperature(times: np.ndarray, level: float, drift: float) -> np.ndarray:
    """Simulate skin temperature: times (N,) in s, level in deg C, drift in deg C a minute -> (N,) in deg C."""
    return level + drift * times / 60
