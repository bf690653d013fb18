"""Skin traces without what the light of the background and the movement of the head explain.

The colour of each region is log-normalised. Background light, head motion and its square are regressed out, in
overlapping blocks, so that the response may change over a long recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from mien.rppg.methods import BAND
from mien.rppg.noise_floor import middle, noise_floor
from mien.rppg.rgb_traces import Traces

BLOCK, HOP = 20.0, 10.0
"""s: length and step of the blocks. Our choice: 20 s hold enough frequencies for 15 regressors, and equal the window
of the live view."""

REACH = 1.0
"""Expected response of the colour to light and movement: log colour per log background light, per face width
moved, per radian turned. Our choice: the response to lamp flicker is 1, that to shading about 0.2 to 1 a radian."""

LIGHT, MOTION = slice(0, 3), slice(3, 15)
"""Columns of the regressors: background light in three colours, head motion and its square."""


@dataclass(frozen=True, eq=False)
class CleanTraces:
    """Log colour without what light and motion explain.

    Attributes:
        start: s of the first sample.
        rate: Hz.
        values: (N, C) log colour; three channels for each region.
        removed: (N, C) what was removed.
        lit: 0..1, share of the green power that was removed as light: in the whole band of a pulse, or at the strongest
            peak of the skin, whichever is more; the mean of the blocks.
        moved: 0..1, as `lit`, removed as motion.
    """

    start: float
    rate: float
    values: np.ndarray
    removed: np.ndarray
    lit: float
    moved: float


def remove_nuisance(traces: Traces) -> CleanTraces:
    """Regress light and motion out of the log colour of every region."""
    count = len(traces.skin)
    skin = np.log(np.maximum(traces.skin.reshape(count, -1), 1.0))
    light = np.log(np.maximum(traces.light, 1.0))
    total, weight, shares = np.zeros((2, *skin.shape)), np.full((count, 1), 1e-9), []
    for part in _blocks(count, traces.rate):
        parted, share = _regressed(skin[part], light[part], traces.motion[part], traces.rate)
        ramp = np.arange(1, parted.shape[1] + 1)
        taper = np.minimum(ramp, ramp[::-1])[:, None]
        total[:, part] += taper * parted
        weight[part] += taper
        shares.append(share)
    lit, moved = np.mean(shares, axis=0)
    values, removed = total / weight
    return CleanTraces(traces.start, traces.rate, values, removed, float(lit), float(moved))


def detrended(values: np.ndarray) -> np.ndarray:
    """Subtract the linear trend of each column of (N, C)."""
    ramp = np.linspace(-1, 1, len(values))
    centred = values - values.mean(axis=0)
    centred -= ramp[:, None] * (ramp @ values / (ramp @ ramp))
    return centred


def _blocks(count: int, rate: float) -> list[slice]:
    """Blocks of `BLOCK` s every `HOP` s; the last one reaches the end."""
    length, hop = min(count, int(BLOCK * rate)), int(HOP * rate)
    starts = list(range(0, count - length + 1, hop))
    if starts[-1] + length < count:
        starts.append(count - length)
    return [slice(start, start + length) for start in starts]


def _regressed(skin: np.ndarray, light: np.ndarray, motion: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A block without light and motion and what was removed (2, N, C), and the shares of light and of motion (2,)."""
    count = skin.shape[1]
    together = detrended(np.concatenate([skin, light, motion], axis=1))
    squared = detrended(10.0 * together[:, -motion.shape[1] :] ** 2)
    skin, nuisance = together[:, :count], REACH * np.concatenate([together[:, count:], squared], axis=1)
    frequencies, both = _transform(np.concatenate([skin, nuisance], axis=1), rate)
    known, cause = both[:, :count], both[:, count:]
    power = np.abs(known) ** 2
    green = power[:, 1::3].mean(axis=1)
    shape = (power / np.maximum(power.mean(axis=0), 1e-30)).mean(axis=1)
    floor = noise_floor(frequencies, np.stack([shape, green]))
    effect = _ridge(known, cause, floor[0])
    gone = np.stack([np.mean(np.abs(cause[:, part] @ effect[part, 1::3]) ** 2, axis=1) for part in (LIGHT, MOTION)])
    peak = int(np.argmax(green / floor[1]))
    near = slice(max(peak - 1, 0), peak + 2)
    shares = [gone[:, part].sum(axis=1) / max(float(green[part].sum()), 1e-30) for part in (slice(None), near)]
    removed = nuisance @ effect
    return np.stack([skin - removed, removed]), shares[int(shares[1].sum() > shares[0].sum())]


def _transform(values: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Hann-windowed spectrum of (N, C) within `BAND`: frequencies (F,), half a resolution apart, and complex (F, C).

    The power of white noise equals its variance.
    """
    count = len(values)
    window = np.hanning(count + 2)[1:-1]
    size = fft.next_fast_len(2 * count, real=True)
    first, last = (int(edge * size / rate) + 1 for edge in BAND)
    scaled = np.ascontiguousarray(values.T) * (window / np.sqrt((window**2).sum()))
    return np.arange(first, last) * (rate / size), fft.rfft(scaled, size)[:, first:last].T


def _ridge(known: np.ndarray, cause: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Ridge regression of known (F, C) on cause (F, K), complex -> real effects (K, C), expected to be of size 1.

    Each frequency is weighted by its noise `floor` (F,). Two rows count as one: they are half a resolution apart.
    """
    weight = 1.0 / np.sqrt(floor)[:, None]
    left = np.concatenate([cause.real * weight, cause.imag * weight])
    right = np.concatenate([known.real * weight, known.imag * weight])
    noise = middle(np.abs(known.T) ** 2 / floor) / np.log(2)  # the median of noise power is ln 2 of its mean
    gram = np.broadcast_to(left.T @ left, (known.shape[1], left.shape[1], left.shape[1]))
    loaded = gram + (noise + 1e-12)[:, None, None] * np.eye(left.shape[1])  # noise a real part: half; rows: double
    return np.linalg.solve(loaded, (left.T @ right).T[..., None])[..., 0].T
