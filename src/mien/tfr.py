"""Pulse waveforms -> time-frequency images, a whole batch at once, on the device of the waveforms.

All are one filter bank in the frequency domain: the spectrum of the waveform times the gain of each row, and back. In a
tone of amplitude A all read A at its frequency, whatever that is. What lies before and behind the waveform is zero.

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
"""Hz: the band of every pulse here, `pulse.BAND`."""

OMEGA = 6.0
"""Morlet's omega0, radians a scale: Torrence & Compo 1998; about six waves under the envelope."""

WINDOW = 4.0
"""s of the STFT. Our choice: 0.5 Hz between zeros of the main lobe and its top, three beats at the slowest rates."""

REACH = 5.0
"""Standard deviations of a Gaussian that count; beyond lie 4e-6 of its height."""

CHUNK = 4
"""Waves that are transformed together: our choice, 224 rows of four stay in a processor's cache."""


def grid(rows: int, low: float = LOW, high: float = HIGH) -> np.ndarray:
    """(F,) Hz from low to high, log-spaced."""
    return np.geomspace(low, high, rows)


def image(waves: Tensor, rate: float, size: tuple[int, int], kind: Kind = "cwt") -> Tensor:
    """waves (B, N) at `rate` Hz -> (B, 1, F, T), each image 0..1, low frequencies first; `size` is (F, T).

    Waves are brought to variance 1, magnitudes to log(1 + m), images to 0..1; one without any change is 0 everywhere.
    `wave`: no transform but the waveform itself in every row, to see what the transform is worth.
    """
    rows, columns = size
    if kind not in get_args(Kind):
        raise ValueError(f"tfr: expected {', '.join(get_args(Kind))}, got {kind!r}")
    _check(waves, rate)
    waves = waves - waves.mean(dim=1, keepdim=True)
    waves = waves / waves.std(dim=1, keepdim=True).clamp_min(1e-9)
    if kind == "wave":
        return _stretched(F.interpolate(waves[:, None], columns, mode="linear")).expand(-1, rows, -1)[:, None]
    transform, frequencies = TRANSFORMS[kind], grid(rows)
    found = [_stretched(transform(part, rate, frequencies, columns).abs().log1p_()) for part in waves.split(CHUNK)]
    return torch.cat(found)[:, None]


def _stretched(values: Tensor) -> Tensor:
    """(B, F, T) -> each between 0 and 1, in place."""
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    return values.sub_(low).mul_((high - low).clamp_min(1e-9).reciprocal())


def cwt(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """waves (B, N) at `rate` Hz, frequencies (F,) Hz -> complex (B, F, T): exact values at the middles of T equal parts
    of the waveform; None: at its N samples."""
    return _filtered(waves, _bank("morlet", waves, rate, frequencies, columns))


def stft(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """The same through a Hann window of `WINDOW` s around each of those moments."""
    return _filtered(waves, _bank("hann", waves, rate, frequencies, columns))


def ssq(waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None = None) -> Tensor:
    """The `cwt`, each value moved to the row of the frequency at which its phase turns; log-spaced frequencies only.

    The real part of the sum over rows is the waveform, as far as it lies within the frequencies.
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
    index = row.clamp_(0, len(logs) + 1).long()  # a row below and one above hold what lies outside
    none = real.new_zeros(len(real), len(logs) + 2, real.shape[2])
    moved = [none.scatter_add(1, index, part)[:, 1:-1] for part in (real, imaginary)]
    return torch.complex(moved[0], moved[1]).mul_(gap / _admissible())


Transform = Callable[[Tensor, float, np.ndarray, int | None], Tensor]
TRANSFORMS: dict[str, Transform] = {"cwt": cwt, "stft": stft, "ssq": ssq}


@dataclass(frozen=True, eq=False)
class _Bank:
    """`bins` (K,) Hz; `there` (N, K) complex: samples -> spectrum at the bins; `gain` (F, K); `size` of the way
    back, of which every `step`-th value up to `columns` is wanted."""

    bins: np.ndarray
    there: np.ndarray
    gain: np.ndarray
    size: int
    step: int
    columns: int


def _filtered(waves: Tensor, bank: _Bank) -> Tensor:
    """waves (B, N) -> complex (B, F, T). Nothing is above bin K, so that a short way back loses nothing."""
    there = torch.from_numpy(bank.there).to(waves.device, waves.dtype.to_complex())
    spectrum = torch.complex(waves @ there.real, waves @ there.imag)[:, None]
    rows = torch.from_numpy(bank.gain).to(waves)
    return torch.fft.ifft(spectrum * rows, bank.size, norm="forward")[..., : bank.step * bank.columns : bank.step]


def _bank(kind: str, waves: Tensor, rate: float, frequencies: np.ndarray, columns: int | None) -> _Bank:
    _check(waves, rate)
    return _made(kind, waves.shape[1], rate, tuple(frequencies.tolist()), columns or waves.shape[1])


@lru_cache(maxsize=8)
def _made(kind: str, count: int, rate: float, frequencies: tuple[float, ...], columns: int) -> _Bank:
    """The waveform is taken as one of period D, long enough that what follows on its end does not reach its begin."""
    centres = np.array(frequencies)
    morlet = kind == "morlet"
    reach = REACH * OMEGA / (2 * pi * centres.min()) if morlet else WINDOW / 2  # s
    top = centres.max() * (1 + REACH / OMEGA) if morlet else centres.max() + 8 / WINDOW  # Hz
    step = int(np.ceil(top * count / (rate * columns)))  # few columns: more are made, and some of them taken
    size = 128 * int(np.ceil(step * columns * (1 + reach * rate / count) / 128))  # fast to transform
    spacing = count / (step * columns)  # samples between columns
    bins = np.arange(1, size) * (rate / (spacing * size))
    bins = bins[bins <= top]
    if morlet:
        gain = 2 * np.exp(-0.5 * (OMEGA * (bins / centres[:, None] - 1)) ** 2)
    else:
        at = (bins - centres[:, None]) * WINDOW
        gain = 2 * (np.sinc(at) + 0.5 * np.sinc(at - 1) + 0.5 * np.sinc(at + 1))
    first = 0.5 * count / columns - 0.5  # sample that the first column stands on
    turn = np.exp(-2j * pi / rate * np.outer(np.arange(count) - first, bins)) / (spacing * size)
    none = np.zeros((1, count)).T  # of bin 0: the mean is no pulse
    return _Bank(np.append(0.0, bins), np.hstack([none, turn]), np.pad(gain, ((0, 0), (1, 0))), size, step, columns)


@lru_cache(maxsize=1)
def _admissible() -> float:
    """Integral of the wavelet's transform over xi d(ln xi): what the sum over log-spaced rows is divided by."""
    logs = np.linspace(np.log(0.01), np.log(4), 20001)
    return float(np.sum(np.exp(-0.5 * (OMEGA * (np.exp(logs) - 1)) ** 2)) * (logs[1] - logs[0]))


def _check(waves: Tensor, rate: float) -> None:
    if waves.ndim != 2 or not waves.is_floating_point() or waves.shape[1] < 2:
        raise ValueError(f"tfr: expected float waves (B, N), got {waves.dtype} {tuple(waves.shape)}")
    if not rate > 2 * HIGH:
        raise ValueError(f"tfr: expected more than {2 * HIGH:g} samples a second, got {rate:g}: {HIGH:g} Hz needs them")
    if waves.device.type == "cpu" and not bool(torch.isfinite(waves).all()):
        raise ValueError("tfr: expected finite waves, got NaN or infinity: bridge the gaps, or leave the window out")
