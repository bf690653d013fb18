"""Texts of the HTML report: formatted numbers, and explanations of how far to trust them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from mien.core.plain_text import counted
from mien.core.results import REASONS, Measurement, Prediction, Source

BASELINE = ("Expression estimate, calibrated on simulated faces; of real faces only neutral and happy ones were "
            "measured. Not emotion.")
RULES = "estimated from their geometry by a network that was trained on simulated faces"

HOW_TO_READ = (
    ("Expression",
     "What the face shows, estimated from the geometry of its landmarks. The first step measures action units (single "
     "movements such as &ldquo;lip corner puller&rdquo;). A small network reads seven expressions. It was trained on "
     "simulated faces: published prototypes (Du, Tao &amp; Martinez 2014) and the statistics of 142 real neutral "
     "faces. Of real faces, only neutral and smiling ones of 142 adults in a studio were measured; angry, sad, "
     "disgusted and fearful ones were not. The probabilities are calibrated on simulated faces only: on "
     "yours, 0.8 need not mean right eight times in ten. People smile without joy and are sad without a frown. A "
     "face alone does not show what a person feels (Barrett et al. 2019, 10.1177/1529100619832930)."),
    ("Valence and arousal",
     "Ratings of the words for the shown expressions, weighted by the probabilities: how pleasant and how lively they "
     "are (Russell &amp; Mehrabian 1977). They describe the expression, not the person."),
    ("Action units",
     "Intensities from 0 (absent) to 5 (strongest), relative to the person&rsquo;s neutral face. It is estimated from "
     "the recording unless you gave one. Geometry measures some units well. It measures units "
     "marked weak poorly. Units marked not seen cannot be measured and are empty. The page Results of mien&rsquo;s "
     "documentation has the accuracy of each. Glasses, beards, hands and speech disturb them."),
    ("Heart rate",
     "Blood changes the colour of the skin by less than one percent with every beat. The rate is that at which "
     "the skin changes like blood, and not like the light of the background or the movement of the head. All values "
     "come from one estimate over the whole recording. Sudden changes appear smoothed. It is not a medical "
     "measurement."),
    ("Quality",
     "The probability, from 0 to 1, that there is a pulse and that this is its rate. Quality describes the pulse, and "
     "confidence describes the expression. They are independent."),
    ("Abstention",
     "If the signal is too weak for an answer, mien gives none and states the reason. A gap is a result: it means "
     "&ldquo;this recording does not show it&rdquo;, not zero."),
    ("Heart rate variability",
     "RMSSD needs at least 60 s of clean beats. LF/HF needs 120 s and is weak evidence from video; it does not measure "
     "the balance of the autonomic nervous system (Billman 2013, 10.3389/fphys.2013.00026)."),
    ("Coverage",
     "Tracked: the face was detected. Predicted: it was missed for a moment; its position is extrapolated, and nothing "
     "is measured. Lost: not in the picture, or not detected. A person keeps a number through gaps. After a cut, new "
     "numbers are used, so one person may have several."),
)
"""Heading and HTML of each paragraph of `How to read this`."""


def expression_model(settings: Mapping[str, object]) -> str:
    """The name of the model of the expressions: the built-in one beside a model of action units alone."""
    return "facs" if settings.get("units_only") else str(settings.get("model", ""))


def basis(model: str, rated: bool = False, doubt: str = "") -> tuple[str, str]:
    """Describe the origin of the expressions.

    Args:
        model: Name of the model.
        rated: Whether the classes are ratings of a recording.
        doubt: Why the model is not reliable; "" if it is.

    Returns:
        What the expressions are, and how they were made, as HTML.
    """
    if model in ("", "facs"):
        return BASELINE, RULES
    if doubt:
        return (f"These predictions are meaningless: the model is {escape(doubt)}.",
                f"named by the model {escape(model)}")
    if rated:
        return ("A model&rsquo;s estimate of how the person would rate this, not emotion; not calibrated here.",
                f"estimated as ratings by the model {escape(model)}")
    what = "A model&rsquo;s estimate of expression, not emotion; not calibrated here."
    return what, f"estimated by the model {escape(model)}"


def how_to_read(model: str, units_by: str = "") -> tuple[tuple[str, str], ...]:
    """`HOW_TO_READ` with the paragraph on expressions for this model, and that on action units for `units_by`."""
    paragraphs = dict(HOW_TO_READ)
    if model not in ("", "facs"):
        paragraphs["Expression"] = (
            f"What the face shows, as the model {escape(model)} classifies it from pictures of the face. Its "
            "probabilities were not calibrated on this recording. People smile without joy and are sad without a "
            "frown. A face alone does not show what a person feels (Barrett et al. 2019, 10.1177/1529100619832930).")
    if units_by:
        paragraphs["Action units"] = (
            f"They come from another model and replace mien&rsquo;s own units: {escape(units_by)}. Units that it does "
            "not predict are empty. mien did not measure its accuracy.")
    return tuple(paragraphs.items())


def standalone_text(rows: Sequence[Prediction]) -> str:
    """How many answers used only the face, for a model of face and pulse; '' for other models."""
    inputs = [row.read_from for row in rows if row.read_from]
    if not inputs:
        return ""
    count = inputs.count("face")
    if count:
        return f"{count} of its {len(inputs)} answers here are from the face alone: there was no usable pulse."
    return f"All of its {len(inputs)} answers here are from {inputs[0].replace('+', ' and ')}."


def inputs_text(rows: Sequence[Prediction]) -> str:
    """How many answers used which inputs, for a model of faces and contact signals."""
    inputs = Counter(row.read_from for row in rows if row.read_from)
    if not inputs:
        return ""
    return "; ".join(f"{count} of {inputs.total()} answers from {name.replace('+', ', ')}"
                     for name, count in inputs.most_common()) + "."


def number(value: float | None, digits: int = 0, sign: bool = False) -> str:
    """Format a number with typographic signs; an en dash for a missing one."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def percent(share: float | None) -> str:
    """Format a share as percent, 0.42 -> 42 %; an en dash for a missing one."""
    if share is None or not math.isfinite(share):
        return "\N{EN DASH}"
    return f"{share:.0%}".replace("%", "\u202f%")


