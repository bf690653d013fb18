"""A session's BDF: the stimulus between the two status pulses, and the peripheral channels by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import bdf, sweat

GSR_UNIT = "Ohm"
"""Of GSR1 where the header names none that conductance or resistance is measured in."""
NEEDED = ("EXG1", "EXG2", "GSR1", "Temp")
IDLE = 16.0
"""What the respiration channel shows, give or take one, where the belt is off."""


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
        return (self.end - self.begin) / self.rate


def stimulus(path: Path) -> Stimulus:
    """When the stimulus was shown.

    Raises:
        BodyError: the file cannot be read, lacks a channel, or has not exactly two pulses.
    """
    try:
        with bdf.opened(path) as recording:
            return _stimulus(recording)
    except bdf.BdfError as error:
        raise BodyError(str(error)) from error


def channels(path: Path) -> tuple[dict[str, tuple[np.ndarray, str]], Stimulus]:
    """Name -> values (N,) from the recording's start to the stimulus' end, and their unit; and when the stimulus was.

    ecg is between the two electrodes of the upper chest (EXG2 - EXG1); respiration is left out where the belt idles.

    Raises:
        BodyError: as `stimulus`, or a channel is missing.
    """
    try:
        with bdf.opened(path) as recording:
            shown = _stimulus(recording)

            def read(label: str) -> tuple[np.ndarray, str]:
                found = recording.find(label)
                if recording.rate(found) != shown.rate:
                    got = f"{recording.rate(found):g} Hz"
                    raise BodyError(f"expected {label} at {shown.rate:g} Hz in {path}, got {got}")
                return recording.read(found, 0, shown.end), recording.unit(found)

            (right, unit), (left, _), gsr = read("EXG1"), read("EXG2"), read("GSR1")
            held = {"ecg": (left - right, unit), "eda": _conductance(*gsr)}
            if shown.belt:
                held["respiration"] = read("Resp")
            return held | {"temperature": read("Temp")}, shown
    except bdf.BdfError as error:
        raise BodyError(str(error)) from error


def _stimulus(recording: bdf.Recording) -> Stimulus:
    edges = bdf.edges(recording.codes() > 0)
    rate = recording.rate(recording.find(bdf.STATUS))
    if len(edges) != 2:
        when = ", ".join(f"{edge / rate:.1f} s" for edge in edges[:5])
        raise BodyError(f"expected two pulses of the status channel, at the stimulus' start and end, got {len(edges)}"
                        f"{f' ({when})' if when else ''} in {recording.path}: what was shown when is not known")
    for label in NEEDED:
        recording.find(label)
    begin, end = map(int, edges)
    return Stimulus(begin, end, rate, "Resp" in recording.labels and _moves(recording.read("Resp", begin, end)))


def _moves(belt: np.ndarray) -> bool:
    low, high = np.percentile(belt, [5, 95])
    return bool(high > low and max(abs(low - IDLE), abs(high - IDLE)) > 1)


def _conductance(values: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
    known = unit.casefold() in (*sweat.TO_MICROSIEMENS, *sweat.FROM_OHM)
    unit = unit if known else GSR_UNIT
    return sweat.conductance(values, unit, sweat.factor(values, unit))
