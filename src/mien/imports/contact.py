"""Contact signals recorded beside a video, on the video's clock, with words for all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mien.signals import faults
from mien.types import Signal

from .empatica import empatica
from .physiology import physiology, timed

SHORT = 1.0
"""s by which signals may miss the video's begin or end before it is told. Our choice: nobody presses both at once."""


@dataclass(frozen=True, eq=False)
class Contact:
    """`signals` from the video's time 0 to its end, one a rate, NaN where nothing is known; `notes`: what was assumed,
    and what is wrong with which channel, a phrase each; times in them are the video's."""

    signals: tuple[Signal, ...]
    notes: tuple[str, ...]

    def find(self, name: str) -> tuple[Signal, int] | None:
        """The signal and row of this channel: of that name, else the only one of its kind (`ppg_finger` for `ppg`)."""
        known = [(signal, k, own) for signal in self.signals for k, own in enumerate(signal.names)]
        found = [(signal, k) for signal, k, own in known if own == name]
        kind = [(signal, k) for signal, k, own in known if own.split("_")[0] == name]
        return found[0] if found else kind[0] if len(kind) == 1 else None


def contact(path: str | Path, offset: float | None = None, start: str = "", rate: float | None = None,
            seconds: float | None = None) -> Contact:
    """A table of signals or the folder of an E4 session -> `Contact`.

    Their time 0 (of dates and of an E4: their first) lies at `offset` s in the video; or the video begins at `start` by
    their clock, a date or, as the devices write it, UTC in s since 1970; without either both begin together. `rate` Hz:
    for a table without a column of time; for others it is checked. `seconds`: length of the video, None for theirs.

    Raises:
        FileNotFoundError, ValueError: nothing is there, or it cannot be read; see `physiology` and `empatica`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"--physio: expected a table of signals or an E4 folder, got nothing at {path}: check "
                                "the spelling")
    found, notes = _read(path, start, rate)
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
    return Contact(cut, tuple(notes))


def _read(path: Path, start: str, rate: float | None) -> tuple[list[Signal], list[str]]:
    if path.is_dir():
        band = empatica(path, _seconds(start) if start else None)
        return list(band.signals.values()), [f"no {name}" for name in band.missing]
    if not timed(path):
        if start or rate is None:
            asked, instead = ("start", "offset") if start else ("rate", "rate HZ")
            raise ValueError(f"--physio-{asked}: expected a column of time in {path.name}, got none: say "
                             f"--physio-{instead}")
        return [physiology(path, rate=rate)], []
    signal = physiology(path, zero=_zero(start))
    told = faults.wrong_rate(signal.values.shape[1], rate, signal.times) if rate is not None else ""
    return [signal], [f"{told}; the time stamps are believed"] if told else []


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
    return told + list(faults.judged(cut)[1])
