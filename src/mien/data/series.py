"""Long series of a window: signals of wires, action units or features of clips, with masks of what is known.

Every window is `needs.seconds` long: a shorter one is filled up under the mask, of a longer one the end is taken (our
choice: people rate when the film is over), or, in training, a piece from anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mien import signals
from mien.models.mvp import CLIP_SECONDS
from mien.signals.rows import runs
from mien.types import Needs, Signal, Window

BRIDGE = 0.05
"""s of bad samples between good ones that do not cost a patch: what is missing becomes a straight line, a clipped crest
stays as it is. Our choice: an R wave lasts about 0.1 s, and its crest alone may be cut off at every beat."""


def series(windows: Sequence[Window], needs: Needs, rng: np.random.Generator | None = None) -> dict[str, Tensor]:
    """-> `signals` (B, C, N) and `video` (B, S, D), as asked for, with `signals_mask` (B, N), `video_mask` (B, S).

    A channel that is missing, flat, clipped or without data is NaN there, but for less than `BRIDGE`; a mask is True
    where any channel or any feature is known. Raises ValueError where seconds are not told, for clips of a window that
    has none, and for action units of another program than `needs.aus_by`, or of several.
    """
    if needs.seconds is None:
        raise ValueError("prepare: expected needs.seconds with signals, aus or clips, got None: say how long")
    by = sorted({window.aus_by for window in windows})
    if needs.aus is not None and by != [needs.aus_by or by[0]]:
        raise ValueError(f"prepare: expected action units by {needs.aus_by or by[0]}, got those by {', '.join(by)}: "
                         "their scales differ")
    spans = [_span(window, needs, rng) for window in windows]
    found: dict[str, Tensor] = {}
    if needs.signals is not None and needs.rate is not None:
        found["signals"] = _stack([wires(window.signals, needs.signals, needs.rate, start, needs.seconds)
                                   for window, start in zip(windows, spans, strict=True)])
        found["signals_mask"] = found["signals"].isfinite().any(dim=1)
    if needs.aus is not None or needs.clips is not None:
        found["video"] = _stack([
            units(window, needs.aus, start, needs.seconds) if needs.aus is not None else clips(window, start, needs)
            for window, start in zip(windows, spans, strict=True)])
        found["video_mask"] = found["video"].isfinite().any(dim=2)
    return found


def wires(signal: Signal | None, names: Sequence[str], rate: float, start: float, seconds: float) -> np.ndarray:
    """A signal -> float32 (C, N) of these channels at `rate` Hz from `start` s on, NaN where nothing is known."""
    out = np.full((len(names), round(seconds * rate)), np.nan, np.float32)
    if signal is None or not signal.values.shape[1]:
        return out
    signal = sound(signal)
    times = start + np.arange(out.shape[1]) / rate
    for channel, name in zip(out, names, strict=True):
        if name in signal.names:
            values = signal.values[signal.names.index(name)].astype(np.float64)
            channel[:] = _at(times, signal, values, rate)
    return out


def sound(signal: Signal) -> Signal:
    """A raw signal -> judged at its own rate, once: NaN where it is bad for `BRIDGE` or longer, the rest bridged."""
    if signal.judged or not signal.values.shape[1]:
        return signal
    out = signal.values.astype(np.float64)
    at = np.arange(out.shape[1])
    for values, name in zip(out, signal.names, strict=True):
        known = np.isfinite(values) & (True if signal.quality is None else signal.quality > 0)
        good = known & (signals.faults.judge(values, signal.rate, name).quality[0] > 0)
        _, start, end = runs(~good[None])
        for first, last in zip(start, end, strict=True):
            if last - first < BRIDGE * signal.rate and first > 0 and last < len(at):
                good[first:last] = True
        if known.any():
            values[~known] = np.interp(at[~known], at[known], values[known])
        values[~good] = np.nan
    return replace(signal, values=out, quality=None, judged=True)


def _at(times: np.ndarray, signal: Signal, values: np.ndarray, rate: float) -> np.ndarray:
    """values (N,) of the signal at `times` (M,); NaN outside and where not both neighbours are known."""
    start, step = signal.start, 1 / signal.rate
    if signal.rate > 2 * rate:  # as the tools for signals do: averaged, so that it does not alias
        fine = signals.resample(signal.times, values, rate, gap=2 / rate)
        values, start, step = fine.values, fine.start, 1 / rate
    place = (times - start) / step
    near = np.round(place)
    place = np.where(np.abs(place - near) < 1e-3, near, place)
    left = np.floor(place).astype(np.int64)
    inside = (left >= 0) & (np.ceil(place) < len(values))
    left = np.where(inside, left, 0)
    right = np.minimum(left + (place > left), len(values) - 1)
    share = np.where(inside, place - left, 0.0)
    found = np.where(share > 0, values[left] * (1 - share) + values[right] * share, values[left])
    return np.where(inside, found, np.nan)


def units(window: Window, rate: float, start: float, seconds: float) -> np.ndarray:
    """Action units of a window -> float32 (S, A): means of steps at `rate` Hz; NaN where no frame shows the unit."""
    count, known = round(seconds * rate), np.isfinite(window.aus)
    step = np.floor((window.times - start) * rate + 1e-6).astype(np.int64)
    inside = (step >= 0) & (step < count) & (window.times < window.end)
    total, frames = np.zeros((count, window.aus.shape[1])), np.zeros((count, window.aus.shape[1]))
    np.add.at(total, step[inside], np.where(known, window.aus, 0.0)[inside])
    np.add.at(frames, step[inside], known[inside])
    return np.where(frames > 0, total / np.maximum(frames, 1), np.nan).astype(np.float32)


def clips(window: Window, start: float, needs: Needs) -> np.ndarray:
    """Features of a window's clips -> float32 (S, D), as many rows as begin within the seconds asked for."""
    if window.clips is None or needs.seconds is None:
        raise ValueError(f"prepare: expected features of clips by {needs.clips}, got none: read the trial with "
                         "data.features")
    count, first = int(np.ceil(needs.seconds / CLIP_SECONDS - 1e-9)), round((start - window.start) / CLIP_SECONDS)
    rows = window.clips[first : first + count]
    out = np.full((count, window.clips.shape[1]), np.nan, np.float32)
    out[: len(rows)] = rows
    return out


def _span(window: Window, needs: Needs, rng: np.random.Generator | None) -> float:
    """Where the piece begins, s; with clips where one of them begins."""
    spare = window.end - window.start - (needs.seconds or 0.0)
    if spare <= 0:
        return window.start
    begin = spare if rng is None else float(rng.uniform(0, spare))
    return window.start + (begin if needs.clips is None else np.ceil(begin / CLIP_SECONDS - 1e-9) * CLIP_SECONDS)


def _stack(rows: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows))
