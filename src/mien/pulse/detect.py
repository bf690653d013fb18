"""Is there a pulse in these traces, and at what rate? One detector over all regions and channels.

The colour of each region is log-normalised; what follows the light of the background or the movement of the head, up to
its square, is regressed out. What remains is E(f), nine numbers at each frequency f. A pulse adds p(f) a to it, where a
repeats the signature of blood (`methods.SIGNATURE`) in each region: the same beat everywhere, green most, red least.
The mixture w = R^-1 a / (a' R^-1 a) has the least noise of all that pass a pulse at gain 1 (PBV of de Haan & van Leest
2014, 10.1088/0967-3334/35/9/1913, over three regions at once). With R the covariance of the noise it is the matched
filter for a known signature (Kelly 1986, 10.1109/TAES.1986.310745), and the share of E' R^-1 E that lies along a, 0..1,
says how much of what swings at f is blood-like in colour and in step in all regions (the adaptive cosine estimator;
Kraut, Scharf & McWhorter 2001, 10.1109/78.890324).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from .. import signals
from .methods import BAND, SIGNATURE
from .traces import Traces

LOADING = 0.3
"""Diagonal loading of R, in units of its mean variance. Our choice: video coding pulls colour towards grey, so that the
signature is not known exactly; less loading would let the mixture cancel a pulse that differs from it."""

SLOPE = (-3.0, 0.0)
"""Range of the noise's power law. Our choice: the noise of video coding falls with the first to second power of the
frequency; a steeper fit follows the skirts of a pulse and its harmonic."""

REACH = 1.0
"""Expected size of the colour's answer to light and movement: log colour per log background light, per face width
moved, per radian turned. Our choice: a lamp's flicker answers with 1, shading with about 0.2 to 1 a radian."""


_LIGHT, _MOTION = slice(0, 3), slice(3, 15)  # columns of the nuisance

CAP = 4.0
"""Times the noise floor. Our choice: noise alone goes above it in 2 % of all places."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for a pulse and against it. `rate` Hz, NaN when nothing moves at all.

    strength: minus the log of the chance that noise reaches the power at `rate` and its harmonic;
    snr: dB, template of de Haan & Jeanne; likeness: 0..1, share of what swings at `rate` that is blood-like and in step
    in all regions; steadiness: 0..1, power at `rate` in the weaker half over that in the stronger;
    light, motion: power at `rate` that was taken out because background or head did it, over what remained;
    lit, moved: 0..1, the same as shares of the power of green in the whole band;
    wave (N,): up is systole, AC/DC; pair (2, N): the same from the forehead alone and from the cheeks alone.
    """

    rate: float
    strength: float
    snr: float
    likeness: float
    steadiness: float
    light: float
    motion: float
    lit: float
    moved: float
    wave: np.ndarray
    pair: np.ndarray


