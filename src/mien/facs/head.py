"""Where the head points, and the face as it would look from straight ahead.

Landmarks of a few places that expressions hardly move are laid onto the mean place of the same landmarks by the
least-squares similarity transform: Umeyama 1991, Least-squares estimation of transformation parameters between two
point patterns, IEEE PAMI 13:376-380 (10.1109/34.88573), with weights.

The head's axes: x to the person's left, y up, z out of the face; mm on a face of average size.
"""

from __future__ import annotations

import numpy as np

# Mean place (mm) and weight of each rigid landmark: (person's right, person's left), (|x|, y, z), weight.
# our choice: mean of mediapipe's mesh over the eight real faces of docs/action_units.md, made symmetric, because the
# wheel does not carry mediapipe's canonical face; zero pitch is where the top of the forehead and the chin are equally
# far from the camera. Scale: an iris is 11.7 mm wide (Rüfer, Schröder & Erb 2005, White-to-white corneal diameter,
# Cornea 24:259-261, 10.1097/01.ico.0000148312.01805.53).
# Weights are our choice: the corners of the eyes most, because they are near to what is measured; the forehead less,
# because the mesh lets it follow the brows; the temples least, because the mesh does not turn them far enough.
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
"""Indices (K,) of the rigid landmarks, their mean place (K, 3) mm and their weights (K,), which sum to 1."""

_FLIP = np.array([1.0, -1.0, -1.0])  # picture (x right, y down, z away) -> head seen from the front


def head_frame(landmarks: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """landmarks (T, L, 3) px -> those `wanted` (P,) in the head's axes (T, P, 3) mm, the head's rotation (T, 3, 3).

    The rotation's columns are the head's axes as the camera sees them (x to the picture's right, y up, z to the
    camera). Each frame is computed by itself, so that it does not matter how many come at once. No NaN may come in.
    """
    # take and not [:, indices]: its layout, and with it the order of summation, is the same for one frame as for many
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
    points = np.take(landmarks, wanted, axis=1) * _FLIP - centre
    return points @ rotation * scale[:, None, None] + target, rotation


def angles(rotation: np.ndarray) -> np.ndarray:
    """rotation (T, 3, 3) of `head_frame` -> (T, 3) pitch, yaw, roll in degrees, the signs of `types.Window`.

    Zero is a head that faces the camera: angles are to the line of sight, because the mesh is seen in a crop
    and the camera's focal length is not known.
    """
    forward, left = rotation[:, :, 2], rotation[:, :, 0]
    yaw = np.arctan2(forward[:, 0], forward[:, 2])
    pitch = np.arctan2(forward[:, 1], np.hypot(forward[:, 0], forward[:, 2]))
    # Roll is what is left when yaw and pitch are undone: the angle of the head's left against the horizontal.
    cos, sin = np.cos(yaw), np.sin(yaw)
    level = cos * left[:, 0] - sin * left[:, 2]  # along the horizontal left, and below along what is up to the two
    rise = np.cos(pitch) * left[:, 1] - np.sin(pitch) * (sin * left[:, 0] + cos * left[:, 2])
    roll = -np.arctan2(rise, level)
    return np.degrees(np.stack([pitch, yaw, roll], axis=1))
