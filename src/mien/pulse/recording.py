"""A whole recording, however long: read in overlapping pieces and joined. Time and memory are linear in its length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .. import signals
from ..types import Reading, Signal, Window
from .detect import Evidence, detect
from .methods import band
from .rate import METHOD, judge
from .respiration import respiration
from .traces import longest, traces
from .variability import beats, jitter, lf_hf, rmssd

PIECE, STEP = 20.0, 10.0
"""s: length of a piece and distance of two. Our choice: 20 s resolve 3 bpm and are what the live view sees."""

ENOUGH = 0.3
"""Share of the pieces that must give a rate. Our choice: fewer are likelier chance than a person now and then still."""

RATE = 30.0
"""Hz of the waveform."""


@dataclass(frozen=True, eq=False)
class Vitals:
    """`heart_rate` bpm, `respiration` breaths a minute, `hrv` by name (`rmssd` ms, `lf_hf` a ratio), and the
    `waveform` over the whole recording, None where no pulse was found anywhere."""

    heart_rate: Reading
    respiration: Reading
    hrv: dict[str, Reading]
    waveform: Signal | None


@dataclass(frozen=True, eq=False)
class _Piece:
    """One piece as read: `wave` (M,) at `rate` Hz from `start` s on, None where there was nothing to read."""

    reading: Reading
    evidence: Evidence | None = None
    start: float = 0.0
    rate: float = RATE


def vitals(window: Window) -> Vitals:
    """A whole recording of one person -> heart rate, respiration, variability and waveform.

    heart_rate: the median over the pieces that pass; when fewer than `ENOUGH` of them pass, the most frequent reason.
    The rest is read from the longest stretch of time that pieces which pass cover.
    """
    window = _ordered(window)
    pieces = [_read(part) for part in _parts(window)]
    rate = _summary(pieces)
    if rate.value is None:
        return Vitals(rate, _without("breaths/min", rate.reason),
                      {"rmssd": _without("ms", rate.reason), "lf_hf": _without("ratio", rate.reason)}, None)
    start, raw, quality = _join(pieces, window, RATE)
    first, last = longest(quality > 0)
    seconds = (last - first) / RATE
    wave = band(raw, RATE)
    found, *twice = (beats(one[first:last], RATE, rate.value / 60) for one in wave)
    error = jitter(*twice)
    sway = _sway(window, start, len(quality))
    breath = respiration(found, wave[0, first:last], RATE, raw[0, first:last], sway[first:last])
    hrv = {"rmssd": rmssd(found, error, seconds), "lf_hf": lf_hf(found, error, seconds)}
    return Vitals(rate, breath, hrv, _signal(wave[0], RATE, start, quality))


def waveform(window: Window, rate: float = RATE) -> Signal:
    """A window of one person -> the pulse at `rate` Hz over all of it: up is systole, AC/DC, within `methods.BAND`.

    quality: of the piece it comes from; 0 where a reading abstains, and the value there is not to be used.
    """
    window = _ordered(window)
    start, raw, quality = _join([_read(part) for part in _parts(window)], window, rate)
    return _signal(band(raw[0], rate), rate, start, quality)


def _signal(wave: np.ndarray, rate: float, start: float, quality: np.ndarray) -> Signal:
    return Signal(wave[None], rate, ("pulse",), ("AC/DC",), start, quality)


def _without(unit: str, reason: str) -> Reading:
    return Reading(None, unit, 0.0, METHOD, reason)


def _ordered(window: Window) -> Window:
    """The rows whose times are finite and later than all before them."""
    times = np.asarray(window.times, dtype=np.float64)
    kept = signals.increasing(times)
    return window if len(kept) == len(times) else _rows(window, kept)


def _rows(window: Window, rows: slice | np.ndarray) -> Window:
    names = ("times", "skin", "position", "aus", "pose", "gaze")
    return replace(window, faces=None, **{name: getattr(window, name)[rows] for name in names})


def _parts(window: Window) -> Iterator[Window]:
    """Pieces of `PIECE` s every `STEP` s; the last reaches the end; a shorter recording is one piece."""
    if not len(window.times):
        return
    begin, end = float(window.times[0]), float(window.times[-1])
    starts = np.arange(begin, max(end - PIECE, begin) + 1e-9, STEP)
    if end - PIECE - starts[-1] > 0.1 * STEP:
        starts = np.append(starts, end - PIECE)
    for start in starts:
        first, last = np.searchsorted(window.times, [start - 1e-9, start + PIECE + 1e-9])
        yield _rows(window, slice(int(first), int(last)))


def _read(part: Window) -> _Piece:
    found = traces(part)
    if isinstance(found, str):
        return _Piece(Reading(None, "bpm", 0.0, METHOD, found))
    evidence = detect(found)
    return _Piece(judge(evidence, found.seconds), evidence, found.start, found.rate)


def _summary(pieces: list[_Piece]) -> Reading:
    passed = [piece.reading for piece in pieces if piece.reading.value is not None]
    reasons = Counter(piece.reading.reason for piece in pieces if piece.reading.abstained)
    if not pieces or len(passed) < ENOUGH * len(pieces):
        return Reading(None, "bpm", 0.0, METHOD, reasons.most_common(1)[0][0] if reasons else "too_short")
    values = np.array([reading.value for reading in passed], dtype=float)
    quality = float(np.mean([reading.quality for reading in passed])) * len(passed) / len(pieces)
    return Reading(float(np.median(values)), "bpm", quality, METHOD)


def _join(pieces: list[_Piece], window: Window, rate: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Overlap-add of the pieces -> start s, waves (3, N): whole, forehead, cheeks, and quality (N,) at `rate` Hz."""
    if not len(window.times):
        return 0.0, np.zeros((3, 0)), np.zeros(0)
    start = float(window.times[0])
    count = int((float(window.times[-1]) - start) * rate) + 1
    total, weight, quality = np.zeros((3, count)), np.full(count, 1e-12), np.zeros(count)
    for piece in pieces:
        if piece.evidence is None:
            continue
        waves = np.vstack([piece.evidence.wave, piece.evidence.pair])
        times = piece.start + np.arange(waves.shape[1]) / piece.rate
        first, last = (int(np.ceil((times[0] - start) * rate - 1e-6)), int((times[-1] - start) * rate + 1e-6) + 1)
        first, last = max(first, 0), min(last, count)
        place = start + np.arange(first, last) / rate
        taper = np.minimum(place - times[0], times[-1] - place) + 1.0 / rate  # our choice: a triangle
        taper *= 1.0 if piece.reading.value is not None else 1e-3  # one that passes outweighs one that does not
        total[:, first:last] += taper * np.stack([np.interp(place, times, wave) for wave in waves])
        weight[first:last] += taper
        quality[first:last] = np.maximum(quality[first:last], piece.reading.quality)
    return start, total / weight, quality


def _sway(window: Window, start: float, count: int) -> np.ndarray:
    """The head's height (count,) in face widths at `RATE` Hz, gaps bridged."""
    height = np.asarray(window.position, dtype=np.float64)[:, 1:]
    known = np.isfinite(height).all(axis=1)
    if not known.any():
        return np.zeros(count)
    place = start + np.arange(count) / RATE
    return np.interp(place, window.times[known], height[known, 0]) / max(float(np.median(height[known, 1])), 1.0)
