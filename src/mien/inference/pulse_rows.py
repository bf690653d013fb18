"""The heart rates of a recording's rows, from the same posterior as that of the whole recording."""

from __future__ import annotations

import time as clock
from dataclasses import replace

import numpy as np

from mien import rppg
from mien.core.results import Prediction
from mien.inference.stream import Stream


def vitals_of_people(stream: Stream) -> dict[int, rppg.Vitals]:
    """The vital signs of everybody over the whole recording."""
    started = clock.perf_counter()
    found = {id_: rppg.vitals(person.seen.window(-np.inf, np.inf), stream.settings.pulse_method)
             for id_, person in stream.people.items()}
    stream.seconds["pulse"] += clock.perf_counter() - started
    return found


def with_rate(row: Prediction, vitals: rppg.Vitals, seconds: float) -> Prediction:
    """The row with the heart rate of its window, from the same posterior as that of the whole recording."""
    if row.heart_rate.reason == "no_face":
        return row
    return replace(row, heart_rate=vitals.heart_rate_between(row.end - seconds, row.end))
