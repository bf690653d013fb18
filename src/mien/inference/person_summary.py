"""The summary of one person over a whole recording."""

from __future__ import annotations

import numpy as np

from mien import face, rppg
from mien.core.results import Person, Prediction
from mien.core.tasks import Task, seen_units
from mien.face.track_buffer import mean
from mien.inference.stream import Stream


def person_summary(stream: Stream, id_: int, task: Task, emotions: list[Prediction], vitals: rppg.Vitals,
                   row_units: bool = False, row_affect: bool = False) -> Person:
    """Summarise one person over the whole recording.

    Args:
        stream: The stream, which kept everything (`keep_all`).
        id_: Id of the person in the stream.
        task: Label space of the rows.
        emotions: The rows of everybody.
        vitals: The person's vital signs.
        row_units: Whether a model predicted the action units, so that they are those of the rows.
        row_affect: Whether a model predicted valence or arousal, so that they are means of the rows.

    Returns:
        The summary.
    """
    seen = stream.people[id_].seen
    recording = seen.window(-np.inf, np.inf)
    rows = [row for row in emotions if row.face == id_ and not row.abstained]
    probs = np.mean([row.probs for row in rows], axis=0) if rows else np.full(len(task.classes), np.nan)
    valence, arousal = task.affect(probs)
    if row_affect and rows:
        valence, arousal = _mean_known(np.array([(row.valence, row.arousal) for row in rows]))
    times, boxes = seen.path()
    _, blinks = face.blinks(recording.times, recording.aus[:, face.ACTION_UNITS.index("AU45")])
    aus = mean(recording.aus)
    if row_units:
        aus = _mean_known(np.array([row.aus for row in emotions if row.face == id_]))
    return Person(
        id=id_, coverage=seen.frames_tracked / stream.frames, first=seen.first, last=seen.last,
        task=task.name, expression=probs, valence=valence, arousal=arousal, aus=aus if row_units else seen_units(aus),
        pose=mean(recording.pose), gaze=mean(recording.gaze), heart_rate=vitals.heart_rate,
        respiration=vitals.respiration,
        blink_rate=blinks, hrv=vitals.hrv, pulse=vitals.waveform,
        beats=vitals.beats if len(vitals.beats) else None, picture=stream.people[id_].picture,
        times=times, boxes=boxes)


def _mean_known(rows: np.ndarray) -> np.ndarray:
    """(N, A) -> the mean (A,) of the known values of each column, NaN for a column without any."""
    known = np.isfinite(rows)
    return np.divide(np.nansum(rows, axis=0), known.sum(axis=0), out=np.full(rows.shape[1], np.nan),
                     where=known.any(axis=0))
