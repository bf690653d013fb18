"""Names and units of the measures of a study, for readers."""

from __future__ import annotations

from mien.core.tasks import ACTION_UNIT_NAMES, unit_description

UNITS = {"heart_rate": "bpm", "valence": "-1 to 1", "arousal": "-1 to 1", "confidence": "0 to 1",
         "pulse_quality": "0 to 1", "abstained": "share of time", "tracked": "share of time",
         **dict.fromkeys(("pitch", "yaw", "roll", "gaze_yaw", "gaze_pitch"), "degrees"),
         **dict.fromkeys(("x0", "y0", "x1", "y1"), "px")}


def measure_name(measure: str) -> str:
    """The name of a measure: `AU12 lip corner puller`, `AU06 cheek raiser (weak)`, `heart rate`."""
    if measure in ACTION_UNIT_NAMES:
        return f"{measure} {unit_description(measure)}"
    if measure.startswith("p_"):
        return f"probability of {measure[2:].replace('_', ' ')}"
    return measure.replace("_", " ")


def measure_unit(measure: str) -> str:
    """The unit or range of a measure."""
    if measure in ACTION_UNIT_NAMES:
        return "0 to 5"
    return UNITS.get(measure, "0 to 1" if measure.startswith("p_") else "")


def number(value: float, digits: int = 2) -> str:
    """A number for a table with a typographic minus; an en dash for a missing one."""
    if value != value:
        return "\N{EN DASH}"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def digits(measure: str) -> int:
    """Digits after the point that suit a measure."""
    if measure.startswith("p_"):
        return 3
    return 1 if measure_unit(measure) in ("bpm", "px", "degrees") else 2


def p_value(value: float) -> str:
    """A p value as journals print it: < .001, or three digits."""
    if value != value:
        return "\N{EN DASH}"
    return "< .001" if value < 0.0005 else f"{value:.3f}".removeprefix("0")
