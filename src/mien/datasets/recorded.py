"""Signals in a csv with a time column, as recorders write them: uneven, with gaps -> one even rate."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien import signals
from mien.types import Signal

from . import tables
from .survey import Problem
from .tables import TableError

GAP = 0.5
"""s that are interpolated at most, or two and a half of a slower channel's own steps: see `signals.resample`."""

LONG = 20
"""Times the video's length beyond which signals are doubted. Our choice: times in ms are 1000 times too long."""


@dataclass(frozen=True, eq=False)
class _Recording:
    """`times` (T,) s that increase; `values` (T, C), NaN where a cell has no number; `doubts` about lines."""

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    doubts: tuple[tuple[int, str], ...]


def signal(path: Path, zero: float = 0.0) -> Signal:
    """A csv -> its channels at the rate that most of its steps have, by linear interpolation; long gaps are NaN.

    `zero`: the s of the file's time that become time 0. A unit in brackets behind a name, eda [uS], is taken off it.

    Raises:
        TableError: there is no column `time` in s that increases, no other column, or no numbers.
    """
    recording = _read(path)
    rate = _rate(recording.times)
    channels = []
    for values in recording.values.T:
        own = recording.times[np.isfinite(values)]
        gap = max(GAP, 2.5 * float(np.median(np.diff(own)))) if len(own) > 1 else GAP
        channels.append(signals.resample(recording.times, values, rate, gap).values)
    start = float(recording.times[0]) - zero
    return Signal(np.array(channels), rate, recording.names, recording.units, start)


def check(path: Path, seconds: float | None, item: str) -> tuple[bool, list[Problem]]:
    """Whether a csv of signals can be used beside a video of so many seconds, and what is wrong with it."""
    try:
        recording = _read(path)
    except TableError as error:
        return False, [tables.problem(error, path, item)]
    problems = [Problem("doubtful", item, reason, path, line) for line, reason in recording.doubts]
    first, last = float(recording.times[0]), float(recording.times[-1])
    if seconds is not None and (last <= 0 or first >= seconds or last - first > LONG * seconds):
        reason = f"its times are {first:g} to {last:g}, the video's 0 to {seconds:.1f} s: is time in s of the video?"
        problems.append(Problem("doubtful", item, reason, path))
    return True, problems


def _rate(times: np.ndarray) -> float:
    """Hz of most steps: gaps do not count, and times rounded to ms average out."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    return 1 / float(steps[np.abs(steps - usual) <= 0.5 * usual].mean())


def _read(path: Path) -> _Recording:
    """Raises TableError."""
    import pandas as pd

    whole = tables.text(path)
    head = next(line for line in whole.splitlines() if line.strip())
    delimiter = max(",;\t", key=head.count)
    columns = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
    at = next((n for n, name in enumerate(columns) if _named(name)[0].lower() == "time"), None)
    if at is None or len(columns) < 2:
        raise TableError(f"expected a header with time (s) and signals, got {', '.join(columns[:12])}", 1)
    try:
        cells = pd.read_csv(io.StringIO(whole), sep=delimiter, header=None, skip_blank_lines=False, dtype=str,
                            names=range(len(columns)), index_col=False, na_filter=False)
    except (pd.errors.ParserError, ValueError) as error:
        raise TableError(f"expected {len(columns)} cells in every line, got: {error}") from error
    begin = int(np.flatnonzero((cells[at].str.strip() == columns[at]).to_numpy())[0]) + 1
    cells = cells.iloc[begin:]
    doubts: list[tuple[int, str]] = []
    numbers = np.stack([_numbers(cells[n], begin, columns[n], delimiter, doubts) for n in range(len(columns))], axis=1)
    timed = np.flatnonzero(np.isfinite(numbers[:, at]))
    kept = timed[signals.increasing(numbers[timed, at])]
    back = np.setdiff1d(timed, kept)
    if len(back):
        doubts.append((begin + int(back[0]) + 1, f"time does not increase in {len(back)} lines: they are left out"))
    others = [n for n in range(len(columns)) if n != at and columns[n]]
    values = numbers[kept][:, others]
    if len(kept) < 2 or not np.isfinite(values).any():
        raise TableError(f"expected two times or more with numbers beside them, got {len(kept)} times")
    names, units = zip(*(_named(columns[n]) for n in others), strict=True)
    return _Recording(numbers[kept, at], values, names, units, tuple(sorted(doubts)))


def _numbers(cells, begin: int, name: str, delimiter: str, doubts: list[tuple[int, str]]) -> np.ndarray:
    """A column's numbers, NaN for the rest; what is neither a number nor a missing value is told, by line."""
    import pandas as pd

    texts = cells.str.strip()
    texts = texts.str.replace(",", ".") if delimiter == ";" else texts
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, copy=True)
    numbers[~np.isfinite(numbers)] = np.nan
    wrong = np.flatnonzero(np.isnan(numbers) & ~texts.str.lower().isin(tables.MISSING).to_numpy())
    if len(wrong):
        first = int(wrong[0])
        reason = f"{name}: {len(wrong)} cells are no numbers, first {cells.iloc[first]!r}: taken as missing"
        doubts.append((begin + first + 1, reason))
    return numbers


def _named(column: str) -> tuple[str, str]:
    """eda [uS] -> eda, uS."""
    hit = re.fullmatch(r"(.*?)\s*[\[(](.*)[\])]", column)
    return (hit[1], hit[2]) if hit and hit[1] else (column, "")
