"""Contact signals recorded beside a video, on the video's clock, with words for all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mien.signals import ecg, faults, ppg
from mien.types import Signal

from .empatica import empatica
from .physiology import physiology, timed

SHORT = 1.0
"""s by which signals may miss the video's begin or end before it is told. Our choice: nobody presses both at once."""


HEART = (40.0, 180.0)
"""bpm of somebody who sits before a camera, at rest or excited. Our choice: what is beyond is far likelier a wrong
rate."""

FINDERS = {"ecg": (ecg.beats_of, ecg.SLOWEST_RATE, ecg.ALIKE), "ppg": (ppg.beats_of, ppg.SLOWEST_RATE, ppg.ALIKE)}
"""Kind of channel -> what finds its beats, above which Hz, and how alike beats are."""

LEAST, BEATS = 5.0, 3
"""s of a signal and intervals from which a heart rate is told. Our choice: less is chance."""

STEADY = 0.2
"""Share by which half of the intervals may miss their median, at most, where they are taken for a heart's. Our choice:
breath and excitement move them less."""


@dataclass(frozen=True, eq=False)
class Contact:
    """`signals` from the video's time 0 to its end, one a rate, NaN where nothing is known; `notes`: what was assumed,
    and what is wrong with which channel, a phrase each; times in them are the video's; `rates`: bpm by channel of the
    heart, where its beats are steady, also such as no heart has."""

    signals: tuple[Signal, ...]
    notes: tuple[str, ...]
    rates: Mapping[str, float] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Signal, int] | None:
        """The signal and row of this channel: of that name, else the only one of its kind (`ppg_finger` for `ppg`)."""
        known = [(signal, k, own) for signal in self.signals for k, own in enumerate(signal.names)]
        found = [(signal, k) for signal, k, own in known if own == name]
        kind = [(signal, k) for signal, k, own in known if own.split("_")[0] == name]
        return found[0] if found else kind[0] if len(kind) == 1 else None


