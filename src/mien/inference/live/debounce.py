"""Hysteresis: the reported values change only when a change is large enough and persists for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from mien.core.results import Prediction
from mien.core.tasks import find_task
from mien.inference.live.event import Change
from mien.reporting.llm.message import Utterance, certainty, make_utterance

HOLD = 1.0
"""s for which a new value must persist. Our choice: two steps, in addition to the smoothing's half second. Expressions
last 0.5 to 4 s (Ekman 2003), and a sentence that changes faster than people can read it is noise."""

MARGIN = 0.1
"""Difference by which the probability of another class must exceed that of the reported class."""

CERTAINTY_MARGIN = 0.05
"""Difference by which the confidence must leave the range of its word of certainty."""

MIN_RATE_CHANGE = 3
"""Smallest reported change of the heart rate in bpm. Our choice: the error of the pulse at rest (docs/results.md)."""

T = TypeVar("T")


@dataclass
class Debounced(Generic[T]):
    """A value that changes only after a new value has persisted for `hold` s.

    Args:
        hold: In s.
        same: Whether two values count as equal.
        alike: Whether two values are variants of each other. A value that alternates between variants persists too, and
            the newest variant is used.
        value: The current value.
        since: Since when it has been stable, in s.
    """

    hold: float
    same: Callable[[T, T], bool]
    alike: Callable[[T, T], bool]
    value: T | None = None
    since: float = 0.0
    _other: T | None = None
    _from: float = 0.0

    def push(self, start: float, end: float, value: T) -> bool:
        """Add a value that was measured over [start, end] s; returns whether the stable value has changed."""
        if self.value is not None and self.same(self.value, value):
            self._other = None
            return False
        if self._other is None or not self.alike(self._other, value):
            self._from = start
        self._other = value
        if self.value is not None and end - self._from < self.hold - 1e-9:
            return False
        if self.value is None or not self.alike(self.value, value):
            self.since = self._from
        self.value, self._other = value, None
        return True


class Debouncer:
    """Takes the rows of one person and returns stable values; `hold` in s as in `HOLD`."""

    def __init__(self, hold: float = HOLD) -> None:
        self._face: Debounced[Utterance] = Debounced(hold, _same_face, _same_label)
        self._heart: Debounced[Utterance] = Debounced(hold, _same_heart, _both_known)

    def push(self, row: Prediction) -> tuple[Utterance, float, Change]:
        """Add the next row.

        Returns:
            The stable values, since when (s) their expression has been stable, and what is new.
        """
        now = self._with_margin(row)
        new_face = self._face.push(row.start, row.end, now)
        new_rate = self._heart.push(row.start, row.end, now)
        face, heart = self._face.value or now, self._heart.value or now
        utterance = replace(face, heart_rate=heart.heart_rate, heart_reason=heart.heart_reason)
        change: Change = ""
        if new_face:
            change = "expression"
        elif new_rate:
            change = "heart_rate"
        return utterance, self._face.since, change

    def _with_margin(self, row: Prediction) -> Utterance:
        """The values of a row; a label or certainty within the margin of the current one is replaced by it."""
        now, before = make_utterance(row), self._face.value
        if before is None or not now.label or not before.label or before.task != now.task:
            return now
        classes = find_task(row.task).classes
        probs = dict(zip(classes, row.probs, strict=True))
        if probs[now.label] - probs[before.label] < MARGIN:
            now = replace(now, label=before.label, certainty=certainty(float(probs[before.label])))
        confidence = float(probs[now.label])
        if now.label == before.label and before.certainty in (certainty(min(max(confidence + shift, 0.0), 1.0))
                                                             for shift in (-CERTAINTY_MARGIN, CERTAINTY_MARGIN)):
            now = replace(now, certainty=before.certainty)
        return now


def _same_face(a: Utterance, b: Utterance) -> bool:
    return (a.task, a.label, a.certainty, a.reason) == (b.task, b.label, b.certainty, b.reason)


def _same_label(a: Utterance, b: Utterance) -> bool:
    return (a.task, a.label) == (b.task, b.label)


def _both_known(a: Utterance, b: Utterance) -> bool:
    return (a.heart_rate is None) == (b.heart_rate is None)


def _same_heart(a: Utterance, b: Utterance) -> bool:
    if a.heart_rate is None or b.heart_rate is None:
        return a.heart_rate == b.heart_rate and a.heart_reason == b.heart_reason
    return abs(a.heart_rate - b.heart_rate) < MIN_RATE_CHANGE
