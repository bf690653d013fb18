"""The report's words: numbers as people write them, and what to know before believing them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape

from mien.types import REASONS, Emotion, Reading, Source

BASELINE = "Uncalibrated expression baseline, not emotion."
RULES = "read from their geometry by published rules"

READING = (
    ("Expression",
     "What the face shows, read from the geometry of its landmarks: first action units (single movements such as "
     "&ldquo;lip corner puller&rdquo;), then how well they fit published prototypes of seven expressions (Du, Tao "
     "&amp; Martinez 2014). No faces were used for training and the probabilities are not calibrated: 0.8 does not "
     "mean right eight times in ten. People smile without joy and are sad without a frown; what someone feels cannot "
     "be read from a face alone (Barrett et al. 2019, 10.1177/1529100619832930)."),
    ("Valence and arousal",
     "How pleasant and how lively the words for the shown expressions are rated, weighted by their probabilities "
     "(Russell &amp; Mehrabian 1977). They describe the expression, not the person."),
    ("Action units",
     "Intensities from 0 (absent) to 5 (strongest), relative to the person&rsquo;s neutral face, which is estimated on "
     "the way unless one was given. Geometry sees some units well and others hardly; docs/results.md has the measured "
     "figure of each. Glasses, beards, hands and speech disturb them."),
    ("Heart rate",
     "Blood changes the colour of the skin by less than one part in a hundred with every beat. The rate is that of the "
     "strongest regular change which the background does not share. Each value covers the seconds before it, so sudden "
     "changes come late and smoothed. It is not a medical measurement."),
    ("Quality",
     "The share of the pulse signal&rsquo;s power that is pulse, from 0 to 1. It belongs to the signal; confidence "
     "belongs to an expression. The one says nothing of the other."),
    ("Abstention",
     "Where the signal does not carry an answer, none is given, and the reason is stated. A gap is a result: it means "
     "&ldquo;cannot be known from this recording&rdquo;, not zero."),
    ("Heart rate variability",
     "RMSSD needs at least 60 s of clean beats. LF/HF needs 120 s and is weak evidence from video; it does not measure "
     "the balance of the autonomic nervous system (Billman 2013, 10.3389/fphys.2013.00026)."),
    ("Coverage",
     "Tracked: the face was seen. Predicted: missed for a moment, its place is extrapolated and nothing is read. Lost: "
     "not in the picture, or not found. A person keeps a number through gaps; after a cut of scene numbers start anew, "
     "so that one person may have several."),
)
"""Heading and HTML of each paragraph of `How to read this`."""


def basis(model: str, rated: bool = False, doubt: str = "") -> tuple[str, str]:
    """The name of what read the expressions -> what they are, and how they were read, in words. `rated`: the classes
    are ratings of a recording; `doubt`: why the model is not to be believed."""
    if model in ("", "facs"):
        return BASELINE, RULES
    if doubt:
        return f"Not a reading: the model is {escape(doubt)}.", f"named by the model {escape(model)}"
    if rated:
        return ("A model&rsquo;s guess at how somebody would rate this, not emotion; not calibrated here.",
                f"guessed at as ratings by the model {escape(model)}")
    what = "A model&rsquo;s reading of expression, not emotion; not calibrated here."
    return what, f"read by the model {escape(model)}"


def reading(model: str) -> tuple[tuple[str, str], ...]:
    """`READING` for what this model read."""
    if model in ("", "facs"):
        return READING
    text = (f"What the face shows, as the model {escape(model)} names it from pictures of the face. Its probabilities "
            "were not calibrated on this recording. People smile without joy and are sad without a frown; what someone "
            "feels cannot be read from a face alone (Barrett et al. 2019, 10.1177/1529100619832930).")
    return (("Expression", text), *READING[1:])


def alone(rows: Sequence[Emotion]) -> str:
    """How many of a person's answers a model that looks at more gave from the face alone; '' for other models."""
    told = [row.read_from for row in rows if row.read_from]
    count = told.count("face")
    if not told:
        return ""
    return (f"{count} of its {len(told)} answers here are from the face alone: no pulse could be read." if count
            else f"All of its {len(told)} answers here are from {told[0].replace('+', ' and ')}.")


def parts(rows: Sequence[Emotion]) -> str:
    """How many of a person's answers rest on what, for a model of faces and contact signals."""
    told = Counter(row.read_from for row in rows if row.read_from)
    each = "; ".join(f"{count} of {told.total()} answers from {name.replace('+', ', ')}"
                     for name, count in told.most_common())
    return f"{each}." if each else ""


def number(value: float | None, digits: int = 0, sign: bool = False) -> str:
    """A number for people; an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def percent(share: float | None) -> str:
    """A share as people write it, 0.42 -> 42 %; an en dash where there is none."""
    return "\N{EN DASH}" if share is None or not math.isfinite(share) else f"{share:.0%}".replace("%", "\u202f%")


def clock(seconds: float) -> str:
    """12.3 -> 0:12, 3725 -> 1:02:05."""
    if not math.isfinite(seconds):
        return "\N{EN DASH}"
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def length(seconds: float) -> str:
    """How long, in words: 12.3 s, 4 min 5 s, 2 h 0 min."""
    if not math.isfinite(seconds):
        return "unknown length"
    if seconds < 60:
        return f"{seconds:.1f}\u202fs"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}\u202fmin {whole % 60}\u202fs"
    return f"{whole // 3600}\u202fh {whole // 60 % 60}\u202fmin"


def why(reading: Reading, wanted: str) -> str:
    """Why there is no reading, as HTML."""
    return f"No {wanted}: {escape(REASONS[reading.reason])}."


def facts(source: Source, seconds: dict[str, float]) -> list[str]:
    """What the recording is, a phrase each."""
    rate = f"{number(source.fps_mean, 2)} frames/s" + (", varying" if source.variable_frame_rate else "")
    found = [length(source.duration), f"{source.width}\u2009\u00d7\u2009{source.height}\u202fpx", rate,
             f"{source.frames:,} frames".replace(",", "\u2009")]
    total = seconds.get("total")
    if total and math.isfinite(total) and math.isfinite(source.duration):
        found.append(f"analysed in {length(total)}, {source.duration / total:.1f} times real time")
    return found


def course(name: str, classes: tuple[str, ...], probs: list[float], silent: float) -> str:
    """What the expression chart shows, for those who cannot see it."""
    order = sorted(zip(probs, classes, strict=True), reverse=True)[:3]
    if not order or not math.isfinite(order[0][0]):
        return f"{name}: no expression was read in the whole recording."
    means = ", ".join(f"{label} {p:.0%}" for p, label in order)
    return (f"{name}: probabilities of {len(classes)} expressions over time; on average {means}. No reading in "
            f"{silent:.0%} of rows.")
