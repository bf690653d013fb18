"""Intensities of the action units from the measures, by non-negative sparse regression.

The deviation of a face from the person's neutral face is modelled as the sum of the effects of its action units.
Intensities are not negative, few units are active at a time, and the measures are noisy. The most probable intensities
x solve

    minimise  1/2 |W (deviation - effects x)|^2 + sum of rate_j x_j,   x_j >= 0

with W the inverse standard deviation of each measure. The second term is an exponential prior on each intensity,
because most units rest at any time.

References:
    Song, McDuff, Vasisht & Kapoor 2015, Exploiting sparsity and co-occurrence structure for action unit recognition,
    IEEE FG (10.1109/FG.2015.7163081).
"""

from __future__ import annotations

import numpy as np

from mien.core.tasks import ACTION_UNITS
from mien.face.distances import MEASURES

# Change of each measure in mm at intensity 5 (the strongest of a person), on a face of average size. The directions
# follow the appearance changes in Ekman, Friesen & Hager 2002, FACS Manual. The sizes are our choice, of the order of
# the largest displacements in motion capture of healthy adults: Coulson, Croxson & Gilleard 2000,
# Quantification of three-dimensional displacement of normal facial movement, Ann. Otol. Rhinol. Laryngol. 109:478-483
# (10.1177/000348940010900507); Sforza et al. 2010, The effect of age and sex on facial mimicry, Int. J. Oral
# Maxillofac. Surg. 39:990-999 (10.1016/j.ijom.2010.05.011).
EFFECTS: dict[str, dict[str, float]] = {
    "AU01": {"brow_inner": 4.5, "brow_outer": 0.3},
    "AU02": {"brow_outer": 6, "brow_inner": 3},
    "AU04": {"brow_inner": -3.5, "brow_outer": -1, "brow_apart": -1, "lid_upper": -0.4},
    "AU05": {"lid_upper": 2},
    "AU06": {"cheek": 3, "pouch": 2, "lid_lower": 1.2, "lid_upper": -0.4, "brow_outer": -0.5},
    "AU07": {"lid_lower": 1.5, "lid_upper": -1.2, "pouch": 0.7},
    "AU09": {"wing": 2.6, "lip_rise": 1, "nose_width": 0.8, "brow_inner": -2, "pouch": 1, "cheek": 1.3,
             "lid_lower": 0.5, "lid_upper": -0.3, "lip_lower": 0.7},
    "AU10": {"lip_rise": 3.5, "philtrum": -2, "wing": 1.5, "nose_width": 0.5, "cheek": 0.8, "corner_rise": -1.5,
             "lip_lower": 1.5},
    "AU12": {"corner_rise": 6.5, "corner_out": 9, "corner_depth": 4.5, "cheek": 2.5, "pouch": 0.3, "wing": 3,
             "nose_width": 2.5, "lip_rise": 4, "philtrum": -2.5, "lip_upper": -1, "lip_lower": -0.7},
    "AU14": {"corner_depth": 2.5, "corner_out": 0.5, "lip_upper": -0.7, "lip_lower": -0.7},
    "AU15": {"corner_rise": -5, "corner_out": -1, "corner_depth": -1.5},
    "AU17": {"lip_rise": 2, "philtrum": -1.5, "lip_upper": -0.8, "chin_lip": 1, "jaw": -3, "corner_rise": -1.8},
    "AU20": {"corner_out": 5, "corner_depth": 1, "lip_upper": -1.7, "lip_lower": -1.9, "lip_rise": -1, "philtrum": 1},
    "AU23": {"lip_upper": -2.5, "lip_lower": -3, "lip_rise": -2.5, "philtrum": 2.5, "chin_lip": 1.5,
             "corner_out": -1.5},
    "AU24": {"lip_upper": -2.5, "lip_lower": -3, "lip_rise": -2.5, "philtrum": 2.5, "chin_lip": 1.5},
    "AU25": {"lip_gap": 6, "lip_rise": 0.7, "philtrum": -0.7, "chin_lip": -3.5, "corner_rise": 1.2},
    "AU26": {"jaw": 12, "lip_rise": -1, "philtrum": 1.5, "chin_lip": 5, "corner_out": -1},
    "AU45": {"lid_upper": -5.2, "lid_lower": 1.8, "pouch": 1.2, "cheek": 1.2, "wing": 1.2, "lip_rise": 0.8,
             "brow_inner": 0.7, "brow_outer": 0.7},
}  # fmt: skip
# The lids follow the eye up and down, the upper one nearly as far: Becker & Fuchs 1988, Lid-eye coordination during
# vertical gaze changes in man and monkey, J. Neurophysiol. 60:1227-1252 (10.1152/jn.1988.60.4.1227). Unit: mm for
# each mm that the iris rises.
GAZE_EFFECT = {"gaze_rise": 1.0, "lid_upper": 1.0, "lid_lower": 0.4}

