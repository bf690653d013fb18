"""Log likelihood ratios of signals of known shape over noise of known covariance, for spectra of many channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.rppg.noise_floor import raised_floor

LEAK = 0.05
"""Share of the power removed as light and movement that is expected to remain, our choice: a fifth of the amplitude."""

LOADING = 0.05
"""Least variance of a mixture of channels, in mean variances. Our choice: with less, a mixture may cancel the pulse."""


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra of some pieces.

    Attributes:
        frequencies: (W,) Hz.
        values: (T, C, 2, W) real and imaginary parts.
        leaks: (T, C, 2, W) what was removed from them.
        covariance: (T, C, C) of the noise.
        resolution: Hz between independent values.
    """

    frequencies: np.ndarray
    values: np.ndarray
    leaks: np.ndarray
    covariance: np.ndarray
    resolution: float


def _factors(covariance: np.ndarray, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures (T, C, K C) that make noise white and a signal of each shape (K, C, C) independent, and its powers
    (T, K C) there."""
    scale, axes = np.linalg.eigh(covariance)
    scale = np.maximum(scale, LOADING * scale.mean(axis=1, keepdims=True))
    whitener = (axes / np.sqrt(scale)[:, None, :]) @ np.swapaxes(axes, 1, 2)
    powers, turn = np.linalg.eigh(whitener @ shapes[:, None] @ whitener)
    return np.concatenate(whitener @ turn, axis=-1), np.concatenate(np.maximum(powers, 0.0), axis=-1)


def all_log_ratios(spectra: Spectra, signals: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Log likelihood ratios (T, S, W) over noise of signals, each a shape (C, C) and its amplitudes (S,).

    A strong peak raises the floor of the mixture that shows it, and that differs from shape to shape. So the total
    power over the floors is set to the mean of all shapes, as if they had one floor.
    """
    mixtures, powers = _factors(spectra.covariance, np.stack([shape for shape, _ in signals]))
    power = mixed_power(spectra.values, mixtures)
    floor = raised_floor(spectra.frequencies, power, spectra.resolution)
    floor += LEAK * mixed_power(spectra.leaks, mixtures)
    np.reciprocal(floor, out=floor)
    power *= floor
    seen = power.reshape(len(power), len(signals), -1, power.shape[-1])
    totals = seen.sum(axis=2)
    seen *= (totals.mean(axis=1, keepdims=True) / np.maximum(totals, 1e-30))[:, :, None]
    strength = (powers[:, :, None] * floor).reshape(seen.shape)
    return [_log_ratios(seen[:, index], strength[:, index], amplitudes)
            for index, (_, amplitudes) in enumerate(signals)]


def mixed_power(spectra: np.ndarray, mixtures: np.ndarray) -> np.ndarray:
    """Power (T, K, W) of mixtures (T, C, K) of the channels of spectra (T, C, 2, W)."""
    count, channels, _, width = spectra.shape
    mixed = np.swapaxes(mixtures, 1, 2) @ spectra.reshape(count, channels, 2 * width)
    mixed *= mixed
    return mixed[..., :width] + mixed[..., width:]


def _log_ratios(seen: np.ndarray, strength: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Log likelihood ratios (T, S, W) for each of the amplitudes (S,).

    Args:
        seen: (T, C, W) power of each mixture over its noise floor.
        strength: (T, C, W) expected power of a signal of amplitude 1 over the floor.
        amplitudes: (S,).
    """
    square = (amplitudes**2)[:, None, None]
    ratio = square * np.minimum(strength, 1e30 / square.max())[:, None]
    more = 1.0 + ratio
    ratio /= more
    ratio *= seen[:, None]
    return ratio.sum(axis=2) - np.log(more.prod(axis=2))
