"""Time-frequency images of the pulse of windows, from the camera or a contact sensor, with a quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mien import rppg
from mien.core.observations import Window
from mien.core.requirements import ModelRequirements
from mien.rppg.methods import band
from mien.rppg.rgb_traces import rgb_traces
from mien.signals import ecg, ppg, tfr
from mien.signals.beats import variability

WAVEFORM_RATE = 30.0
"""Hz of the waveform before the transform: the rate of common cameras, seven times the highest pulse frequency."""

RPPG_METHOD = "POS"
"""rPPG method. Our choice: training-free, and the default of rPPG-Toolbox's users. It detects no rate, so the image
shows the signal whether or not a heart rate is found."""

MIN_KNOWN_SHARE = 0.8
"""Share of a sensor's samples that must be numbers. Our choice: with a fifth interpolated, eight of ten seconds remain.
"""


def tfr_images(windows: Sequence[Window], needs: ModelRequirements) -> tuple[Tensor, Tensor]:
    """Compute the time-frequency images of the pulse.

    Args:
        windows: B windows.
        needs: size (F, T), transform and source of the images.

    Returns:
        Images (B, 1, F, T) and quality (B,) 0..1. A window without pulse has an image of zeros and quality 0.
    """
    pulses = [pulse_waveform(window, needs.tfr_of, needs.seconds or window.end - window.start) for window in windows]
    waves = torch.from_numpy(np.stack([values for values, _ in pulses]))
    quality = torch.tensor([value for _, value in pulses], dtype=torch.float32)
    size = cast(tuple[int, int], needs.tfr)
    image = tfr.tfr_image(waves, WAVEFORM_RATE, size, cast(tfr.Kind, needs.tfr_kind))
    return image * (quality > 0)[:, None, None, None], quality


def pulse_waveform(window: Window, of: str = "camera", seconds: float = 10.0) -> tuple[np.ndarray, float]:
    """Extract the pulse waveform of a window.

    The quality of the camera pulse is that of the heart rate in the same window, 0 if the estimator abstains. The
    quality of a contact signal is the share of plausible inter-beat intervals, times the quality of the signal if it
    has one. It is 0 if the heart rate abstains, for example on noise or mains hum. `signals.ecg` finds the beats of
    channels with a name that begins with ecg, `signals.ppg` those of all others.

    Args:
        window: the window.
        of: "camera", "camera:NAME" with an rPPG method of `rppg.rppg_method`, or the name of a channel in
            `window.signals`.
        seconds: length of the waveform, from the start of the window.

    Returns:
        Float32 (N,) at `RATE` Hz and the quality 0..1; zeros and 0 without a usable pulse.
    """
    times = window.start + np.arange(round(seconds * WAVEFORM_RATE)) / WAVEFORM_RATE
    camera, _, method = of.partition(":")
    pulse_of_window = _camera(window, method or RPPG_METHOD) if camera == "camera" else _wire(window, of)
    if pulse_of_window is None or not pulse_of_window[2] > 0:
        return np.zeros(len(times), np.float32), 0.0
    sample_times, values, quality = pulse_of_window
    return np.interp(times, sample_times, values).astype(np.float32), quality


def _camera(window: Window, method: str) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Times (N,) s, values (N,) and quality of the camera pulse, None without one."""
    reading = rppg.heart_rate(window)
    seen = rgb_traces(window)
    if reading.abstained or isinstance(seen, str):
        return None
    values = band(rppg.rppg_method(method)(seen.skin.mean(axis=1), seen.rate), seen.rate)
    return seen.start + np.arange(len(values)) / seen.rate, values, reading.quality


def _wire(window: Window, name: str) -> tuple[np.ndarray, np.ndarray, float] | None:
    signal = window.signals
    if signal is None or name not in signal.names or signal.values.shape[1] < signal.rate:
        return None
    values = signal.values[signal.names.index(name)].astype(np.float64)
    known = np.isfinite(values)
    if known.mean() < MIN_KNOWN_SHARE:
        return None
    quality = _beating(values, signal.rate, name)
    if not quality > 0:
        return None
    values = np.interp(signal.times, signal.times[known], values[known])
    if signal.quality is not None:
        quality *= float(np.nan_to_num(np.nanmean(signal.quality)))
    return signal.times, band(values, signal.rate), quality


def _beating(values: np.ndarray, rate: float, name: str) -> float:
    """Share of plausible inter-beat intervals of a signal (N,) with gaps; 0 if there is no heart rate."""
    detector = ecg if name.split("_")[0] == "ecg" else ppg
    if rate <= detector.SLOWEST_RATE:
        return 0.0
    beats = detector.beats_of(values, rate)
    features = variability(beats, len(values) / rate)
    if not np.isfinite(features.values[0, features.names.index("mean_hr")]):
        return 0.0
    return float(beats.believed.sum() / np.isfinite(beats.intervals).sum())
