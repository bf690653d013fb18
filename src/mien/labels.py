"""From ratings and words to targets: one table says which recipe cuts where, and on which side the boundary falls.

A missing label is never guessed: its trial is dropped and counted. What a rule did is in `str(targets)`, the line that
every result carries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from statistics import median

import numpy as np

from .tasks import (
    AROUSAL,
    AROUSAL3,
    AROUSAL_RATING,
    EXPRESSION,
    QUADRANTS,
    VALENCE,
    VALENCE3,
    VALENCE_RATING,
    Task,
)
from .types import Trial

Person = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Rule:
    """How the entry `label` of `Trial.labels` becomes a class of `task`: by cuts of a rating, by a median, by words, or
    how several do, each by a rule of its own.

    `cuts`: ascending, one fewer than classes; `equal`: the side of a rating that equals a cut, low or high; `scale`:
    the lowest and highest rating that the form allows, one outside is none; `center`: the cut is the median of the
    subject's own ratings, all of them ("subject") or those in train ("train"); `words`: word or code -> class;
    `parts`: one rule a label, the classes being their products, the last one's changing first; `source`: who does so.
    Of a task with a scale the rating itself is the target, and cuts say what class it falls into.

    Raises:
        ValueError: not exactly one of cuts, center, words and parts, or one that does not fit the classes.
    """

    name: str
    label: str
    task: Task
    source: str
    cuts: tuple[float, ...] = ()
    equal: str = "high"
    scale: tuple[float, float] = (1.0, 9.0)
    center: str = ""
    words: Mapping[str, str] | None = None
    parts: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        classes = self.task.classes
        if [bool(self.cuts), bool(self.center), self.words is not None, bool(self.parts)].count(True) != 1:
            raise ValueError(f"Rule {self.name}: expected exactly one of cuts, center, words and parts")
        if self.parts and prod(len(part.task.classes) for part in self.parts) != len(classes):
            raise ValueError(f"Rule {self.name}: expected parts with {len(classes)} classes in all, one for each of "
                             f"{', '.join(classes)}")
        if self.cuts and (len(self.cuts) != len(classes) - 1 or list(self.cuts) != sorted(set(self.cuts))):
            raise ValueError(f"Rule {self.name}: expected {len(classes) - 1} ascending cuts for {', '.join(classes)}, "
                             f"got {self.cuts}")
        if self.equal not in ("low", "high") or self.center not in ("", "subject", "train"):
            raise ValueError(f"Rule {self.name}: expected equal low or high, and center subject, train or none, got "
                             f"{self.equal!r} and {self.center!r}")
        if self.task.scale not in (None, self.scale) or (self.task.scale and not self.cuts):
            raise ValueError(f"Rule {self.name}: expected cuts and the scale of {self.task.name}, {self.task.scale}, "
                             f"got {self.cuts} and {self.scale}")
        strange = sorted(set((self.words or {}).values()) - set(classes))
        if strange:
            raise ValueError(f"Rule {self.name}: expected words for {', '.join(classes)}, got {', '.join(strange)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The entries of `Trial.labels` that it looks at."""
        return tuple(part.label for part in self.parts) or (self.label,)

    def __str__(self) -> str:
        if self.parts:
            each = " and ".join(str(part).removeprefix(f"{self.name}: ").removesuffix(f" ({self.source})")
                                for part in self.parts)
            return f"{self.name}: {each} ({self.source})"
        low, high = ("<", "<=") if self.equal == "high" else ("<=", "<")
        whose = "training ratings" if self.center == "train" else "ratings"
        cuts = [f"{cut:g}" for cut in self.cuts] or [f"median of the subject's {whose}"]
        classes = self.task.classes
        steps = zip(cuts, classes[1:], strict=False)
        chain = classes[0] + "".join(f" {low} {cut} {high} {name}" for cut, name in steps)
        how = f"{' / '.join(classes)} by word" if self.words is not None else chain
        itself = "" if self.task.scale is None else f" itself, {self.scale[0]:g} to {self.scale[1]:g}; cut,"
        return f"{self.name}: {self.label}{itself or ','} {how} ({self.source})"

    def __call__(self, trials: Iterable[Trial], train: Iterable[Trial] | None = None) -> Targets:
        """The targets of the trials that have the label. `train`: those whose ratings may set a median.

        Raises:
            ValueError: the rule takes medians of train, and no train was given or it holds no rating.
        """
        trials = list(trials)
        if self.parts:
            return _joined(self, trials, None if train is None else list(train))
        if self.center:
            return _by_median(self, trials, None if train is None else list(train))
        return _gather(self, trials, [self._class(trial, self.cuts) for trial in trials])

    def rating(self, trial: Trial) -> float | str:
        """The rating on the scale, or the words that say why there is none."""
        value = trial.labels.get(self.label)
        low, high = self.scale
        try:
            number = float("nan") if value is None else float(value)
        except ValueError:
            return f"{self.label} that is no number"
        if low <= number <= high:
            return number
        return f"no {self.label}" if value is None else f"{self.label} outside {low:g}..{high:g}"

    def cut(self, ratings: np.ndarray, cuts: Sequence[float] = ()) -> np.ndarray:
        """Ratings (N,) -> the class of each (N,), by these cuts or the rule's own."""
        return np.searchsorted(cuts or self.cuts, ratings, side="right" if self.equal == "high" else "left")

    def _class(self, trial: Trial, cuts: Sequence[float]) -> int | str:
        """The class, or the words that say why there is none."""
        if self.words is None:
            rating = self.rating(trial)
            if isinstance(rating, str):
                return rating
            return int(self.cut(np.array([rating]), cuts)[0])
        value = trial.labels.get(self.label)
        if value is None:
            return f"no {self.label}"
        word = value.strip().lower() if isinstance(value, str) else f"{value:g}"
        name = self.words.get(word)
        return f"{self.label} {word!r} of no class" if name is None else self.task.classes.index(name)


