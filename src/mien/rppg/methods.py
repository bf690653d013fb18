"""Seven published methods that compute a pulse waveform from the mean colour of skin.

Each method is a pure function `f(skin (..., N, 3) mean RGB, rate Hz) -> (..., N)`. All use the same sign: **systole is
up**. More blood in the skin absorbs more light, green most of all, so the waveform is the negative of the sensor's
signal. No method filters its output; use `band` for that. `skin` must be above zero and without NaN.

Temporal normalisation, AC over DC, removes the light level and the skin tone: colour / local mean - 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter1d

from mien import signals
from mien.core import entry_points

BAND = (0.7, 4.0)
"""Hz; 42 to 240 beats a minute: the band of every method. The upper end is that of de Haan & Jeanne 2013 (240 bpm), the
lower one that of Poh et al. 2011, 10.1109/TBME.2010.2086456."""

WINDOW = 1.6
"""s: the sliding window of POS and CHROM, one beat at the slowest rates (Wang et al. 2017, section V)."""

SIGNATURE = np.array([0.33, 0.77, 0.53])
"""Pulsatile amplitude (AC/DC) of R, G, B, scaled to length 1: de Haan & van Leest 2014, 10.1088/0967-3334/35/9/1913."""

PLANE = np.array([[0.0, 1.0, -1.0], [-2.0, 1.0, 1.0]])
"""The two axes of POS in normalised colour: Wang et al. 2017, algorithm 1."""


def band(values: np.ndarray, rate: float) -> np.ndarray:
    """Band-pass (..., N) to `BAND`, or up to 45 % of a low rate in Hz, without phase shift."""
    high = min(BAND[1], 0.45 * rate)
    return np.moveaxis(signals.bandpass(np.moveaxis(values, -1, 0), rate, BAND[0], high), 0, -1)


def green(skin: np.ndarray, rate: float) -> np.ndarray:
    """GREEN: the green channel. Verkruysse, Svaasand & Nelson 2008, 10.1364/OE.16.021434.

    skin (..., N, 3), rate Hz -> (..., N).
    """
    return -_normalised(skin[..., 1:2], rate)[..., 0]


def chrom(skin: np.ndarray, rate: float) -> np.ndarray:
    """CHROM: chrominance under a standardised skin tone. de Haan & Jeanne 2013, 10.1109/TBME.2013.2266196.

    skin (..., N, 3), rate Hz -> (..., N). Hann windows of `WINDOW` s with half overlap are overlap-added. Each gives
    X - alpha Y; X and Y are the same in both windows that cover a sample, so the sum is X - Y sum(alpha hann).
    The band-pass before alpha runs over the whole trace. The paper filters within 1.6 s, too short for a filter of
    0.7 Hz to settle.
    """
    ratio = _normalised(skin, rate)
    x = band(3.0 * ratio[..., 0] - 2.0 * ratio[..., 1], rate)
    y = band(1.5 * ratio[..., 0] + ratio[..., 1] - 1.5 * ratio[..., 2], rate)
    count = x.shape[-1]
    half = max(1, round(WINDOW * rate / 2))
    starts = np.arange(-half, count, half)
    edges = np.stack([np.maximum(starts, 0), np.minimum(starts + 2 * half, count)])
    alpha = _spread(x, *edges) / np.maximum(_spread(y, *edges), 1e-12)
    hann = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2
    total = np.zeros((*x.shape[:-1], (len(starts) + 1) * half))
    for k in range(2):  # even windows tile the time without overlap, odd ones lie between them
        part = (alpha[..., k::2, None] * hann).reshape(*x.shape[:-1], -1)
        total[..., k * half : k * half + part.shape[-1]] += part
    return x - total[..., half : half + count] * y


def pos(skin: np.ndarray, rate: float) -> np.ndarray:
    """POS: the plane orthogonal to skin. Wang, den Brinker, Stuijk & de Haan 2017, 10.1109/TBME.2016.2609282.

    skin (..., N, 3), rate Hz -> (..., N). Their algorithm 1: in each window of `WINDOW` s, normalise by the mean,
    project on `PLANE`, add the two axes tuned to equal spread, overlap-add. Window m adds sum_c w_mc C_c(t), with a
    mean of zero because each axis sums to zero. So the overlap-add is sum_c C_c(t) times the moving sum of w_c: O(N),
    without a loop. The sum is divided by the number of windows that cover t, so the ends do not fade.
    """
    colour = np.swapaxes(skin, -1, -2)
    count = colour.shape[-1]
    size = min(max(2, round(WINDOW * rate)), count)
    centre = colour.mean(axis=-1, keepdims=True)
    centred = colour - centre
    mean = _moving(centred, size)  # (..., 3, M)
    normal = 1.0 / np.maximum(mean + centre, 1e-9)
    pairs = _moving(_outer(centred), size) - _outer(mean)
    pairs *= _outer(normal)  # (..., 3, 3, M): covariance of the normalised colour
    spread = np.sqrt(np.maximum(np.einsum("ic,...cdm,id->...im", PLANE, pairs, PLANE), 0.0))
    tuning = spread[..., :1, :] / np.maximum(spread[..., 1:, :], 1e-12)
    weight = (PLANE[0][:, None] + tuning * PLANE[1][:, None]) * normal
    summed = np.cumsum(np.pad(weight, [(0, 0)] * (weight.ndim - 1) + [(size, size - 1)]), axis=-1)
    covering = np.minimum(np.minimum(np.arange(1, count + 1), np.arange(count, 0, -1)), min(size, count - size + 1))
    return -(colour * (summed[..., size:] - summed[..., :-size])).sum(axis=-2) / covering


def lgi(skin: np.ndarray, rate: float) -> np.ndarray:
    """LGI: local group invariance. Pilz, Zaunseder, Krajewski & Blazek 2018, 10.1109/CVPRW.2018.00172.

    skin (..., N, 3), rate Hz -> (..., N). Removes the strongest direction of the colour, the first left singular vector
    of the (3, N) matrix, and returns the green of the residual.
    """
    _, vectors = np.linalg.eigh(np.swapaxes(skin, -1, -2) @ skin)
    return _green_without(skin, vectors[..., -1])


def omit(skin: np.ndarray, rate: float) -> np.ndarray:
    """OMIT: orthogonal matrix image transformation. Alvarez Casado & Bordallo Lopez 2023, 10.1109/JBHI.2023.3307942.

    skin (..., N, 3), rate Hz -> (..., N). As `lgi`, with the first vector of a QR decomposition of the (3, N) matrix:
    the direction of its first column.
    """
    first = skin[..., 0, :]
    return _green_without(skin, first / np.maximum(np.linalg.norm(first, axis=-1, keepdims=True), 1e-12))


def pbv(skin: np.ndarray, rate: float) -> np.ndarray:
    """PBV: the blood volume pulse signature. de Haan & van Leest 2014, 10.1088/0967-3334/35/9/1913.

    skin (..., N, 3), rate Hz -> (..., N). The weights W with W (C C') = k p: the mixture of least power among those
    that pass the signature p = `SIGNATURE` at gain 1.
    """
    ratio = _normalised(skin, rate)
    filtered = band(np.swapaxes(ratio, -1, -2), rate)
    square = filtered @ np.swapaxes(filtered, -1, -2) / filtered.shape[-1]
    load = np.trace(square, axis1=-2, axis2=-1)[..., None, None] * 1e-6 + 1e-18  # solvable for a grey video
    aim = np.broadcast_to(SIGNATURE[:, None], (*square.shape[:-1], 1))
    weight = np.linalg.solve(square + load * np.eye(3), aim)[..., 0]
    weight = weight / (weight @ SIGNATURE)[..., None]
    return -np.einsum("...nc,...c->...n", ratio, weight)


def ica(skin: np.ndarray, rate: float) -> np.ndarray:
    """ICA: independent components. Poh, McDuff & Picard 2010, 10.1364/OE.18.010762 and 2011, 10.1109/TBME.2010.2086456.

    skin (..., N, 3), rate Hz -> (..., N). Detrended, normalised, separated by JADE (Cardoso & Souloumiac 1993,
    10.1049/ip-f-2.1993.0054). Returns the component with the highest spectral peak within `BAND`, with the sign that
    makes it fall where green rises.
    """
    filtered = band(np.swapaxes(_normalised(skin, rate), -1, -2), rate)
    components = _jade(filtered)
    power = np.abs(np.fft.rfft(components, axis=-1)) ** 2
    best = np.argmax(power.max(axis=-1) / np.maximum(power.sum(axis=-1), 1e-30), axis=-1)
    wave = np.take_along_axis(components, best[..., None, None], axis=-2)[..., 0, :]
    return wave * np.where((wave * filtered[..., 1, :]).sum(axis=-1, keepdims=True) > 0, -1.0, 1.0)


GROUP = "mien.rppg"

AUTO = "auto"
"""The name of the estimator's own mixture of regions and colours, instead of a method of `METHODS`."""

METHODS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "GREEN": green, "CHROM": chrom, "POS": pos, "LGI": lgi, "PBV": pbv, "OMIT": omit, "ICA": ica,
}
"""Name -> function. An installed package adds one by an entry point of the group `mien.rppg`."""


