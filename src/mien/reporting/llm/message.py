"""The content of a sentence about a person: rows with equal `Utterance` have the same sentence."""

from __future__ import annotations

from dataclasses import dataclass

from mien.core.results import REASONS, Prediction

CERTAINTY = (("unsure", 0.0), ("likely", 0.5), ("clear", 0.8))
"""Each word of certainty and the smallest confidence for it. Our choice: below one half, another class may be as
likely. The default model's probabilities are not calibrated (docs/action_units.md). 'clear' therefore needs a
confidence that leaves little probability for all other classes together."""


@dataclass(frozen=True)
class Utterance:
    """The values that a sentence needs.

    Args:
        task: Name of the task of `label`.
        label: The class; "" without an expression.
        certainty: A word of `CERTAINTY` for the label.
        reason: Why there is no expression, one of `REASONS`; "" with a label.
        heart_rate: In whole bpm; None when unknown.
        heart_reason: Why there is no heart rate, one of `REASONS`; "" with a heart rate.

    Raises:
        ValueError: A reason or the certainty is unknown, or a value has a reason or lacks one.
    """

    task: str = ""
    label: str = ""
    certainty: str = ""
    reason: str = "no_face"
    heart_rate: int | None = None
    heart_reason: str = "no_face"

    def __post_init__(self) -> None:
        has_rate = self.heart_rate is not None
        for reason, has_value in ((self.reason, bool(self.label)), (self.heart_reason, has_rate)):
            if reason not in REASONS or bool(reason) == has_value:
                raise ValueError(f"Utterance: expected a value or one of REASONS, got {self}")
        if self.label and self.certainty not in dict(CERTAINTY):
            raise ValueError(f"Utterance.certainty: expected {', '.join(dict(CERTAINTY))}, got {self.certainty!r}")


NO_PERSON = Utterance()
"""No person is in the picture."""


def make_utterance(row: Prediction) -> Utterance:
    """The content of the sentence about a row. It does not depend on earlier rows (inference/live/debounce.py does)."""
    if row.state == "lost":
        return NO_PERSON
    rate = row.heart_rate
    return Utterance(
        task=row.task,
        label=row.label,
        certainty="" if row.abstained else certainty(row.confidence),
        reason=row.reason,
        heart_rate=None if rate.value is None else round(rate.value),
        heart_reason=rate.reason,
    )


def certainty(confidence: float) -> str:
    """The word of `CERTAINTY` for a confidence 0..1."""
    return [word for word, threshold in CERTAINTY if confidence >= threshold][-1]
