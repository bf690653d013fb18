"""Power spectra, signal-to-noise ratio and time-frequency images.

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
    """Power spectrum with a Hann window and zero-padding.

    Args:
        values: (N, ...).
        rate: Hz.
        low: lowest returned frequency in Hz.
        high: highest returned frequency in Hz.
        step: largest spacing of the frequencies in Hz; 0.01 Hz is 0.6 bpm, which `peak` refines.

    Returns:
        Frequencies (F,) in Hz and power (F, ...).
    """
    values = np.asarray(values, dtype=np.float64)
    size = fft.next_fast_len(max(len(values), int(np.ceil(rate / step)), 2), real=True)
    frequencies = np.arange(size // 2 + 1) * (rate / size)
    inside = slice(*np.searchsorted(frequencies, [low, high + 1e-9]))
    window = np.hanning(len(values) + 2)[1:-1].reshape(-1, *[1] * (values.ndim - 1))
    transform = fft.rfft(values * window, size, axis=0)[inside]
    return frequencies[inside], transform.real**2 + transform.imag**2


def peak(frequencies: np.ndarray, power: np.ndarray) -> float:
    """The frequency of the largest power, interpolated between the bins.

    A parabola goes through the logarithms of the three highest values: exact for a Gaussian, close for a Hann window.

    Args:
        frequencies: (F,) Hz, evenly spaced.
        power: (F,).

    Returns:
        Hz; NaN when there is no power at all.
    """
    if len(power) == 0 or not power.max() > 0:
        return float("nan")
    k = int(np.argmax(power))
    if k in (0, len(power) - 1):
        return float(frequencies[k])
    a, b, c = np.log(np.maximum(power[k - 1 : k + 2], power[k] * 1e-12))
    curve = a - 2 * b + c
    shift = 0.0
    if curve < 0:
        shift = 0.5 * (a - c) / curve
    return float(frequencies[k] + shift * (frequencies[1] - frequencies[0]))


def snr(frequencies: np.ndarray, power: np.ndarray, rate: float) -> float:
    """Signal-to-noise ratio of a pulse: power within `TEMPLATE` of it and its first harmonic over all other power.

    Args:
        frequencies: (F,) Hz.
        power: (F,).
        rate: frequency of the pulse in Hz.

    Returns:
        dB; -inf without power at the pulse.
    """
    near = (np.abs(frequencies - rate) <= TEMPLATE[0]) | (np.abs(frequencies - 2 * rate) <= TEMPLATE[1])
    inside, total = float(power[near].sum()), float(power.sum())
    if not inside > 0:
        return float("-inf")
    return float(10 * np.log10(inside / max(total - inside, total * 1e-12)))


def spectral_quality(decibel: float) -> float:
    """Convert a signal-to-noise ratio in dB to the share of signal power s / (s + n), 0..1."""
    if np.isnan(decibel):
        return 0.0
    return float(1.0 / (1.0 + 10 ** (-np.clip(decibel, -60, 60) / 10)))


def time_frequency(values: np.ndarray, rate: float, low: float = 0.7, high: float = 4.0, bins: int = 96,
                   hop: float = 0.1, omega: float = 6.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Morlet wavelet transform in the frequency domain (equation 4 of the reference).

    A wave of amplitude 1 has magnitude 1. One row is transformed at a time, so the memory is that of the signal.

    Args:
        values: (N,).
        rate: Hz.
        low: lowest frequency in Hz.
        high: highest frequency in Hz.
        bins: number of frequencies F, log-spaced. Our choice: enough for an image.
        hop: s between columns. Our choice: enough for an image.
        omega: the wavelet's frequency parameter; 6 as in the reference.

    Returns:
        times (T,) in s, frequencies (F,) in Hz and magnitude (F, T).

    References:
        Torrence & Compo 1998, 10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2.
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
