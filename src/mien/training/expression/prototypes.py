"""Which action units a simulated face shows for each expression: published prototypes and their variants.

References:
    Du, Tao & Martinez 2014, Compound facial expressions of emotion, PNAS 111:E1454-E1462 (10.1073/pnas.1322355111).
    Ekman, Friesen & Hager 2002, FACS Investigator's Guide: the table of prototypes and major variants of six emotions
    (the basis of EMFACS).
"""

from __future__ import annotations

import numpy as np

from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face.expression import CHANCES

AU = {name: index for index, name in enumerate(ACTION_UNITS)}

# Prototypes and major variants of the guide. A number is an action unit; AU27 (mouth stretched open) is AU26 with AU25,
# AU16 (lower lip drawn down) is AU25, AU11 and AU22 are left out: mien does not measure them.
VARIANTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "happy": ((6, 12), (12,), (6, 12, 25), (12, 25), (6, 12, 25, 26)),
    "sad": ((1, 4, 15), (1, 4, 15, 17), (6, 15), (1, 4), (1, 4, 17), (15, 17), (1, 4, 15, 25)),
    "neutral": ((),),
    "angry": ((4, 5, 7, 10, 23, 25, 26), (4, 5, 7, 23, 25), (4, 5, 7, 17, 23), (4, 5, 7, 17, 24), (4, 5, 7, 23),
              (4, 5, 7, 24), (4, 7, 10, 25, 26), (4, 7, 17, 24), (4, 5, 25, 26)),
    "surprise": ((1, 2, 5, 25, 26), (1, 2, 5), (1, 2, 25, 26), (5, 25, 26)),
    "disgust": ((9,), (9, 25), (9, 15, 25), (9, 17), (10,), (10, 25, 26), (10, 17)),
    "fear": ((1, 2, 4, 5, 20, 25, 26), (1, 2, 4, 5, 25, 26), (1, 2, 4, 5, 20, 25), (1, 2, 4, 5), (5, 20, 25),
             (1, 2, 5, 25)),
}  # fmt: skip

# our choice: three faces of four follow the shares of Du et al., which were counted, the others a variant of the guide.
_BY_SHARES = 0.75


def _masks() -> list[np.ndarray]:
    """For each class (V, A) bool: the units of its variants."""
    masks = []
    for name in EXPRESSION.classes:
        rows = np.zeros((len(VARIANTS[name]), len(ACTION_UNITS)), bool)
        for row, units in zip(rows, VARIANTS[name], strict=True):
            row[[AU[f"AU{unit:02d}"] for unit in units]] = True
        masks.append(rows)
    return masks


_MASKS = _masks()


def draw_units(target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the active units of faces.

    Args:
        target: (N,) indices of the classes of `tasks.EXPRESSION`.
        rng: Source of the random numbers.

    Returns:
        (N, A) bool.
    """
    active = rng.random((len(target), len(ACTION_UNITS))) < CHANCES[target]
    by_variant = rng.random(len(target)) >= _BY_SHARES
    for index, masks in enumerate(_MASKS):
        rows = np.flatnonzero(by_variant & (target == index))
        active[rows] = masks[rng.integers(len(masks), size=len(rows))]
    active[:, AU["AU45"]] = False
    return active
