"""Noise floor of power spectra."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CAP = 4.0
"""Cap on the weight of a frequency in the fit, in noise floors. Our choice: noise exceeds it in 2 % of cases."""

SLOPE = (-3.0, 0.0)
"""Range of the noise's power law. Our choice: the noise of video coding falls with the first to second power of the
frequency; a steeper fit would follow the side lobes of a pulse and its harmonic."""

NEAR, RAISED = 0.6, 0.7
"""Hz on either side, and weight, of the local median that may raise the floor. Our choice: half a hertz on either side
holds a dozen independent values of a spectrum of 10 s, of which a pulse fills three."""

SKIP = 2
"""Independent values between the places where the local median is computed; it changes slowly (our choice)."""

LOW, LOBE = 0.9, 0.2
"""Hz: below `LOW` the floor is at least the power one main lobe lower. Drift and sway rise towards low frequencies
without a peak of their own (our choice)."""


def noise_floor(frequencies: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Fit a power law of the frequency to the noise under spectra.

    Noise power is exponentially distributed. This is its maximum-likelihood fit; no frequency counts for more than
    `CAP` times the floor, so a pulse raises the floor little.

    Args:
        frequencies: (F,) Hz.
        power: (..., F).

    Returns:
        (..., F) expected noise power.
    """
    slope = np.log(frequencies) - np.log(frequencies).mean()
    design = np.stack([np.ones(len(slope)), slope])
    scale = (design**2).sum(axis=1)
    expected = (1 - np.exp(-CAP)) * design.sum(axis=1)  # the capped ratio's mean is 1 - exp(-CAP)
    flat = power.reshape(-1, power.shape[-1])
    cap = np.full_like(flat, CAP)  # faster than a number
    fit = np.zeros((len(flat), 2))
    fit[:, 0] = np.log(np.maximum(middle(flat), 1e-30) / np.log(2))
    ratio = np.empty_like(flat)
    for _ in range(5):  # to within 1 %
        np.matmul(-fit, design, out=ratio)
        np.exp(ratio, out=ratio)
        ratio *= flat
        np.minimum(ratio, cap, out=ratio)
        fit += (ratio @ design.T - expected) / scale
        fit[:, 1] = np.minimum(np.maximum(fit[:, 1], SLOPE[0]), SLOPE[1])
    return np.exp(fit @ design).reshape(power.shape)


def middle(values: np.ndarray) -> np.ndarray:
    """Median of (..., N) along the last axis. The median of numpy also looks for NaN, which takes most of its time."""
    half = values.shape[-1] // 2
    parted = np.partition(values, half, axis=-1)
    if values.shape[-1] % 2:
        return parted[..., half]
    return (parted[..., half] + parted[..., :half].max(axis=-1)) / 2


def raised_floor(frequencies: np.ndarray, power: np.ndarray, resolution: float) -> np.ndarray:
    """The floor of `noise_floor`, raised where the neighbourhood lies above it.

    Broadband movement and the light of a screen follow no power law. The median of the neighbourhood counts where it is
    higher than the fit, and at low frequencies the power one main lobe lower.

    Args:
        frequencies: (F,) Hz, evenly spaced.
        power: (..., F).
        resolution: Hz between independent values.

    Returns:
        (..., F) expected noise power.
    """
    floor = noise_floor(frequencies, power)
    spacing = frequencies[1] - frequencies[0]
    stride, lobe = max(1, round(resolution / spacing)), round(LOBE / spacing)
    sparse = power[..., ::stride] / floor[..., ::stride]
    around = sparse[..., _neighbours(sparse.shape[-1], round(NEAR / (stride * spacing)))]
    near = np.maximum(1.0, RAISED / np.log(2) * middle(around))
    floor *= np.repeat(near, stride * SKIP, axis=-1)[..., : power.shape[-1]]
    low = int(np.searchsorted(frequencies, LOW))
    floor[..., :lobe] = np.maximum(floor[..., :lobe], power[..., :1])
    floor[..., lobe:low] = np.maximum(floor[..., lobe:low], power[..., : low - lobe])
    return floor


@lru_cache(maxsize=16)
def _neighbours(count: int, half: int) -> np.ndarray:
    """Every `SKIP`-th of `count` places with `half` places on either side (K, 2 half + 1), mirrored at the ends."""
    places = np.arange(0, count, SKIP)[:, None] + np.arange(-half, half + 1)
    return (count - 1) - np.abs((count - 1) - np.abs(places))
