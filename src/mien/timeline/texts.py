"""Rows as text: the stream's events, subtitles, and tab-delimited text for ELAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mien.tasks import ACTION_UNITS, named
from mien.timeline.spans import runs
from mien.types import REASONS, Emotion, Reading

SCHEMA = "mien.event/1"

CUE = 5.0
"""s; the longest that a subtitle stands. Our choice: its heart rate stays current."""

Tracks = Mapping[int, tuple[Sequence[Emotion], np.ndarray, np.ndarray]]
"""By person: rows, and the begin and end (N,) s that each speaks for."""

ELAN_COLUMNS = ("Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec", "Duration - ss.msec", "Annotation")
"""The header that ELAN's own export writes."""


def reading(value: Reading) -> dict[str, Any]:
    """A measured quantity as JSON data."""
    return {"value": value.value, "unit": value.unit, "quality": value.quality, "method": value.method,
            "abstained": value.abstained, "reason": value.reason}


def event(row: Emotion) -> dict[str, Any]:
    """A row as the JSON data of one event, the same in a file and in a stream. `t` is the end of the row's window."""
    classes = named(row.task).classes
    unknown = row.abstained
    return {
        "schema": SCHEMA,
        "t": row.end,
        "window": [row.start, row.end],
        "face_id": row.face,
        "state": row.state,
        "box": list(row.box),
        "expression": {name: None if unknown else float(p) for name, p in zip(classes, row.probs, strict=True)},
        "label": "" if unknown else row.label,
        "confidence": 0.0 if unknown else row.confidence,
        "valence": None if unknown else row.valence,
        "arousal": None if unknown else row.arousal,
        "action_units": dict(zip(ACTION_UNITS, map(float, row.aus), strict=True)),
        "head_pose": dict(zip(("pitch", "yaw", "roll"), map(float, row.pose), strict=True)),
        "gaze": dict(zip(("yaw", "pitch"), map(float, row.gaze), strict=True)),
        "heart_rate": reading(row.heart_rate),
        "abstained": row.abstained,
        "reason": row.reason,
        "read_from": row.read_from,
    }


def subtitles(tracks: Tracks) -> str:
    """SubRip text: a cue wherever what is said of anyone changes, a line a person. Cues never overlap.

    What is said: the label and the mean confidence and heart rate of a run of rows, at most `CUE` s long.
    """
    changes: list[tuple[int, bool, int, str]] = []  # ms, whether something is said from now on, of whom, what
    for face, (rows, begin, end) in tracks.items():
        for run in runs(begin, end, [row.label or row.reason for row in rows], CUE):
            start, stop = _milliseconds(run.begin), _milliseconds(run.end)
            if stop > start:
                changes += [(start, True, face, _line(rows[run.first : run.last])), (stop, False, face, "")]
    changes.sort()  # at one moment ends come before beginnings, so that none wipes out the next words
    cues: list[str] = []
    said: dict[int, str] = {}
    for (start, _, face, words), following in pairwise(changes):
        said[face] = words
        text = "\n".join(line for _, line in sorted(said.items()) if line)
        if text and following[0] > start:
            cues.append(f"{len(cues) + 1}\n{_clock(start)} --> {_clock(following[0])}\n{text}\n")
    return "\n".join(cues)


def elan(tracks: Tracks) -> str:
    """Tab-delimited text, a line an annotation, in order of time: for each person the tiers `expression`, `state` and
    `heart_rate`. In ELAN: File > Import > CSV / Tab-delimited Text, first row of data 2."""
    found: list[tuple[float, float, str, str, str]] = []
    for face, (rows, begin, end) in tracks.items():
        tiers: dict[str, list[str]] = {
            "expression": [row.label if not row.abstained else f"abstained: {REASONS[row.reason]}" for row in rows],
            "state": [row.state for row in rows],
            "heart_rate": [_pulse([row]) or f"abstained: {REASONS[row.heart_rate.reason]}" for row in rows],
        }
        for tier, values in tiers.items():
            found += [(run.begin, run.end, f"face {face} {tier}", f"face {face}", run.value)
                      for run in runs(begin, end, values)]
    lines = ["\t".join(ELAN_COLUMNS)]
    for start, stop, tier, person, words in sorted(found):
        times = f"{start:.3f}\t{stop:.3f}\t{round(stop, 3) - round(start, 3):.3f}"
        lines.append(f"{tier}\t{person}\t{times}\t{words}")
    return "\n".join(lines) + "\n"


def _line(rows: Sequence[Emotion]) -> str:
    row = rows[0]
    confidence = float(np.mean([row.confidence for row in rows]))
    expression = f"no reading: {REASONS[row.reason]}" if row.abstained else f"{row.label} {confidence:.0%}"
    pulse = _pulse(rows)
    return f"face {row.face}: {expression}" + (f", {pulse}" if pulse else "")


def _pulse(rows: Sequence[Emotion]) -> str:
    known = [row.heart_rate.value for row in rows if row.heart_rate.value is not None]
    return f"{np.mean(known):.0f} {rows[0].heart_rate.unit}" if known else ""


def _milliseconds(time: float) -> int:
    return max(0, round(time * 1000))  # SubRip knows no time before zero


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"
