"""Zero-phase filters and detrending.

Arrays are (N,) or (N, ...) with time first; rates and frequencies in Hz, times in s. All functions are pure.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import linalg, signal


def bandpass(values: np.ndarray, rate: float, low: float, high: float, order: int = 2) -> np.ndarray:
    """Apply a Butterworth band-pass forwards and backwards, without phase shift.

    Args:
        values: (N, ...).
        rate: Hz.
        low: lower edge in Hz, above 0.
        high: upper edge in Hz, below half the rate.
        order: order of the prototype; the two passes double the slope. Our choice of 2: a steeper filter rings within
            the 10 s of the shortest window, and the remaining noise is below the floor of the gates.

    Returns:
        (N, ...).

    Raises:
        ValueError: the edges are not 0 < low < high < rate / 2.
    """
    if not 0 < low < high:
        raise ValueError(f"bandpass: expected 0 < low < high, got {low} and {high} Hz")
    if high >= rate / 2:
        raise ValueError(f"bandpass: expected high below {rate / 2:g} Hz (half the rate), got {high:g}; "
                         "give a faster recording or a lower limit")
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return values.copy()
    sos = butterworth(order, low, high, rate)
    pad = min(int(rate / low), len(values) - 1)  # one period of the slowest wave settles the edges
    return signal.sosfiltfilt(sos, values, axis=0, padlen=pad)


@lru_cache(maxsize=64)
def butterworth(order: int, low: float | None, high: float | None, rate: float) -> np.ndarray:
    """Second-order sections of a filter with these edges in Hz; None for no edge on that side."""
    if low is not None and high is not None:
        return signal.butter(order, (low, high), btype="bandpass", fs=rate, output="sos")
    if high is not None:
        return signal.butter(order, high, btype="lowpass", fs=rate, output="sos")
    if low is not None:
        return signal.butter(order, low, btype="highpass", fs=rate, output="sos")
    raise ValueError("butterworth: expected an edge at least, got none")


def smoothness(cutoff: float, rate: float) -> float:
    """Compute the lambda of `detrend` from a cut-off frequency.

    The gain of (1 - trend) at w rad a sample is x / (1 + x) with x = lambda^2 (2 sin(w/2))^4.

    Args:
        cutoff: frequency with half gain, in Hz.
        rate: sampling rate in Hz.

    Returns:
        Lambda.
    """
    return float(1.0 / (2.0 * np.sin(np.pi * cutoff / rate)) ** 2)


def detrend(values: np.ndarray, lam: float) -> np.ndarray:
    """Remove the slow trend by smoothness priors: (I - (I + lam^2 D2' D2)^-1) z.

    The matrix has five bands, so the solution costs O(N); all columns are solved at once. The straight line through
    the ends is subtracted first, which preserves precision (the method removes lines exactly).

    Args:
        values: (N, ...).
        lam: smoothing parameter, see `smoothness`.

    Returns:
        (N, ...) without the trend.

    References:
        Tarvainen, Ranta-aho & Karjalainen 2002, An advanced detrending method with application to HRV analysis,
        10.1109/10.979357.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if not n:
        return values.copy()
    if n < 3:
        return values - values.mean(axis=0)
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