@dataclass(frozen=True, eq=False)
class Targets:
    """`target` (N,) int64: the class of each of `trials`, in the order of the rule's task; `dropped`: trial and why;
    `transductive`: ratings of trials outside train helped to set the boundary; `note`: what else is to be told."""

    rule: Rule
    trials: tuple[Trial, ...]
    target: np.ndarray
    dropped: tuple[tuple[Trial, str], ...] = ()
    transductive: bool = False
    note: str = ""

    @property
    def ratings(self) -> np.ndarray:
        """(N,) in points of the scale, of a rule that looks at one rating."""
        return np.array([float(self.rule.rating(trial)) for trial in self.trials])

    @property
    def taught(self) -> np.ndarray:
        """(N,) what a model learns: the class, or of a task with a scale the rating as `Task.unit` has it."""
        return self.target if self.rule.task.scale is None else self.rule.task.unit(self.ratings)

    @property
    def counts(self) -> dict[str, int]:
        """Class -> number of trials."""
        classes = self.rule.task.classes
        return dict(zip(classes, np.bincount(self.target, minlength=len(classes)).tolist(), strict=True))

    @property
    def majority(self) -> float:
        """0..1: how often the most frequent class is right; NaN without trials."""
        return max(self.counts.values()) / len(self.trials) if self.trials else float("nan")

    def __str__(self) -> str:
        people = {_person(trial) for trial in self.trials if trial.subject}
        of = f" of {len(people)} subjects" if people else ""
        classes = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        why = "".join(f", {reason} {count}" for reason, count in sorted(Counter(w for _, w in self.dropped).items()))
        share = f"{self.majority:.1%}" if self.trials else "-"
        rated = [] if self.rule.task.scale is None or not self.trials else [
            f"mean {self.ratings.mean():.2f}, deviation {self.ratings.std():.2f}"]
        parts = [str(self.rule), f"{len(self.trials)} trials{of}: {classes}", f"majority {share}", *rated,
                 f"dropped {len(self.dropped)}{why}", *filter(None, [self.note])]
        return "; ".join(parts + ["TRANSDUCTIVE: test ratings set the boundary"] * self.transductive)


def _person(trial: Trial) -> Person:
    return trial.dataset, trial.subject


def _gather(rule: Rule, trials: Sequence[Trial], found: Sequence[int | str], transductive: bool = False, note: str = ""
            ) -> Targets:
    pairs = list(zip(trials, found, strict=True))
    kept = [(trial, place) for trial, place in pairs if isinstance(place, int)]
    dropped = tuple((trial, why) for trial, why in pairs if isinstance(why, str))
    target = np.array([place for _, place in kept], dtype=np.int64)
    return Targets(rule, tuple(trial for trial, _ in kept), target, dropped, transductive, note)


def _joined(rule: Rule, trials: list[Trial], train: list[Trial] | None) -> Targets:
    """Each trial by every part; one that a part drops is dropped, for the reason of the first that does."""
    found = [part(trials, train) for part in rule.parts]
    why = {id(trial): reason for part in reversed(found) for trial, reason in part.dropped}
    classes = [dict(zip(map(id, part.trials), part.target.tolist(), strict=True)) for part in found]
    shape = [len(part.task.classes) for part in rule.parts]
    places = [why[id(trial)] if id(trial) in why
              else int(np.ravel_multi_index([each[id(trial)] for each in classes], shape)) for trial in trials]
    note = "; ".join(part.note for part in found if part.note)
    return _gather(rule, trials, places, any(part.transductive for part in found), note)


