"""How much better a pulse explains short pieces of the skin traces than noise, and than light or movement.

In each piece of `PIECE` s and at each frequency f, the spectrum X(f) of all regions and colours is complex normal.
Noise has the covariance n(f) R. A pulse of amplitude s adds s^2 A, where A holds the colour of blood in every region
(de Haan & van Leest 2014, 10.1088/0967-3334/35/9/1913), with some freedom of colour and of the share of a region. Light
and movement add a line: grey, and stronger in some regions than in others. A line may also be a pulse that one region
shows alone. The evidence is the log likelihood ratio of a pulse at f with its harmonic at 2 f over noise, where every
frequency may hold a line instead (Kelly 1986, 10.1109/TAES.1986.310745, for the detector in noise of unknown
covariance). A pulse that is no likelier than a line at its frequency has no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import maximum_filter1d

from mien.rppg.log_ratios import LOADING, Spectra, all_log_ratios
from mien.rppg.noise_floor import middle
from mien.rppg.nuisance import CleanTraces
from mien.rppg.signatures import shapes

PIECE, STEP = 10.0, 5.0
"""s: length and step of the pieces. Our choice: over 10 s a heart keeps its rate to within the resolution of 6 bpm."""

GRID = 2.0
"""bpm between the rates of the grid: a third of the resolution of a piece."""

SEARCH, LOWEST, HIGHEST = (30.0, 250.0), 18.0, 300.0
"""bpm: the searched rates; the spectra reach from `LOWEST`, for the noise floor, to `HIGHEST`, for harmonics."""

ANSWER = (40.0, 240.0)
"""bpm: the rates that may be answered. Outside, the end of the search is too close."""

RATES = np.arange(SEARCH[0], SEARCH[1] + GRID / 2, GRID)
"""(F,) bpm: the grid of the search."""

AMPLITUDES = np.geomspace(4e-4, 0.02, 7)
"""AC/DC of green of the searched pulses. Our choice: half of what video keeps at best, to twice the strongest skin."""

LINES = np.geomspace(4e-4, 0.06, 7)
"""As `AMPLITUDES`, of light and movement."""

HARMONICS = 2
"""Number of strengths of the harmonic: one or two steps of `AMPLITUDES` less than the fundamental, 0.52 or 0.27 of it.
It may also be hidden."""

LINE = 0.02
"""Prior probability of a line of light or movement at a frequency, our choice."""

OCTAVE = (8.0, 2.0)
"""Nats at half a rate, and their ratio to those at the rate, above which the rate is a harmonic (our choice)."""

EDGE = 3.0
"""Largest evidence in nats of a piece, harmonic aside, for a rate below `ANSWER`: breath and sway are common there (our
choice)."""

TOLERANCE = 0.02
"""Share by which the evidence of a line may be too small where it is strong: the noise is known to within some percent
only, and a pulse must be likelier than a line by more than that (our choice)."""

SKIRT = 6.0
"""bpm: a line also explains what it leaks to rates that close; the resolution of a piece."""

DRIFT = 0.3
"""Hz: slower changes are removed from each piece."""

GREY = 0.02
"""Changes of red against green, over those of green, below which a camera has no colour. Our choice: coloured video
shows 0.3 and more."""

BATCH = 4
"""Pieces that are computed at once: so many fit into a processor's cache."""

CONSTANT = 1e-9
"""Changes of log green from frame to frame below which there are only rounding errors. Our choice: one grey level in
one pixel of a region of a million is 1e-8."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of one run of traces.

    Attributes:
        starts: (T,) s of the first sample of each piece.
        length: s of a piece.
        pulse: (T, S, F) nats for a pulse of each of the S `AMPLITUDES` and F `RATES` over noise and lines.
        alone: (T, F) nats for a pulse over noise, lines left aside.
        line: (T, F) nats for a line over noise and lines: that it is there in this piece.
        mixtures: (3, T, C) the mixtures of channels that show a pulse best, gain 1: of all regions, of the first region
            alone, and of the others.
        channels: the channels (C) of `CleanTraces` that were used.
        grey: whether the camera has no colour; the channels are then those of green.
    """

    starts: np.ndarray
    length: float
    pulse: np.ndarray
    alone: np.ndarray
    line: np.ndarray
    mixtures: np.ndarray
    channels: slice
    grey: bool


