"""Log likelihood ratios of signals of known shape over noise of known covariance, for spectra of many channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.rppg.noise_floor import raised_floor

LEAK = 0.05
"""Share of the power removed as light and movement that is expected to remain, our choice: a fifth of the amplitude."""

LOADING = 0.05
"""Least variance of a mixture of channels, in mean variances. Our choice: with less, a mixture may cancel the pulse."""

BATCH = 16
"""Pieces that are computed at once: so many fit into a processor's cache."""


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra (T, W, C) at frequencies (W,) Hz, what was removed from them (T, W, C), and the noise (T, C, C)."""

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
    power = np.moveaxis(np.abs(spectra.values @ mixtures) ** 2, 1, 0)  # (W, T, C of all shapes)
    floor = raised_floor(spectra.frequencies, power, spectra.resolution)
    floor += LEAK * np.moveaxis(np.abs(spectra.leaks @ mixtures) ** 2, 1, 0)
    seen, strength = (np.stack(np.split(part / floor, len(signals), axis=2)) for part in (power, powers))
    totals = seen.sum(axis=3)
    seen *= (totals.mean(axis=0) / np.maximum(totals, 1e-30))[..., None]
    return [_log_ratios(*parts) for parts in zip(seen, strength, (each for _, each in signals), strict=True)]


def _log_ratios(seen: np.ndarray, strength: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Log likelihood ratios (T, S, W) for each of the amplitudes (S,).

    Args:
        seen: (W, T, C) power of each mixture over its noise floor.
        strength: (W, T, C) expected power of a signal of amplitude 1 over the floor.
        amplitudes: (S,).
    """
    out = np.empty((seen.shape[1], len(amplitudes), len(seen)))
    square = (amplitudes**2)[:, None, None, None]
    for first in range(0, len(out), BATCH):
        part = slice(first, first + BATCH)
        ratio = np.minimum(square * strength[:, part], 1e30)
        more = 1.0 + ratio
        gain = np.einsum("swtc,wtc->swt", ratio / more, seen[:, part])
        out[part] = np.moveaxis(gain - np.log(more.prod(axis=3)), 2, 0)
    return out
