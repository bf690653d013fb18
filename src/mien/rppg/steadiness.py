"""Whether what changes at a steady rate is as unsteady as a heart.

Without colour a pulse looks like light. But a heart speeds up and slows down with the breath, and light from a device
keeps its rate. So the phase of a pulse wanders, by some tenths of a radian within a few breaths, and that of light does
not (Shaffer & Ginsberg 2017, 10.3389/fpubh.2017.00258, list variability in health).
"""

from __future__ import annotations

import numpy as np

from mien.rppg.methods import BAND, band

SPAN = 2.5
"""s: length of the stretches, half overlapped, whose phases are compared; some beats of a slow heart (our choice)."""

WANDER = 0.25
"""rad: spread of the phase of a heart about a steady rate. Our choice: a breath of 4 s that changes a rate of 1.2 Hz by
2 % moves the phase by 0.6 rad."""

REST = 0.04
"""rad: spread of the phase of a light that the camera's clock and exposure leave (our choice)."""


def unsteadiness(wave: np.ndarray, rate: float, bpm: float) -> float:
    """Log odds of a phase that wanders like that of a heart, over one that keeps its rate.

    Two lights of close rates beat: their sum wanders in phase, and as much in strength. So a strength that wanders
    counts against a heart.

    Args:
        wave: (N,) brightness.
        rate: Hz.
        bpm: the rate at which the wave swings.

    Returns:
        Nats; 0 where the wave is too short to tell.
    """
    count = int(SPAN * rate)
    starts = np.arange(0, len(wave) - count + 1, count // 2)
    if len(starts) < 4:
        return 0.0
    wave, times = band(wave, rate), np.arange(len(wave)) / rate
    window = np.hanning(count + 2)[1:-1]

    def tones(hertz: float) -> np.ndarray:
        turned = wave * np.exp(-2j * np.pi * hertz * times)
        return np.array([turned[start : start + count] @ window for start in starts])

    away = [hertz for hertz in np.arange(*BAND, 0.1) if abs(hertz - bpm / 60) >= 0.8]
    noise = float(np.median([np.abs(tones(hertz)) ** 2 for hertz in away])) / np.log(2)
    fine = bpm / 60 + np.arange(-0.05, 0.0501, 0.0025)
    strongest = max((tones(hertz) for hertz in fine), key=lambda each: abs(each.sum()))
    phase = np.angle(strongest * strongest.sum().conj())
    height = np.log(np.maximum(np.abs(strongest), 1e-30))
    spread = noise / (2 * np.maximum(np.abs(strongest) ** 2, noise))
    return _odds(phase, spread) - max(_odds(height - height.mean(), spread), 0.0)


def _odds(swing: np.ndarray, spread: np.ndarray) -> float:
    """Log odds of a swing (K,) of `WANDER` beside one of `REST`, both above noise of variance (K,)."""
    still, moving = spread + REST**2, spread + WANDER**2
    odds = 0.5 * swing**2 * (1 / still - 1 / moving) - 0.5 * np.log(moving / still)
    return float(odds.sum() / 1.5)  # neighbours share half of their samples
