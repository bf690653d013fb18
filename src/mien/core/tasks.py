"""Label spaces: the classes of each task and the action units, in the order that all arrays use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.plain_text import printable

LARGEST = 64 * 1024
"""Largest file of labels in bytes. Our choice: a thousand labels with their texts."""

_CUSTOM, _SEPARATOR = "labels:", "|"


@dataclass(frozen=True)
class Task:
    """A label space.

    Args:
        name: Name of the task.
        classes: Names of the classes (K), in the order of every probability vector.
        valence: Valence of each class, -1..1 (K); None if unknown.
        arousal: Arousal of each class, -1..1 (K); None if unknown.
        texts: Description of a face of each class (K), for models with a text encoder.
        scale: Lowest and highest rating, for a task of ratings. The classes are then ranges of ratings, without
            probabilities.

    Raises:
        ValueError: There are fewer than two classes, or a name is empty, has control characters or appears twice. A
            field does not have one entry per class, or the scale does not increase.
    """

    name: str
    classes: tuple[str, ...]
    valence: tuple[float, ...] | None = None
    arousal: tuple[float, ...] | None = None
    texts: tuple[str, ...] | None = None
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        names = self.classes
        if len(names) < 2 or len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError(f"Task.classes: expected two or more different names, got {list(names)}")
        if acting := [name for name in names if printable(name) != name]:
            raise ValueError(f"Task.classes: expected names without control characters, got {acting[0]!r}")
        for field in ("valence", "arousal", "texts"):
            value = getattr(self, field)
            if value is not None and len(value) != len(names):
                raise ValueError(f"Task.{field}: expected one for each of {len(names)} classes, got {len(value)}")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError(f"Task.scale: expected the lowest and the highest rating, got {self.scale}")

    def unit(self, ratings: np.ndarray) -> np.ndarray:
        """Map ratings from the scale linearly to -1..1. Raises ValueError for a task without a scale."""
        low, high = self._span
        return (2 * np.asarray(ratings, np.float64) - (low + high)) / (high - low)

    def points(self, values: np.ndarray) -> np.ndarray:
        """The inverse of `unit`; values outside -1..1 become the lowest or highest rating."""
        low, high = self._span
        return np.clip((low + high) / 2 + np.asarray(values, np.float64) * (high - low) / 2, low, high)

    @property
    def _span(self) -> tuple[float, float]:
        if self.scale is None:
            raise ValueError(f"{self.name}: expected a task of ratings, got one of classes, {', '.join(self.classes)}")
        return self.scale

    def label(self, probs: np.ndarray) -> str:
        """The class with the largest probability of `probs` (K,)."""
        return self.classes[int(np.argmax(probs))]

    def affect(self, probs: np.ndarray) -> tuple[float, float]:
        """Expected valence and arousal, -1..1, for `probs` (K,); NaN for a task without word norms."""
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
    # our words; the cues are those of DFER-CLIP (arXiv 2308.13382) and EmoCLIP (arXiv 2310.16640)
    texts=(
        "happy: a smile that pulls the lip corners up, lifted cheeks, fine folds beside the eyes",
        "sad: lip corners that sink, inner brows drawn up, drooping eyelids, a trembling chin, perhaps tears",
        "neutral: a calm face at rest, brows level, eyes open, lips closed and straight",
        "angry: brows pulled down and together, a hard stare from narrowed eyes, lips pressed thin",
        "surprise: brows high and arched, eyes wide open, the jaw dropped and the mouth round",
        "disgust: a wrinkled nose, the upper lip curled, brows lowered, eyes almost shut",
        "fear: brows raised and drawn together, upper lids high, lips stretched sideways, the face tense",
    ),
)

# Felt valence and arousal in two and in three classes; `labels.RULES` has the thresholds of the ratings.
VALENCE = Task("valence2", ("low", "high"))
AROUSAL = Task("arousal2", ("low", "high"))
VALENCE3 = Task("valence3", ("unpleasant", "neutral", "pleasant"))
AROUSAL3 = Task("arousal3", ("calm", "medium", "activated"))

# Both dimensions at once, each low or high: low valence and low arousal, low and high, ...
QUADRANTS = Task("quadrants4", ("LVLA", "LVHA", "HVLA", "HVHA"))

# The rating itself, on the forms of 1 to 9 that AMIGOS, DEAP and MAHNOB-HCI use.
VALENCE_RATING = Task("valence_rating", ("low", "high"), scale=(1.0, 9.0))
AROUSAL_RATING = Task("arousal_rating", ("low", "high"), scale=(1.0, 9.0))

TASKS = {task.name: task for task in (EXPRESSION, VALENCE, AROUSAL, VALENCE3, AROUSAL3, QUADRANTS, VALENCE_RATING,
                                      AROUSAL_RATING)}


def make_task(labels: dict[str, str]) -> Task:
    """Make a task of user-defined labels.

    Args:
        labels: The text of each class.

    Returns:
        A task; its name contains the classes, so that `named` can restore them.

    Raises:
        ValueError: A name contains the separator, or the classes are no valid task.
    """
    bad = [name for name in labels if _SEPARATOR in name]
    if bad:
        raise ValueError(f"labels: expected names without {_SEPARATOR!r}, got {bad[0]!r}")
    return Task(_CUSTOM + _SEPARATOR.join(labels), tuple(labels), texts=tuple(labels.values()))


def find_task(name: str) -> Task:
    """The task with this name: one of `TASKS`, or one that `own` made. Raises ValueError for other names."""
    if name.startswith(_CUSTOM):
        return Task(name, tuple(name.removeprefix(_CUSTOM).split(_SEPARATOR)))
    if name not in TASKS:
        raise ValueError(f"task: expected {', '.join(TASKS)} or {_CUSTOM}..., got {name!r}")
    return TASKS[name]


def read_labels(path: str | Path) -> Task:
    """Read user-defined labels from a YAML file.

    Args:
        path: The file, with a line `class: text` for each class.

    Returns:
        The task of these labels.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no list of two or more classes, a class appears twice, or it has no text.
    """
    import yaml  # installed with mien[models], which all users of this function need

    example = 'write a line for each class, such as   bored: "a dull look, heavy eyelids"'
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"labels: expected a YAML file, got nothing at {path}: check the spelling")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name}: expected at most {LARGEST} bytes, got {path.stat().st_size}; {example}")
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8-sig"), yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path.name}: expected YAML, got: {reason}; {example}") from error
    if tree is None:
        raise ValueError(f"{path.name}: expected labels, got an empty file; {example}")
    if not isinstance(tree, yaml.MappingNode):
        raise ValueError(f"{path.name}: expected a list of class: text, got something else; {example}")
    labels: dict[str, str] = {}
    for key, value in tree.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        text = ""
        if isinstance(value, yaml.ScalarNode) and value.tag != "tag:yaml.org,2002:null":
            text = value.value
        wrong = _label_error(name, text, labels)
        if wrong:
            line = key.start_mark.line + 1
            raise ValueError(f"{path.name}, line {line}: expected class: text, got {wrong} ({name!r}); {example}")
        labels[name] = " ".join(text.split())
    if len(labels) < 2:
        raise ValueError(f"{path.name}: expected two or more labels, got {len(labels)}; {example}")
    return make_task(labels)



def _label_error(name: str, text: str, labels: dict[str, str]) -> str:
    """What is wrong with a label; "" if it is valid."""
    if name in labels:
        return "the same label twice"
    if not name:
        return "an empty label"
    if printable(name) != name:
        return "a label with control characters"
    if not name.strip() or not text.strip():
        return "a label without text"
    return ""


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
"""Codes of the action units (A), in the order of every array of intensities."""

NOT_SEEN, WEAK = ("AU14",), ("AU06", "AU09", "AU10", "AU23", "AU24")
"""Units that the landmarks do not show, which are empty in every table; and units that they show weakly
(docs/action_units.md)."""


def unit_trust(unit: str) -> str:
    """How far the landmarks show an action unit: "read", "weak" or "not seen"."""
    if unit in NOT_SEEN:
        return "not seen"
    return "weak" if unit in WEAK else "read"


def unit_description(unit: str, by: str = "") -> str:
    """The name of an action unit and, where the landmarks show it badly, how far: "cheek raiser (weak)".

    `by`: the model that measured it; "" for mien, from landmarks.
    """
    if by:
        return ACTION_UNIT_NAMES[unit]
    name, trust = ACTION_UNIT_NAMES[unit], unit_trust(unit)
    return name if trust == "read" else f"{name} ({trust})"


def seen_units(aus: np.ndarray) -> np.ndarray:
    """aus (..., A) intensities that mien read -> the same, NaN for units that it does not see."""
    out = np.array(aus, dtype=np.result_type(aus, np.float32))
    out[..., [ACTION_UNITS.index(unit) for unit in NOT_SEEN]] = np.nan
    return out