def rppg_method(name: str) -> Callable[[np.ndarray, float], np.ndarray]:
    """Find an rPPG method.

    Args:
        name: of `METHODS` in small or capital letters, or of an installed package.

    Returns:
        The function: skin (..., N, 3) mean RGB above zero, rate Hz -> waveform (..., N), up is systole.

    Raises:
        ValueError: neither this package nor an installed one has the name.
    """
    return entry_points.find("rPPG method", name.upper() if name.upper() in METHODS else name, METHODS, GROUP)


def installed() -> dict[str, Callable[[np.ndarray, float], np.ndarray]]:
    """`METHODS`, and the methods of installed packages."""
    return {**entry_points.loaded(GROUP), **METHODS}


def _normalised(skin: np.ndarray, rate: float) -> np.ndarray:
    """Colour (..., N, C) over its local mean (`WINDOW` s), minus 1."""
    size = min(max(2, round(WINDOW * rate)), skin.shape[-2])
    return skin / np.maximum(uniform_filter1d(skin, size, axis=-2, mode="nearest"), 1e-9) - 1.0


def _moving(values: np.ndarray, size: int) -> np.ndarray:
    """Moving mean of (..., N) over `size` samples (..., N - size + 1)."""
    summed = np.cumsum(values, axis=-1)
    out = summed[..., size - 1 :].copy()
    out[..., 1:] -= summed[..., :-size]
    return out / size


