"""Is there a pulse in these traces, and at what rate? One detector over all regions and channels.

The colour of each region is log-normalised; what follows the light of the background or the movement of the head, up
to its square, is regressed out. What remains is E(f): nine numbers, three regions of three channels, at each frequency
f. A pulse adds p(f) a to it, where a repeats the signature of blood (`methods.SIGNATURE`) in each region: the same beat
everywhere, green most, red least. The mixture w = R^-1 a / (a' R^-1 a) has the least noise of all that pass a pulse at
gain 1: PBV (de Haan & van Leest 2014, 10.1088/0967-3334/35/9/1913) over three regions at once. With R the covariance of
the noise it is the matched filter for a known signature in unknown noise (Kelly 1986, 10.1109/TAES.1986.310745).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from .. import signals
from .methods import BAND, SIGNATURE
from .noise import noise_floor, peak_strength
from .traces import Traces

COLOURS = (SIGNATURE, np.array([0.0, 1.0, 0.0]))
"""The signatures looked for: that of blood, and green alone. Our choice: a coarse codec leaves of the pulse's colour
only what the luma carries, mostly green; red and blue then serve to cancel the noise that they share with it."""

LOADING = 0.1
"""Diagonal loading of R, in units of its mean variance. Our choice: the signature is not known exactly, and less
loading would let the mixture cancel a pulse that differs from it."""

REACH = 1.0
"""Expected size of the colour's answer to light and movement: log colour per log background light, per face width
moved, per radian turned. Our choice: a lamp's flicker answers with 1, shading with about 0.2 to 1 a radian."""

USUAL, SPREAD = 1.2, 0.35
"""Hz (72 bpm) and natural log: where a heart rate is expected before the picture is looked at. Our choice: Quer et al.
2020, 10.1371/journal.pone.0227709, found a mean of 65 bpm and a range of 40 to 109 in 92,457 adults lying at rest; who
sits before a camera is a little faster, and may have run. At 150 bpm it costs 2 nats, at 50 one half."""