def pulse_evidence(clean: CleanTraces) -> Evidence:
    """Compute the evidence for each piece, rate and amplitude."""
    grey = _without_colour(clean.values)
    channels = slice(1, None, 3) if grey else slice(None)
    count = min(len(clean.values), int(PIECE * clean.rate))
    starts = _starts(len(clean.values), count, int(STEP * clean.rate))
    frequencies, kernel, without_slow = _kernel(count, clean.rate)
    spectra = _spectra(clean.values[:, channels], starts, without_slow)
    leaks = _spectra(clean.removed[:, channels], starts, kernel)
    covariance = _covariance(frequencies, spectra)
    resolution = clean.rate / count
    parts = [_ratios(Spectra(frequencies, spectra[part], leaks[part], covariance[part], resolution), grey, count)
             for part in (slice(first, first + BATCH) for first in range(0, len(starts), BATCH))]
    pulse, alone, line = (np.concatenate(each) for each in zip(*parts, strict=True))
    signature, _, _ = shapes(spectra.shape[1], grey)
    return Evidence(clean.start + starts / clean.rate, count / clean.rate, pulse, alone, line,
                    _mixtures(covariance, signature, len(signature) // (clean.values.shape[1] // 3)), channels, grey)


def _spectra(values: np.ndarray, starts: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Real and imaginary parts (T, C, 2, W) of the spectra of the pieces of values (N, C); kernel (count, 2 W)."""
    count = len(kernel)
    channels = np.ascontiguousarray(values.T)
    segments = np.stack([channels[:, start : start + count] for start in starts])
    return (segments.reshape(-1, count) @ kernel).reshape(*segments.shape[:2], 2, -1)


def _ratios(spectra: Spectra, grey: bool, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`pulse`, `alone` and `line` of `Evidence` for the spectra of pieces of `count` samples."""
    _, bloods, whites = shapes(spectra.values.shape[1], grey)
    scale = float(np.sqrt(count / 6.0))  # of a wave of amplitude 1 in the Hann spectrum
    ratios = all_log_ratios(spectra, [(blood, scale * AMPLITUDES) for blood in bloods]
                            + [(white, scale * LINES) for white in whites])
    wide = log_mean(np.stack(ratios[: len(bloods)]), axis=0)
    lines = log_mean(np.concatenate(ratios[len(bloods) :], axis=1), axis=1)
    if not grey:
        lines = np.maximum(lines, (1 + TOLERANCE) * lines)
    noisy = np.log(LINE) + maximum_filter1d(lines, 2 * round(SKIRT / GRID) + 1, axis=1)
    rest = np.logaddexp(np.log1p(-LINE), noisy)
    rated = _rated(wide.shape[2])
    alone = log_mean(wide, axis=1)[:, rated]
    return _with_harmonic(wide, noisy, rest, alone), _on_grid(alone), _on_grid((lines - rest)[:, rated])


def log_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Log of the mean of exp(values) along an axis."""
    top = values.max(axis=axis, keepdims=True)
    return (top + np.log(np.mean(np.exp(values - top), axis=axis, keepdims=True))).squeeze(axis)


def _without_colour(values: np.ndarray) -> bool:
    """Whether red, green and blue of (N, C) change alike."""
    red, green = (np.diff(values[:, colour::3], axis=0) for colour in (0, 1))
    return bool(np.std(green) > CONSTANT and np.std(red - green) < GREY * np.std(green))


def _starts(total: int, count: int, step: int) -> np.ndarray:
    """First samples of the pieces; the last piece reaches the end."""
    starts = np.arange(0, total - count + 1, step)
    if total - count - starts[-1] > 0.3 * step:
        starts = np.append(starts, total - count)
    return starts


@lru_cache(maxsize=16)
def _kernel(count: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies (W,) Hz, Hann transform (N, 2 W) of N samples, and the same without changes slower than `DRIFT`.

    The first W columns are the real parts. The power of white noise equals its variance.
    """
    highest = min(HIGHEST, 60 * 0.45 * rate)
    frequencies = np.arange(LOWEST, highest + 1e-6, GRID) / 60
    window = np.hanning(count + 2)[1:-1]
    times = np.arange(count) / rate
    angles = 2 * np.pi * times[:, None] * frequencies
    kernel = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1) * (window / np.sqrt((window**2).sum()))[:, None]
    order = np.arange(int(2 * DRIFT * count / rate) + 1)
    slow = np.linalg.qr(np.cos(np.pi * np.outer((np.arange(count) + 0.5) / count, order)))[0]
    return frequencies, kernel, kernel - slow @ (slow.T @ kernel)


def _covariance(frequencies: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Covariance R (T, C, C) of the noise in spectra (T, C, 2, W), its shape pooled over two pieces on either side.

    Each frequency has the same weight regardless of its power. So a pulse, strong at few frequencies, hardly counts.
    """
    band = spectra[..., (frequencies >= ANSWER[0] / 60) & (frequencies <= SEARCH[1] / 60)]
    power = (band**2).sum(axis=(1, 2)) / band.shape[1]
    level = band.shape[1] * middle(power)[:, None, None]
    scaled = band / np.sqrt(np.maximum(power, power.max(axis=1, keepdims=True) * 1e-12 + 1e-30))[:, None, None]
    scaled = scaled.reshape(*scaled.shape[:2], -1)
    shape = scaled @ np.swapaxes(scaled, 1, 2)
    shape /= np.trace(shape, axis1=1, axis2=2)[:, None, None] + 1e-30
    pooled = np.stack([shape[max(k - 2, 0) : k + 3].mean(axis=0) for k in range(len(shape))])
    return level * pooled + 1e-18 * np.eye(band.shape[1])


def _rated(count: int) -> slice:
    """The frequencies of the spectra that `RATES` names; fewer where the frame rate is low."""
    first = round((SEARCH[0] - LOWEST) / GRID)
    return slice(first, min(first + len(RATES), count))


def _with_harmonic(wide: np.ndarray, noisy: np.ndarray, rest: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Evidence (T, S, F) of a pulse with its harmonic.

    Args:
        wide: (T, S, W) log ratios of a pulse over noise.
        noisy: (T, W) those of a line, with its prior.
        rest: (T, W) those of a line or none.
        alone: (T, R) mean of `wide` over the amplitudes, at the frequencies that may be a rate.
    """
    single = np.logaddexp(np.log1p(-LINE) + wide, noisy[:, None]) - rest[:, None]
    base = single[:, :, _rated(wide.shape[2])].copy()
    twice = 2 * np.arange(base.shape[2]) + round((2 * SEARCH[0] - LOWEST) / GRID)
    inside = twice < wide.shape[2]
    above = [np.zeros_like(base)]
    for steps in range(1, HARMONICS + 1):
        weaker = np.zeros_like(base)
        weaker[:, steps:, inside] = single[:, :-steps, twice[inside]]
        above.append(weaker)
    low = RATES[: base.shape[2]] < ANSWER[0]
    base[:, :, low] = np.minimum(base[:, :, low], EDGE)
    return _without_octaves(_on_grid(base + log_mean(np.stack(above), axis=0)), alone)


def _without_octaves(evidence: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Evidence (T, S, F), none for a rate where half of it has far more power, `alone` (T, F): that is a harmonic."""
    upper = np.flatnonzero(RATES[: alone.shape[1]] >= 2 * ANSWER[0])
    half = np.rint((RATES[upper] / 2 - SEARCH[0]) / GRID).astype(int)
    harmonic = (alone[:, half] > OCTAVE[0]) & (alone[:, half] > OCTAVE[1] * alone[:, upper])
    part = evidence[:, :, upper]
    evidence[:, :, upper] = np.where(harmonic[:, None], np.minimum(part, 0.0), part)
    return evidence


def _on_grid(values: np.ndarray) -> np.ndarray:
    """Fill up the last axis to `RATES` with zero: nothing is known of rates that the frame rate does not show."""
    missing = len(RATES) - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])


def _mixtures(covariance: np.ndarray, signature: np.ndarray, colours: int) -> np.ndarray:
    """The mixtures (3, T, C) of least noise with gain 1 on the signature (C,); `colours` channels are one region."""
    size = len(signature)
    level = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / size
    weight = np.linalg.solve(covariance / level + LOADING * np.eye(size), signature[:, None])[..., 0]
    first = np.arange(size) < colours
    parts = np.stack([weight, weight * first, weight * ~first])
    gain = parts @ signature
    alone = np.where(np.arange(size) < colours, signature, 0.0), np.where(first, 0.0, signature)
    for index, plain in enumerate(alone, 1):  # a region that the mixture hardly uses: its plain signature instead
        weak = gain[index] < 0.05
        parts[index, weak], gain[index, weak] = plain, plain @ signature
    return parts / np.where(gain > 0, gain, 1.0)[..., None]