def _outer(values: np.ndarray) -> np.ndarray:
    """Products of all pairs of channels of (..., C, N): (..., C, C, N)."""
    return values[..., :, None, :] * values[..., None, :, :]


def _spread(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Standard deviation (..., K) of (..., N) in each of K half-open spans."""
    sums = []
    for power in (values, values**2):
        summed = np.concatenate([np.zeros((*power.shape[:-1], 1)), np.cumsum(power, axis=-1)], axis=-1)
        sums.append((summed[..., ends] - summed[..., starts]) / (ends - starts))
    return np.sqrt(np.maximum(sums[1] - sums[0] ** 2, 0.0))


def _green_without(skin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Minus the green (..., N) of the component of skin (..., N, 3) orthogonal to a unit direction (..., 3)."""
    along = np.einsum("...nc,...c->...n", skin, direction)
    return along * direction[..., 1:2] - skin[..., 1]


def _jade(values: np.ndarray, sweeps: int = 12) -> np.ndarray:
    """Separate (..., 3, N) with zero mean into three independent sources (..., 3, N) of unit variance.

    JADE: whiten, compute six slices of the fourth-order cumulants, and diagonalise them jointly by Givens rotations.
    """
    count = values.shape[-1]
    scale, axes = np.linalg.eigh(values @ np.swapaxes(values, -1, -2) / count)
    scale = np.maximum(scale, np.maximum(scale[..., -1:] * 1e-9, 1e-18))
    white = np.swapaxes(axes / np.sqrt(scale)[..., None, :], -1, -2) @ values
    slices = []
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        moment = (white * (white[..., i, :] * white[..., j, :])[..., None, :]) @ np.swapaxes(white, -1, -2) / count
        gaussian = np.zeros((3, 3))
        gaussian[i, j] += 1.0
        gaussian[j, i] += 1.0
        slices.append((moment - gaussian - (i == j) * np.eye(3)) * (1.0 if i == j else np.sqrt(2.0)))
    cumulants = np.stack(slices, axis=-3)
    rotation = np.broadcast_to(np.eye(3), (*values.shape[:-2], 3, 3)).copy()
    for _ in range(sweeps):
        for p, q in ((0, 1), (0, 2), (1, 2)):
            difference = cumulants[..., p, p] - cumulants[..., q, q]
            across = 2.0 * cumulants[..., p, q]
            on, off = (difference**2 - across**2).sum(axis=-1), 2.0 * (difference * across).sum(axis=-1)
            angle = 0.5 * np.arctan2(off, on + np.hypot(on, off))
            givens = np.broadcast_to(np.eye(3), rotation.shape).copy()
            givens[..., p, p] = givens[..., q, q] = np.cos(angle)
            givens[..., p, q], givens[..., q, p] = -np.sin(angle), np.sin(angle)
            cumulants = np.swapaxes(givens, -1, -2)[..., None, :, :] @ cumulants @ givens[..., None, :, :]
            rotation = rotation @ givens
    return np.swapaxes(rotation, -1, -2) @ white
