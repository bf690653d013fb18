"""The event of a live stream: a row of the selected person, its stable values and their start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from mien.core.results import Prediction
from mien.reporting.llm.message import Utterance
from mien.reporting.timeline.writers import SCHEMA, event_json

FRESH = 3.0
"""s after which an event no longer describes the present. Our choice: six steps."""

Change = Literal["", "person", "expression", "heart_rate"]


@dataclass(frozen=True, eq=False)
class LiveEvent:
    """One step of the selected person.

    Args:
        start: Start of the step in s.
        end: End of the step in s.
        row: The person's row; None without a person.
        said: The stable values: they change only after a new value has persisted for a while.
        since: Since when the expression of `said` has been stable, in s.
        change: What of `said` is new with this event; "" for nothing.
        text: The sentence.
        latency: s from the arrival of the frame that ended the step to this event.
        neutral_known: How much of the person's neutral face is known, 0..1; NaN without a person.
    """

    start: float
    end: float
    row: Prediction | None
    said: Utterance
    since: float
    change: Change
    text: str
    latency: float
    neutral_known: float = math.nan

    def json(self) -> dict[str, Any]:
        """The row as in `Timeline.save("x.jsonl")` and the stable values, as JSON data; numbers are finite or None."""
        data = dict.fromkeys(("face_id", "box", "expression", "valence", "arousal", "action_units", "head_pose",
                              "gaze", "heart_rate"))
        data |= {"schema": SCHEMA, "t": self.end, "window": [self.start, self.end], "state": "lost", "label": "",
                 "confidence": 0.0, "abstained": True, "reason": "no_face"}
        if self.row is not None:
            data |= event_json(self.row)
        data |= {
            "said": {"label": self.said.label, "certainty": self.said.certainty, "reason": self.said.reason,
                     "heart_rate": self.said.heart_rate, "heart_reason": self.said.heart_reason},
            "since": self.since, "change": self.change, "latency_ms": 1000 * self.latency, "text": self.text,
            "neutral_known": self.neutral_known,
        }
        return json_finite(data)


def json_finite(value: Any) -> Any:
    """Replace NaN and infinities by None and round numbers to six digits, in nested data too: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: json_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_finite(inner) for inner in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if not math.isfinite(value):
        return None
    return round(float(value), 6)
