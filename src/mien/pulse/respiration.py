"""Breath from the pulse: three modulations of the beats, and the sway of the head, must agree.

Breathing in quickens the heart, and swells and shifts the pulse. Karlen, Raman, Ansermino & Dumont 2013,
10.1109/TBME.2013.2246160, read a rate from each of the three series (frequency, amplitude, intensity) and take their
mean when they agree ("smart fusion"). A camera also sees the head sway with the chest, a fourth witness.
"""

from __future__ import annotations

import numpy as np

from .. import signals
from ..types import Reading

SHORTEST = 30.0
"""s: seven breaths at a normal 15 a minute."""

BAND = (0.1, 0.5)
"""Hz: 6 to 30 breaths a minute. Our choice: below lie Mayer waves and drift, above the pulse of a slow heart;
Karlen et al. go from 4 to 65, with a finger clip and children."""

SPREAD = 3.0
"""Breaths a minute within which witnesses agree. Our choice: Karlen et al. ask for a standard deviation below 4 among
three; ours may be fewer, so they must be closer."""

RATE = 4.0
"""Hz: Karlen et al. resample the series of beats to it."""

CLEAR = 0.5
"""Share of a witness's power that must lie within 1.5 resolutions of its peak."""


def respiration(beat_times: np.ndarray, wave: np.ndarray, rate: float, baseline: np.ndarray,
                sway: np.ndarray) -> Reading:
    """Beat times (B,) s from the first sample; wave (N,) up is systole; baseline (N,) slow colour, log; sway (N,)
    the head's height; all at `rate` Hz -> breaths a minute.

    The reading is the mean of the witnesses that agree within `SPREAD`; at least two of them, one of the beats.
    """
    method = "smart fusion of pulse interval, amplitude, baseline and head sway"
    seconds = len(wave) / rate
    if seconds < SHORTEST:
        return Reading(None, "breaths/min", 0.0, method, "too_short")
    if len(beat_times) < 0.5 * seconds:
        return Reading(None, "breaths/min", 0.0, method, "low_snr")
    witnesses = _witnesses(beat_times, wave, rate, baseline, sway)
    rates, shares = np.array([_rate(series, seconds) for series in witnesses]).T
    clear = shares >= CLEAR
    if clear.sum() < 2:
        return Reading(None, "breaths/min", 0.0, method, "low_snr")
    close = (np.abs(rates[:, None] - rates[None]) <= SPREAD) & clear[:, None] & clear[None]
    best = close[int(np.argmax((close * shares).sum(axis=1)))]
    if best.sum() < 2 or not best[:3].any() or best.sum() <= clear.sum() / 2:
        return Reading(None, "breaths/min", 0.0, method, "disagree")
    value = float(np.average(rates[best], weights=shares[best]))
    return Reading(value, "breaths/min", float(shares[best].mean() * best.sum() / 4), method)


def _witnesses(beat_times: np.ndarray, wave: np.ndarray, rate: float, baseline: np.ndarray,
               sway: np.ndarray) -> list[np.ndarray]:
    """Four series (M,) at `RATE` Hz: interval, amplitude, baseline of the pulse, and sway."""
    grid = np.arange(0, len(wave) / rate, 1 / RATE)
    times = np.arange(len(wave)) / rate
    crest = np.interp(beat_times, times, wave)
    trough = np.minimum.reduceat(wave, (beat_times * rate).astype(int))[:-1]
    middle = (beat_times[1:] + beat_times[:-1]) / 2
    slow = signals.resample(times, np.stack([baseline, sway], axis=1), RATE).values[: len(grid)]
    return [np.interp(grid, middle, np.diff(beat_times)), np.interp(grid, middle, crest[1:] - trough), *slow.T]


def _rate(series: np.ndarray, seconds: float) -> tuple[float, float]:
    """series (M,) -> breaths a minute and the share of the power within a resolution of the peak; 0, 0 if flat."""
    even = signals.detrend(series, signals.smoothness(0.7 * BAND[0], RATE))
    frequencies, power = signals.spectrum(even, RATE, *BAND)
    peak = signals.peak(frequencies, power)
    if not np.isfinite(peak):
        return 0.0, 0.0
    near = np.abs(frequencies - peak) <= 1.5 / seconds
    return 60 * peak, float(power[near].sum() / power.sum())
