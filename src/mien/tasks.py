"""Label spaces: the classes of a task and the action units, in the one order that is used everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_OWN, _BETWEEN = "labels:", "|"


@dataclass(frozen=True)
class Task:
    """`classes` (K,) in the order of every probability vector; valence and arousal of each, -1..1, where known.

    `texts` (K,): what is seen in a face of each class, in words; for models that read. `scale`: where the answer is a
    rating, its lowest and highest; the classes are then what it is cut into, and have no probabilities. Raises
    ValueError for fewer than two classes, equal ones, empty ones, where anything has not one entry a class, and for a
    scale that does not rise.
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
        for field in ("valence", "arousal", "texts"):
            value = getattr(self, field)
            if value is not None and len(value) != len(names):
                raise ValueError(f"Task.{field}: expected one for each of {len(names)} classes, got {len(value)}")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError(f"Task.scale: expected the lowest and the highest rating, got {self.scale}")

    def unit(self, ratings: np.ndarray) -> np.ndarray:
        """Ratings in points of the scale -> -1..1, linearly. ValueError for a task without a scale."""
        low, high = self._span
        return (2 * np.asarray(ratings, np.float64) - (low + high)) / (high - low)

    def points(self, values: np.ndarray) -> np.ndarray:
        """The way back from `unit`; what lies outside -1..1 becomes the lowest or the highest rating."""
        low, high = self._span
        return np.clip((low + high) / 2 + np.asarray(values, np.float64) * (high - low) / 2, low, high)

    @property
    def _span(self) -> tuple[float, float]:
        if self.scale is None:
            raise ValueError(f"{self.name}: expected a task of ratings, got one of classes, {', '.join(self.classes)}")
        return self.scale

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

# Felt valence and arousal in two and in three classes; where ratings are cut, `labels.RULES` says.
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


def own(labels: dict[str, str]) -> Task:
    """Anybody's labels, class -> text, as a task; `named` finds its classes again by its name alone."""
    bad = [name for name in labels if _BETWEEN in name]
    if bad:
        raise ValueError(f"labels: expected names without {_BETWEEN!r}, got {bad[0]!r}")
    return Task(_OWN + _BETWEEN.join(labels), tuple(labels), texts=tuple(labels.values()))


def named(name: str) -> Task:
    """The task of this name: one of `TASKS`, or one that `own` made. ValueError for any other."""
    if name.startswith(_OWN):
        return Task(name, tuple(name.removeprefix(_OWN).split(_BETWEEN)))
    if name not in TASKS:
        raise ValueError(f"task: expected {', '.join(TASKS)} or {_OWN}..., got {name!r}")
    return TASKS[name]


def read_labels(path: str | Path) -> Task:
    """A YAML file, a line `class: text` for each class -> the task of these labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, no such list, names a class twice or only one, or has a class without text.
    """
    import yaml  # comes with mien[models], as its only users do

    example = 'write a line for each class, such as   bored: "a dull look, heavy eyelids"'
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"labels: expected a YAML file, got nothing at {path}: check the spelling")
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8-sig"), yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path.name}: expected YAML, got: {told}; {example}") from error
    if tree is None:
        raise ValueError(f"{path.name}: expected labels, got an empty file; {example}")
    if not isinstance(tree, yaml.MappingNode):
        raise ValueError(f"{path.name}: expected a list of class: text, got something else; {example}")
    labels: dict[str, str] = {}
    for key, value in tree.value:
        text = value.value if isinstance(value, yaml.ScalarNode) and value.tag != "tag:yaml.org,2002:null" else ""
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name.strip() or name in labels or not text.strip():
            wrong = "the same label twice" if name in labels else "a label without text" if name else "an empty label"
            line = key.start_mark.line + 1
            raise ValueError(f"{path.name}, line {line}: expected class: text, got {wrong} ({name!r}); {example}")
        labels[name] = " ".join(text.split())
    if len(labels) < 2:
        raise ValueError(f"{path.name}: expected two or more labels, got {len(labels)}; {example}")
    return own(labels)

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
