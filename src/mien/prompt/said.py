"""What a row says, as far as words tell it apart: two rows of equal `Said` have the same sentence."""

from __future__ import annotations

from dataclasses import dataclass

from mien.types import REASONS, Emotion

CERTAINTY = (("unsure", 0.0), ("likely", 0.5), ("clear", 0.8))
"""From which confidence on. Our choice: below one half something else is as likely; the default model's probabilities
are not calibrated (docs/action_units.md), so 'clear' is kept for what leaves little to all other classes together."""


@dataclass(frozen=True)
class Said:
    """`label` of `task` with `certainty`, or '' and the `reason` why no expression is read; heart rate in whole bpm, or
    None and the `heart_reason`. ValueError for a reason that is none, and where label and reason do not exclude each
    other."""

    task: str = ""
    label: str = ""
    certainty: str = ""
    reason: str = "no_face"
    heart_rate: int | None = None
    heart_reason: str = "no_face"

    def __post_init__(self) -> None:
        for reason, known in ((self.reason, bool(self.label)), (self.heart_reason, self.heart_rate is not None)):
            if reason not in REASONS or bool(reason) == known:
                raise ValueError(f"Said: expected a value or one of REASONS, got {self}")
        if self.label and self.certainty not in dict(CERTAINTY):
            raise ValueError(f"Said.certainty: expected {', '.join(dict(CERTAINTY))}, got {self.certainty!r}")


NOBODY = Said()
"""Nobody is in the picture."""


def say(row: Emotion) -> Said:
    """A row -> what is said of it, without memory of the rows before (live/steady.py has one)."""
    if row.state == "lost":
        return NOBODY
    rate = row.heart_rate
    return Said(
        task=row.task,
        label=row.label,
        certainty="" if row.abstained else certainty(row.confidence),
        reason=row.reason,
        heart_rate=None if rate.value is None else round(rate.value),
        heart_reason=rate.reason,
    )


def certainty(confidence: float) -> str:
    """confidence 0..1 -> its word of `CERTAINTY`."""
    return [word for word, least in CERTAINTY if confidence >= least][-1]
