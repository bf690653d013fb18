"""Select the main person: the one who is nearest and faces the camera."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mien.core.results import Prediction

SWITCH_FACTOR = 1.3
"""Factor by which another person's weight must exceed that of the current one. Our choice: it corresponds to being a
third nearer, or to facing the camera while the current person is turned away by 40 degrees. A smaller factor would
switch back and forth between two people who sit side by side."""


def select_person(rows: Iterable[Prediction], current: int | None = None) -> int | None:
    """Select a person.

    Args:
        rows: The rows of one step.
        current: Id of the person who is selected now. They stay selected unless another person's weight is more than
            `SWITCH_FACTOR` times theirs.

    Returns:
        Id of the person with the largest `weight`; None if no face is visible.
    """
    weights = {row.face: person_weight(row) for row in rows}
    if not weights or max(weights.values()) <= 0:
        return current if current in weights else None
    best = max(sorted(weights), key=lambda face: weights[face])
    if current not in weights or weights[best] > SWITCH_FACTOR * weights[current]:
        return best
    return current


def person_weight(row: Prediction) -> float:
    """Width of the face in px, which grows with nearness, times the cosine of its angle to the camera; 0 when lost."""
    if row.state == "lost":
        return 0.0
    pitch, yaw, _ = row.pose
    facing = float(np.cos(np.radians(pitch)) * np.cos(np.radians(yaw)))
    if not facing >= 0.26:  # our choice: an unknown pose means that the face is turned far, and counts as 75 degrees
        facing = 0.26
    return float(row.box[2] - row.box[0]) * facing
