"""Probabilities of seven expressions from action units, by a naive Bayes classifier.

Table 1 of the reference lists which action units people use for each expression, and which share of people uses them.
The classifier takes these shares as probabilities that a unit is active. A noise model relates an active or resting
unit to its measured intensity.

The result describes the expression of the face, not what the person feels.

References:
    Du, Tao & Martinez 2014, Compound facial expressions of emotion, PNAS 111:E1454-E1462 (10.1073/pnas.1322355111).
"""

from __future__ import annotations

import numpy as np

from mien.core.tasks import ACTION_UNITS, EXPRESSION

# Table 1: the units that more than 70 % of the 230 people use, and the others with their share of people.
# AU 11 (sad, 26 %) is missing because mien does not measure it.
PROTOTYPES: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "happy": (("AU12", "AU25"), {"AU06": 0.51}),
    "sad": (("AU04", "AU15"), {"AU01": 0.60, "AU06": 0.50, "AU17": 0.67}),
    "fear": (("AU01", "AU04", "AU20", "AU25"), {"AU02": 0.57, "AU05": 0.63, "AU26": 0.33}),
    "angry": (("AU04", "AU07", "AU24"), {"AU10": 0.26, "AU17": 0.52, "AU23": 0.29}),
    "surprise": (("AU01", "AU02", "AU25", "AU26"), {"AU05": 0.66}),
    "disgust": (("AU09", "AU10", "AU17"), {"AU04": 0.31, "AU24": 0.26}),
    "neutral": ((), {"AU25": 0.20, "AU26": 0.15}),  # our choice, not in the table: people speak with a neutral face
}
_NEARLY_ALL = 0.85  # the table says "more than 0.70"; our choice is the middle of 0.70..1
_HARDLY_ANY = 0.05  # our choice: the table omits units that fewer than about 20 % use
_AT_REST = 0.03  # our choice, for a neutral face

# An extra hypothesis for a face that fits no prototype: each unit is active with this probability. Its posterior is
# divided equally among the classes, so that such a face gets no confident class. our choice.
_UNLISTED = 0.35
_UNLISTED_PRIOR = 0.1

# The noise model is our choice. A resting unit has an exponential intensity with this mean, apart from false alarms.
# An active unit has a uniform intensity from 0 to 5, apart from the share that the landmarks miss.
_REST_MEAN = 0.2
_FALSE_ALARMS = 0.08
_MISSES = 0.2
# Units that the landmark mesh follows badly or not at all (docs/action_units.md).
_MISSES_OF = {"AU05": 0.5, "AU06": 0.8, "AU09": 0.4, "AU10": 0.5, "AU14": 0.9, "AU23": 0.4, "AU24": 0.4, "AU25": 0.4}
# Units 1 and 4 raise and lower the same end of the brow, so together they hide each other. our choice.
_HIDDEN, _MISSES_HIDDEN = {"AU01": "AU04", "AU04": "AU01"}, 0.6

# Blinks carry no information about the expression.
_USED = np.array([unit != "AU45" for unit in ACTION_UNITS])


def _chances() -> np.ndarray:
    """(K + 1, A) probability of each unit in each class. The last row is the hypothesis that fits no prototype."""
    rows = np.full((len(EXPRESSION.classes) + 1, len(ACTION_UNITS)), _HARDLY_ANY)
    rows[EXPRESSION.classes.index("neutral")] = _AT_REST
    rows[-1] = _UNLISTED
    for row, name in zip(rows, EXPRESSION.classes, strict=False):
        always, others = PROTOTYPES[name]
        for unit, chance in (dict.fromkeys(always, _NEARLY_ALL) | others).items():
            row[ACTION_UNITS.index(unit)] = chance
    return rows


def _misses(chances: np.ndarray) -> np.ndarray:
    """chances (K + 1, A) -> (K + 1, A): the share of active units that the landmarks miss, in each class."""
    rows = np.tile([_MISSES_OF.get(unit, _MISSES) for unit in ACTION_UNITS], (len(chances), 1))
    for unit, other in _HIDDEN.items():
        also = chances[:, ACTION_UNITS.index(other)]
        column = rows[:, ACTION_UNITS.index(unit)]
        column += also * (_MISSES_HIDDEN - column)
    return rows


CHANCES = _chances()
_MISS = _misses(CHANCES)


def expression(aus: np.ndarray) -> np.ndarray:
    """Compute the probability of each expression.

    Args:
        aus: (..., A) intensities of the action units, 0..5, in the order of `ACTION_UNITS`. NaN units are ignored.

    Returns:
        (..., K) probabilities of the classes of `tasks.EXPRESSION`; they sum to 1. All classes have the same prior.
        The probabilities are NaN where all units are NaN.

    Raises:
        ValueError: the last axis does not have one entry for each action unit.
    """
    aus = np.asarray(aus, dtype=np.float64)
    if aus.shape[-1:] != (len(ACTION_UNITS),):
        raise ValueError(f"expression: expected aus (..., {len(ACTION_UNITS)}), one an action unit, got {aus.shape}")
    level = np.clip(aus, 0, 5)[..., None, :]  # (..., 1, A)
    anything = 1 / 5
    rest = _FALSE_ALARMS * anything + (1 - _FALSE_ALARMS) * np.exp(-level / _REST_MEAN) / _REST_MEAN
    evidence = _MISS + (1 - _MISS) * anything / rest  # (..., K + 1, A): likelihood ratio, active to resting
    evidence = np.where(np.isnan(level) | ~_USED, 1.0, evidence)  # an unknown unit changes nothing
    logs = np.log(CHANCES * evidence + 1 - CHANCES).sum(axis=-1)
    logs[..., -1] += np.log(_UNLISTED_PRIOR)
    logs[..., :-1] += np.log((1 - _UNLISTED_PRIOR) / len(EXPRESSION.classes))
    share = np.exp(logs - logs.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    probs = share[..., :-1] + share[..., -1:] / len(EXPRESSION.classes)
    return np.where(np.isnan(aus).all(axis=-1, keepdims=True), np.nan, probs)
