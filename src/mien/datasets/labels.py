"""Label rules: convert ratings and words to class targets; one table states the cuts of each rule and the side of ties.

A trial without a label is dropped and counted, never guessed. `str(targets)` describes the rule and its result, and
every benchmark reports this line.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from statistics import median

import numpy as np

from mien.core.tasks import (
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
from mien.core.trials import Trial

SubjectKey = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Rule:
    """Converts the entry `label` of `Trial.labels` to a class of `task`: by cuts, by a median, by words, or by parts.

    `cuts`: ascending, one fewer than the classes; `equal`: the side of a rating that equals a cut, "low" or "high";
    `scale`: lowest and highest valid rating, others count as missing; `center`: the cut is the median of the subject's
    ratings, all of them ("subject") or those in train ("train"); `words`: word or code -> class; `parts`: one rule for
    each label, the classes are their products, and the class of the last part changes first; `source`: origin of the
    rule. For a task with a scale the rating itself is the target, and the cuts give its class.

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
        if strange := sorted(set((self.words or {}).values()) - set(classes)):
            raise ValueError(f"Rule {self.name}: expected words for {', '.join(classes)}, got {', '.join(strange)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The entries of `Trial.labels` that the rule uses."""
        return tuple(part.label for part in self.parts) or (self.label,)

    def __str__(self) -> str:
        if self.parts:
            each = " and ".join(str(part).removeprefix(f"{self.name}: ").removesuffix(f" ({self.source})")
                                for part in self.parts)
            return f"{self.name}: {each} ({self.source})"
        itself = "" if self.task.scale is None else f" itself, {self.scale[0]:g} to {self.scale[1]:g}; cut"
        return f"{self.name}: {self.label}{itself}, {self._classes_text()} ({self.source})"

    def _classes_text(self) -> str:
        classes = self.task.classes
        if self.words is not None:
            return f"{' / '.join(classes)} by word"
        low, high = {"high": ("<", "<="), "low": ("<=", "<")}[self.equal]
        ratings = "training ratings" if self.center == "train" else "ratings"
        cuts = [f"{cut:g}" for cut in self.cuts] or [f"median of the subject's {ratings}"]
        steps = zip(cuts, classes[1:], strict=False)
        return classes[0] + "".join(f" {low} {cut} {high} {name}" for cut, name in steps)

    def __call__(self, trials: Iterable[Trial], train: Iterable[Trial] | None = None) -> Targets:
        """The targets of the trials with a label. `train`: the training trials, for rules with a median over them.

        Raises:
            ValueError: the rule needs medians over `train`, and `train` is None or has no rating.
        """
        trials = list(trials)
        known = None if train is None else list(train)
        if self.parts:
            return _joined(self, trials, known)
        if self.center:
            return _by_median(self, trials, known)
        return _gather(self, trials, [self._class(trial, self.cuts) for trial in trials])

    def rating(self, trial: Trial) -> float | str:
        """The rating on the scale, or the reason why there is none."""
        value = trial.labels.get(self.label)
        if value is None:
            return f"no {self.label}"
        low, high = self.scale
        try:
            number = float(value)
        except ValueError:
            return f"{self.label} that is no number"
        if low <= number <= high:
            return number
        return f"{self.label} outside {low:g}..{high:g}"

    def cut(self, ratings: np.ndarray, cuts: Sequence[float] = ()) -> np.ndarray:
        """The classes (N,) of ratings (N,), by the given cuts or by those of the rule."""
        return np.searchsorted(cuts or self.cuts, ratings, side="right" if self.equal == "high" else "left")

    def _class(self, trial: Trial, cuts: Sequence[float]) -> int | str:
        """The class, or the reason why there is none."""
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
    """The result of a rule.

    `target` (N,) int64: the class of each of `trials`, in the order of the rule's task; `dropped`: trials without a
    class, with the reason; `transductive`: whether ratings of trials outside train helped to set the boundary; `note`:
    remark for the reports.
    """

    rule: Rule
    trials: tuple[Trial, ...]
    target: np.ndarray
    dropped: tuple[tuple[Trial, str], ...] = ()
    transductive: bool = False
    note: str = ""

    @property
    def ratings(self) -> np.ndarray:
        """The ratings (N,) in points of the scale, for a rule with a single rating."""
        return np.array([float(self.rule.rating(trial)) for trial in self.trials])

    @property
    def taught(self) -> np.ndarray:
        """The training targets (N,): the class, or for a task with a scale the rating as `Task.unit` scales it."""
        return self.target if self.rule.task.scale is None else self.rule.task.unit(self.ratings)

    @property
    def counts(self) -> dict[str, int]:
        """Class -> number of trials."""
        classes = self.rule.task.classes
        return dict(zip(classes, np.bincount(self.target, minlength=len(classes)).tolist(), strict=True))

    @property
    def majority(self) -> float:
        """The share of the most frequent class, 0..1; NaN without trials."""
        return max(self.counts.values()) / len(self.trials) if self.trials else float("nan")

    def __str__(self) -> str:
        people = {_person(trial) for trial in self.trials if trial.subject}
        of = f" of {len(people)} subjects" if people else ""
        classes = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        share = f"{self.majority:.1%}".replace("nan%", "-")  # without trials
        parts = [str(self.rule), f"{len(self.trials)} trials{of}: {classes}", f"majority {share}"]
        if self.trials and self.rule.task.scale is not None:
            parts.append(f"mean {self.ratings.mean():.2f}, deviation {self.ratings.std():.2f}")
        reasons = sorted(Counter(reason for _, reason in self.dropped).items())
        parts.append(f"dropped {len(self.dropped)}" + "".join(f", {reason} {count}" for reason, count in reasons))
        if self.note:
            parts.append(self.note)
        if self.transductive:
            parts.append("TRANSDUCTIVE: test ratings set the boundary")
        return "; ".join(parts)


def _person(trial: Trial) -> SubjectKey:
    return trial.dataset, trial.subject


def _gather(rule: Rule, trials: Sequence[Trial], results: Sequence[int | str], transductive: bool = False,
            note: str = "") -> Targets:
    """`results`: the class of each trial, or the reason why there is none."""
    pairs = list(zip(trials, results, strict=True))
    kept = [(trial, place) for trial, place in pairs if isinstance(place, int)]
    dropped = tuple((trial, why) for trial, why in pairs if isinstance(why, str))
    target = np.array([place for _, place in kept], dtype=np.int64)
    return Targets(rule, tuple(trial for trial, _ in kept), target, dropped, transductive, note)


def _joined(rule: Rule, trials: list[Trial], train: list[Trial] | None) -> Targets:
    """Apply every part to each trial; a trial that a part drops is dropped for the reason of the first such part."""
    targets = [part(trials, train) for part in rule.parts]
    results: dict[int, int | str] = {id(trial): reason for part in reversed(targets) for trial, reason in part.dropped}
    classes = [dict(zip(map(id, part.trials), part.target.tolist(), strict=True)) for part in targets]
    shape = [len(part.task.classes) for part in rule.parts]
    for trial in trials:
        if id(trial) not in results:
            results[id(trial)] = int(np.ravel_multi_index([of_part[id(trial)] for of_part in classes], shape))
    note = "; ".join(part.note for part in targets if part.note)
    transductive = any(part.transductive for part in targets)
    return _gather(rule, trials, [results[id(trial)] for trial in trials], transductive, note)


def _by_median(rule: Rule, trials: list[Trial], train: list[Trial] | None) -> Targets:
    """Cut each trial at the median of its subject; subjects without a training rating at the median of all of train."""
    if rule.center == "train" and train is None:
        raise ValueError(f"Rule {rule.name}: expected train, the trials whose ratings set the medians, got none")
    by_subject: dict[SubjectKey, list[float]] = defaultdict(list)
    for trial in train if rule.center == "train" and train is not None else trials:
        rating = rule.rating(trial)
        if not isinstance(rating, str):
            by_subject[_person(trial)].append(rating)
    pooled = median([rating for ratings in by_subject.values() for rating in ratings] or [float("nan")])
    if rule.center == "train" and pooled != pooled:
        raise ValueError(f"Rule {rule.name}: expected ratings of {rule.label} in train, got none")
    medians = {person: median(ratings) for person, ratings in by_subject.items()}
    results = [rule._class(trial, (medians.get(_person(trial), pooled),)) if trial.subject else "no subject"
               for trial in trials]
    new = {_person(trial) for trial in trials if trial.subject} - medians.keys()
    note = ""
    if rule.center == "train" and new:
        note = f"{len(new)} subjects without training ratings, cut at the median of all training ratings, {pooled:g}"
    inside = {(trial.dataset, trial.id) for trial in train or ()}
    beyond = any((trial.dataset, trial.id) not in inside for trial in trials)
    return _gather(rule, trials, results, rule.center == "subject" and beyond, note)


_FAMILIES: dict[str, dict] = {
    "mvp": {"cuts": (4.5,), "equal": "low",
            "source": "the paper does not say; EEGain, of the same laboratory, for AMIGOS and DEAP"},
    "scpt": {"cuts": (5.0,), "equal": "high", "source": "the paper does not say; PhysioSync, of the same laboratory"},
    "eegain": {"cuts": (4.5,), "equal": "low",
               "source": "EmotionLab/EEGain; its truncation of DEAP's ratings to whole numbers is not copied"},
    "torcheeg": {"cuts": (5.0,), "equal": "high",
                 "source": "torcheeg Binary(5.0); its random class for a missing label is not copied"},
    "subject-median": {"center": "subject", "equal": "low", "source": "our choice: a tie is low, as with mvp"},
    "train-median": {"center": "train", "equal": "low", "source": "our choice: a tie is low, as with mvp"},
}
"""Rule -> the cut of ratings into low and high, the side of ties, and the source."""

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
    """Word -> class, and code of MAHNOB-HCI's feltEmo -> class."""
    return {**words, **{code: words[word] for code, word in _MAHNOB.items()}}


RULES: dict[str, Rule] = {
    "expression": Rule("expression", "expression", EXPRESSION, "never by number: datasets order classes differently",
                       words=_FACES),
    **{f"{name}/{label}": Rule(name, label, task, **how)
       for name, how in _FAMILIES.items() for label, task in (("valence", VALENCE), ("arousal", AROUSAL))},
    "thirds/valence": Rule("thirds", "valence", VALENCE3, "MAHNOB-HCI: 1-3, 4-6, 7-9", cuts=(4.0, 7.0)),
    "thirds/arousal": Rule("thirds", "arousal", AROUSAL3, "MAHNOB-HCI: 1-3, 4-6, 7-9", cuts=(4.0, 7.0)),
    "keywords/valence": Rule("keywords", "emotion", VALENCE3, _SOLEYMANI, words=_coded(_PLEASURE)),
    "keywords/arousal": Rule("keywords", "emotion", AROUSAL3, _SOLEYMANI, words=_coded(_ACTIVITY)),
}
"""Name `rule/label`, such as `mvp/valence`, -> the rule; call it with trials."""

RULES |= {f"rating/{task.name.removesuffix('_rating')}": Rule(
    "rating", task.name.removesuffix("_rating"), task, "training uses the uncut rating; the cut is that of mvp",
    cuts=_FAMILIES["mvp"]["cuts"], equal=_FAMILIES["mvp"]["equal"]) for task in (VALENCE_RATING, AROUSAL_RATING)}

RULES["mvp/both"] = Rule("mvp", "valence and arousal", QUADRANTS, _FAMILIES["mvp"]["source"],
                         parts=(RULES["mvp/valence"], RULES["mvp/arousal"]))
