"""Read a session's BDF: the stimulus between the two status pulses, and the peripheral channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.datasets import eda_units
from mien.datasets.readers import bdf
from mien.signals.quality import check_quality

GSR_UNIT = "Ohm"
"""Unit of GSR1 if the header states no unit of conductance or resistance."""
NEEDED = ("EXG1", "EXG2", "GSR1", "Temp")
IDLE = 16.0
"""Value of the respiration channel, within 1, when the belt is off."""


class BodyError(ValueError):
    """One line: what was expected, what the file holds, and what to do about it."""


@dataclass(frozen=True)
class Stimulus:
    """Samples `begin` to `end` of the recording at `rate` Hz; `belt`: whether the respiration belt was worn."""

    begin: int
    end: int
    rate: float
    belt: bool

    @property
    def seconds(self) -> float:
        """Length in s."""
        return (self.end - self.begin) / self.rate


def read_stimulus(path: Path) -> Stimulus:
    """Find the time of the stimulus.

    Raises:
        BodyError: the file is unreadable, lacks a channel, or does not have exactly two pulses.
    """
    try:
        return _stimulus(bdf.open_bdf(path))
    except bdf.BdfError as error:
        raise BodyError(str(error)) from error


def read_channels(path: Path) -> tuple[dict[str, tuple[np.ndarray, str]], Stimulus]:
    """Read the peripheral channels from the recording's start to the end of the stimulus.

    ecg is the difference of the two electrodes on the upper chest (EXG2 - EXG1); where one of them is off or saturated,
    it is the constant level of this one, which the quality checks name. respiration is left out if the belt
    was off.

    Returns:
        Name -> values (N,) and unit; and the stimulus.

    Raises:
        BodyError: as `stimulus`, or a channel is missing.
    """
    try:
        recording = bdf.open_bdf(path)
        shown = _stimulus(recording)

        def read(label: str) -> tuple[np.ndarray, str]:
            """Read a channel (N,) at the rate of the markers, and its unit."""
            channel = recording.find(label)
            if recording.rate(channel) != shown.rate:
                got = f"{recording.rate(channel):g} Hz"
                raise BodyError(f"expected {label} at {shown.rate:g} Hz in {path}, got {got}")
            return recording.read(channel, 0, shown.end), recording.unit(channel)

        (right, unit), (left, _), gsr = read("EXG1"), read("EXG2"), read("GSR1")
        recorded = {"ecg": (_between(left, right, shown.rate), unit), "eda": _conductance(*gsr)}
        if shown.belt:
            recorded["respiration"] = read("Resp")
        return recorded | {"temperature": read("Temp")}, shown
    except bdf.BdfError as error:
        raise BodyError(str(error)) from error


def _stimulus(recording: bdf.BdfRecording) -> Stimulus:
    edges = bdf.status_edges(recording.codes() > 0)
    rate = recording.rate(recording.find(bdf.STATUS))
    if len(edges) != 2:
        got = str(len(edges))
        if len(edges):
            got += f" ({', '.join(f'{edge / rate:.1f} s' for edge in edges[:5])})"
        raise BodyError(f"expected two pulses of the status channel, at the stimulus' start and end, got {got} in "
                        f"{recording.path}: the time of the stimulus is unknown")
    for label in NEEDED:
        recording.find(label)
    begin, end = map(int, edges)
    return Stimulus(begin, end, rate, "Resp" in recording.labels and _belt_is_worn(recording.read("Resp", begin, end)))


def _belt_is_worn(belt: np.ndarray) -> bool:
    low, high = np.percentile(belt, [5, 95])
    return bool(high > low and max(abs(low - IDLE), abs(high - IDLE)) > 1)


def _between(left: np.ndarray, right: np.ndarray, rate: float) -> np.ndarray:
    """The voltage between two electrodes, (N,): of one that is off the difference would hide it."""
    left_fails, right_fails = check_quality(np.stack([left, right]), rate, "ecg").quality == 0
    return np.where(left_fails, left, np.where(right_fails, -right, left - right))


def _conductance(values: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    if unit.casefold() not in (*eda_units.TO_MICROSIEMENS, *eda_units.FROM_OHM):
        unit = GSR_UNIT
    return eda_units.to_conductance(values, unit, eda_units.unit_factor(values, unit))
