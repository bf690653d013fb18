"""How much of a spectrum is noise, and how sure it is that a peak is not."""

from __future__ import annotations

import numpy as np

CAP = 4.0
"""Times the noise floor up to which a frequency counts in its fit. Our choice: noise goes above it in 2 % of places."""

SLOPE = (-3.0, 0.0)
"""Range of the noise's power law. Our choice: the noise of video coding falls with the first to second power of the
frequency; a steeper fit follows the skirts of a pulse and its harmonic."""

WEAKER = 1.5
"""Largest power of the harmonic over that of the fundamental. Our choice: in a pulse wave it is below 1; noise adds to
one and takes from the other."""


def noise_floor(frequencies: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Power (F,) -> the noise under it (F,): a power law of the frequency.

    Noise power is exponentially distributed; this is its maximum-likelihood fit, in which no frequency counts for more
    than `CAP` times the floor, so that a pulse does not lift it.
    """
    slope = np.log(frequencies) - np.log(frequencies).mean()
    design = np.stack([np.ones(len(slope)), slope])
    scale = (design**2).sum(axis=1)
    fit = np.array([np.log(max(float(np.median(power)), 1e-30) / np.log(2)), 0.0])
    for _ in range(5):  # to within 1 %
        ratio = np.minimum(power * np.exp(-fit @ design), CAP)
        fit = fit + design @ (ratio - 1 + np.exp(-CAP)) / scale  # the capped ratio's mean is 1 - exp(-CAP)
        fit[1] = np.clip(fit[1], *SLOPE)
    return np.exp(fit @ design)


def peak_strength(frequencies: np.ndarray, power: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power and its noise floor (F,) -> minus the log of the chance that noise does it (F,), and where the harmonic
    had a say (F,).

    The ratio q of noise to its floor is exponential: -log P(q > x) = x. With a harmonic at 2f the sum s of two ratios
    counts: -log P = s - log(1 + s). The harmonic counts only where it is no stronger than a pulse's may look beside its
    fundamental (`WEAKER`); otherwise what is at f is noise, and 2f the rate.
    """
    ratio = power / floor
    twice = np.interp(2 * frequencies, frequencies, ratio, right=0.0)
    weaker = np.interp(2 * frequencies, frequencies, power, right=0.0) <= WEAKER * power
    both = ratio + twice - np.log1p(ratio + twice)
    double = weaker & (both > ratio)
    return np.where(double, both, ratio), double
