"""Time-frequency images of pulse waveforms, computed per batch on the device of the waveforms.

All transforms are a filter bank in the frequency domain: the spectrum of the waveform times the gain of each row, then
the inverse transform. For a tone of amplitude A all of them read A at its frequency. The waveform is zero-padded.

`cwt`: analytic Morlet wavelet (Torrence & Compo 1998, 10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2);
`stft`: Hann window; `ssq`: synchrosqueezed `cwt` (Daubechies, Lu & Wu 2011, 10.1016/j.acha.2010.08.002), whose sum
over the rows is the waveform again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import pi
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Kind = Literal["cwt", "stft", "ssq", "wave"]

LOW, HIGH = 0.7, 4.0
"""Hz: the band of every pulse here, `rppg.methods.BAND`."""

MORLET_OMEGA = 6.0
"""Morlet's omega0, radians a scale: Torrence & Compo 1998; about six waves under the envelope."""

STFT_SECONDS = 4.0
"""s of the STFT window. Our choice: the main lobe falls to zero 0.5 Hz from its peak; three beats at the slowest rates.
"""

GAUSSIAN_CUTOFF = 5.0
"""Standard deviations at which a Gaussian is cut off; its value there is 4e-6 of the peak."""

TRANSFORM_CHUNK = 4
"""Waveforms that are transformed together. Our choice: 224 rows of four fit into a processor's cache."""


def frequency_grid(rows: int, low: float = LOW, high: float = HIGH) -> np.ndarray:
    """Log-spaced frequencies (F,) in Hz, from low to high."""
    return np.geomspace(low, high, rows)


def tfr_image(waves: Tensor, rate: float, size: tuple[int, int], kind: Kind = "cwt") -> Tensor:
    """Compute time-frequency images.

    Waveforms are scaled to variance 1, magnitudes to log(1 + m), and images to 0..1. A constant waveform gives zeros.

    Args:
        waves: (B, N) float waveforms, finite.
        rate: sampling rate in Hz, more than 8.
        size: (F, T), rows and columns of the image.
        kind: the transform; `wave` is an ablation that puts the waveform itself into every row.

    Returns:
        (B, 1, F, T), each image 0..1, low frequencies first.

    Raises:
        ValueError: the kind is unknown, the rate too low, or the waveforms have the wrong shape or are not finite.
    """
    rows, columns = size
    if kind not in get_args(Kind):
        raise ValueError(f"tfr: expected {', '.join(get_args(Kind))}, got {kind!r}")
    _check(waves, rate)
    waves = waves - waves.mean(dim=1, keepdim=True)
    waves = waves / waves.std(dim=1, keepdim=True).clamp_min(1e-9)
    if kind == "wave":
        return _stretched(F.interpolate(waves[:, None], columns, mode="linear")).expand(-1, rows, -1)[:, None]
    transform, frequencies = TRANSFORMS[kind], frequency_grid(rows)
    images = [
        _stretched(transform(part, rate, frequencies, columns).abs().log1p_()) for part in waves.split(TRANSFORM_CHUNK)
    ]
    return torch.cat(images)[:, None]


def _stretched(values: Tensor) -> Tensor:
    """Scale each image (B, F, T) to 0..1, in place."""
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    return values.sub_(low).mul_((high - low).clamp_min(1e-9).reciprocal())


