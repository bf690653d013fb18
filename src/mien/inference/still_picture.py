"""Rows and people of a single picture, which has no course in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mien.core.results import Measurement, Person, Prediction


def without_time(
    emotions: Sequence[Prediction], people: Sequence[Person]
) -> tuple[list[Prediction], tuple[Person, ...]]:
    """Rows and people of a single picture: at time 0, without anything that needs a course in time.

    Args:
        emotions: The rows of one frame.
        people: Their people.

    Returns:
        Both, with the reason `picture` instead of heart rate, respiration, variability and blinks.
    """
    def missing(reading: Measurement) -> Measurement:
        return Measurement(None, reading.unit, 0.0, "", "picture")

    rows = [replace(row, end=row.start, heart_rate=missing(row.heart_rate)) for row in emotions]
    return rows, tuple(
        replace(person, heart_rate=missing(person.heart_rate), respiration=missing(person.respiration), pulse=None,
                beats=None,
                blink_rate=missing(person.blink_rate), hrv={name: missing(each) for name, each in person.hrv.items()})
        for person in people)
