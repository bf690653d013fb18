"""Label spaces: the classes of a task and the action units, in the one order that is used everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Task:
    """`classes` (K,) in the order of every probability vector; valence and arousal of each, -1..1, where known."""

    name: str
    classes: tuple[str, ...]
    valence: tuple[float, ...] | None = None
    arousal: tuple[float, ...] | None = None

    def label(self, probs: np.ndarray) -> str:
        """probs (K,) -> the class of the largest."""
        return self.classes[int(np.argmax(probs))]

    def affect(self, probs: np.ndarray) -> tuple[float, float]:
        """probs (K,) -> expected valence and arousal, -1..1; NaN for a task without word norms."""
        if self.valence is None or self.arousal is None:
            return float("nan"), float("nan")
        return float(np.dot(probs, self.valence)), float(np.dot(probs, self.arousal))


# Pleasure and arousal of the words happy, sad, angry, surprised, disgusted, fearful in
# Russell & Mehrabian 1977, Evidence for a three-factor theory of emotions, J. Res. Pers. 11:273-294,
# table 3 (10.1016/0092-6566(77)90037-X); neutral is 0, 0 by definition.
EXPRESSION = Task(
    name="expression7",
    classes=("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"),
    valence=(0.81, -0.63, 0.0, -0.51, 0.40, -0.60, -0.64),
    arousal=(0.51, -0.27, 0.0, 0.59, 0.67, 0.35, 0.60),
)

TASKS = {task.name: task for task in (EXPRESSION,)}

# Names in the Facial Action Coding System: Ekman, Friesen & Hager 2002, FACS Manual.
ACTION_UNIT_NAMES = {
    "AU01": "inner brow raiser",
    "AU02": "outer brow raiser",
    "AU04": "brow lowerer",
    "AU05": "upper lid raiser",
    "AU06": "cheek raiser",
    "AU07": "lid tightener",
    "AU09": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU45": "blink",
}

ACTION_UNITS = tuple(ACTION_UNIT_NAMES)
"""(A,) in the order of every array of intensities."""
