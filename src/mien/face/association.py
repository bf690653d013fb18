"""Which face of a frame is which of the frame before: overlaps, pairings and proportions."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

# Points of the mesh that no expression moves far: forehead, temples, eye corners, bridge and base of the nose, ears.
RIGID = (10, 67, 297, 21, 251, 127, 356, 234, 454, 33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 2, 98, 327, 93, 323)

_THIRDS = np.full(3, 1 / 3)


def match(cost: list[list[float]], columns: int, limit: float) -> dict[int, int]:
    """The cheapest pairing (Hungarian), row -> column, without the pairs that cost more than `limit`."""
    table = np.array(cost, dtype=float).reshape(len(cost), columns)
    rows, picks = linear_sum_assignment(table)
    return {int(row): int(pick) for row, pick in zip(rows, picks, strict=True) if table[row, pick] <= limit}


def box_of(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (L, 3) px -> the box (4,) around them."""
    rows = np.ascontiguousarray(landmarks[:, :2].T)  # several times faster than down the columns
    return np.concatenate([rows.min(1), rows.max(1)])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


def plausible(old: np.ndarray, new: np.ndarray) -> bool:
    """From one frame to the next a face's box (4,) neither doubles in size nor leaps by its own width."""
    widths = old[2] - old[0], new[2] - new[0]
    leap = np.hypot(*((old[:2] + old[2:]) / 2 - (new[:2] + new[2:]) / 2))
    return 0.6 < widths[1] / max(widths[0], 1e-9) < 1.7 and leap < 0.7 * max(widths)


def shape(landmarks: np.ndarray) -> np.ndarray:
    """Proportions of a face free of place, size and pose: the distances between its rigid points, mean 1."""
    points = landmarks[list(RIGID)]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(len(RIGID), 1)]
    return distances / distances.mean()


def shrink(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """rgb (H, W, 3) -> grey float (height, width): a thumbnail to compare pictures by, from a few pixels of each."""
    few = cv2.resize(rgb, (4 * width, 4 * height), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64) @ _THIRDS