def cwt(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """Continuous wavelet transform with the analytic Morlet wavelet.

    Args:
        waves: (B, N) waveforms.
        rate: sampling rate in Hz.
        frequencies: (F,) Hz.
        columns: T. The exact values at the midpoints of T equal parts of the waveform are returned; None returns all N
            samples.

    Returns:
        Complex (B, F, T).
    """
    return _filtered(waves, _bank("morlet", waves, rate, frequencies, columns))


def stft(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """Short-time Fourier transform with a Hann window of `WINDOW` s; arguments and result as in `cwt`."""
    return _filtered(waves, _bank("hann", waves, rate, frequencies, columns))


def ssq(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """Synchrosqueezed `cwt`: each value moves to the row of its instantaneous frequency.

    Arguments and result are as in `cwt`. The real part of the sum over rows is the waveform, band-limited to the
    frequencies.

    Raises:
        ValueError: the frequencies are not log-spaced.
    """
    logs = np.log(frequencies)
    gap = float(logs[1] - logs[0])
    if not np.allclose(np.diff(logs), gap, rtol=1e-6):
        raise ValueError("ssq: expected log-spaced frequencies, as tfr.grid makes them")
    bank = _bank("morlet", waves, rate, frequencies, columns)
    values = _filtered(waves, bank)
    slopes = _filtered(waves, replace(bank, gain=bank.gain * bank.bins))
    real, imaginary = values.real.contiguous(), values.imag.contiguous()
    power = (real * real).addcmul_(imaginary, imaginary)
    turns = (slopes.real * real).addcmul_(slopes.imag, imaginary).div_(power.clamp_min(1e-30))  # Hz
    row = turns.clamp_min_(1e-6).log_().sub_(float(logs[0])).div_(gap).round_().add_(1)
    row.masked_fill_(power <= 1e-12 * power.amax(dim=(1, 2), keepdim=True), 0)
    index = row.clamp_(0, len(logs) + 1).long()  # an extra row at each end collects what lies outside
    none = real.new_zeros(len(real), len(logs) + 2, real.shape[2])
    moved = [none.scatter_add(1, index, part)[:, 1:-1] for part in (real, imaginary)]
    return torch.complex(moved[0], moved[1]).mul_(gap / _admissible())


Transform = Callable[[Tensor, float, np.ndarray, int | None], Tensor]
TRANSFORMS: dict[str, Transform] = {"cwt": cwt, "stft": stft, "ssq": ssq}


@dataclass(frozen=True, eq=False)
class _Bank:
    """A filter bank: `bins` (K,) Hz; `forward` (N, K) complex maps samples to the spectrum at the bins; `gain` (F, K).

    `size`: length of the inverse transform, of which every `step`-th value up to `columns` is kept.
    """

    bins: np.ndarray
    forward: np.ndarray
    gain: np.ndarray
    size: int
    step: int
    columns: int


def _filtered(waves: Tensor, bank: _Bank) -> Tensor:
    """waves (B, N) -> complex (B, F, T). Nothing lies above bin K, so a short inverse transform loses nothing."""
    forward = torch.from_numpy(bank.forward).to(waves.device, waves.dtype.to_complex())
    spectrum = torch.complex(waves @ forward.real, waves @ forward.imag)[:, None]
    rows = torch.from_numpy(bank.gain).to(waves)
    return torch.fft.ifft(spectrum * rows, bank.size, norm="forward")[..., : bank.step * bank.columns : bank.step]


def _bank(kind: str, waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None) -> _Bank:
    _check(waves, rate)
    return _made(kind, waves.shape[1], rate, tuple(frequencies.tolist()), columns or waves.shape[1])


@lru_cache(maxsize=8)
def _made(kind: str, count: int, rate: float, frequencies: tuple[float, ...], columns: int) -> _Bank:
    """Treat the waveform as periodic, with a period so long that its end does not leak into its start."""
    centres = np.array(frequencies)
    morlet = kind == "morlet"
    if morlet:
        reach, top = (
            GAUSSIAN_CUTOFF * MORLET_OMEGA / (2 * pi * centres.min()),
            centres.max() * (1 + GAUSSIAN_CUTOFF / MORLET_OMEGA),
        )  # s, Hz
    else:
        reach, top = STFT_SECONDS / 2, centres.max() + 8 / STFT_SECONDS
    step = int(np.ceil(top * count / (rate * columns)))  # for few columns compute more, and keep every step-th
    size = 128 * int(np.ceil(step * columns * (1 + reach * rate / count) / 128))  # fast to transform
    spacing = count / (step * columns)  # samples between columns
    bins = np.arange(1, size) * (rate / (spacing * size))
    bins = bins[bins <= top]
    if morlet:
        gain = 2 * np.exp(-0.5 * (MORLET_OMEGA * (bins / centres[:, None] - 1)) ** 2)
    else:
        at = (bins - centres[:, None]) * STFT_SECONDS
        gain = 2 * (np.sinc(at) + 0.5 * np.sinc(at - 1) + 0.5 * np.sinc(at + 1))
    first = 0.5 * count / columns - 0.5  # sample position of the first column
    turn = np.exp(-2j * pi / rate * np.outer(np.arange(count) - first, bins)) / (spacing * size)
    none = np.zeros((1, count)).T  # bin 0: the mean is not part of the pulse
    return _Bank(np.append(0.0, bins), np.hstack([none, turn]), np.pad(gain, ((0, 0), (1, 0))), size, step, columns)


@lru_cache(maxsize=1)
def _admissible() -> float:
    """Integral of the wavelet's transform over d(ln xi), the divisor of the sum over log-spaced rows."""
    logs = np.linspace(np.log(0.01), np.log(4), 20001)
    return float(np.sum(np.exp(-0.5 * (MORLET_OMEGA * (np.exp(logs) - 1)) ** 2)) * (logs[1] - logs[0]))


def _check(waves: Tensor, rate: float) -> None:
    if waves.ndim != 2 or not waves.is_floating_point() or waves.shape[1] < 2:
        raise ValueError(f"tfr: expected float waves (B, N), got {waves.dtype} {tuple(waves.shape)}")
    if not rate > 2 * HIGH:
        raise ValueError(f"tfr: expected more than {2 * HIGH:g} samples a second, got {rate:g}: {HIGH:g} Hz needs them")
    if waves.device.type == "cpu" and not bool(torch.isfinite(waves).all()):
        raise ValueError("tfr: expected finite waves, got NaN or infinity: bridge the gaps, or leave the window out")