def _by_median(rule: Rule, trials: list[Trial], train: list[Trial] | None) -> Targets:
    """Each trial against the median of its subject; who has no rating in train, against the median of all of train."""
    if rule.center == "train" and train is None:
        raise ValueError(f"Rule {rule.name}: expected train, the trials whose ratings set the medians, got none")
    own: dict[Person, list[float]] = defaultdict(list)
    for trial in train if rule.center == "train" and train is not None else trials:
        rating = rule.rating(trial)
        if not isinstance(rating, str):
            own[_person(trial)].append(rating)
    pooled = median([rating for ratings in own.values() for rating in ratings] or [float("nan")])
    if rule.center == "train" and pooled != pooled:
        raise ValueError(f"Rule {rule.name}: expected ratings of {rule.label} in train, got none")
    medians = {person: median(ratings) for person, ratings in own.items()}
    found = [rule._class(trial, (medians.get(_person(trial), pooled),)) if trial.subject else "no subject"
             for trial in trials]
    new = {_person(trial) for trial in trials if trial.subject} - medians.keys() if rule.center == "train" else set()
    note = f"{len(new)} subjects without training ratings, cut at the median of all training ratings, {pooled:g}"
    inside = {(trial.dataset, trial.id) for trial in train or ()}
    beyond = any((trial.dataset, trial.id) not in inside for trial in trials)
    return _gather(rule, trials, found, rule.center == "subject" and beyond, note if new else "")


_FAMILIES: dict[str, dict] = {
    "mvp": {"cuts": (4.5,), "equal": "low",
            "source": "the paper does not say; EEGain, of the same laboratory, for AMIGOS and DEAP"},
    "scpt": {"cuts": (5.0,), "equal": "high", "source": "the paper does not say; PhysioSync, of the same laboratory"},
    "eegain": {"cuts": (4.5,), "equal": "low",
               "source": "EmotionLab/EEGain; its truncation of DEAP's ratings to whole numbers is not copied"},
    "torcheeg": {"cuts": (5.0,), "equal": "high",
                 "source": "torcheeg Binary(5.0); the random class it gives to a missing label is not copied"},
    "subject-median": {"center": "subject", "equal": "low", "source": "our choice: a tie is low, as with mvp"},
    "train-median": {"center": "train", "equal": "low", "source": "our choice: a tie is low, as with mvp"},
}
"""Recipe -> where ratings are cut in two."""

_MAHNOB = {"0": "neutral", "1": "anger", "2": "disgust", "3": "fear", "4": "joy", "5": "sadness", "6": "surprise",
           "11": "amusement", "12": "anxiety"}
_PLEASURE = {"joy": "pleasant", "amusement": "pleasant", "neutral": "neutral", "surprise": "neutral",
             **dict.fromkeys(("anger", "disgust", "fear", "sadness", "anxiety"), "unpleasant")}
_ACTIVITY = {**dict.fromkeys(("sadness", "disgust", "neutral"), "calm"), "joy": "medium", "amusement": "medium",
             **dict.fromkeys(("surprise", "fear", "anger", "anxiety"), "activated")}
_SOLEYMANI = "felt emotion, Soleymani et al. 2012, 10.1109/T-AFFC.2011.25"
_FACES = {"happiness": "happy", "sadness": "sad", "anger": "angry", "surprised": "surprise", "disgusted": "disgust",
          "fearful": "fear", **{name: name for name in EXPRESSION.classes}}


def _coded(words: Mapping[str, str]) -> dict[str, str]:
    """Words -> class, by the codes of MAHNOB-HCI's feltEmo, too."""
    return {**words, **{code: words[word] for code, word in _MAHNOB.items()}}


RULES: dict[str, Rule] = {
    "expression": Rule("expression", "expression", EXPRESSION, "by the word, never by a number: orders differ",
                       words=_FACES),
    **{f"{name}/{label}": Rule(name, label, task, **how)
       for name, how in _FAMILIES.items() for label, task in (("valence", VALENCE), ("arousal", AROUSAL))},
    "thirds/valence": Rule("thirds", "valence", VALENCE3, "MAHNOB-HCI: 1-3, 4-6, 7-9", cuts=(4.0, 7.0)),
    "thirds/arousal": Rule("thirds", "arousal", AROUSAL3, "MAHNOB-HCI: 1-3, 4-6, 7-9", cuts=(4.0, 7.0)),
    "keywords/valence": Rule("keywords", "emotion", VALENCE3, _SOLEYMANI, words=_coded(_PLEASURE)),
    "keywords/arousal": Rule("keywords", "emotion", AROUSAL3, _SOLEYMANI, words=_coded(_ACTIVITY)),
}
"""`recipe/label`, such as `mvp/valence`, -> the rule; call it with trials."""

RULES |= {f"rating/{task.name.removesuffix('_rating')}": Rule(
    "rating", task.name.removesuffix("_rating"), task, "nothing is cut to learn; the cut is that of mvp",
    cuts=_FAMILIES["mvp"]["cuts"], equal=_FAMILIES["mvp"]["equal"]) for task in (VALENCE_RATING, AROUSAL_RATING)}

RULES["mvp/both"] = Rule("mvp", "valence and arousal", QUADRANTS, _FAMILIES["mvp"]["source"],
                         parts=(RULES["mvp/valence"], RULES["mvp/arousal"]))
