"""What is wrong with a signal: no data, a flat line, a clipped amplifier, a wrong rate. (B, N) or (N,), time last.

Found on raw values, before any filter: a filter hides a clipped crest and moves a flat line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .rows import rows, runs

if TYPE_CHECKING:
    from mien.types import Signal

FLAT = {"ecg": 1.0, "ppg": 1.0, "respiration": 3.0, "eda": 10.0, "temperature": 60.0}
"""s without any change that a channel of this kind cannot have. Our choice: a beat and more for the heart's signals; a
breath may be held, skin conductance may rest, and skin temperature may stay within a converter's step for a minute."""

CLIPPED_RUN = 3
"""Samples at the very end of a row's range that make a clipped crest. Our choice: noise alone rarely makes three."""

CLIPPED_SHARE = 0.005
"""Share of a row that clipped crests must fill to be told from one tall peak. Our choice: 0.3 s in a minute."""

PILED = 5.0
"""Times as many samples at the end of the range as at the next level. Our choice: a sine in coarse steps has 2.4."""

RATE_ERROR = 0.01
"""Share by which the rate may be wrong. Our choice: 1 % is half a second in a minute, as much as an event's timing
can bear."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """`quality` (B, N) 0..1: 0 where there is no signal to read, 1 where nothing is wrong; `words`: of each row, what
    is wrong, empty where nothing is."""

    quality: np.ndarray
    words: tuple[tuple[str, ...], ...]


def judge(values: np.ndarray, rate: float, kind: str = "", times: np.ndarray | None = None,
          seconds: float | None = None) -> Verdict:
    """(B, N) raw, Hz, kind of channel (`FLAT`; any other for no flat line) -> `Verdict`.

    `times` (N,) s of the samples, or `seconds` that they are known to last, check the rate. A wrong rate lowers no
    sample's quality: the samples are good, the clock is not.
    """
    values = rows(values, "judge")
    lost = ~np.isfinite(values)
    flat = np.zeros(values.shape, dtype=bool)
    limit = FLAT.get(kind.split("_")[0])
    if limit is not None:
        flat = _flat(values, max(2, round(limit * rate)))
    clipped = _clipped(values) & ~flat
    clock = wrong_rate(values.shape[1], rate, times, seconds)
    kinds = (("no data", lost), ("flat line", flat), ("clipped", clipped))
    words = [[_line(name, where[k], rate) for name, where in kinds if where[k].any()] for k in range(len(values))]
    told = tuple((*said, clock) if clock else tuple(said) for said in words)
    return Verdict((~(lost | flat | clipped)).astype(np.float32), told)


def wrong_rate(count: int, rate: float, times: np.ndarray | None = None, seconds: float | None = None) -> str:
    """How the stated rate in Hz contradicts the samples' times (N,) s or their known length in s; "" if it does not."""
    real, why = None, ""
    if times is not None and len(times) > 1:
        real, why = (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else 0.0, "by the time stamps"
    elif seconds is not None and seconds > 0:
        real, why = count / seconds, f"by {count} samples in {seconds:g} s"
    if real is None or abs(real - rate) <= RATE_ERROR * rate:
        return ""
    return f"wrong rate: {rate:g} Hz stated, {real:.4g} Hz {why}"


def judged(signal: Signal) -> tuple[Signal, tuple[str, ...]]:
    """A signal -> the same with `quality`, the lowest of its channels at each sample, and what is wrong, by channel."""
    found = [judge(signal.values[i], signal.rate, name) for i, name in enumerate(signal.names)]
    told = tuple(f"{name}: {word}" for name, one in zip(signal.names, found, strict=True) for word in one.words[0])
    worst = np.min([one.quality[0] for one in found], axis=0)
    return replace(signal, quality=worst if signal.quality is None else np.minimum(worst, signal.quality)), told


def _line(name: str, where: np.ndarray, rate: float) -> str:
    _, start, end = runs(where[None])
    k = int(np.argmax(end - start))
    return f"{name} {where.mean():.1%}, longest {(end - start)[k] / rate:.3g} s from {start[k] / rate:.3g} s"


def _flat(values: np.ndarray, least: int) -> np.ndarray:
    """(B, N) inside a run of `least` equal values."""
    row, start, end = runs(np.diff(values, axis=1) == 0, least - 1)
    return _within(values.shape, row, start, end + 1)


def _clipped(values: np.ndarray) -> np.ndarray:
    """(B, N) in crests cut off at the highest or lowest value of the row."""
    out = np.zeros(values.shape, dtype=bool)
    for k, row in enumerate(values):
        known = np.unique(row[np.isfinite(row)])
        for limit, following in ((known[-1], known[-2]), (known[0], known[1])) if len(known) > 2 else ():
            at = row == limit
            if at.sum() < max(CLIPPED_RUN, PILED * (row == following).sum()):
                continue
            _, start, end = runs(at[None], CLIPPED_RUN)
            if (end - start).sum() >= CLIPPED_SHARE * len(row):
                out[k] |= _within((1, len(row)), np.zeros(len(start), dtype=np.int64), start, end)[0]
    return out


def _within(shape: tuple[int, ...], row: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """True from each start to before each end."""
    steps = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(steps, (row, start), 1)
    np.add.at(steps, (row, end), -1)
    return np.cumsum(steps, axis=1)[:, :-1] > 0
