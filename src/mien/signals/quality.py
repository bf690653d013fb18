"""Signal quality: missing data, flat lines, clipping, electrodes, hum, a wrong rate. (B, N) or (N,), time last.

The checks run on raw values, before any filter: a filter hides clipping and moves a flat line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal as sps

from mien.signals.peaks import rows, runs

if TYPE_CHECKING:
    from mien.core.observations import Signal

FLAT = {"ecg": 1.0, "ppg": 1.0, "respiration": 3.0, "eda": 10.0, "temperature": 60.0}
"""s without any change that mean a fault, by kind of channel. Our choice: more than a beat for cardiac signals; a
breath may be held, skin conductance may rest, and skin temperature may stay within one converter step for a minute."""

CLIPPED_RUN = 3
"""Consecutive samples at the extreme value of a row that count as clipped. Our choice: noise rarely makes three."""

CLIPPED_SHARE = 0.005
"""Least share of clipped samples in a row; below it they may be a single tall peak. Our choice: 0.3 s in a minute."""

PILED = 5.0
"""Least ratio of samples at the extreme value to those at the next level. Our choice: a coarse sine has 2.4."""

ELECTRODES = ("ecg", "eda")
"""Channels with electrodes on the skin."""

OFF_SHARE = 0.01
"""Share of flat samples at the end of the scale from which on an electrode counts as off. Our choice: 0.6 s in
a minute."""

SKIN = (0.05, 60.0)
"""uS between which skin conductance lies; outside, the electrodes are off or shorted. From Kleckner et al. 2018,
10.1109/TBME.2017.2758643."""

MAINS, HUM_SHARE = (50.0, 60.0), 0.1
"""Hz of the mains, and the share of the power there that counts as hum. Our choice: white noise has 2 % there at
250 Hz, an ECG less."""

RATE_ERROR = 0.01
"""Accepted relative error of the rate. Our choice: 1 % is half a second in a minute, the most that the timing of an
event tolerates."""


@dataclass(frozen=True, eq=False)
class SignalQuality:
    """The quality of many signals.

    Attributes:
        quality: (B, N) 0..1: 0 where the signal is unusable, 1 where nothing is wrong.
        words: the faults of each row in words; empty where there are none.
    """

    quality: np.ndarray
    words: tuple[tuple[str, ...], ...]


def check_quality(values: np.ndarray, rate: float, kind: str = "", times: np.ndarray | None = None,
          seconds: float | None = None) -> SignalQuality:
    """Check raw signals for missing data, flat lines, clipping and a wrong rate.

    A wrong rate does not lower the quality of a sample: the samples are good, only the clock is wrong.

    Args:
        values: (B, N) or (N,) raw.
        rate: Hz.
        kind: kind of channel, a key of `FLAT`; any other value skips the check for flat lines.
        times: (N,) s of the samples, to check the rate.
        seconds: known length in s, to check the rate without `times`.
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
    words = [[_fault_text(name, where[k], rate) for name, where in kinds if where[k].any()]
             + _electrode_words(values[k], flat[k], rate, kind) for k in range(len(values))]
    if clock:
        words = [[*phrases, clock] for phrases in words]
    return SignalQuality((~(lost | flat | clipped)).astype(np.float32), tuple(tuple(phrases) for phrases in words))


def _electrode_words(row: np.ndarray, flat: np.ndarray, rate: float, kind: str) -> list[str]:
    """Phrases for a channel whose electrode seems off, or that holds hum of the mains. They lower no quality."""
    words = []
    known = row[np.isfinite(row)]
    if kind.split("_")[0] in ELECTRODES and flat.any() and known.size:
        rails = (known.min(), known.max())
        at_rail = flat & np.isin(row, rails)
        if at_rail.mean() > OFF_SHARE:
            words.append(f"electrode off or amplifier saturated: {at_rail.mean():.1%} at the end of the scale")
    hum = mains_hum(row, rate)
    if hum is not None:
        words.append(f"hum of the mains at {hum[0]:g} Hz, {hum[1]:.0%} of the power")
    return words


