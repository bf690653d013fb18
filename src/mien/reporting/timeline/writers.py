"""Convert rows to text: JSON events, subtitles, and tab-delimited text for ELAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mien.core.plain_text import listed_after
from mien.core.results import REASONS, Measurement, Prediction
from mien.core.tasks import ACTION_UNITS, find_task
from mien.reporting.timeline.segments import expression_segments

SCHEMA = "mien.event/1"

MAX_CUE_SECONDS = 5.0
"""Longest duration of a subtitle in s. Our choice: the heart rate in it stays up to date."""

Tracks = Mapping[int, tuple[Sequence[Prediction], np.ndarray, np.ndarray]]
"""By person: the rows, and start and end of each in s (N,)."""

ELAN_COLUMNS = ("Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec", "Duration - ss.msec", "Annotation")
"""The column names of ELAN's own export."""


def measurement_text(value: Measurement) -> dict[str, Any]:
    """A measurement as JSON data."""
    return {"value": value.value, "unit": value.unit, "quality": value.quality, "method": value.method,
            "abstained": value.abstained, "reason": value.reason}


def event_json(row: Prediction) -> dict[str, Any]:
    """A row as JSON data, the same in a file and in a stream. `t` is the end of the row's window."""
    classes = find_task(row.task).classes
    expression: dict[str, Any] = {"expression": dict.fromkeys(classes), "label": "", "confidence": 0.0,
                                  "valence": None, "arousal": None}
    if not row.abstained:
        expression = {"expression": dict(zip(classes, map(float, row.probs), strict=True)), "label": row.label,
                      "confidence": row.confidence, "valence": row.valence, "arousal": row.arousal}
    return {
        "schema": SCHEMA,
        "t": row.end,
        "window": [row.start, row.end],
        "face_id": row.face,
        "state": row.state,
        "box": list(row.box),
        **expression,
        "action_units": dict(zip(ACTION_UNITS, map(float, row.aus), strict=True)),
        "head_pose": dict(zip(("pitch", "yaw", "roll"), map(float, row.pose), strict=True)),
        "gaze": dict(zip(("yaw", "pitch"), map(float, row.gaze), strict=True)),
        "heart_rate": measurement_text(row.heart_rate),
        "abstained": row.abstained,
        "reason": row.reason,
        "read_from": row.read_from,
    }


def subtitles(tracks: Tracks) -> str:
    """Subtitles in SubRip format, one line per person.

    A line has the label and the mean confidence and heart rate of consecutive rows, for at most `MAX_CUE_SECONDS` s. A
    new cue begins when the line of any person changes. Cues never overlap.

    Args:
        tracks: The rows of each person.

    Returns:
        The text of an .srt file.
    """
    changes: list[tuple[int, bool, int, str]] = []  # ms, whether a line begins, person, line
    for face, (rows, begin, end) in tracks.items():
        for run in expression_segments(begin, end, [row.label or row.reason for row in rows], MAX_CUE_SECONDS):
            start, stop = _milliseconds(run.begin), _milliseconds(run.end)
            if stop > start:
                changes += [(start, True, face, _line(rows[run.first : run.last])), (stop, False, face, "")]
    changes.sort()  # at equal times ends come before starts, so that no end removes the next line
    cues: list[str] = []
    lines: dict[int, str] = {}
    for (start, _, face, line), following in pairwise(changes):
        lines[face] = line
        text = "\n".join(line for _, line in sorted(lines.items()) if line)
        if text and following[0] > start:
            cues.append(f"{len(cues) + 1}\n{_clock(start)} --> {_clock(following[0])}\n{text}\n")
    return "\n".join(cues)


def elan(tracks: Tracks) -> str:
    """Tab-delimited text for ELAN: one annotation per line in order of time.

    Each person has the tiers `expression`, `state` and `heart_rate`. Import the file in ELAN with File > Import > CSV /
    Tab-delimited Text, and set the first row of data to 2.

    Args:
        tracks: The rows of each person.

    Returns:
        The text of the file.
    """
    annotations: list[tuple[float, float, str, str, str]] = []
    for face, (rows, begin, end) in tracks.items():
        tiers: dict[str, list[str]] = {
            "expression": [f"abstained: {REASONS[row.reason]}" if row.abstained else row.label for row in rows],
            "state": [row.state for row in rows],
            "heart_rate": [_pulse([row]) or f"abstained: {REASONS[row.heart_rate.reason]}" for row in rows],
        }
        for tier, values in tiers.items():
            annotations += [(run.begin, run.end, f"face {face} {tier}", f"face {face}", run.value)
                            for run in expression_segments(begin, end, values)]
    lines = ["\t".join(ELAN_COLUMNS)]
    for start, stop, tier, person, value in sorted(annotations):
        times = f"{start:.3f}\t{stop:.3f}\t{round(stop, 3) - round(start, 3):.3f}"
        lines.append(f"{tier}\t{person}\t{times}\t{value}")
    return "\n".join(lines) + "\n"


def _line(rows: Sequence[Prediction]) -> str:
    row = rows[0]
    text = f"face {row.face}: "
    if row.abstained:
        text += f"no reading: {REASONS[row.reason]}"
    else:
        text += f"{row.label} {float(np.mean([row.confidence for row in rows])):.0%}"
    return text + listed_after(", ", _pulse(rows))


def _pulse(rows: Sequence[Prediction]) -> str:
    known = [row.heart_rate.value for row in rows if row.heart_rate.value is not None]
    if not known:
        return ""
    return f"{np.mean(known):.0f} {rows[0].heart_rate.unit}"


def _milliseconds(time: float) -> int:
    return max(0, round(time * 1000))  # SubRip has no negative times


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"
