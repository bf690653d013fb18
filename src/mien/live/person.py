"""Which of several people is meant: who faces the camera and is nearest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mien.types import Emotion

STICK = 1.3
"""Times as much must another count to be looked at instead. Our choice: a third nearer, or turned here while the first
is turned away by 40 degrees; less would jump between two who sit side by side."""


def choose(rows: Iterable[Emotion], current: int | None = None) -> int | None:
    """The rows of one step -> the id of whoever counts most by `weight`; None where nobody is seen.

    `current`, who was chosen before, stays unless another counts `STICK` times as much.
    """
    weights = {row.face: weight(row) for row in rows}
    if not weights or max(weights.values()) <= 0:
        return current if current in weights else None
    best = max(sorted(weights), key=lambda face: weights[face])
    if current is None or current not in weights:
        return best
    return best if weights[best] > STICK * weights[current] else current


def weight(row: Emotion) -> float:
    """Width of the face in px, which grows as somebody comes nearer, times how far it is turned here; 0 when unseen."""
    if row.state == "lost":
        return 0.0
    pitch, yaw, _ = row.pose
    facing = float(np.cos(np.radians(pitch)) * np.cos(np.radians(yaw)))
    # our choice: whose pose is not known is turned too far for it, and counts as at 75 degrees
    facing = max(facing, 0.26) if np.isfinite(facing) else 0.26
    return float(row.box[2] - row.box[0]) * facing
