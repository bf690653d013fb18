"""Respiration rate from three modulations of the pulse and from head motion, which must agree.

Inspiration raises the heart rate and changes the pulse's amplitude and baseline. Karlen, Raman, Ansermino & Dumont
2013, 10.1109/TBME.2013.2246160, estimate a rate from each of the three series (frequency, amplitude, intensity) and
average them when they agree ("smart fusion"). The camera also sees the head move with the chest: a fourth estimate.
"""

from __future__ import annotations

import numpy as np

from mien import signals
from mien.core.results import Measurement

SHORTEST = 30.0
"""s: seven breaths at a normal 15 a minute."""

BAND = (0.1, 0.5)
"""Hz: 6 to 30 breaths a minute. Our choice: Mayer waves and drift are below, a slow pulse is above; Karlen et al. use 4
to 65, with a finger clip and children."""

SPREAD = 3.0
"""Breaths a minute within which estimates agree. Our choice: Karlen et al. require a standard deviation below 4 of
three; we may have fewer, so they must be closer."""

RATE = 4.0
"""Hz: Karlen et al. resample the beat series to it."""

CLEAR = 0.5
"""Least share of the power of a series within 1.5 resolutions of its peak."""


def respiration(beat_times: np.ndarray, wave: np.ndarray, rate: float, baseline: np.ndarray,
                sway: np.ndarray) -> Measurement:
    """Estimate the respiration rate as the mean of the estimates that agree within `SPREAD`.

    At least two estimates must agree, and at least one of them must come from the pulse.

    Args:
        beat_times: (B,) s from the first sample.
        wave: (N,) pulse; systole is up.
        rate: Hz of `wave`, `baseline` and `sway`.
        baseline: (N,) log of the unfiltered colour.
        sway: (N,) vertical head position.

    Returns:
        Breaths a minute, or a reason to abstain.
    """
    method = "smart fusion of pulse interval, amplitude, baseline and head sway"
    seconds = len(wave) / rate
    if seconds < SHORTEST:
        return Measurement(None, "breaths/min", 0.0, method, "too_short")
    if len(beat_times) < 0.5 * seconds:
        return Measurement(None, "breaths/min", 0.0, method, "low_snr")
    witnesses = _witnesses(beat_times, wave, rate, baseline, sway)
    rates, shares = np.array([_rate(series, seconds) for series in witnesses]).T
    clear = shares >= CLEAR
    if clear.sum() < 2:
        return Measurement(None, "breaths/min", 0.0, method, "low_snr")
    close = (np.abs(rates[:, None] - rates[None]) <= SPREAD) & clear[:, None] & clear[None]
    best = close[int(np.argmax((close * shares).sum(axis=1)))]
    if best.sum() < 2 or not best[:3].any() or best.sum() <= clear.sum() / 2:
        return Measurement(None, "breaths/min", 0.0, method, "disagree")
    value = float(np.average(rates[best], weights=shares[best]))
    return Measurement(value, "breaths/min", float(shares[best].mean() * best.sum() / 4), method)


def belt_rate(values: np.ndarray, rate: float) -> float:
    """Compute the respiration rate of a belt, or of any sensor that follows the chest or the breath.

    Args:
        values: (N,) in any unit; NaN where unknown.
        rate: Hz.

    Returns:
        Breaths a minute; NaN where the recording is shorter than `SHORTEST` or has no clear rate.
    """
    seconds = len(values) / rate
    if seconds < SHORTEST or not np.isfinite(values).any():
        return float("nan")
    even = signals.resample(np.arange(len(values)) / rate, values[:, None], RATE, gap=seconds).values[:, 0]
    breaths, share = _rate(even, seconds)
    return breaths if share >= CLEAR else float("nan")


def _witnesses(beat_times: np.ndarray, wave: np.ndarray, rate: float, baseline: np.ndarray,
               sway: np.ndarray) -> list[np.ndarray]:
    """Four series (M,) at `RATE` Hz: interval, amplitude and baseline of the pulse, and head motion."""
    grid = np.arange(0, len(wave) / rate, 1 / RATE)
    times = np.arange(len(wave)) / rate
    crest = np.interp(beat_times, times, wave)
    trough = np.minimum.reduceat(wave, (beat_times * rate).astype(int))[:-1]
    middle = (beat_times[1:] + beat_times[:-1]) / 2
    slow = signals.resample(times, np.stack([baseline, sway], axis=1), RATE).values[: len(grid)]
    return [np.interp(grid, middle, np.diff(beat_times)), np.interp(grid, middle, crest[1:] - trough), *slow.T]


def _rate(series: np.ndarray, seconds: float) -> tuple[float, float]:
    """Breaths a minute of a series (M,) and the share of power near its peak; 0, 0 if the series is flat."""
    even = signals.detrend(series, signals.smoothness(0.7 * BAND[0], RATE))
    frequencies, power = signals.spectrum(even, RATE, *BAND)
    peak = signals.peak(frequencies, power)
    if not np.isfinite(peak):
        return 0.0, 0.0
    near = np.abs(frequencies - peak) <= 1.5 / seconds
    return 60 * peak, float(power[near].sum() / power.sum())
