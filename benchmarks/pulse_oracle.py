"""An oracle beside the pulse estimator: it knows the planted waveform and only has to recognise it in the traces.

What the oracle cannot recognise, the camera did not record. It compares the planted waveform with the same waveform
played faster or slower, and answers where the true one fits best of all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mien.rppg.rgb_traces import Traces

BAND = (0.65, 8.0)
"""Hz: from the slowest pulse to the third harmonic of a usual one."""

RATES = np.arange(40.0, 240.5, 1.0)
"""bpm of the false waveforms."""

APART = 5.0
"""bpm: a false waveform is at least that far from the true one."""

COLOURS = ((0.33, 0.77, 0.53), (0.0, 1.0, 0.0))
"""Colours of the pulse that the oracle tries: blood (de Haan & van Leest 2014) and green alone."""

Wave = Callable[[np.ndarray], np.ndarray]


def recognises(traces: Traces, wave: Wave, bpm: float) -> bool:
    """Whether the planted waveform fits the traces better than every false one.

    Args:
        traces: skin, light and motion.
        wave: planted blood volume (T,) at times (T,) s.
        bpm: planted mean rate.
    """
    times = traces.start + np.arange(len(traces.skin)) / traces.rate
    observed = _spectra(np.log(np.maximum(traces.skin.reshape(len(times), -1), 1.0)), traces.rate)
    light = np.log(np.maximum(traces.light, 1.0)).mean(axis=1, keepdims=True)
    motion = traces.motion - traces.motion.mean(axis=0)
    cause = _spectra(np.concatenate([light, motion, motion**2], axis=1), traces.rate)
    scale = _floor(observed)
    clean = _without(observed / scale, cause / scale)
    mixtures = np.stack([_mixture(clean, colour) for colour in COLOURS], axis=1)
    middle = times.mean()

    def fit(speed: float) -> float:
        template = _spectra(wave(middle + speed * (times - middle))[:, None], traces.rate)[:, 0] / scale[:, 0]
        gains = np.abs(template.conj() @ mixtures) / np.linalg.norm(mixtures, axis=0)
        return float(gains.max() / np.linalg.norm(template))

    false = [fit(rate / bpm) for rate in RATES if abs(rate - bpm) > APART]
    return fit(1.0) > max(false)


def _mixture(clean: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """The mixture (F,) of the channels with the least noise among those that pass this colour in every region."""
    covariance = _real(clean).T @ _real(clean)
    covariance = covariance / np.trace(covariance) * len(covariance) + 0.1 * np.eye(len(covariance))
    weight = np.linalg.solve(covariance, np.tile(colour, clean.shape[1] // 3))
    return clean @ weight


def _spectra(values: np.ndarray, rate: float) -> np.ndarray:
    """Spectrum (F, C) of (N, C) within `BAND`, Hann window."""
    count = len(values)
    window = np.hanning(count + 2)[1:-1, None]
    frequencies = np.fft.rfftfreq(count, 1 / rate)
    ramp = np.linspace(-1, 1, count)[:, None]
    level = values - values.mean(axis=0)
    level = level - ramp * (ramp.T @ level) / float((ramp**2).sum())
    inside = (frequencies >= BAND[0]) & (frequencies <= BAND[1])
    return np.fft.rfft(level * window, axis=0)[inside]


def _floor(spectra: np.ndarray) -> np.ndarray:
    """Level of the noise (F, 1): a straight line in the logarithms."""
    index = np.log(np.arange(len(spectra)) + 1.0 + len(spectra) * BAND[0] / (BAND[1] - BAND[0]))
    level = np.log(np.maximum(np.abs(spectra).mean(axis=1), 1e-12))
    return np.exp(np.polyval(np.polyfit(index, level, 1), index))[:, None]


def _real(spectra: np.ndarray) -> np.ndarray:
    return np.concatenate([spectra.real, spectra.imag])


def _without(spectra: np.ndarray, cause: np.ndarray) -> np.ndarray:
    """The spectra without what the causes explain, with real effects."""
    effect = np.linalg.lstsq(_real(cause), _real(spectra), rcond=None)[0]
    return spectra - cause @ effect