def mains_hum(row: np.ndarray, rate: float) -> tuple[float, float] | None:
    """The frequency of the mains, 50 or 60 Hz, and its share of the power above 0.5 Hz.

    Args:
        row: (N,) raw; missing samples are interpolated.
        rate: Hz.

    Returns:
        None for less than `HUM_SHARE`, fewer than 2 s, or a rate that does not reach 60 Hz.
    """
    known = np.flatnonzero(np.isfinite(row))
    if rate < 2 * (MAINS[-1] + 1) or len(known) < 2 * rate:
        return None
    values = np.interp(np.arange(known[0], known[-1] + 1), known, row[known])
    frequency, power = sps.welch(values - values.mean(), rate, nperseg=round(2 * rate))
    total = power[frequency > 0.5].sum()
    if not total > 0:
        return None
    shares = {mains: float(power[np.abs(frequency - mains) <= 1].sum() / total) for mains in MAINS}
    best = max(MAINS, key=shares.__getitem__)
    return (best, shares[best]) if shares[best] >= HUM_SHARE else None


def wrong_rate(count: int, rate: float, times: np.ndarray | None = None, seconds: float | None = None) -> str:
    """Describe how the stated rate contradicts the time stamps or the known length; "" if it does not.

    Args:
        count: number of samples.
        rate: stated rate in Hz.
        times: (N,) s of the samples.
        seconds: known length in s, used without `times`.
    """
    real, why = None, ""
    if times is not None and len(times) > 1:
        why = "by the time stamps"
        real = 0.0
        if times[-1] > times[0]:
            real = (len(times) - 1) / (times[-1] - times[0])
    elif seconds is not None and seconds > 0:
        real, why = count / seconds, f"by {count} samples in {seconds:g} s"
    if real is None or abs(real - rate) <= RATE_ERROR * rate:
        return ""
    return f"wrong rate: {rate:g} Hz stated, {real:.4g} Hz {why}"


def quality_table(signal: Signal) -> tuple[Signal, tuple[str, ...]]:
    """Add `quality`, the lowest of all channels at each sample, to a signal; also return the faults by channel."""
    verdicts = [check_quality(signal.values[i], signal.rate, name) for i, name in enumerate(signal.names)]
    named = zip(signal.names, verdicts, strict=True)
    notes = tuple(f"{name}: {word}" for name, verdict in named for word in verdict.words[0])
    notes += tuple(filter(None, map(_skin_fault, signal.values, signal.names, signal.units)))
    worst = np.min([verdict.quality[0] for verdict in verdicts], axis=0)
    if signal.quality is not None:
        worst = np.minimum(worst, signal.quality)
    return replace(signal, quality=worst), notes


def _skin_fault(row: np.ndarray, name: str, unit: str) -> str:
    """Say of a channel of skin conductance how much of it no skin has; "" for others and for little."""
    known = row[np.isfinite(row)]
    if name.split("_")[0] != "eda" or unit.lower() not in ("us", "µs", "μs") or not known.size:
        return ""
    outside = float(((known < SKIN[0]) | (known > SKIN[1])).mean())
    if outside <= OFF_SHARE:
        return ""
    return f"{name}: electrode off or shorted: {outside:.1%} outside of {SKIN[0]:g} to {SKIN[1]:g} uS"


def _fault_text(name: str, where: np.ndarray, rate: float) -> str:
    _, start, end = runs(where[None])
    k = int(np.argmax(end - start))
    return f"{name} {where.mean():.1%}, longest {(end - start)[k] / rate:.3g} s from {start[k] / rate:.3g} s"


def _flat(values: np.ndarray, least: int) -> np.ndarray:
    """(B, N) whether a sample lies in a run of at least `least` equal values."""
    row, start, end = runs(np.diff(values, axis=1) == 0, least - 1)
    return _mask_of_runs(values.shape, row, start, end + 1)


def _clipped(values: np.ndarray) -> np.ndarray:
    """(B, N) whether a sample is clipped at the highest or lowest value of its row."""
    out = np.zeros(values.shape, dtype=bool)
    for k, row in enumerate(values):
        known = np.unique(row[np.isfinite(row)])
        if len(known) <= 2:
            continue
        for limit, following in ((known[-1], known[-2]), (known[0], known[1])):
            at = row == limit
            if at.sum() < max(CLIPPED_RUN, PILED * (row == following).sum()):
                continue
            _, start, end = runs(at[None], CLIPPED_RUN)
            if (end - start).sum() >= CLIPPED_SHARE * len(row):
                out[k] |= _mask_of_runs((1, len(row)), np.zeros(len(start), dtype=np.int64), start, end)[0]
    return out


def _mask_of_runs(shape: tuple[int, ...], row: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """True from each start to before each end."""
    steps = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(steps, (row, start), 1)
    np.add.at(steps, (row, end), -1)
    return np.cumsum(steps, axis=1)[:, :-1] > 0
