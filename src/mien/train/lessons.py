"""What a training takes from targets: clips with what is to be learnt of each, and in which batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.data.loader import Clips, Source
from mien.data.order import Mixed, Steps
from mien.labels import Targets
from mien.recipes import Recipe
from mien.types import Needs, Trial


def lessons(recipe: Recipe, train: Targets, source: Source, needs: Needs, seed: int) -> Clips:
    """The side that is learnt from. ValueError for votes that are not there."""
    voted = votes(train.trials, recipe.task.classes) if recipe.labels == "votes" else None
    weight = None
    if recipe.schedule.weights == "balanced":
        each = balanced(train.target)
        weight = dict(zip((trial.id for trial in train.trials), each[train.target].tolist(), strict=True))
    return Clips(train.trials, source, needs, _known(train), seed, voted, weight)


def exams(val: Targets, source: Source, needs: Needs) -> Clips:
    """The side that is judged: by its own labels, each trial counting once, whatever is learnt."""
    return Clips(val.trials, source, needs, _known(val))


def batches(recipe: Recipe, train: Targets, clips: Clips, seed: int, rank: int = 0, ranks: int = 1) -> Steps:
    """The order in which this process, `rank` of `ranks`, learns from them."""
    schedule = recipe.schedule
    classes = tuple(train.target.tolist()) if schedule.sampling == "balanced" else ()
    if not schedule.people:
        return Steps(len(clips), schedule.batch, schedule.epochs, seed, rank=rank, ranks=ranks, classes=classes)
    subject = tuple(clips.subjects[trial.subject] for trial in clips.trials)
    return Mixed(len(clips), schedule.batch, schedule.epochs, seed, rank=rank, ranks=ranks, classes=classes,
                 subject=subject, people=schedule.people)


def balanced(target: np.ndarray) -> np.ndarray:
    """Classes (N,) -> the weight of each, (K,): inverse to how often it is there, with a mean of 1 over the rows.

    scikit-learn's `class_weight="balanced"`: N / (classes that are there * rows of the class); 0 for one that is not.
    """
    count = np.bincount(target)
    return np.divide(len(target), (count > 0).sum() * count, out=np.zeros(len(count)), where=count > 0)


def votes(trials: Sequence[Trial], classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Trial id -> (K,) the shares of the annotators who named each class, adding up to 1; by `about["votes_CLASS"]`.

    ValueError where a trial has no votes, not of every class, or nobody's.
    """
    found = {trial.id: _counted(trial, classes) for trial in trials}
    missing = [id for id, counts in found.items() if not counts.sum() > 0]  # NaN too
    if missing:
        raise ValueError(f"labels=votes: expected the votes of annotators for every clip, got none, or not of each "
                         f"class, for {len(missing)} of {len(found)}: {', '.join(missing[:5])}: DFEW has them in "
                         "Annotation/annotation.xlsx; mien data check says what is wrong with it")
    return {id: counts / counts.sum() for id, counts in found.items()}


def _counted(trial: Trial, classes: Sequence[str]) -> np.ndarray:
    """(K,) votes, NaN where a number is missing."""
    told = [trial.about.get(f"votes_{name}", "") for name in classes]
    return np.array([float(text) if text.isdecimal() else np.nan for text in told])


def _known(targets: Targets) -> dict[str, float]:
    return dict(zip((trial.id for trial in targets.trials), targets.taught.tolist(), strict=True))
