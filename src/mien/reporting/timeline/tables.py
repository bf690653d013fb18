"""Convert rows to tables with mien's columns, py-feat's and OpenFace's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mien.core.results import Person, Prediction, Source
from mien.core.tasks import ACTION_UNITS, Task
from mien.rppg.hrv import intervals

BOX = ("x0", "y0", "x1", "y1")
ANGLES = ("pitch", "yaw", "roll", "gaze_yaw", "gaze_pitch")

FEX_CLASSES = {"angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "sad": "sadness",
               "surprise": "surprise", "neutral": "neutral"}
"""py-feat's names of mien's classes, in py-feat's order."""


def beat_intervals(people: Sequence[Person]) -> pd.DataFrame:
    """The intervals between the heartbeats of each person.

    Args:
        people: The people of a recording.

    Returns:
        One line per interval: `face_id`, `time_s` of the beat that ends it, `ibi_ms`, and `accepted`, false for an
        interval that holds a missed or an extra beat.
    """
    parts = []
    for person in people:
        if person.beats is not None and len(person.beats) > 1:
            gaps, good = intervals(person.beats)
            parts.append(pd.DataFrame({"face_id": person.id, "time_s": person.beats[1:], "ibi_ms": 1000 * gaps,
                                       "accepted": good}))
    if not parts:
        parts.append(pd.DataFrame({"face_id": np.empty(0, int), "time_s": np.empty(0), "ibi_ms": np.empty(0),
                                   "accepted": np.empty(0, bool)}))
    return pd.concat(parts, ignore_index=True)


def to_frame(emotions: Sequence[Prediction], task: Task) -> pd.DataFrame:
    """Convert rows to a table with mien's columns.

    Args:
        emotions: The rows.
        task: Their label space.

    Returns:
        One line per row; NaN where the model abstained.
    """
    n, k = len(emotions), len(task.classes)
    heart = [row.heart_rate for row in emotions]
    abstained = np.array([row.abstained for row in emotions], dtype=bool)
    probs = np.array([row.probs for row in emotions], dtype=np.float64).reshape(n, k)
    affect = np.array([(row.valence, row.arousal) for row in emotions], dtype=np.float64).reshape(n, 2)
    probs[abstained], affect[abstained] = np.nan, np.nan
    angles = [(*row.pose, *row.gaze) for row in emotions]
    return pd.DataFrame({
        "start": np.array([row.start for row in emotions], dtype=np.float64),
        "end": np.array([row.end for row in emotions], dtype=np.float64),
        "face_id": np.array([row.face for row in emotions], dtype=np.int64),
        "state": _texts([row.state for row in emotions]),
        **_columns(BOX, [row.box for row in emotions]),
        **_columns(ACTION_UNITS, [row.aus for row in emotions]),
        **_columns([f"p_{name}" for name in task.classes], probs),
        "label": _texts(["" if row.abstained else row.label for row in emotions]),
        "confidence": np.array([0.0 if row.abstained else row.confidence for row in emotions], dtype=np.float64),
        **_columns(("valence", "arousal"), affect),
        **_columns(ANGLES, angles),
        "heart_rate": np.array([rate.number for rate in heart], dtype=np.float64),
        "pulse_quality": np.array([r.quality for r in heart], dtype=np.float64),
        "pulse_method": _texts([r.method for r in heart]),
        "pulse_reason": _texts([r.reason for r in heart]),
        "abstained": abstained,
        "reason": _texts([row.reason for row in emotions]),
        "read_from": _texts([row.read_from for row in emotions]),
    })


