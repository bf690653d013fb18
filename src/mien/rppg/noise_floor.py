"""Noise floor of power spectra."""

from __future__ import annotations

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
        power: (F, ...).

    Returns:
        (F, ...) expected noise power.
    """
    slope = np.log(frequencies) - np.log(frequencies).mean()
    design = np.stack([np.ones(len(slope)), slope])
    scale = (design**2).sum(axis=1)[:, None]
    flat = power.reshape(len(power), -1)
    level = np.log(np.maximum(np.median(flat, axis=0), 1e-30) / np.log(2))
    fit = np.stack([level, np.zeros_like(level)])
    for _ in range(5):  # to within 1 %
        ratio = np.minimum(flat * np.exp(-design.T @ fit), CAP)
        fit = fit + design @ (ratio - 1 + np.exp(-CAP)) / scale  # the capped ratio's mean is 1 - exp(-CAP)
        fit[1] = np.clip(fit[1], *SLOPE)
    return np.exp(design.T @ fit).reshape(power.shape)


def raised_floor(frequencies: np.ndarray, power: np.ndarray, resolution: float) -> np.ndarray:
    """The floor of `noise_floor`, raised where the neighbourhood lies above it.

    Broadband movement and the light of a screen follow no power law. The median of the neighbourhood counts where it is
    higher than the fit, and at low frequencies the power one main lobe lower.

    Args:
        frequencies: (F,) Hz, evenly spaced.
        power: (F, ...).
        resolution: Hz between independent values.

    Returns:
        (F, ...) expected noise power.
    """
    floor = noise_floor(frequencies, power)
    spacing = frequencies[1] - frequencies[0]
    stride, lobe = max(1, round(resolution / spacing)), round(LOBE / spacing)
    half = round(NEAR / (stride * spacing))
    sparse = (power / floor)[::stride]
    padded = np.pad(sparse, [(half, half)] + [(0, 0)] * (power.ndim - 1), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)[::SKIP]
    near = np.partition(around, half, axis=-1)[..., half] / np.log(2)
    near = np.repeat(near, stride * SKIP, axis=0)[: len(power)]
    floor = floor * np.maximum(1.0, RAISED * near)
    below = np.concatenate([np.repeat(power[:1], lobe, axis=0), power[:-lobe]])
    low = frequencies < LOW
    floor[low] = np.maximum(floor[low], below[low])
    return floor
