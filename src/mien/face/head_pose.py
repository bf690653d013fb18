"""Head pose, and landmarks in the coordinates of the head.

Some landmarks hardly move with expressions. A weighted least-squares similarity transform aligns them with their mean
positions.

The axes of the head are x to the person's left, y up, and z out of the face, in mm on a face of average size.

References:
    Umeyama 1991, Least-squares estimation of transformation parameters between two point patterns, IEEE PAMI
    13:376-380 (10.1109/34.88573).
"""

from __future__ import annotations

import numpy as np

# Mean position (mm) and weight of each rigid landmark: (person's right, person's left), (|x|, y, z), weight.
# our choice: the mean of mediapipe's mesh over the eight real faces of docs/action_units.md, made symmetric, because
# mediapipe's wheel does not contain its canonical face. At zero pitch, the top of the forehead and the chin are equally
# far from the camera. Scale: an iris is 11.7 mm wide (Rüfer, Schröder & Erb 2005, White-to-white corneal diameter,
# Cornea 24:259-261, 10.1097/01.ico.0000148312.01805.53).
# The weights are our choice. The corners of the eyes have the largest, because they are near the measured parts. The
# forehead has less, because in the mesh it follows the brows. The temples have the least, because the mesh turns them
# too little.
_PAIRS = {
    (133, 362): ((18.1, 25.6, 34.7), 1.0),
    (33, 263): ((45.2, 27.3, 29.2), 1.0),
    (127, 356): ((70.1, 22.3, -20.7), 0.2),
    (162, 389): ((68.8, 38.0, -10.9), 0.2),
    (67, 297): ((34.8, 77.7, 37.7), 0.4),
}
_MIDLINE = {
    168: ((31.3, 51.3), 0.7),
    6: ((23.5, 55.8), 0.7),
    197: ((16.4, 60.9), 0.7),
    195: ((9.6, 66.5), 0.7),
    5: ((2.3, 72.2), 0.7),
    4: ((-6.4, 74.7), 0.7),
    10: ((80.9, 45.9), 0.4),
    151: ((65.0, 49.9), 0.4),
}


def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    for (right, left), ((x, y, z), weight) in _PAIRS.items():
        rows += [(right, -x, y, z, weight), (left, x, y, z, weight)]
    rows += [(index, 0.0, y, z, weight) for index, ((y, z), weight) in _MIDLINE.items()]
    table = np.array(rows)
    return table[:, 0].astype(int), table[:, 1:4], table[:, 4] / table[:, 4].sum()


RIGID, REFERENCE, WEIGHTS = _table()
"""Indices (K,) of the rigid landmarks, their mean positions (K, 3) in mm, and their weights (K,), which sum to 1."""

_FLIP = np.array([1.0, -1.0, -1.0])  # picture (x right, y down, z away) -> head seen from the front


def head_frame(landmarks: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transform landmarks to the coordinates of the head.

    Each frame is computed separately, so the result does not depend on the number of frames in a call.

    Args:
        landmarks: (T, L, 3) px, without NaN.
        indices: (P,) the landmarks to return.

    Returns:
        The points, (T, P, 3) in mm, in the axes of the head.
        The rotation of the head, (T, 3, 3): its columns are the axes of the head in the camera's coordinates (x to the
        picture's right, y up, z towards the camera).
    """
    # np.take, not [:, indices]: its memory layout, and so the order of summation, is the same for any number of frames
    rigid = np.take(landmarks, RIGID, axis=1) * _FLIP
    centre = (rigid * WEIGHTS[:, None]).sum(axis=1, keepdims=True)
    target = (REFERENCE * WEIGHTS[:, None]).sum(axis=0)
    moved = rigid - centre
    shared = np.swapaxes(moved * WEIGHTS[:, None], 1, 2) @ (REFERENCE - target)
    u, s, vt = np.linalg.svd(shared)
    sign = np.ones((len(landmarks), 3))
    sign[:, 2] = np.sign(np.linalg.det(shared))
    rotation = (u * sign[:, None, :]) @ vt
    spread = (moved**2 * WEIGHTS[:, None]).sum(axis=(1, 2))
    scale = (s * sign).sum(axis=1) / spread
    points = np.take(landmarks, indices, axis=1) * _FLIP - centre
    return points @ rotation * scale[:, None, None] + target, rotation


def angles(rotation: np.ndarray) -> np.ndarray:
    """Compute the Euler angles of the head.

    Zero is a head that faces the camera. The angles are relative to the line of sight, because the mesh comes from a
    crop and the focal length of the camera is unknown.

    Args:
        rotation: (T, 3, 3) from `head_frame`.

    Returns:
        (T, 3) pitch, yaw and roll in degrees, with the signs of `Window`.
    """
    forward, left = rotation[:, :, 2], rotation[:, :, 0]
    yaw = np.arctan2(forward[:, 0], forward[:, 2])
    pitch = np.arctan2(forward[:, 1], np.hypot(forward[:, 0], forward[:, 2]))
    # Roll is the angle between the head's left axis and the horizontal, after yaw and pitch are undone.
    cos, sin = np.cos(yaw), np.sin(yaw)
    level = cos * left[:, 0] - sin * left[:, 2]  # along the horizontal left axis; `rise` is perpendicular to it
    rise = np.cos(pitch) * left[:, 1] - np.sin(pitch) * (sin * left[:, 0] + cos * left[:, 2])
    roll = -np.arctan2(rise, level)
    return np.degrees(np.stack([pitch, yaw, roll], axis=1))
