"""Respiration from a belt, a thermistor or impedance: cleaning, breaths, their rate. (B, N) or (N,), time last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from .features import Features
from .rows import between, bridged, crests, passed, rows, table

BAND = (0.05, 3.0)
"""Hz, order 2: NeuroKit2 (Makowski et al. 2021, 10.3758/s13428-020-01516-y) after Khodadad et al. 2018,
10.1088/1361-6579/aad7e6."""

BREATHS = (0.05, 1.0)
"""Hz: 3 to 60 breaths a minute are looked for. Our choice: Karlen et al. 2013, 10.1109/TBME.2013.2246160, take 4 to 65
with children."""

RISE = 1.0
"""Standard deviations that a breath rises and falls. Our choice: a sine does so by 2.8; half as deep a breath among
deep ones still counts, the beat of the heart on the belt does not."""

WIDE = 0.08
"""Hz, but a third of the rate at most: how far from its own rate breath strays. Our choice: five breaths a minute."""

REGULAR = 0.5
"""Share of the power within `WIDE` of the strongest frequency and of its first harmonic from which on a rate is named.
Our choice: white noise has less in six of seven minutes. Drifting noise may have more, as real breath at rest
may have less: no measure that we tried tells those two apart, so the share is a feature, too."""

NAMES = ("rate", "depth", "interval_sd", "regularity", "breaths")
UNITS = ("1/min", "signal", "s", "1", "1")


@dataclass(frozen=True, eq=False)
class Breaths:
    """`times` (B, P) s of the ends of inspiration, `depth` (B, P) from the trough before, NaN after a row's last;
    `regularity` (B,) 0..1: share of the power at the rate of breathing."""

    times: np.ndarray
    depth: np.ndarray
    regularity: np.ndarray


def clean(values: np.ndarray, rate: float) -> np.ndarray:
    """(B, N), Hz -> (B, N): band-passed to `BAND`, without phase shift; gaps bridged."""
    return passed(bridged(rows(values, "respiration"))[0], rate, *BAND, order=2)


def breaths_of(values: np.ndarray, rate: float) -> Breaths:
    """(B, N) up is in, Hz -> the breaths of each row.

    Raises:
        ValueError: fewer than 2 Hz, or less than five seconds.
    """
    values = rows(values, "respiration")
    if rate < 2 or values.shape[1] < 5 * rate:
        raise ValueError(f"respiration: expected 2 Hz and five seconds or more, got {rate:g} Hz and "
                         f"{values.shape[1] / rate:.1f} s")
    tidy = passed(bridged(values)[0], rate, BAND[0], BREATHS[1], order=2)
    row, at = crests(tidy, RISE * tidy.std(axis=1) + 1e-12)
    before = np.where(np.diff(row, prepend=-1) == 0, np.concatenate([[0], at[:-1]]), 0)
    low = np.array([tidy[r, a : b + 1].min() for r, a, b in zip(row, before, at, strict=True)])
    times = table(row, between(tidy, row, at) / rate, len(values))
    return Breaths(times, table(row, tidy[row, at] - low, len(values)), _regularity(tidy, rate))


def _regularity(tidy: np.ndarray, rate: float) -> np.ndarray:
    """(B,) share of the power within `BREATHS` that lies near the strongest frequency or its double."""
    count = tidy.shape[1]
    size = fft.next_fast_len(max(count, int(rate / 0.005)), real=True)
    power = np.abs(fft.rfft(tidy * np.hanning(count), size, axis=1)) ** 2
    hertz = np.arange(power.shape[1]) * rate / size
    inside = (hertz >= BREATHS[0]) & (hertz <= BREATHS[1])
    hertz, power = hertz[inside], power[:, inside]
    top = hertz[np.argmax(power, axis=1)][:, None]
    wide = np.minimum(top / 3, WIDE)
    near = (np.abs(hertz - top) <= wide) | (np.abs(hertz - 2 * top) <= wide)
    return (power * near).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-300)


def features(values: np.ndarray, rate: float) -> Features:
    """(B, N), Hz -> breaths a minute (median interval), mean depth, spread of the intervals, regularity, count.

    The first three are NaN with fewer than three breaths or below `REGULAR`.
    """
    found = breaths_of(values, rate)
    gaps = np.diff(found.times, axis=1)
    count = np.isfinite(found.times).sum(axis=1)
    out = np.full((len(count), len(NAMES)), np.nan)
    out[:, 3], out[:, 4] = found.regularity, count
    for k in np.flatnonzero((count >= 3) & (found.regularity >= REGULAR)):
        own = gaps[k, : count[k] - 1]
        out[k, :3] = 60 / np.median(own), np.nanmean(found.depth[k]), own.std(ddof=1)
    return Features(NAMES, UNITS, out)
