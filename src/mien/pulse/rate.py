"""Heart rate of one window, or the reason why there is none."""

from __future__ import annotations

import numpy as np

from .. import signals
from ..types import Reading, Window
from .detect import Evidence, detect
from .methods import BAND
from .traces import traces

METHOD = "PBV, 3 regions"
"""How the readings name the detector: see detect.py."""

FALSE_ALARM = 0.01
"""Share of windows of pure noise in which noise alone may pass `threshold`. Our choice; other gates come on top."""

LIKENESS = 0.35
STEADINESS = 0.05
LEAK = 1.0


def heart_rate(window: Window) -> Reading:
    """A window of one person, 10 s or longer -> beats a minute, or abstained with a reason.

    quality: share of the waveform's power, within `BAND`, that is pulse.
    """
    found = traces(window)
    if isinstance(found, str):
        return Reading(None, "bpm", 0.0, METHOD, found)
    return judge(detect(found), found.seconds)


def judge(evidence: Evidence, seconds: float) -> Reading:
    """Evidence from `seconds` of traces -> the reading, or the first reason against it."""
    reason = objection(evidence, seconds)
    quality = signals.quality(evidence.snr)
    if reason:
        return Reading(None, "bpm", 0.0, METHOD, reason)
    return Reading(60.0 * evidence.rate, "bpm", quality, METHOD)


def objection(evidence: Evidence, seconds: float) -> str:
    """The strongest reason against believing in the rate, '' for none."""
    if not evidence.strength >= threshold(seconds):
        blamed = max((evidence.lit, "flicker"), (evidence.moved, "motion"))
        return blamed[1] if blamed[0] > 0.5 else "low_snr"
    if evidence.light > LEAK and evidence.light >= evidence.motion:
        return "flicker"
    if evidence.motion > LEAK:
        return "motion"
    if evidence.likeness < LIKENESS:
        return "disagree"
    if evidence.steadiness < STEADINESS:
        return "disagree"
    return ""


def threshold(seconds: float) -> float:
    """The strength that noise alone reaches in `FALSE_ALARM` of all windows of this length.

    -log of the chance at one place, less the log of the number of places: one a resolution of the band, half as many
    again because the peak is sought between them, and twice that because it is sought with and without a harmonic.
    """
    return float(np.log(2 * 1.5 * (BAND[1] - BAND[0]) * seconds / FALSE_ALARM))
