"""The pulse of windows as time-frequency images, from the camera or from a wire, and how far it is to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mien import pulse, tfr
from mien.pulse.methods import band
from mien.pulse.traces import traces
from mien.signals import ecg, ppg
from mien.signals.beats import variability
from mien.types import Needs, Window

RATE = 30.0
"""Hz of the waveform that is transformed: that of common cameras, seven times its highest frequency."""

METHOD = "POS"
"""From skin to waveform. Our choice: training-free, and the default of rPPG-Toolbox's users; it knows no detector, so
that the image holds what was seen whether or not a rate is read from it."""

KNOWN = 0.8
"""Share of a wire's samples that must be numbers. Our choice: a fifth bridged leaves eight of ten seconds."""


def images(windows: Sequence[Window], needs: Needs) -> tuple[Tensor, Tensor]:
    """Windows (B,) -> images (B, 1, F, T) and quality (B,) 0..1; an image of zeros and 0 where there is no pulse."""
    found = [wave(window, needs.tfr_of, needs.seconds or window.end - window.start) for window in windows]
    waves = torch.from_numpy(np.stack([one for one, _ in found]))
    quality = torch.tensor([value for _, value in found], dtype=torch.float32)
    size = cast(tuple[int, int], needs.tfr)
    made = tfr.image(waves, RATE, size, cast(tfr.Kind, needs.tfr_kind))
    return made * (quality > 0)[:, None, None, None], quality


def wave(window: Window, of: str = "camera", seconds: float = 10.0) -> tuple[np.ndarray, float]:
    """A window -> the pulse, float32 (N,) at `RATE` Hz over `seconds` from its start on, and its quality 0..1.

    `of`: "camera", or the name of a wire in `window.signals`. Zeros and 0 where there is none, or none to be believed.
    The camera's quality is that of the heart rate read from the same window, 0 where that abstains. A wire's is the
    share of its beats' intervals that are believed (`signals.ppg`, of a name that begins with ecg `signals.ecg`), times
    the signal's own quality where it tells one; 0 where its heart rate abstains, as on noise or on mains.
    """
    times = window.start + np.arange(round(seconds * RATE)) / RATE
    found = _camera(window) if of == "camera" else _wire(window, of)
    if found is None or not found[2] > 0:
        return np.zeros(len(times), np.float32), 0.0
    when, values, quality = found
    return np.interp(times, when, values).astype(np.float32), quality


def _camera(window: Window) -> tuple[np.ndarray, np.ndarray, float] | None:
    """-> times (N,) s, values (N,), quality."""
    reading = pulse.heart_rate(window)
    seen = traces(window)
    if reading.abstained or isinstance(seen, str):
        return None
    values = band(pulse.METHODS[METHOD](seen.skin.mean(axis=1), seen.rate), seen.rate)
    return seen.start + np.arange(len(values)) / seen.rate, values, reading.quality


def _wire(window: Window, name: str) -> tuple[np.ndarray, np.ndarray, float] | None:
    signal = window.signals
    if signal is None or name not in signal.names or signal.values.shape[1] < signal.rate:
        return None
    values = signal.values[signal.names.index(name)].astype(np.float64)
    known = np.isfinite(values)
    quality = _beating(values, signal.rate, name) if known.mean() >= KNOWN else 0.0
    if not quality > 0:
        return None
    values = np.interp(signal.times, signal.times[known], values[known])
    quality *= 1.0 if signal.quality is None else float(np.nan_to_num(np.nanmean(signal.quality)))
    return signal.times, band(values, signal.rate), quality


def _beating(values: np.ndarray, rate: float, name: str) -> float:
    """A wire (N,) with gaps -> the share of intervals between beats that are believed; 0 where no rate is named."""
    room = ecg if name.split("_")[0] == "ecg" else ppg
    if rate <= room.SLOWEST_RATE:
        return 0.0
    found = room.beats_of(values, rate)
    told = variability(found, len(values) / rate)
    if not np.isfinite(told.values[0, told.names.index("mean_hr")]):
        return 0.0
    return float(found.believed.sum() / np.isfinite(found.intervals).sum())