_LIGHT, _MOTION = slice(0, 1), slice(1, 13)  # columns of the nuisance


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for a pulse and against it. `rate` Hz, NaN when nothing moves at all.

    strength: nats; minus the log of the chance that noise reaches the power at `rate` and its harmonic, less what the
    rate is unusual; snr: dB, template of de Haan & Jeanne;
    agreement: -1..1, how alike in size and phase the regions swing at `rate`, each by itself;
    redness: how much red swings at `rate` over how much green does: 0.43 for blood, 1 for white light;
    steadiness: 0..1, power at `rate` and its harmonic in the weaker half over that in the stronger;
    light, motion: power at `rate` that was taken out because background or head did it, over what remained;
    lit, moved: 0..1, the same as shares of the power of green in the whole band;
    lamp: power of the background at `rate` over its own noise floor;
    wave (N,): up is systole, AC/DC; pair (2, N): the same from the first region alone and from the others.
    """

    rate: float
    strength: float
    snr: float
    agreement: float
    redness: float
    steadiness: float
    light: float
    motion: float
    lamp: float
    lit: float
    moved: float
    wave: np.ndarray
    pair: np.ndarray


def detect(traces: Traces) -> Evidence:
    """Traces of one face -> the best candidate for a pulse rate and what speaks for and against it."""
    count = len(traces.skin)
    skin = _level(np.log(np.maximum(traces.skin.reshape(count, -1), 1.0)))
    nuisance = _nuisance(traces)
    frequencies, both = _transform(np.concatenate([skin, nuisance], axis=1), traces.rate)
    wide = skin.shape[1]
    known, cause = both[:, :wide], both[:, wide:]
    effect = _regress(frequencies, known, cause)
    clean = known - cause @ effect
    if not np.abs(clean).max() > 1e-9:
        return Evidence(rate=float("nan"), strength=0.0, snr=float("-inf"), agreement=0.0, redness=0.0,
                        steadiness=0.0, light=0.0, motion=0.0, lamp=0.0, lit=0.0, moved=0.0, wave=np.zeros(count),
                        pair=np.zeros((2, count)))
    covariance = _covariance(clean)
    whitener = _whitener(covariance)
    best = max((_look(frequencies, clean, whitener, colour) for colour in COLOURS), key=lambda one: one.strength)
    at, mix = best.at, best.mix
    removed = [cause[:, part] @ effect[part] for part in (_LIGHT, _MOTION)]
    leaks = [float(np.abs(part[at] @ mix) ** 2 / best.power[at]) for part in removed]
    shares = [float(np.mean(np.abs(part[:, 1::3]) ** 2) / np.mean(np.abs(known[:, 1::3]) ** 2)) for part in removed]
    rest = nuisance @ effect - skin  # up is systole
    pair = np.stack([rest[:, part] @ _mix(_whitener(covariance[part, part]), best.colour)
                     for part in (slice(0, 3), slice(3, wide))])
    wave = rest @ mix
    near = slice(max(at - 2, 0), at + 3)
    lamp = np.abs(cause[:, 0]) ** 2
    lamp = lamp / np.maximum(noise_floor(frequencies, lamp), 1e-30)
    return Evidence(rate=best.rate, strength=best.strength, snr=signals.snr(frequencies, best.power, best.rate),
                    agreement=_agreement(clean[at], covariance, best.colour),
                    redness=_redness(clean[near], clean[near] @ mix), steadiness=_steadiness(wave, traces.rate, best),
                    light=leaks[0], motion=leaks[1], lamp=float(lamp[max(at - 1, 0) : at + 2].max()), lit=shares[0],
                    moved=shares[1], wave=wave, pair=pair)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """The strongest place `at` of a mixture `mix` (C,) for a `colour`, with its power (F,), and the noise floor there
    and at the harmonic; infinite where the harmonic does not count."""

    colour: np.ndarray
    mix: np.ndarray
    power: np.ndarray
    at: int
    rate: float
    strength: float
    floors: tuple[float, float]


def _look(frequencies: np.ndarray, clean: np.ndarray, whitener: np.ndarray, colour: np.ndarray) -> _Candidate:
    mix = _mix(whitener, colour)
    power = np.abs(clean @ mix) ** 2
    cost = 0.5 * (np.log(frequencies / USUAL) / SPREAD) ** 2
    floor = noise_floor(frequencies, power)
    strength, double = peak_strength(frequencies, power, floor)
    strength = strength - cost
    at = int(np.argmax(strength))
    low, high = max(at - 2, 0), min(at + 3, len(power))
    rate = signals.peak(frequencies[low:high], power[low:high])
    above = float(np.interp(2 * rate, frequencies, floor)) if double[at] else float("inf")
    return _Candidate(colour, mix, power, at, rate, float(strength[at]), (float(floor[at]), above))


def _transform(values: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """values (N, C) -> frequencies (F,) of `BAND`, about half a resolution apart, and complex (F, C): Hann-windowed,
    with the power of white noise that of its variance."""
    count = len(values)
    window = np.hanning(count + 2)[1:-1]
    size = fft.next_fast_len(2 * count, real=True)
    first, last = (int(edge * size / rate) + 1 for edge in BAND)
    scaled = np.ascontiguousarray(values.T) * (window / np.sqrt((window**2).sum()))
    return np.arange(first, last) * (rate / size), fft.rfft(scaled, size)[:, first:last].T


def _level(values: np.ndarray) -> np.ndarray:
    """values (N, C) -> less their straight line."""
    ramp = np.linspace(-1, 1, len(values))
    return values - values.mean(axis=0) - ramp[:, None] * (ramp @ values / (ramp @ ramp))


def _nuisance(traces: Traces) -> np.ndarray:
    """(N, 13): log light of the background, movement, and its square, in units of their expected effect (`REACH`)."""
    light = _level(np.log(np.maximum(traces.light, 1.0)).mean(axis=1, keepdims=True))
    motion = _level(traces.motion)
    return REACH * np.concatenate([light, motion, _level(10.0 * motion**2)], axis=1)


def _regress(frequencies: np.ndarray, known: np.ndarray, cause: np.ndarray) -> np.ndarray:
    """known (F, C), cause (F, K), complex -> real (K, C): ridge regression, with effects expected to be of size 1.

    Each frequency is weighed by the noise floor there. Neighbours are half a resolution apart: two rows are worth one.
    """
    power = np.abs(known) ** 2
    level = power.mean(axis=0)
    shape = noise_floor(frequencies, (power / np.maximum(level, 1e-30)).mean(axis=1))
    weight = 1.0 / np.sqrt(shape)[:, None]
    left = np.concatenate([cause.real * weight, cause.imag * weight])
    right = np.concatenate([known.real * weight, known.imag * weight])
    noise = np.median(power * weight**2, axis=0) / np.log(2)  # the median of noise power is ln 2 of its mean
    gram = np.broadcast_to(left.T @ left, (known.shape[1], left.shape[1], left.shape[1]))
    loaded = gram + (noise + 1e-12)[:, None, None] * np.eye(left.shape[1])  # noise a real part: half; rows: double
    return np.linalg.solve(loaded, (left.T @ right).T[..., None])[..., 0].T


def _covariance(clean: np.ndarray) -> np.ndarray:
    """clean (F, C) -> R (C, C), the covariance of the noise.

    Each frequency counts alike, whatever its power: so a pulse, strong at a few frequencies, is not taken for noise.
    """
    power = np.mean(np.abs(clean) ** 2, axis=1)
    scaled = clean / np.sqrt(np.maximum(power, power.max() * 1e-12 + 1e-30))[:, None]
    return (scaled.conj().T @ scaled).real


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """R (C, C) -> R^-1, loaded."""
    size = len(covariance)
    return np.linalg.inv(covariance / max(np.trace(covariance) / size, 1e-30) + LOADING * np.eye(size))


def _mix(whitener: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """R^-1 (C, C) of C / 3 regions, colour (3,) -> the mixture (C,) of least noise at gain 1 on the colour in each."""
    steer = np.tile(colour, len(whitener) // 3)
    return whitener @ steer / (steer @ whitener @ steer)


def _agreement(swing: np.ndarray, covariance: np.ndarray, colour: np.ndarray) -> float:
    """What swings at one frequency (C,) -> -1..1: how alike in size and phase, the mean over the pairs of regions."""
    regions = [slice(at, at + 3) for at in range(0, len(swing), 3)]
    each = np.array([swing[part] @ _mix(_whitener(covariance[part, part]), colour) for part in regions])
    alone = float((np.abs(each) ** 2).sum())
    return float((np.abs(each.sum()) ** 2 - alone) / ((len(each) - 1) * max(alone, 1e-30)))


def _redness(swing: np.ndarray, mixed: np.ndarray) -> float:
    """What swings near the rate (K, C) and its mixture (K,), complex -> red over green, each in step with the mixture.
    """
    red, green = ((swing[:, channel::3].mean(axis=1) * mixed.conj()).real.sum() for channel in (0, 1))
    return float(red / green) if green > 0 else float("inf")


def _steadiness(wave: np.ndarray, rate: float, found: _Candidate) -> float:
    half = len(wave) // 2
    window = np.hanning(half + 2)[1:-1]
    times = np.arange(half) / rate
    powers = np.zeros(2)
    for times_rate, floor in zip((1, 2), found.floors, strict=True):
        tone = window * np.exp(-2j * np.pi * times_rate * found.rate * times)
        powers += np.array([abs(part @ tone) ** 2 for part in (wave[:half], wave[-half:])]) / floor
    return float(powers.min() / max(powers.max(), 1e-30))
