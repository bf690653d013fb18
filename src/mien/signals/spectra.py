"""Spectra, signal-to-noise ratio, time-frequency images.

Arrays are (N,) or (N, ...) with time first; rates and frequencies in Hz, times in s. All functions are pure.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

TEMPLATE = (0.1, 0.2)
"""Hz on either side of the fundamental and of its first harmonic that count as pulse in `snr`. The template is that of
de Haan & Jeanne 2013, 10.1109/TBME.2013.2266196; the widths are those that the iPhys toolbox (`bvpsnr`) gives it."""


def spectrum(values: np.ndarray, rate: float, low: float, high: float, step: float = 0.01,
             ) -> tuple[np.ndarray, np.ndarray]:
    """values (N, ...) -> frequencies (F,) Hz within low..high and power (F, ...), Hann window, zero-padded.

    `step`: largest distance in Hz of two frequencies; 0.01 Hz is 0.6 bpm, which `peak` interpolates.
    """
    values = np.asarray(values, dtype=np.float64)
    size = fft.next_fast_len(max(len(values), int(np.ceil(rate / step)), 2), real=True)
    frequencies = np.arange(size // 2 + 1) * (rate / size)
    inside = slice(*np.searchsorted(frequencies, [low, high + 1e-9]))
    window = np.hanning(len(values) + 2)[1:-1].reshape(-1, *[1] * (values.ndim - 1))
    transform = fft.rfft(values * window, size, axis=0)[inside]
    return frequencies[inside], transform.real**2 + transform.imag**2


def peak(frequencies: np.ndarray, power: np.ndarray) -> float:
    """frequencies (F,) evenly spaced, power (F,) -> the frequency of the largest value, between the bins.

    A parabola through the logarithms of the three highest: exact for a Gaussian and close to it for a Hann window.
    NaN when there is no power at all.
    """
    if len(power) == 0 or not power.max() > 0:
        return float("nan")
    k = int(np.argmax(power))
    if k in (0, len(power) - 1):
        return float(frequencies[k])
    a, b, c = np.log(np.maximum(power[k - 1 : k + 2], power[k] * 1e-12))
    curve = a - 2 * b + c
    shift = 0.5 * (a - c) / curve if curve < 0 else 0.0
    return float(frequencies[k] + shift * (frequencies[1] - frequencies[0]))


def snr(frequencies: np.ndarray, power: np.ndarray, rate: float) -> float:
    """Power (F,) at frequencies (F,) Hz, and the frequency `rate` Hz of the pulse -> signal-to-noise ratio in dB.

    Power within `TEMPLATE` of the fundamental and of its first harmonic, over all other power. -inf without power.
    """
    near = (np.abs(frequencies - rate) <= TEMPLATE[0]) | (np.abs(frequencies - 2 * rate) <= TEMPLATE[1])
    inside, total = float(power[near].sum()), float(power.sum())
    if not inside > 0:
        return float("-inf")
    return float(10 * np.log10(inside / max(total - inside, total * 1e-12)))


def quality(decibel: float) -> float:
    """Signal-to-noise ratio in dB -> 0..1: the share of the power that is signal, s / (s + n)."""
    if np.isnan(decibel):
        return 0.0
    return float(1.0 / (1.0 + 10 ** (-np.clip(decibel, -60, 60) / 10)))


def time_frequency(values: np.ndarray, rate: float, low: float = 0.7, high: float = 4.0, bins: int = 96,
                   hop: float = 0.1, omega: float = 6.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """values (N,) -> times (T,) s, frequencies (F,) Hz, log-spaced, and magnitude (F, T): the Morlet wavelet transform.

    Torrence & Compo 1998, 10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2, in the frequency domain (its equation 4),
    scaled so that a wave of amplitude 1 has magnitude 1. `omega` 6 is theirs; `hop` s between columns and `bins` rows
    are our choice: enough for a picture. One row is transformed at a time, so memory stays that of the signal.
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float64))
    frequencies = np.geomspace(low, high, bins)
    stride = max(1, round(hop * rate))
    times = np.arange(0, len(values), stride) / rate
    if len(values) < 2:
        return times, frequencies, np.zeros((bins, len(times)))
    size = fft.next_fast_len(len(values) + int(2 * rate / low))
    transform = fft.fft(values - values.mean(), size)
    omegas = 2 * np.pi * fft.fftfreq(size, 1 / rate)
    image = np.empty((bins, len(times)))
    for row, frequency in enumerate(frequencies):
        scale = (omega + np.sqrt(2 + omega**2)) / (4 * np.pi * frequency)  # their table 1: Fourier period of a scale
        daughter = np.where(omegas > 0, 2 * np.exp(-0.5 * (scale * omegas - omega) ** 2), 0.0)
        image[row] = np.abs(fft.ifft(transform * daughter))[: len(values) : stride]
    return times, frequencies, image