def _transform(values: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """values (N, C) -> frequencies (F,) of `BAND`, about half a resolution apart, and complex (F, C): Hann-windowed,
    with the power of white noise that of its variance."""
    count = len(values)
    window = np.hanning(count + 2)[1:-1]
    size = fft.next_fast_len(2 * count, real=True)
    first, last = (int(edge * size / rate) + 1 for edge in BAND)
    scaled = np.ascontiguousarray(values.T) * (window / np.sqrt((window**2).sum()))
    return np.arange(first, last) * (rate / size), fft.rfft(scaled, size)[:, first:last].T


def detect(traces: Traces) -> Evidence:
    """Traces of one face -> the best candidate for a pulse rate and what speaks for and against it."""
    count = len(traces.skin)
    skin = _level(np.log(np.maximum(traces.skin.reshape(count, 9), 1.0)))
    nuisance = _nuisance(traces)
    frequencies, both = _transform(np.concatenate([skin, nuisance], axis=1), traces.rate)
    known, cause = both[:, :9], both[:, 9:]
    effect = _regress(frequencies, known, cause)
    clean = known - cause @ effect
    mix, whitener = _mixture(clean)
    mixed = clean @ mix
    power = np.abs(mixed) ** 2
    if not power.max() > 1e-18:
        return Evidence(rate=float("nan"), strength=0.0, snr=float("-inf"), likeness=0.0, steadiness=0.0, light=0.0,
                        motion=0.0, lit=0.0, moved=0.0, wave=np.zeros(count), pair=np.zeros((2, count)))
    strength = _strength(frequencies, power, _floor(frequencies, power))
    at = int(np.argmax(strength))
    rate = _refine(frequencies, strength, power, at)
    rest = skin - nuisance @ effect
    wave = -rest @ mix
    pair = np.stack([-rest[:, part] @ _mixture(clean[:, part])[0] for part in (slice(0, 3), slice(3, 9))])
    removed = [cause[:, part] @ effect[part] for part in (_LIGHT, _MOTION)]
    leaks = [float(np.abs(part[at] @ mix) ** 2 / power[at]) for part in removed]
    shares = [float(np.mean(np.abs(part[:, 1::3]) ** 2) / np.mean(np.abs(known[:, 1::3]) ** 2)) for part in removed]
    swing = clean[at]
    whole = float((swing.conj() @ whitener @ swing).real)
    steer = np.tile(SIGNATURE, 3)
    likeness = float(np.abs(steer @ whitener @ swing) ** 2 / (steer @ whitener @ steer) / max(whole, 1e-30))
    return Evidence(rate=rate, strength=float(strength[at]), snr=signals.snr(frequencies, power, rate),
                    likeness=likeness, steadiness=_steadiness(wave, traces.rate, rate), light=leaks[0],
                    motion=leaks[1], lit=shares[0], moved=shares[1], wave=wave, pair=pair)


def _level(values: np.ndarray) -> np.ndarray:
    """values (N, C) -> less their straight line."""
    ramp = np.linspace(-1, 1, len(values))
    return values - values.mean(axis=0) - ramp[:, None] * (ramp @ values / (ramp @ ramp))


def _nuisance(traces: Traces) -> np.ndarray:
    """(N, 15): log light of the background, movement, and its square, in units of their expected effect (`REACH`)."""
    light = _level(np.log(np.maximum(traces.light, 1.0)))
    motion = _level(traces.motion)
    return REACH * np.concatenate([light, motion, _level(10.0 * motion**2)], axis=1)


def _regress(frequencies: np.ndarray, known: np.ndarray, cause: np.ndarray) -> np.ndarray:
    """known (F, 9), cause (F, K), complex -> real (K, 9): ridge regression, with effects expected to be of size 1.

    Each frequency is weighed by the noise floor there. Neighbours are half a resolution apart: two rows are worth one.
    """
    power = np.abs(known) ** 2
    level = power.mean(axis=0)
    shape = _floor(frequencies, (power / np.maximum(level, 1e-30)).mean(axis=1))
    weight = 1.0 / np.sqrt(shape)[:, None]
    left = np.concatenate([cause.real * weight, cause.imag * weight])
    right = np.concatenate([known.real * weight, known.imag * weight])
    noise = np.median(power * weight**2, axis=0) / np.log(2)  # the median of noise power is ln 2 of its mean
    gram = np.broadcast_to(left.T @ left, (9, left.shape[1], left.shape[1]))
    loaded = gram + (noise + 1e-12)[:, None, None] * np.eye(left.shape[1])  # noise a real part: half; rows: double
    return np.linalg.solve(loaded, (left.T @ right).T[..., None])[..., 0].T


def _mixture(clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """clean (F, C) of C / 3 regions -> the mixture (C,) of least noise at gain 1 on the signature, and R^-1 (C, C).

    Each frequency counts alike, whatever its power: so a pulse, strong at a few frequencies, is not taken for noise.
    """
    power = np.mean(np.abs(clean) ** 2, axis=1)
    scaled = clean / np.sqrt(np.maximum(power, power.max() * 1e-12 + 1e-30))[:, None]
    covariance = (scaled.conj().T @ scaled).real / len(clean)
    size = len(covariance)
    whitener = np.linalg.inv(covariance / max(np.trace(covariance) / size, 1e-30) + LOADING * np.eye(size))
    steer = np.tile(SIGNATURE, size // 3)
    return whitener @ steer / (steer @ whitener @ steer), whitener


def _floor(frequencies: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Power (F,) -> the noise under it (F,): a power law of the frequency.

    Noise power is exponentially distributed; this is its maximum-likelihood fit, in which no frequency counts for more
    than `CAP` times the floor, so that a pulse does not lift it.
    """
    slope = np.log(frequencies) - np.log(frequencies).mean()
    design = np.stack([np.ones(len(slope)), slope])
    scale = (design**2).sum(axis=1)
    fit = np.array([np.log(max(float(np.median(power)), 1e-30) / np.log(2)), 0.0])
    for _ in range(8):
        ratio = np.minimum(power * np.exp(-fit @ design), CAP)
        fit = fit + design @ (ratio - 1 + np.exp(-CAP)) / scale  # the capped ratio's mean is 1 - exp(-CAP)
        fit[1] = np.clip(fit[1], *SLOPE)
    return np.exp(fit @ design)


def _strength(frequencies: np.ndarray, power: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Power and its noise floor (F,) -> what speaks against noise (F,): minus the log of the chance that it does it.

    The ratio q of noise to its floor is exponential: -log P(q > x) = x. With a harmonic at 2f the sum s of two ratios
    counts: -log P = s - log(1 + s). The harmonic counts only where it is weaker than the fundamental, as in any pulse
    wave; otherwise the fundamental is noise and 2f the rate.
    """
    ratio = power / floor
    twice = np.interp(2 * frequencies, frequencies, ratio, right=0.0)
    weaker = np.interp(2 * frequencies, frequencies, power, right=0.0) <= power
    total = ratio + twice
    return np.where(weaker, np.maximum(ratio, total - np.log1p(total)), ratio)


def _refine(frequencies: np.ndarray, strength: np.ndarray, power: np.ndarray, at: int) -> float:
    """The frequency of the peak of power next to the strongest candidate, between the bins."""
    low, high = max(at - 2, 0), min(at + 3, len(power))
    return signals.peak(frequencies[low:high], power[low:high])


def _steadiness(wave: np.ndarray, rate: float, frequency: float) -> float:
    half = len(wave) // 2
    window = np.hanning(half + 2)[1:-1]
    tone = window * np.exp(-2j * np.pi * frequency * np.arange(half) / rate)
    powers = [abs(part @ tone) ** 2 for part in (wave[:half], wave[-half:])]
    return float(min(powers) / max(*powers, 1e-30))
