"""Sampled signals: resample by time, filter, detrend, spectra, signal-to-noise ratio, time-frequency images.

Arrays are (N,) or (N, ...) with time first; rates and frequencies in Hz, times in s. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, linalg, signal

TEMPLATE = (0.1, 0.2)
"""Hz on either side of the fundamental and of its first harmonic that count as pulse in `snr`. The template is that of
de Haan & Jeanne 2013, 10.1109/TBME.2013.2266196; the widths are those that the iPhys toolbox (`bvpsnr`) gives it."""


@dataclass(frozen=True, eq=False)
class Uniform:
    """A signal on a regular grid: `values` (N, ...) at `rate` Hz from `start` s on.

    `seen` (N,) is False inside a long gap, where `values` are NaN.
    """

    values: np.ndarray
    rate: float
    start: float
    seen: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """(N,) s."""
        return self.start + np.arange(len(self.values)) / self.rate

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Start and end (s) of each long gap."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self.seen, [True]]).astype(np.int8)))
        return [(self.start + a / self.rate, self.start + b / self.rate) for a, b in edges.reshape(-1, 2)]


def resample(times: np.ndarray, values: np.ndarray, rate: float, gap: float = 0.5) -> Uniform:
    """times (T,) s, irregular; values (T, ...) with NaN where nothing was seen -> a `Uniform` at `rate` Hz.

    Linear interpolation across gaps of up to `gap` s; longer gaps stay NaN. A row counts as missing when any of its
    numbers is NaN. Time stamps that are not finite or do not increase are dropped. A signal that comes faster than
    twice `rate` is averaged over each grid step, so that it does not alias.

    `gap`: our choice: half a second is less than one beat at 120 bpm, so that no more than one beat is ever bridged.
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    if len(times) != len(values):
        raise ValueError(f"resample: expected one time a row, got {len(times)} times for {len(values)} rows")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"resample: expected a positive rate in Hz, got {rate}")
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    kept = increasing(times)
    times, flat = times[kept], flat[kept]
    count = round((times[-1] - times[0]) * rate) + 1 if len(times) else 0
    start = float(times[0]) if len(times) else 0.0
    good = np.isfinite(flat).all(axis=1)
    if count == 0 or not good.any():
        return Uniform(np.full((count, *values.shape[1:]), np.nan), rate, start, np.zeros(count, dtype=bool))
    known, flat = times[good], flat[good]
    fine = max(1, int((len(known) - 1) / max(known[-1] - known[0], 1e-9) / rate)) if len(known) > 1 else 1
    grid = start + (np.arange(count * fine) - (fine - 1) / 2) / (rate * fine)
    out, seen = _interpolate(grid, known, flat, gap)
    if fine > 1:
        out = out.reshape(count, fine, -1).mean(axis=1)
        seen = seen.reshape(count, fine).all(axis=1)
    out[~seen] = np.nan
    return Uniform(out.reshape(count, *values.shape[1:]), rate, start, seen)


def increasing(times: np.ndarray) -> np.ndarray:
    """times (T,) s -> the indices (K,) of those that are finite and later than all before them."""
    kept = np.flatnonzero(np.isfinite(times))
    return kept[np.diff(np.maximum.accumulate(times[kept]), prepend=-np.inf) > 0] if len(kept) else kept


def _interpolate(grid: np.ndarray, times: np.ndarray, flat: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation of flat (T, C) at grid (N,); also (N,) whether a point lies within `gap` s of support."""
    right = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1))
    left, right = right - 1, np.minimum(right, len(times) - 1)
    span = times[right] - times[left]
    weight = np.clip((grid - times[left]) / np.where(span > 0, span, 1.0), 0.0, 1.0)[:, None]
    out = flat[left] * (1 - weight) + flat[right] * weight
    tolerance = 1e-9
    inside = (grid >= times[left] - tolerance) & (grid <= times[right] + tolerance)
    nearest = np.minimum(np.abs(grid - times[left]), np.abs(grid - times[right]))
    seen = (inside & (span <= gap + tolerance)) | (~inside & (nearest <= gap / 2)) | (nearest <= tolerance)
    return out, seen


def bandpass(values: np.ndarray, rate: float, low: float, high: float, order: int = 2) -> np.ndarray:
    """values (N, ...), low < high Hz -> the same shape, Butterworth, forwards and backwards (no phase shift).

    `order`: of the prototype; the two passes double the slope. Our choice of 2: a steeper filter rings within the 10 s
    of the shortest window, and what little noise passes is below the gates' floor.
    """
    if not 0 < low < high:
        raise ValueError(f"bandpass: expected 0 < low < high, got {low} and {high} Hz")
    if high >= rate / 2:
        raise ValueError(f"bandpass: expected high below {rate / 2:g} Hz (half the rate), got {high:g}; "
                         "give a faster recording or a lower limit")
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return values.copy()
    sos = _butterworth(order, low, high, rate)
    pad = min(int(rate / low), len(values) - 1)  # one period of the slowest wave settles the edges
    return signal.sosfiltfilt(sos, values, axis=0, padlen=pad)


@lru_cache(maxsize=64)
def _butterworth(order: int, low: float, high: float, rate: float) -> np.ndarray:
    return signal.butter(order, (low, high), btype="bandpass", fs=rate, output="sos")


def smoothness(cutoff: float, rate: float) -> float:
    """Hz, Hz -> the lambda of `detrend` whose high-pass has half gain at `cutoff`.

    The gain of (1 - trend) at w rad a sample is x / (1 + x) with x = lambda^2 (2 sin(w/2))^4.
    """
    return float(1.0 / (2.0 * np.sin(np.pi * cutoff / rate)) ** 2)


def detrend(values: np.ndarray, lam: float) -> np.ndarray:
    """values (N, ...) -> the same shape less its slow trend, by smoothness priors.

    Tarvainen, Ranta-aho & Karjalainen 2002, An advanced detrending method with application to HRV analysis,
    10.1109/10.979357: (I - (I + lam^2 D2' D2)^-1) z. The matrix has five bands, so the solution costs O(N); all columns
    are solved at once. The straight line through the ends is taken off first (the method removes lines exactly),
    which keeps the digits.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if n < 3:
        return values - values.mean(axis=0) if n else values.copy()
    flat = values.reshape(n, -1)
    flat = flat - flat[0] - (flat[-1] - flat[0]) * (np.arange(n) / (n - 1))[:, None]
    bands = np.zeros((3, n))
    square = lam * lam
    for offset, row in enumerate(_second_difference_bands(n)):
        bands[2 - offset, offset:] = square * row
    bands[2] += 1.0
    return (flat - linalg.solveh_banded(bands, flat, check_finite=False)).reshape(values.shape)


def _second_difference_bands(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The main and the two upper diagonals of D2' D2, where D2 (n - 2, n) takes second differences."""
    main = np.zeros(n)
    main[:-2] += 1.0
    main[1:-1] += 4.0
    main[2:] += 1.0
    first = np.zeros(n - 1)
    first[:-1] -= 2.0
    first[1:] -= 2.0
    return main, first, np.ones(n - 2)


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
