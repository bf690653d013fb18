"""Heart rate of one window, or the reason why there is none."""

from __future__ import annotations

import numpy as np

from .. import signals
from ..types import Reading, Window
from .detect import Evidence, detect
from .traces import SHORTEST, traces

METHOD = "matched filter over skin regions (PBV or green)"
"""How the readings name the detector: see detect.py."""

# The gates. None is stated in a paper; all are our choice, made on noise alone and on synthetic identities 101-140,
# which no reported figure uses (benchmarks/pulse.py).

NOISE, GROWTH = 7.2, 1.7
"""Nats: the strength that noise alone, past the other gates, exceeds in 1 of 100 windows of 10 s, and its growth with
the log of the length. Measured on noise of many colours and levels (`benchmarks/pulse.py --noise`): a longer window has
more places to be lucky in, and its noise passes the other gates more often."""

AGREEMENT = 0.5
"""Regions that swing alike in size lie within 60 degrees. Planted pulses reach 0.7, noise is spread over -0.5..1."""

STEADINESS = 0.1
"""A pulse is there all the time; a movement need not be. Planted pulses reach 0.27 and more, also at a weak 0.3 %."""

LEAK = 1.0
"""More power was taken out at this rate, as light or movement, than is left: what is left may be the rest of it."""

LAMP = 6.0
"""Times its noise floor: the background itself beats at this rate; noise does it at one rate in 400."""

PALE, HINT = 0.7, 3.5
"""Red over green, and times the background's noise floor: too pale to be sure that it is blood, and a hint that the
wall does it, too. A coarse codec leaves no more than that of a flicker of 0.5 %."""

BLAME = 0.7
"""Share of green's power that light and movement explain, from which on they are named as the reason that no pulse was
found. People who nod or talk without a pulse show 0.8 and more, people at rest 0.4 to 0.6."""

DOUBT, GREY = 3.0, 0.8
"""Nats more, and red over green at most, where light and movement do that much: what is left of them is not noise.
People of 101-140 who nod and talk under a flicker without a pulse reach up to 9.4 nats with a red below 0.8, and 0.81
and more where they reach higher; with a pulse, 28 of 30 reach 10.7 and more, and 23 stay below 0.8."""

WHITE = 0.87
"""Red over green. Blood has 0.43, white light 1. Video coding pulls blood towards grey: planted pulses show 0.48-0.63
at crf 23 or better and up to 0.91 at crf 28, a flicker that the background does not show 0.88-0.97."""


def heart_rate(window: Window) -> Reading:
    """A window of one person, 10 s or longer -> beats a minute, or abstained with a reason.

    quality: share of the waveform's power, within `BAND`, that is pulse.
    """
    found = traces(window)
    if isinstance(found, str):
        return Reading(None, "bpm", 0.0, METHOD, found)
    return judge(detect(found), found.seconds)


def judge(evidence: Evidence, seconds: float) -> Reading:
    """Evidence from `seconds` of traces -> the reading."""
    reason = objection(evidence, seconds)
    if reason:
        return Reading(None, "bpm", 0.0, METHOD, reason)
    return Reading(60.0 * evidence.rate, "bpm", signals.quality(evidence.snr), METHOD)


def objection(evidence: Evidence, seconds: float) -> str:
    """The first reason against believing in the rate, '' for none."""
    disturbed = "flicker" if evidence.lit >= evidence.moved else "motion"
    much = evidence.lit + evidence.moved > BLAME
    if not evidence.strength >= threshold(seconds) + much * DOUBT:
        return disturbed if much else "low_snr"
    pale = evidence.redness > PALE and evidence.lamp > HINT
    if evidence.lamp > LAMP or pale or (evidence.light > LEAK and evidence.light >= evidence.motion):
        return "flicker"
    if evidence.motion > LEAK:
        return "motion"
    if evidence.agreement < AGREEMENT or evidence.steadiness < STEADINESS:
        return "disagree"
    return disturbed if evidence.redness > (GREY if much else WHITE) else ""


def threshold(seconds: float) -> float:
    """Length of the traces s -> the least strength, nats, that is not put down to noise."""
    return NOISE + GROWTH * float(np.log(max(seconds, SHORTEST) / SHORTEST))
