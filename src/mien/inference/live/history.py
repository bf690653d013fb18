"""The last minutes of a live session: their text for a language model, and a summary."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from mien.core.results import Prediction
from mien.core.tasks import ACTION_UNITS
from mien.inference.live.event import LiveEvent
from mien.reporting.llm.message import NO_PERSON, Utterance
from mien.reporting.llm.observation import PersonObservation, head_word, smile_word

KEPT = 1200
"""Events that are kept. Our choice: ten minutes of steps of 0.5 s."""

RECENT = 1.5
"""s whose median is the smile and the head now. Our choice: three steps, so that a single one decides nothing."""

NOW, BEFORE = 5.0, 15.0
"""s: the trend compares the mean valence of the last 5 s with that of the 10 s before. Our choice."""

MIN_ROWS = 5
"""Fewest rows with a valence on each side of a trend."""

MIN_TREND = 0.2
"""Smallest difference of mean valence (-1..1) that is a trend. Our choice: one tenth of the scale."""

MOST_CHANGES = 100
"""Most changes that are listed; the oldest are left out. Our choice: a language model reads each of them."""

AU12 = ACTION_UNITS.index("AU12")


@dataclass(frozen=True)
class Turn:
    """The state at a turn of a conversation: the person's id (None without one) and what was said about them."""

    face: int | None
    said: Utterance


class EventHistory:
    """Keeps the newest events of one session. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._turn: Turn | None = None

    def push(self, event: LiveEvent) -> None:
        """Add the newest event."""
        with self._lock:
            self._events.append(event)

    def last(self, seconds: float) -> list[LiveEvent]:
        """The events of the last `seconds` s before the end of the newest one, oldest first."""
        with self._lock:
            if not self._events:
                return []
            end = self._events[-1].end
            return [event for event in self._events if event.end > end - seconds]

    def observe(self, mark_turn: bool = False) -> PersonObservation:
        """The text for a language model now.

        Args:
            mark_turn: Whether this is a turn of a conversation, to which the next observation is compared.

        Returns:
            The observation of the newest event; without an event, that of no person.
        """
        events = self.last(BEFORE)
        if not events:
            return PersonObservation()
        newest = events[-1]
        rows = [event.row for event in events if event.row is not None]
        face = None if newest.row is None else newest.row.face
        observation = PersonObservation()
        if newest.row is not None:
            observation = self._of_person(newest, [row for row in rows if row.face == newest.row.face])
        if mark_turn:
            self._turn = Turn(face, newest.said)
        return observation

    def _of_person(self, newest: LiveEvent, rows: list[Prediction]) -> PersonObservation:
        utterance, turn = newest.said, self._turn
        if utterance == NO_PERSON:
            return PersonObservation()
        recent = [row for row in rows if row.end > newest.end - RECENT]
        same = turn is not None and turn.face == rows[-1].face
        before, change = "", 0
        if turn is not None and same:
            before = turn.said.label
            change = (utterance.heart_rate or 0) - (turn.said.heart_rate or 0)
        return PersonObservation(
            said=utterance,
            lasting=int(newest.end - newest.since),
            smile=smile_word(_median([float(row.aus[AU12]) for row in recent])),
            head=head_word(np.array([_median([float(row.pose[axis]) for row in recent]) for axis in (0, 1)])),
            trend=_trend(rows, newest.end),
            before=before * (before != utterance.label),
            other_person=turn is not None and turn.face is not None and not same,
            rate_change=change * _both_rates(turn, utterance),
        )

    def changes(self, seconds: float = 60.0) -> list[dict[str, Any]]:
        """The events of the last seconds that changed something, and the first of them, oldest first.

        Args:
            seconds: Length in s.

        Returns:
            JSON data: `ago` (s before now), `change`, `text` (the short sentence), `label`, `certainty`, `heart_rate`.
        """
        events = self.last(seconds)
        selected = [event for index, event in enumerate(events) if event.change or index == 0]
        return [{"ago": round(events[-1].end - event.end, 2), "change": event.change, "text": event.text,
                 "label": event.said.label, "certainty": event.said.certainty, "heart_rate": event.said.heart_rate}
                for event in selected[-MOST_CHANGES:]]

    def summary(self, seconds: float = 60.0) -> dict[str, Any]:
        """Describe the last seconds in numbers.

        Args:
            seconds: Length in s.

        Returns:
            JSON data: `seconds` and `steps` that were observed, `person` (share with a person), `labels` (share of each
            class among the steps with an expression), `abstained` (share of the steps with a person), `reasons`,
            means of `valence` and `arousal`, `smiling` (share), `head_towards_camera` (share), the median, smallest and
            largest `heart_rate`, and `changes` of the expression. None where nothing was measured.
        """
        events = self.last(seconds)
        rows = [event.row for event in events if event.row is not None and event.row.state != "lost"]
        read = [row for row in rows if not row.abstained]
        rates = [row.heart_rate.value for row in rows if row.heart_rate.value is not None]
        heads = [word for row in rows if (word := head_word(row.pose))]
        smiles = [bool(smile_word(float(row.aus[AU12]))) for row in rows if np.isfinite(row.aus[AU12])]
        return {
            "seconds": _seconds(events),
            "steps": len(events),
            "person": _share([event.row is not None and event.row.state != "lost" for event in events]),
            "labels": {label: count / len(read) for label, count in Counter(row.label for row in read).most_common()},
            "abstained": _share([row.abstained for row in rows]),
            "reasons": dict(Counter(row.reason for row in rows if row.reason)),
            "valence": _mean([row.valence for row in read]),
            "arousal": _mean([row.arousal for row in read]),
            "smiling": _share(smiles),
            "head_towards_camera": _share([word == "towards" for word in heads]),
            "heart_rate": _range([float(rate) for rate in rates]),
            "changes": sum(event.change == "expression" for event in events),
        }


def _both_rates(turn: Turn | None, utterance: Utterance) -> bool:
    return turn is not None and None not in (turn.said.heart_rate, utterance.heart_rate)


def _trend(rows: list[Prediction], end: float) -> str:
    """The word of `TRENDS` for the valence of a person's rows of the last `BEFORE` s."""
    valences = [(row.end, row.valence) for row in rows if np.isfinite(row.valence) and not row.abstained]
    now = [value for time, value in valences if time > end - NOW]
    before = [value for time, value in valences if time <= end - NOW]
    if min(len(now), len(before)) < MIN_ROWS:
        return ""
    difference = fmean(now) - fmean(before)
    if abs(difference) < MIN_TREND:
        return ""
    return ("less_pleasant", "more_pleasant")[difference > 0]


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return float("nan")
    return median(known)


def _seconds(events: list[LiveEvent]) -> float:
    return round(sum(event.end - event.start for event in events), 3)


def _share(flags: list[bool]) -> float | None:
    return _mean([float(flag) for flag in flags])


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return None
    return round(fmean(known), 4)


def _range(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(median(values), 1), "lowest": round(min(values), 1), "highest": round(max(values), 1)}
