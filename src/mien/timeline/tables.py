"""Rows as tables: mien's own columns, and those of py-feat and OpenFace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mien.tasks import ACTION_UNITS, Task
from mien.types import Emotion, Source

BOX = ("x0", "y0", "x1", "y1")
ANGLES = ("pitch", "yaw", "roll", "gaze_yaw", "gaze_pitch")

FEX_CLASSES = {"angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "sad": "sadness",
               "surprise": "surprise", "neutral": "neutral"}
"""mien's classes under py-feat's names, in py-feat's order."""


def frame(emotions: Sequence[Emotion], task: Task) -> pd.DataFrame:
    """Rows -> DataFrame in mien's own columns. What was abstained from is NaN."""
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
        "state": np.array([row.state for row in emotions], dtype=object),
        **_columns(BOX, [row.box for row in emotions]),
        **_columns(ACTION_UNITS, [row.aus for row in emotions]),
        **_columns([f"p_{name}" for name in task.classes], probs),
        "label": np.array(["" if row.abstained else row.label for row in emotions], dtype=object),
        "confidence": np.array([0.0 if row.abstained else row.confidence for row in emotions], dtype=np.float64),
        **_columns(("valence", "arousal"), affect),
        **_columns(ANGLES, angles),
        "heart_rate": np.array([np.nan if r.value is None else r.value for r in heart], dtype=np.float64),
        "pulse_quality": np.array([r.quality for r in heart], dtype=np.float64),
        "pulse_method": np.array([r.method for r in heart], dtype=object),
        "pulse_reason": np.array([r.reason for r in heart], dtype=object),
        "abstained": abstained,
        "reason": np.array([row.reason for row in emotions], dtype=object),
        "read_from": np.array([row.read_from for row in emotions], dtype=object),
    })


def fex(rows: pd.DataFrame, task: Task, source: Source) -> pd.DataFrame:
    """`frame` in py-feat's columns and conventions (version 2).

    Action units 0..1 (ours over 5), angles in radians; Yaw and Roll are positive to the person's right, gaze_yaw to
    the person's left. `FaceScore` is 1 while tracked, otherwise 0: no detector's score is kept in a row.
    """
    known = [name for name in FEX_CLASSES if name in task.classes]
    other = [name for name in task.classes if name not in FEX_CLASSES]
    pitch, yaw = np.radians(rows["gaze_pitch"]), np.radians(rows["gaze_yaw"])
    time = _middle(rows)
    return pd.DataFrame({
        "input": np.full(len(rows), source.name, dtype=object),
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
        "Identity": np.array([f"Person_{face}" for face in rows["face_id"]], dtype=object),
    })


def openface(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """`frame` in OpenFace's columns and conventions.

    Radians; pose_Rx is positive down, pose_Ry to the person's right, pose_Rz to the person's left shoulder;
    gaze_angle_x is positive to the person's left and gaze_angle_y down, both in the camera's frame: head and eyes
    together (their sum, which holds for the small angles at which eyes are seen). No pose_T: it needs the camera's
    focal length. `confidence` is `success`, 1 while tracked, otherwise 0: no landmark confidence is kept in a row.
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


def _columns(names: Sequence[str], values: Sequence | np.ndarray) -> dict[str, np.ndarray]:
    table = np.array(values, dtype=np.float64).reshape(len(values), len(names))
    return dict(zip(names, np.ascontiguousarray(table.T), strict=True))


def _middle(rows: pd.DataFrame) -> pd.Series:
    return (rows["start"] + rows["end"]) / 2


def _frames(time: pd.Series, source: Source) -> np.ndarray:
    """The frame at the middle of each row, from 0; approximate where the frame rate varies."""
    rate = source.fps_mean if np.isfinite(source.fps_mean) else 0.0
    last = max(source.frames - 1, 0)
    return np.clip((time.to_numpy() * rate).round(), 0, last).astype(np.int64)
