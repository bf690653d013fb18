"""Masked sequences of a window: contact signals, action units or clip features.

Every sequence is `needs.seconds` long. Shorter ones are padded under the mask. Of longer ones we take the end (our
choice: people rate after the video), and in training a random part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mien import signals
from mien.core.observations import Signal, Window
from mien.core.requirements import ModelRequirements
from mien.models.videomae import CLIP_SECONDS
from mien.signals.peaks import runs

MAX_GAP_SECONDS = 0.05
"""Longest run of bad samples in s that is not masked: missing samples are interpolated, clipped peaks stay unchanged.
Our choice: an R wave lasts about 0.1 s, and its peak may be clipped at every beat."""


def to_series(
    windows: Sequence[Window], needs: ModelRequirements, rng: np.random.Generator | None = None
) -> dict[str, Tensor]:
    """Convert windows to masked sequences.

    Samples of a channel that are missing, flat or clipped for `MAX_GAP_SECONDS` or longer are NaN. A mask is True where
    any channel or any feature is known.

    Args:
        windows: B windows.
        needs: inputs of the model.
        rng: generator for training, None for inference.

    Returns:
        `signals` (B, C, N), `signals_mask` (B, N), `video` (B, S, D) and `video_mask` (B, S), as far as needed.

    Raises:
        ValueError: `needs.seconds` is None, a window has no clip features, or its action units are not by
            `needs.aus_by` or by several programs.
    """
    if needs.seconds is None:
        raise ValueError("prepare: expected needs.seconds with signals, aus or clips, got None: say how long")
    by = sorted({window.aus_by for window in windows})
    if needs.aus is not None and by != [needs.aus_by or by[0]]:
        raise ValueError(f"prepare: expected action units by {needs.aus_by or by[0]}, got those by {', '.join(by)}: "
                         "their scales differ")
    spans = [_span(window, needs, rng) for window in windows]
    tensors: dict[str, Tensor] = {}
    if needs.signals is not None and needs.rate is not None:
        tensors["signals"] = _stack([signal_series(window.signals, needs.signals, needs.rate, start, needs.seconds)
                                     for window, start in zip(windows, spans, strict=True)])
        tensors["signals_mask"] = tensors["signals"].isfinite().any(dim=1)
    if needs.aus is not None:
        tensors["video"] = _stack([au_series(window, needs.aus, start, needs.seconds)
                                   for window, start in zip(windows, spans, strict=True)])
    elif needs.clips is not None:
        tensors["video"] = _stack(
            [clip_series(window, start, needs) for window, start in zip(windows, spans, strict=True)]
        )
    if "video" in tensors:
        tensors["video_mask"] = tensors["video"].isfinite().any(dim=2)
    return tensors


def signal_series(signal: Signal | None, names: Sequence[str], rate: float, start: float, seconds: float) -> np.ndarray:
    """Resample channels of a signal -> float32 (C, N) at `rate` Hz from `start` s, NaN where unknown."""
    out = np.full((len(names), round(seconds * rate)), np.nan, np.float32)
    if signal is None or not signal.values.shape[1]:
        return out
    signal = mask_bad_samples(signal)
    times = start + np.arange(out.shape[1]) / rate
    for channel, name in zip(out, names, strict=True):
        if name in signal.names:
            values = signal.values[signal.names.index(name)].astype(np.float64)
            channel[:] = _at(times, signal, values, rate)
    return out


def mask_bad_samples(signal: Signal) -> Signal:
    """Mask bad samples of a raw signal at its own rate: NaN for `MAX_GAP_SECONDS` and longer, else interpolated."""
    if signal.judged or not signal.values.shape[1]:
        return signal
    out = signal.values.astype(np.float64)
    at = np.arange(out.shape[1])
    for values, name in zip(out, signal.names, strict=True):
        known = np.isfinite(values)
        if signal.quality is not None:
            known &= signal.quality > 0
        good = known & (signals.quality.check_quality(values, signal.rate, name).quality[0] > 0)
        _, start, end = runs(~good[None])
        for first, last in zip(start, end, strict=True):
            if last - first < MAX_GAP_SECONDS * signal.rate and first > 0 and last < len(at):
                good[first:last] = True
        if known.any():
            values[~known] = np.interp(at[~known], at[known], values[known])
        values[~good] = np.nan
    return replace(signal, values=out, quality=None, judged=True)


def _at(times: np.ndarray, signal: Signal, values: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate values (N,) of the signal at `times` (M,); NaN outside, and where a neighbour is unknown."""
    start, step = signal.start, 1 / signal.rate
    if signal.rate > 2 * rate:  # average against aliasing, as the tools for signals do
        fine = signals.resample(signal.times, values, rate, gap=2 / rate)
        values, start, step = fine.values, fine.start, 1 / rate
    position = (times - start) / step
    nearest = np.round(position)
    position = np.where(np.abs(position - nearest) < 1e-3, nearest, position)
    left = np.floor(position).astype(np.int64)
    inside = (left >= 0) & (np.ceil(position) < len(values))
    left = np.where(inside, left, 0)
    right = np.minimum(left + (position > left), len(values) - 1)
    share = np.where(inside, position - left, 0.0)
    interpolated = np.where(share > 0, values[left] * (1 - share) + values[right] * share, values[left])
    return np.where(inside, interpolated, np.nan)


def au_series(window: Window, rate: float, start: float, seconds: float) -> np.ndarray:
    """Average the action units of a window at `rate` Hz -> float32 (S, A); NaN for steps without a value."""
    count, known = round(seconds * rate), np.isfinite(window.aus)
    step = np.floor((window.times - start) * rate + 1e-6).astype(np.int64)
    inside = (step >= 0) & (step < count) & (window.times < window.end)
    total, frames = np.zeros((count, window.aus.shape[1])), np.zeros((count, window.aus.shape[1]))
    np.add.at(total, step[inside], np.where(known, window.aus, 0.0)[inside])
    np.add.at(frames, step[inside], known[inside])
    return np.where(frames > 0, total / np.maximum(frames, 1), np.nan).astype(np.float32)


def clip_series(window: Window, start: float, needs: ModelRequirements) -> np.ndarray:
    """Select the clip features of a window -> float32 (S, D), a row for each clip that starts within `needs.seconds`.
    """
    if window.clips is None or needs.seconds is None:
        raise ValueError(f"prepare: expected features of clips by {needs.clips}, got none: read the trial with "
                         "data.features")
    count, first = int(np.ceil(needs.seconds / CLIP_SECONDS - 1e-9)), round((start - window.start) / CLIP_SECONDS)
    rows = window.clips[first : first + count]
    out = np.full((count, window.clips.shape[1]), np.nan, np.float32)
    out[: len(rows)] = rows
    return out


def _span(window: Window, needs: ModelRequirements, rng: np.random.Generator | None) -> float:
    """Start of the sequence in s; for clips the start of a clip."""
    offset = window.end - window.start - (needs.seconds or 0.0)
    if offset <= 0:
        return window.start
    if rng is not None:
        offset = float(rng.uniform(0, offset))
    if needs.clips is not None:
        offset = np.ceil(offset / CLIP_SECONDS - 1e-9) * CLIP_SECONDS
    return window.start + offset


def _stack(rows: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows))
