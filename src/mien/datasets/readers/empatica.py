"""Read the folder of an Empatica E4 session: one CSV per sensor with the start in UTC, the rate, and the samples.

Format: the `info.txt` of the device's export. Times count from the start of the first sensor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mien.core.observations import Signal
from mien.core.text_tables import raw_rows

SENSORS: dict[str, tuple[tuple[str, ...], str, float]] = {
    "EDA.csv": (("eda",), "uS", 1.0),
    "BVP.csv": (("ppg",), "", 1.0),
    "TEMP.csv": (("temperature",), "degC", 1.0),
    "HR.csv": (("heart_rate",), "bpm", 1.0),
    "ACC.csv": (("acceleration_x", "acceleration_y", "acceleration_z"), "g", 1 / 64),
}
"""File -> channels, unit, and the size of one step in that unit. The E4 counts in 1/64 g."""


@dataclass(frozen=True, eq=False)
class Wristband:
    """A session of an E4 wristband.

    Attributes:
        zero: UTC in s since 1970 at time 0.
        signals: by the name of their first channel, without `_x`.
        beats: (B,) s, detected by the device.
        intervals: (B,) s between each beat and the previous one.
        tags: (K,) s at which the button was pressed.
        missing: files that the folder lacks.
    """

    zero: float
    signals: dict[str, Signal]
    beats: np.ndarray
    intervals: np.ndarray
    tags: np.ndarray
    missing: tuple[str, ...]


def empatica(folder: str | Path, zero: float | None = None) -> Wristband:
    """Read a folder with some of EDA, BVP, TEMP, HR, ACC, IBI and tags.csv.

    Args:
        folder: the folder of the session.
        zero: UTC in s since 1970 of time 0, such as the start of a video; None for the start of the first sensor.

    Raises:
        FileNotFoundError: the folder has no sensor file.
        ValueError: a file is empty, its start or rate is invalid, or a sample is no number; it names the file and line.
    """
    folder = Path(folder)
    present = [name for name in SENSORS if (folder / name).is_file()]
    if not present:
        raise FileNotFoundError(f"{folder}: expected an E4 session with one of {', '.join(SENSORS)}, got none")
    parts = {name: _sensor(folder / name, *SENSORS[name]) for name in present}
    if zero is None:
        zero = min(start for start, _, _ in parts.values())
    signals = {}
    for name, (start, rate, values) in parts.items():
        channels, unit, _ = SENSORS[name]
        quality = np.isfinite(values).all(axis=0)
        signals[channels[0].removesuffix("_x")] = Signal(values, rate, channels, (unit,) * len(channels), start - zero,
                                                         None if quality.all() else quality)
    beats, intervals = _beats(folder / "IBI.csv", zero)
    return Wristband(zero, signals, beats, intervals, _tags(folder / "tags.csv", zero),
                     tuple(name for name in (*SENSORS, "IBI.csv") if not (folder / name).is_file()))


def _sensor(path: Path, channels: tuple[str, ...], unit: str, step: float) -> tuple[float, float, np.ndarray]:
    """Start in s UTC, rate in Hz, values (C, N)."""
    rows = raw_rows(path)
    if len(rows) < 3:
        raise ValueError(f"{path}: expected a start, a rate and samples, got {len(rows)} lines")
    start, (line, second) = _start(path, *rows[0]), rows[1]
    rate = _numbers(path, line, second, len(channels))
    if not rate[0] > 0 or len(set(rate)) > 1:
        raise ValueError(f"{path}, line {line}: expected a rate in Hz, got {', '.join(second)}")
    values = np.array([_numbers(path, line, row, len(channels)) for line, row in rows[2:]]).T
    return start, rate[0], values * step


def _start(path: Path, line: int, row: Sequence[str]) -> float:
    """UTC in s since 1970, written as a number or a date."""
    text = row[0].strip()
    try:
        if re.fullmatch(r"[\d.eE+]+", text):
            return float(text)
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{path}, line {line}: expected the start, UTC in s since 1970 or a date, "
                         f"got {text!r}") from None
    if not when.tzinfo:
        when = when.replace(tzinfo=UTC)
    return when.timestamp()


def _numbers(path: Path, line: int, row: Sequence[str], count: int) -> list[float]:
    try:
        out = [float(cell) for cell in row]
    except ValueError:
        raise ValueError(f"{path}, line {line}: expected numbers, got {', '.join(row)}") from None
    if len(out) != count:
        raise ValueError(f"{path}, line {line}: expected {count} numbers, got {len(out)}")
    return out


def _beats(path: Path, zero: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and intervals (B,) s; empty if the file is missing."""
    if not path.is_file():
        return np.empty(0), np.empty(0)
    rows = raw_rows(path)
    start = _start(path, *rows[0]) - zero
    pairs = np.array([_numbers(path, line, row, 2) for line, row in rows[1:]]).reshape(-1, 2)
    return pairs[:, 0] + start, pairs[:, 1]


def _tags(path: Path, zero: float) -> np.ndarray:
    """(K,) s; empty if the file is missing or empty."""
    if not path.is_file() or not path.stat().st_size:
        return np.empty(0)
    return np.array([_start(path, line, row) - zero for line, row in raw_rows(path)])
