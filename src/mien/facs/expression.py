"""From action units to the probabilities of seven expressions.

Du, Tao & Martinez 2014, Compound facial expressions of emotion, PNAS 111:E1454-E1462 (10.1073/pnas.1322355111),
table 1, says which action units people use for which expression: some nearly all do (more than 70 %), some a given
share does. Read as probabilities that a unit is there, they make a naive Bayes classifier; a noisy sensor stands
between a unit and its measured intensity.

What is read is the expression of the face. It is not what the person feels.
"""

from __future__ import annotations

import numpy as np

from ..tasks import ACTION_UNITS, EXPRESSION

# Table 1: units of more than 70 % of the 230 people, and the others with the share of people. AU 11 (sad, 26 %) is
# not among the units that are measured here.
PROTOTYPES: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "happy": (("AU12", "AU25"), {"AU06": 0.51}),
    "sad": (("AU04", "AU15"), {"AU01": 0.60, "AU06": 0.50, "AU17": 0.67}),
    "fear": (("AU01", "AU04", "AU20", "AU25"), {"AU02": 0.57, "AU05": 0.63, "AU26": 0.33}),
    "angry": (("AU04", "AU07", "AU24"), {"AU10": 0.26, "AU17": 0.52, "AU23": 0.29}),
    "surprise": (("AU01", "AU02", "AU25", "AU26"), {"AU05": 0.66}),
    "disgust": (("AU09", "AU10", "AU17"), {"AU04": 0.31, "AU24": 0.26}),
    "neutral": ((), {"AU25": 0.20, "AU26": 0.15}),  # our choice, not in the table: people speak with a neutral face
}
_NEARLY_ALL = 0.85  # the table says more than 0.70: our choice is the middle of 0.70..1
_HARDLY_ANY = 0.05  # the table leaves out what fewer than about 20 % do; our choice
_AT_REST = 0.03  # of a neutral face; our choice

# A face whose active units fit no prototype: each is there with this chance. What this hypothesis wins is given to
# all classes alike, so that a face which fits nothing has no confident class. our choice.
_UNLISTED = 0.35
_UNLISTED_PRIOR = 0.1

# The sensor, our choice: a unit at rest measures as an exponential with this mean (intensity), but for a share of
# false alarms; an active unit measures as anything from 0 to 5, but for a share that geometry misses.
_REST_MEAN = 0.2
_FALSE_ALARMS = 0.08
_MISSES = 0.2
# What the mesh follows badly or not at all (docs/action_units.md).
_MISSES_OF = {"AU05": 0.5, "AU06": 0.8, "AU09": 0.4, "AU10": 0.5, "AU14": 0.9, "AU23": 0.4, "AU24": 0.4, "AU25": 0.4}
# Units 1 and 4 lift and lower the same end of the brow: together they hide each other from geometry. our choice.
_HIDDEN, _MISSES_HIDDEN = {"AU01": "AU04", "AU04": "AU01"}, 0.6

# Blinks say nothing of the expression.
_USED = np.array([unit != "AU45" for unit in ACTION_UNITS])


def _chances() -> np.ndarray:
    """(K + 1, A): how likely each unit is under each class; the last row is the face that fits nothing."""
    rows = np.full((len(EXPRESSION.classes) + 1, len(ACTION_UNITS)), _HARDLY_ANY)
    rows[EXPRESSION.classes.index("neutral")] = _AT_REST
    rows[-1] = _UNLISTED
    for row, name in zip(rows, EXPRESSION.classes, strict=False):
        always, others = PROTOTYPES[name]
        for unit, chance in (dict.fromkeys(always, _NEARLY_ALL) | others).items():
            row[ACTION_UNITS.index(unit)] = chance
    return rows


def _misses(chances: np.ndarray) -> np.ndarray:
    """chances (K + 1, A) -> (K + 1, A): the share of active units that geometry does not see, under each class."""
    rows = np.tile([_MISSES_OF.get(unit, _MISSES) for unit in ACTION_UNITS], (len(chances), 1))
    for unit, other in _HIDDEN.items():
        also = chances[:, ACTION_UNITS.index(other)]
        column = rows[:, ACTION_UNITS.index(unit)]
        column += also * (_MISSES_HIDDEN - column)
    return rows


_CHANCES = _chances()
_MISS = _misses(_CHANCES)


def expression(aus: np.ndarray) -> np.ndarray:
    """aus (..., A) intensities 0..5 -> probs (..., K) of `tasks.EXPRESSION`'s classes, which sum to 1.

    All classes are equally likely beforehand. A unit that is NaN is left out; where all are NaN, so are the probs.
    """
    aus = np.asarray(aus, dtype=np.float64)
    if aus.shape[-1:] != (len(ACTION_UNITS),):
        raise ValueError(f"expression: expected aus (..., {len(ACTION_UNITS)}), one an action unit, got {aus.shape}")
    level = np.clip(aus, 0, 5)[..., None, :]  # (..., 1, A)
    anything = 1 / 5
    rest = _FALSE_ALARMS * anything + (1 - _FALSE_ALARMS) * np.exp(-level / _REST_MEAN) / _REST_MEAN
    evidence = _MISS + (1 - _MISS) * anything / rest  # (..., K + 1, A): how much likelier when active than at rest
    evidence = np.where(np.isnan(level) | ~_USED, 1.0, evidence)  # the unknown favours neither
    logs = np.log(_CHANCES * evidence + 1 - _CHANCES).sum(axis=-1)
    logs[..., -1] += np.log(_UNLISTED_PRIOR)
    logs[..., :-1] += np.log((1 - _UNLISTED_PRIOR) / len(EXPRESSION.classes))
    share = np.exp(logs - logs.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    probs = share[..., :-1] + share[..., -1:] / len(EXPRESSION.classes)
    return np.where(np.isnan(aus).all(axis=-1, keepdims=True), np.nan, probs)
