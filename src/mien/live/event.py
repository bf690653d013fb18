"""What a stream tells: a row of the person who matters, what is said of it, and since when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from mien.prompt import Said
from mien.timeline.texts import SCHEMA, event
from mien.types import Emotion

FRESH = 3.0
"""s after which an event no longer says how somebody is now. Our choice: six steps."""

Change = Literal["", "person", "expression", "heart_rate"]


@dataclass(frozen=True, eq=False)
class Event:
    """One step, [start, end] s, of the person who was chosen; `row` is None when nobody is known.

    `said` is steadied: it changes only after another reading has stood for a while; `since` s: from when its expression
    has held. `change`: what of `said` is new with this event, '' for nothing. `text`: the sentence. `latency` s from
    the arrival of the frame that ended the step to this event.
    """

    start: float
    end: float
    row: Emotion | None
    said: Said
    since: float
    change: Change
    text: str
    latency: float

    def json(self) -> dict[str, Any]:
        """Plain data, every number finite or None: the row as in `Timeline.save("x.jsonl")`, and what is said of it."""
        told = dict.fromkeys(("face_id", "box", "expression", "valence", "arousal", "action_units", "head_pose",
                              "gaze", "heart_rate"))
        told |= {"schema": SCHEMA, "t": self.end, "window": [self.start, self.end], "state": "lost", "label": "",
                 "confidence": 0.0, "abstained": True, "reason": "no_face"}
        told |= {} if self.row is None else event(self.row)
        told |= {
            "said": {"label": self.said.label, "certainty": self.said.certainty, "reason": self.said.reason,
                     "heart_rate": self.said.heart_rate, "heart_reason": self.said.heart_reason},
            "since": self.since, "change": self.change, "latency_ms": 1000 * self.latency, "text": self.text,
        }
        return finite(told)


def finite(value: Any) -> Any:
    """JSON has no NaN: None in its place; numbers to six digits."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    return round(float(value), 6) if math.isfinite(value) else None