def fex(rows: pd.DataFrame, task: Task, source: Source) -> pd.DataFrame:
    """Convert a table of `frame` to py-feat's columns and conventions (version 2).

    Action units are 0..1 (ours divided by 5), angles in radians. Yaw and Roll are positive to the person's right,
    gaze_yaw to the person's left. `FaceScore` is 1 while tracked, otherwise 0: rows do not store the detector's score.

    Args:
        rows: The table.
        task: Label space of the rows.
        source: The recording.

    Returns:
        The converted table.
    """
    known = [name for name in FEX_CLASSES if name in task.classes]
    other = [name for name in task.classes if name not in FEX_CLASSES]
    pitch, yaw = np.radians(rows["gaze_pitch"]), np.radians(rows["gaze_yaw"])
    time = _middle(rows)
    return pd.DataFrame({
        "input": _texts([source.name] * len(rows)),
        "frame": _frames(time, source),
        "approx_time": time,
        "FaceRectX": rows["x0"],
        "FaceRectY": rows["y0"],
        "FaceRectWidth": rows["x1"] - rows["x0"],
        "FaceRectHeight": rows["y1"] - rows["y0"],
        "FaceScore": (rows["state"] == "tracked").astype(np.float64),
        "Pitch": np.radians(rows["pitch"]),
        "Roll": -np.radians(rows["roll"]),
        "Yaw": -np.radians(rows["yaw"]),
        **{name: rows[name] / 5 for name in ACTION_UNITS},
        **{FEX_CLASSES[name]: rows[f"p_{name}"] for name in known},
        **{name: rows[f"p_{name}"] for name in other},
        "valence": rows["valence"],
        "arousal": rows["arousal"],
        "gaze_pitch": pitch,
        "gaze_yaw": yaw,
        "gaze_angle": np.arccos(np.clip(np.cos(pitch) * np.cos(yaw), -1, 1)),
        "Identity": _texts([f"Person_{face}" for face in rows["face_id"]]),
    })


def openface(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Convert a table of `frame` to OpenFace's columns and conventions.

    Angles are in radians. pose_Rx is positive down, pose_Ry to the person's right, and pose_Rz to the person's left
    shoulder. gaze_angle_x is positive to the person's left and gaze_angle_y down, both in the camera's frame. They are
    the sum of head and eye angles, which is valid for the small angles at which eyes are visible. There is no pose_T,
    since it needs the camera's focal length. `confidence` equals `success`, 1 while tracked, otherwise 0: rows do not
    store the landmarks' confidence.

    Args:
        rows: The table.
        source: The recording.

    Returns:
        The converted table.
    """
    time = _middle(rows)
    tracked = (rows["state"] == "tracked").astype(np.int64)
    return pd.DataFrame({
        "frame": _frames(time, source) + 1,  # OpenFace counts from 1
        "face_id": rows["face_id"],
        "timestamp": time,
        "confidence": tracked.astype(np.float64),
        "success": tracked,
        "gaze_angle_x": np.radians(rows["yaw"] + rows["gaze_yaw"]),
        "gaze_angle_y": -np.radians(rows["pitch"] + rows["gaze_pitch"]),
        "pose_Rx": -np.radians(rows["pitch"]),
        "pose_Ry": -np.radians(rows["yaw"]),
        "pose_Rz": np.radians(rows["roll"]),
        **{f"{name}_r": rows[name] for name in ACTION_UNITS},
    })


def _texts(values: Sequence[str]) -> pd.api.extensions.ExtensionArray:
    """A column of text also where it has no row: strings in pandas 3, objects before."""
    return pd.Series(values, dtype="str").array


def _columns(names: Sequence[str], values: Sequence | np.ndarray) -> dict[str, np.ndarray]:
    table = np.array(values, dtype=np.float64).reshape(len(values), len(names))
    return dict(zip(names, np.ascontiguousarray(table.T), strict=True))


def _middle(rows: pd.DataFrame) -> pd.Series:
    return (rows["start"] + rows["end"]) / 2


def _frames(time: pd.Series, source: Source) -> np.ndarray:
    """Index of the frame at the middle of each row, from 0; approximate for a variable frame rate."""
    if source.timeline is not None and source.timeline.segments:
        return source.timeline.frame_at(time.to_numpy())
    rate = source.fps_mean if np.isfinite(source.fps_mean) else 0.0
    last = max(source.frames - 1, 0)
    return np.clip(((time.to_numpy() - source.start) * rate).round(), 0, last).astype(np.int64)
