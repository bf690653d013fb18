"""Hysteresis: what is said of a person changes only when the change is large enough and has stood for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from mien.live.event import Change
from mien.prompt import Said, say
from mien.prompt.said import certainty
from mien.tasks import named
from mien.types import Emotion

HOLD = 1.0
"""s that another reading must stand. Our choice: two steps, beyond the smoothing's own half second; expressions last
0.5 to 4 s (Ekman 2003), and a sentence that changes more often than it can be read is noise."""

MARGIN = 0.1
"""By which another class must exceed the one that is said, and BAND by which confidence must leave its word's range."""

BAND = 0.05

BEATS = 3
"""bpm that a heart rate must move to be said anew. Our choice: the error of the pulse at rest (docs/results.md)."""

T = TypeVar("T")


@dataclass
class Held(Generic[T]):
    """A value that another replaces after it has stood for `hold` s. `same` tells whether two are one; `alike`, whether
    they are but shades of one: what alternates between them stands, too, and the newest is taken."""

    hold: float
    same: Callable[[T, T], bool]
    alike: Callable[[T, T], bool]
    value: T | None = None
    since: float = 0.0
    _other: T | None = None
    _from: float = 0.0

    def push(self, start: float, end: float, value: T) -> bool:
        """What was read over [start, end] s -> whether the value is a new one."""
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


class Steady:
    """Rows of one person in, what is to be said of them out; `hold` s as in `HOLD`."""

    def __init__(self, hold: float = HOLD) -> None:
        self._face: Held[Said] = Held(hold, _same_face, _same_label)
        self._heart: Held[Said] = Held(hold, _same_heart, _both_known)

    def push(self, row: Emotion) -> tuple[Said, float, Change]:
        """The next row -> what is said now, since when (s) its expression has held, and what is new."""
        now = self._near(row)
        face = self._face.push(row.start, row.end, now)
        heart = self._heart.push(row.start, row.end, now)
        one, other = self._face.value or now, self._heart.value or now
        said = replace(one, heart_rate=other.heart_rate, heart_reason=other.heart_reason)
        return said, self._face.since, "expression" if face else "heart_rate" if heart else ""

    def _near(self, row: Emotion) -> Said:
        """What the row says; what is too near to what was said before to be another counts as that."""
        now, before = say(row), self._face.value
        if before is None or not now.label or not before.label or before.task != now.task:
            return now
        classes = named(row.task).classes
        of = dict(zip(classes, row.probs, strict=True))
        if of[now.label] - of[before.label] < MARGIN:
            now = replace(now, label=before.label, certainty=certainty(float(of[before.label])))
        confidence = float(of[now.label])
        if now.label == before.label and before.certainty in (certainty(min(max(confidence + shift, 0.0), 1.0))
                                                             for shift in (-BAND, BAND)):
            now = replace(now, certainty=before.certainty)
        return now


def _same_face(one: Said, other: Said) -> bool:
    return (one.task, one.label, one.certainty, one.reason) == (other.task, other.label, other.certainty, other.reason)


def _same_label(one: Said, other: Said) -> bool:
    return (one.task, one.label) == (other.task, other.label)


def _both_known(one: Said, other: Said) -> bool:
    return (one.heart_rate is None) == (other.heart_rate is None)


def _same_heart(one: Said, other: Said) -> bool:
    if one.heart_rate is None or other.heart_rate is None:
        return one.heart_rate == other.heart_rate and one.heart_reason == other.heart_reason
    return abs(one.heart_rate - other.heart_rate) < BEATS
