"""Synchronise contact physiology with a video, and describe the faults of each signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.datasets.readers.clock_alignment import Alignment, alignment
from mien.datasets.readers.clocks import Clock
from mien.datasets.readers.empatica import empatica
from mien.datasets.readers.physiology import has_time_column, physiology
from mien.signals import ecg, ppg, quality
from mien.signals.beats import Beats

SHORT = 1.0
"""Largest unreported distance in s from the signals' start or end to the video's. Our choice: people cannot start both
at the same moment."""

HEART = (40.0, 180.0)
"""bpm of a person in front of a camera, at rest or excited. Our choice: a value outside is more likely a wrong sampling
rate."""

FINDERS = {"ecg": (ecg.beats_of, ecg.SLOWEST_RATE, ecg.ALIKE), "ppg": (ppg.beats_of, ppg.SLOWEST_RATE, ppg.ALIKE)}
"""Kind of channel -> its beat detector, the rate in Hz that it needs, and the least match of beats."""

LEAST, BEATS = 5.0, 3
"""Least length in s and number of intervals for a heart rate. Our choice: less is chance."""

STEADY = 0.2
"""Largest median deviation of the intervals from their median, as a share, for a heart rate. Our choice: breathing and
excitement cause less."""


@dataclass(frozen=True, eq=False)
class ContactSignals:
    """Contact signals on the clock of a video.

    Attributes:
        signals: one per sampling rate, from the video's time 0 to its end; NaN where nothing was recorded.
        notes: assumptions and faults of channels, one phrase each; times in them are those of the video.
        rates: heart rate in bpm by cardiac channel with steady beats, plausible or not.
    """

    signals: tuple[Signal, ...]
    notes: tuple[str, ...]
    rates: Mapping[str, float] = field(default_factory=dict)

    def beats(self, name: str) -> np.ndarray:
        """(N,) s of the video: the beats of a cardiac channel that resemble each other; empty without any."""
        match = self.find(name)
        if match is None:
            return np.empty(0)
        signal, row = match
        known = np.flatnonzero(np.isfinite(signal.values[row]))
        beats = _beats(signal.values[row], signal.rate, name)
        if beats is None:
            return np.empty(0)
        good = np.isfinite(beats.times[0]) & (beats.match[0] >= FINDERS[name.split("_")[0]][2])
        return signal.start + known[0] / signal.rate + beats.times[0, good]

    def find(self, name: str) -> tuple[Signal, int] | None:
        """Find a channel by its name, or the only one of its kind (`ppg_finger` for `ppg`): its signal and row."""
        known = [(signal, k, channel) for signal in self.signals for k, channel in enumerate(signal.names)]
        exact = [(signal, k) for signal, k, channel in known if channel == name]
        kind = [(signal, k) for signal, k, channel in known if channel.split("_")[0] == name]
        if exact:
            return exact[0]
        if len(kind) == 1:
            return kind[0]
        return None


def contact_signals(path: str | Path, offset: float | None = None, start: str = "", rate: float | None = None,
                    seconds: float | None = None, time_unit: str = "", time: str = "", anchors: Sequence[str] = (),
                    correction: tuple[float, float] = (1.0, 0.0)) -> ContactSignals:
    """Read a table of signals or the folder of an E4 session, and align it with a video.

    Without `offset`, `start` and `anchors` the first row is the start of the video, however its time is written.

    Args:
        path: the table or folder.
        offset: position of the signals' time 0 in the video in s. For dates, times of day, times since 1970 and an E4,
            time 0 is the first sample.
        start: what the signals' clock shows at the start of the video: a date, a time of day, a number in the unit of
            the column, or UTC in s since 1970.
        rate: Hz, for a table without a time column; otherwise it is compared with the time stamps.
        seconds: length of the video in s; None for that of the signals.
        time_unit: of the time column, see `physiology`.
        time: name of the time column; "" for the one that looks like it.
        anchors: one or two moments that both clocks show, such as 12.3=00:00:02; see `clock_alignment.parse_anchor`.
        correction: slope, and offset in s, that are applied to the aligned times as well.

    Raises:
        FileNotFoundError: the path does not exist.
        ValueError: the file cannot be read; see `physiology` and `empatica`. Or the options contradict each other.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"--physio: expected a table of signals or an E4 folder, got nothing at {path}: check "
                                "the spelling")
    if rate is not None and not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"--physio-rate: expected a positive rate in Hz, got {rate:g}: say how many rows a second has")
    aligned = alignment(offset, start, anchors)
    recorded = _read_folder(path, aligned) if path.is_dir() else _read_table(path, aligned, rate, time_unit, time)
    notes = [*recorded.notes]
    length = seconds
    if length is None:
        length = max(signal.start + signal.values.shape[1] / signal.rate for signal in recorded.signals)
    notes.append(aligned.words(recorded.clock, recorded.slope, length))
    slope, shift = correction
    moved = [replace(signal, quality=None, start=slope * signal.start + shift, rate=signal.rate / slope)
             for signal in recorded.signals]
    cut = tuple(_cut_to_video(signal, length) for signal in moved)
    for before, after in zip(moved, cut, strict=True):
        notes += _faults(before, after, length)
    all_rates = [(name, _bpm(values, signal.rate, name), signal.rate) for signal in cut
                 for name, values in zip(signal.names, signal.values, strict=True)]
    rates = {name: (bpm, pace) for name, bpm, pace in all_rates if bpm is not None}
    notes += [f"{name}: a heart rate of {bpm:.0f} bpm by {pace:.4g} Hz: is the rate right?"
              for name, (bpm, pace) in rates.items() if not HEART[0] <= bpm <= HEART[1]]
    return ContactSignals(cut, tuple(notes), {name: bpm for name, (bpm, _) in rates.items()})