def clock(seconds: float) -> str:
    """Format a time as 0:12 or 1:02:05."""
    if not math.isfinite(seconds):
        return "\N{EN DASH}"
    rounded = int(seconds)
    if rounded >= 3600:
        return f"{rounded // 3600}:{rounded // 60 % 60:02d}:{rounded % 60:02d}"
    return f"{rounded // 60}:{rounded % 60:02d}"


def length(seconds: float) -> str:
    """Format a duration as 12.3 s, 4 min 5 s or 2 h 0 min."""
    if not math.isfinite(seconds):
        return "unknown length"
    if seconds < 60:
        return f"{seconds:.1f}\u202fs"
    rounded = round(seconds)
    if rounded < 3600:
        return f"{rounded // 60}\u202fmin {rounded % 60}\u202fs"
    return f"{rounded // 3600}\u202fh {rounded // 60 % 60}\u202fmin"


def meaning(reason: str) -> str:
    """A reason code in words, as HTML."""
    return escape(REASONS[reason])


def missing_value_text(reading: Measurement, quantity: str) -> str:
    """Why there is no value of this quantity, as HTML."""
    return f"No {quantity}: {escape(REASONS[reading.reason])}."


def facts(source: Source, seconds: dict[str, float]) -> list[str]:
    """Short facts about the recording and its analysis."""
    if source.frames == 1:
        return ["a single picture", f"{source.width}\u2009\u00d7\u2009{source.height}\u202fpx"]
    rate = f"{number(source.fps_mean, 2)} frames/s"
    if source.variable_frame_rate:
        rate += ", varying"
    phrases = [length(source.duration), f"{source.width}\u2009\u00d7\u2009{source.height}\u202fpx", rate,
               f"{source.frames:,} frames".replace(",", "\u2009")]
    gaps = () if source.timeline is None else source.timeline.gaps
    if gaps:
        missing = length(sum(gap.seconds for gap in gaps))
        phrases.append(f"{counted(len(gaps), 'gap')} without pictures, {missing} (dotted bands)")
    total = seconds.get("total")
    if total and math.isfinite(total) and math.isfinite(source.duration):
        phrases.append(f"analysed in {length(total)}, {source.duration / total:.1f} times real time")
    return phrases


def chart_description(name: str, classes: tuple[str, ...], probs: list[float], silent: float) -> str:
    """A description of the expression chart for screen readers."""
    order = sorted(zip(probs, classes, strict=True), reverse=True)[:3]
    if not order or not math.isfinite(order[0][0]):
        return f"{name}: no expression was recognised in the whole recording."
    means = ", ".join(f"{label} {p:.0%}" for p, label in order)
    return (f"{name}: probabilities of {len(classes)} expressions over time; on average {means}. No reading in "
            f"{silent:.0%} of rows.")
