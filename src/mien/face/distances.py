"""Distances between face landmarks in mm, in the axes of the head.

Each distance is the mean of the person's right and left side. This also helps when the head is turned: the errors of
mediapipe's depth have opposite signs on the two sides and cancel (docs/action_units.md).
"""

from __future__ import annotations

import numpy as np

# Landmarks of mediapipe's face mesh: the person's right, the person's left.
PLACES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "brow_inner": ((107, 66, 55, 65), (336, 296, 285, 295)),
    "brow_outer": ((70, 63, 46, 53), (300, 293, 276, 283)),
    "brow_end": ((107, 55), (336, 285)),
    "canthi": ((33, 133), (263, 362)),
    "lid_upper": ((158, 159, 160), (385, 386, 387)),
    "lid_lower": ((144, 145, 153), (373, 374, 380)),
    "pouch": ((228, 229, 230, 231), (448, 449, 450, 451)),
    "cheek": ((50, 205, 101, 118), (280, 425, 330, 347)),
    "wing": ((129, 98, 64), (358, 327, 294)),
    "nose_base": ((2, 97), (2, 326)),
    "corner": ((61, 76, 62, 78), (291, 306, 292, 308)),
    "upper_edge": ((37, 39, 0), (267, 269, 0)),
    "upper_inner": ((82, 81, 13), (312, 311, 13)),
    "lower_inner": ((87, 178, 14), (317, 402, 14)),
    "lower_edge": ((84, 181, 17), (314, 405, 17)),
    "chin": ((148, 176, 152), (377, 400, 152)),
    "iris": ((468,), (473,)),
}

_X, _Y, _Z = 0, 1, 2

# name: (axis, {place: sign}). x is positive away from the midline, on both sides.
_LENGTHS: dict[str, tuple[int, dict[str, float]]] = {
    "brow_inner": (_Y, {"brow_inner": 1, "canthi": -1}),
    "brow_outer": (_Y, {"brow_outer": 1, "canthi": -1}),
    "brow_apart": (_X, {"brow_end": 1}),
    "lid_upper": (_Y, {"lid_upper": 1, "canthi": -1}),
    "lid_lower": (_Y, {"lid_lower": 1, "canthi": -1}),
    "pouch": (_Y, {"pouch": 1, "canthi": -1}),
    "cheek": (_Y, {"cheek": 1, "canthi": -1}),
    "wing": (_Y, {"wing": 1, "canthi": -1}),
    "nose_width": (_X, {"wing": 1}),
    "philtrum": (_Y, {"nose_base": 1, "upper_edge": -1}),
    "lip_rise": (_Y, {"upper_edge": 1, "canthi": -1}),
    "lip_upper": (_Y, {"upper_edge": 1, "upper_inner": -1}),
    "lip_gap": (_Y, {"upper_inner": 1, "lower_inner": -1}),
    "lip_lower": (_Y, {"lower_inner": 1, "lower_edge": -1}),
    "chin_lip": (_Y, {"lower_edge": 1, "chin": -1}),
    "corner_rise": (_Y, {"corner": 1, "upper_edge": -0.5, "lower_edge": -0.5}),
    "corner_out": (_X, {"corner": 1}),
    "corner_depth": (_Z, {"upper_edge": 0.5, "lower_edge": 0.5, "corner": -1}),
    "jaw": (_Y, {"canthi": 1, "chin": -1}),
    "gaze_rise": (_Y, {"iris": 1, "canthi": -1}),
}
MEASURES = tuple(_LENGTHS)
"""(M,) names of the measures, in the order of the arrays."""

POINTS = np.array(sorted({index for pair in PLACES.values() for side in pair for index in side}))
"""(P,) indices of the landmarks that the measures use."""

_SLOT = {index: slot for slot, index in enumerate(POINTS.tolist())}


def _matrix() -> np.ndarray:
    """(M + 1, P * 3) linear map from coordinates to measures. The last row is the horizontal position of the iris."""
    matrix = np.zeros((len(MEASURES) + 1, len(POINTS), 3))

    def add_term(row: int, axis: int, place: str, right: float, left: float) -> None:
        for weight, indices in zip((right, left), PLACES[place], strict=True):
            for index in indices:
                matrix[row, _SLOT[index], axis] += weight / (2 * len(indices))

    for row, (axis, terms) in enumerate(_LENGTHS.values()):
        for place, sign in terms.items():
            add_term(row, axis, place, -sign if axis == _X else sign, sign)
    add_term(len(MEASURES), _X, "iris", 1, 1)
    add_term(len(MEASURES), _X, "canthi", -1, -1)
    return matrix.reshape(len(matrix), -1)


_MATRIX = _matrix()

# mm from the iris to the centre of rotation of the eye, horizontal and vertical. The centre is 15.3 and 12.5 mm behind
# the apex of the cornea (Positions of the horizontal and vertical centre of rotation in eyes with different refractive
# errors, Ophthalmic Physiol. Opt. 2022, 42:376-383, 10.1111/opo.12940). The iris is 3.6 mm behind the apex
# (Gullstrand's eye).
_RADII = np.array([11.7, 8.9])
# our choice: height in mm of the iris above the line of the eye corners when the eyes look straight ahead. It is the
# mean of the faces of docs/action_units.md; most of them look at the camera.
_REST = 1.2


def distances(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure distances and gaze.

    Args:
        points: (T, P, 3) in mm in the axes of the head, in the order of `POINTS`.

    Returns:
        The measures, (T, M) in mm, in the order of `MEASURES`.
        The gaze, (T, 2) in degrees: yaw and pitch of the eyes relative to the head, the mean of both eyes.
    """
    values = (_MATRIX @ np.ascontiguousarray(points).reshape(len(points), -1, 1))[:, :, 0]
    offset = np.stack([values[:, -1], values[:, _GAZE] - _REST], axis=1)
    return values[:, :-1], np.degrees(np.arcsin(np.clip(offset / _RADII, -1, 1)))


_GAZE = MEASURES.index("gaze_rise")