@dataclass(frozen=True, eq=False)
class _Recorded:
    """Signals on the video's clock, the clock that they were recorded by, and the slope between the two."""

    signals: tuple[Signal, ...]
    clock: Clock
    slope: float
    notes: tuple[str, ...]


def _read_folder(path: Path, aligned: Alignment) -> _Recorded:
    band = empatica(path)
    ends = [signal.start + signal.values.shape[1] / signal.rate for signal in band.signals.values()]
    clock = Clock("E4", band.zero + np.array([0.0, max(ends)]), "since 1970", "UTC")
    slope, shift = aligned.to_video(clock)
    moved = tuple(replace(signal, start=slope * (band.zero + signal.start) + shift, rate=signal.rate / slope)
                  for signal in band.signals.values())
    return _Recorded(moved, clock, slope, tuple(f"no {name}" for name in band.missing))


def _read_table(path: Path, aligned: Alignment, rate: float | None, unit: str, time: str) -> _Recorded:
    notes: list[str] = []
    if not time and not has_time_column(path):
        return _read_timeless(path, aligned, rate)
    seen: list[tuple[Clock, float]] = []

    def to_video(clock: Clock) -> tuple[float, float]:
        slope, shift = aligned.to_video(clock)
        seen.append((clock, slope))
        return slope, shift

    signal = physiology(path, time=time or None, time_unit=unit or None, notes=notes, to_video=to_video)
    [(clock, slope)] = seen
    if clock.guessed:
        notes.append(f"{clock.name}: taken as {clock.words}")
    if rate is not None:
        doubt = quality.wrong_rate(signal.values.shape[1], rate, signal.times)
        if doubt:
            notes.append(f"{doubt}; the time stamps are used")
    return _Recorded((signal,), clock, slope, tuple(notes))


def _read_timeless(path: Path, aligned: Alignment, rate: float | None) -> _Recorded:
    """A table without a time column, whose rows are counted."""
    if aligned.start or rate is None:
        missing, instead = "rate", "rate HZ, or name the column with --physio-time COLUMN"
        if aligned.start:
            missing, instead = "start", "offset"
        raise ValueError(f"--physio-{missing}: expected a column of time in {path.name}, got none: say "
                         f"--physio-{instead}")
    notes: list[str] = []
    signal = physiology(path, rate=rate, notes=notes)
    clock = Clock("rows", signal.times, "elapsed", f"counted at {rate:g} Hz")
    slope, shift = aligned.to_video(clock)
    moved = replace(signal, start=slope * signal.start + shift, rate=rate / slope)
    return _Recorded((moved,), clock, slope, tuple(notes))


def _beats(values: np.ndarray, rate: float, name: str) -> Beats | None:
    """The beats of a channel, in s from its first known sample; None for other kinds of channels and short ones."""
    find, slowest, _ = FINDERS.get(name.split("_")[0], (None, 0.0, 0.0))
    known = np.flatnonzero(np.isfinite(values))
    if find is None or rate <= slowest / 4 or not len(known) or known[-1] - known[0] < LEAST * rate:
        return None
    finer = int(np.ceil(1.5 * slowest / rate))  # a wrong rate may be too low for the detector
    at = np.arange(known[0], known[-1], 1 / finer)
    return find(np.interp(at, known, values[known]), finer * rate)


def _bpm(values: np.ndarray, rate: float, name: str) -> float | None:
    """Heart rate in bpm from similar and steady beats, at any rate; None if there are none."""
    beats = _beats(values, rate, name)
    if beats is None:
        return None
    alike = FINDERS[name.split("_")[0]][2]
    gaps = beats.intervals[np.isfinite(beats.intervals)]
    if len(gaps) < BEATS or np.nanmedian(beats.match) < alike:
        return None
    middle = float(np.median(gaps))
    if np.median(np.abs(gaps - middle)) > STEADY * middle:
        return None
    return 60 / middle


def _cut_to_video(signal: Signal, seconds: float) -> Signal:
    """Cut or pad a signal to the video, to within a sample; NaN outside of the recording."""
    skip = round(-signal.start * signal.rate)
    out = np.full((len(signal.names), max(round(seconds * signal.rate), 1)), np.nan, np.float32)
    first, last = max(skip, 0), min(skip + out.shape[1], signal.values.shape[1])
    if last > first:
        out[:, first - skip : last - skip] = signal.values[:, first:last]
    return replace(signal, values=out, start=signal.start + skip / signal.rate)


def _faults(recorded: Signal, cut: Signal, seconds: float) -> list[str]:
    names = ", ".join(recorded.names)
    end = recorded.start + recorded.values.shape[1] / recorded.rate
    if end <= 0 or recorded.start >= seconds:
        return [f"{names}: expected signals during the video's {seconds:.1f} s, got some from {recorded.start:.1f} to "
                f"{end:.1f} s: is --physio-offset, --physio-start or --physio-anchor right?"]
    notes = []
    if recorded.start > SHORT or end < seconds - SHORT:
        notes.append(f"{names}: shorter than the video's {seconds:.1f} s, from {max(recorded.start, 0):.1f} to "
                    f"{min(end, seconds):.1f} s by {recorded.rate:.4g} Hz: is the rate right?")
    elif end > seconds + SHORT:
        notes.append(f"{names}: longer than the video's {seconds:.1f} s, to {end:.1f} s by {recorded.rate:.4g} Hz, "
                    f"{recorded.values.shape[1] / recorded.rate:.1f} s in all: is the rate right?")
    return notes + list(quality.quality_table(cut)[1])