def contact(path: str | Path, offset: float | None = None, start: str = "", rate: float | None = None,
            seconds: float | None = None, time_unit: str = "") -> Contact:
    """A table of signals or the folder of an E4 session -> `Contact`.

    Their time 0 (of dates and of an E4: their first) lies at `offset` s in the video; or the video begins at `start` by
    their clock, a date or, as the devices write it, UTC in s since 1970; without either both begin together. `rate` Hz:
    for a table without a column of time; for others it is checked. `seconds`: length of the video, None for theirs.
    `time_unit`: of the column of time, as `physiology` has it.

    Raises:
        FileNotFoundError, ValueError: nothing is there, or it cannot be read; see `physiology` and `empatica`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"--physio: expected a table of signals or an E4 folder, got nothing at {path}: check "
                                "the spelling")
    _expect_clock(offset, start, rate)
    found, notes = _read(path, start, rate, time_unit or None)
    shift = offset or 0.0
    notes += [f"the video begins at {start} by their clock"] if start else [
        f"their time 0 lies at {shift:g} s of the video"] if offset is not None else [
        "no --physio-offset or --physio-start: taken to begin with the video"]
    moved = [replace(signal, start=signal.start + shift, quality=None) for signal in found]
    length = seconds if seconds is not None else max(signal.start + signal.values.shape[1] / signal.rate
                                                     for signal in moved)
    cut = tuple(_within(signal, length) for signal in moved)
    for before, after in zip(moved, cut, strict=True):
        notes += _faults(before, after, length)
    found_rates = [(name, _bpm(values, signal.rate, name), signal.rate) for signal in cut
                   for name, values in zip(signal.names, signal.values, strict=True)]
    rates = {name: (bpm, pace) for name, bpm, pace in found_rates if bpm is not None}
    notes += [f"{name}: a heart rate of {bpm:.0f} bpm by {pace:.4g} Hz: is the rate right?"
              for name, (bpm, pace) in rates.items() if not HEART[0] <= bpm <= HEART[1]]
    return Contact(cut, tuple(notes), {name: bpm for name, (bpm, _) in rates.items()})


def _bpm(values: np.ndarray, rate: float, name: str) -> float | None:
    """The rate of beats that look alike and come evenly, however slow or fast; None where there are none."""
    find, slowest, alike = FINDERS.get(name.split("_")[0], (None, 0.0, 0.0))
    known = np.flatnonzero(np.isfinite(values))
    if find is None or rate <= slowest / 4 or not len(known) or known[-1] - known[0] < LEAST * rate:
        return None
    finer = int(np.ceil(1.5 * slowest / rate))  # a rate that is wrong may seem too low for the finder
    at = np.arange(known[0], known[-1], 1 / finer)
    beats = find(np.interp(at, np.arange(len(values)), values), finer * rate)
    gaps = beats.intervals[np.isfinite(beats.intervals)]
    if len(gaps) < BEATS or np.nanmedian(beats.match) < alike:
        return None
    middle = float(np.median(gaps))
    return 60 / middle if np.median(np.abs(gaps - middle)) <= STEADY * middle else None


def _read(path: Path, start: str, rate: float | None, unit: str | None) -> tuple[list[Signal], list[str]]:
    words: list[str] = []
    if path.is_dir():
        band = empatica(path, _seconds(start) if start else None)
        return list(band.signals.values()), [f"no {name}" for name in band.missing]
    if not timed(path):
        if start or rate is None:
            asked, instead = ("start", "offset") if start else ("rate", "rate HZ")
            raise ValueError(f"--physio-{asked}: expected a column of time in {path.name}, got none: say "
                             f"--physio-{instead}")
        return [physiology(path, rate=rate, told=words)], words
    signal = physiology(path, zero=_zero(start), time_unit=unit, told=words)
    told = faults.wrong_rate(signal.values.shape[1], rate, signal.times) if rate is not None else ""
    return [signal], [*words, *([f"{told}; the time stamps are believed"] if told else [])]


def _expect_clock(offset: float | None, start: str, rate: float | None) -> None:
    """Raises ValueError for what cannot be a time or a rate."""
    if offset is not None and not np.isfinite(offset):
        raise ValueError(f"--physio-offset: expected s, got {offset}: say where in the video the signals' time 0 lies")
    if rate is not None and not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"--physio-rate: expected a positive rate in Hz, got {rate:g}: say how many rows a second has")
    if start:
        _seconds(start)


def _zero(start: str) -> float | str | None:
    try:
        return float(start) if start else None
    except ValueError:
        return start


def _seconds(start: str) -> float:
    """A date, or a number -> UTC in s since 1970."""
    zero = _zero(start)
    if not isinstance(zero, str):
        return float(zero or 0)
    try:
        when = datetime.fromisoformat(zero)
    except ValueError:
        raise ValueError(f"--physio-start: expected a date such as 2026-01-31T12:00:00, got {start!r}") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _within(signal: Signal, seconds: float) -> Signal:
    """From the video's begin to its end, to within a sample; NaN where the signal does not reach."""
    skip = round(-signal.start * signal.rate)
    out = np.full((len(signal.names), max(round(seconds * signal.rate), 1)), np.nan, np.float32)
    first, last = max(skip, 0), min(skip + out.shape[1], signal.values.shape[1])
    if last > first:
        out[:, first - skip : last - skip] = signal.values[:, first:last]
    return replace(signal, values=out, start=signal.start + skip / signal.rate)


def _faults(whole: Signal, cut: Signal, seconds: float) -> list[str]:
    names = ", ".join(whole.names)
    end = whole.start + whole.values.shape[1] / whole.rate
    if end <= 0 or whole.start >= seconds:
        return [f"{names}: expected signals during the video's {seconds:.1f} s, got some from {whole.start:.1f} to "
                f"{end:.1f} s: is --physio-offset or --physio-start right?"]
    told = []
    if whole.start > SHORT or end < seconds - SHORT:
        told.append(f"{names}: shorter than the video's {seconds:.1f} s, from {max(whole.start, 0):.1f} to "
                    f"{min(end, seconds):.1f} s by {whole.rate:.4g} Hz: is the rate right?")
    elif end > seconds + SHORT:
        told.append(f"{names}: longer than the video's {seconds:.1f} s, to {end:.1f} s by {whole.rate:.4g} Hz, "
                    f"{whole.values.shape[1] / whole.rate:.1f} s in all: is the rate right?")
    return told + list(faults.judged(cut)[1])