CLOSURE = EFFECTS["AU45"]["lid_lower"] - EFFECTS["AU45"]["lid_upper"]
"""Change of the distance between the lids in mm when they close, on a face of average size."""
# our choice: distance between closed lids in the mesh, in mm (1.2-1.9 in three blinks of real faces).
SLIT = 1.3

STRONGEST = 5.0
"""Largest intensity. The FACS grades A to E are 1 to 5."""

# our choice: the rate of the exponential prior, in two scales; the larger one counts. One is 1 for each grade, so that
# a unit with little evidence stays at a trace (grade A). The other is 1 for each standard deviation that a grade moves
# the measures, so that units with large movements have no advantage over units with small ones.
RATE = 1.0
# our choice: standard deviation of the vertical position of the iris, in mm (13 degrees).
GAZE_SPREAD = 2.5

# Standard deviation of each measure in mm around the model above, within a person: landmark jitter (0.1-0.7 mm in a
# still face with 65 px between the eyes) and movements that the table omits. our choice.
_NOISE = {
    "brow_inner": 0.7, "brow_outer": 0.7, "brow_apart": 0.5, "lid_upper": 0.4, "lid_lower": 0.3, "pouch": 0.4,
    "cheek": 0.7, "wing": 0.8, "nose_width": 0.6, "philtrum": 0.9, "lip_upper": 0.6, "lip_gap": 1.3, "lip_lower": 0.8,
    "chin_lip": 0.9, "corner_rise": 0.9, "corner_out": 1.0, "corner_depth": 0.8, "gaze_rise": 0.3,
    "lip_rise": 0.8, "jaw": 1.5,
}  # fmt: skip
NOISE = np.array([_NOISE[name] for name in MEASURES])
"""(M,) standard deviation of the measures in mm, in the order of `MEASURES`."""


def _matrix() -> np.ndarray:
    """(M, A + 1) effects of the action units; the last column is the gaze."""
    columns = [EFFECTS[unit] for unit in ACTION_UNITS]
    matrix = np.zeros((len(MEASURES), len(columns) + 1))
    for column, effect in enumerate(columns):
        for name, most in effect.items():
            matrix[MEASURES.index(name), column] = most / STRONGEST
    for name, slope in GAZE_EFFECT.items():
        matrix[MEASURES.index(name), -1] = slope
    return matrix


MATRIX = _matrix()
"""(M, A + 1) in mm for each unit of intensity. The last column is for each mm of vertical gaze."""

_STEP = 0.3  # step size of ADMM: any positive number converges, this value is fast on faces
_ROUNDS = 40


def solve(deviation: np.ndarray, spread: np.ndarray, effects: np.ndarray = MATRIX) -> np.ndarray:
    """Solve for the intensities with the alternating direction method of multipliers (ADMM).

    Each frame is solved separately with a fixed number of iterations, so the result does not depend on the number of
    frames in a call.

    Args:
        deviation: (T, M) difference from the neutral face in mm.
        spread: (T, M) its standard deviation in mm.
        effects: (M, A + 1) in mm for each unit of intensity; the last column is for each mm of vertical gaze.

    Returns:
        (T, A + 1) intensities; the last column is the vertical gaze in mm.

    References:
        Boyd et al. 2011, Distributed optimization and statistical learning via the alternating direction method of
        multipliers, section 5.2.1 (10.1561/2200000016).
    """
    weighted = effects / spread[:, :, None]  # (T, M, A + 1)
    turned = np.swapaxes(weighted, 1, 2)
    gram = turned @ weighted
    gram[:, -1, -1] += GAZE_SPREAD**-2
    unit = 1 / np.sqrt(np.diagonal(gram, axis1=1, axis2=2))  # (T, A + 1): scales each column to length 1
    gram *= unit[:, :, None] * unit[:, None, :]
    inverse = _inverse(gram + _STEP * np.eye(gram.shape[1]))
    rate, low = np.maximum(RATE * unit, RATE), np.zeros_like(unit)
    rate[:, -1], low[:, -1] = 0.0, -np.inf
    pull = (turned @ (deviation / spread)[:, :, None])[:, :, 0] * unit - rate
    inside = np.maximum(pull, low)
    dual = np.zeros_like(inside)
    start, inverse = (inverse @ pull[:, :, None])[:, :, 0], _STEP * inverse
    for _ in range(_ROUNDS):
        free = start + (inverse @ (inside - dual)[:, :, None])[:, :, 0] + dual
        inside = np.maximum(free, low)
        dual = free - inside
    return inside * unit


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Invert symmetric positive definite matrices (T, N, N) with the sweep operator.

    The last bits of LAPACK's result depend on its current number of threads; these do not.

    References:
        Goodnight 1979 (10.1080/00031305.1979.10482685).
    """
    work = matrices.copy()
    for k in range(work.shape[1]):
        column, pivot = work[:, :, k].copy(), work[:, k, k, None].copy()
        row = column / pivot
        work -= column[:, :, None] * row[:, None, :]
        work[:, k, :] = work[:, :, k] = row
        work[:, k, k] = -1 / pivot[:, 0]
    return -work
