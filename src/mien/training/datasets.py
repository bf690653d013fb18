"""Training and validation datasets, class weights and batch samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.requirements import ModelRequirements
from mien.core.trials import Trial
from mien.datasets.labels import Targets
from mien.preprocessing.data_loader import TrialDataset, WindowReader
from mien.preprocessing.samplers import EpochSampler, SubjectBalancedSampler
from mien.recipes.recipe import Recipe, Schedule


def train_dataset(
    recipe: Recipe, train: Targets, source: WindowReader, needs: ModelRequirements, seed: int
) -> TrialDataset:
    """The training dataset. Raises ValueError if the recipe needs votes and a trial has none."""
    voted: dict[str, np.ndarray] | None = None
    weight: dict[str, float] | None = None
    if recipe.labels == "votes":
        voted = vote_targets(train.trials, recipe.task.classes)
    if recipe.schedule.weights == "balanced":
        each = balanced_weights(train.target)
        weight = dict(zip((trial.id for trial in train.trials), each[train.target].tolist(), strict=True))
    return TrialDataset(train.trials, source, needs, _known(train), seed, voted, weight)


def val_dataset(val: Targets, source: WindowReader, needs: ModelRequirements) -> TrialDataset:
    """The validation dataset: single labels and equal weights, whatever the training uses."""
    return TrialDataset(val.trials, source, needs, _known(val))


def make_sampler(
    schedule: Schedule, train: Targets, clips: TrialDataset, seed: int, rank: int = 0, ranks: int = 1
) -> EpochSampler:
    """The batch sampler of this process, number `rank` of `ranks`."""
    classes: tuple[int, ...] = ()
    if schedule.sampling == "balanced":
        classes = tuple(train.target.tolist())
    if not schedule.people:
        return EpochSampler(len(clips), schedule.batch, schedule.epochs, seed, rank=rank, ranks=ranks, classes=classes)
    subject = tuple(clips.subjects[trial.subject] for trial in clips.trials)
    return SubjectBalancedSampler(
        len(clips),
        schedule.batch,
        schedule.epochs,
        seed,
        rank=rank,
        ranks=ranks,
        classes=classes,
        subject=subject,
        people=schedule.people,
    )


def balanced_weights(target: np.ndarray) -> np.ndarray:
    """Class weights (K,) for the classes (N,) of trials: inverse to the class frequency, with a mean of 1 over trials.

    As scikit-learn's `class_weight="balanced"`: N / (number of present classes * trials of the class); 0 for an absent
    class.
    """
    count = np.bincount(target)
    return np.divide(len(target), (count > 0).sum() * count, out=np.zeros(len(count)), where=count > 0)


def vote_targets(trials: Sequence[Trial], classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Trial id -> (K,) shares of the annotators' votes for each class, which sum to 1, from `about["votes_CLASS"]`.

    Raises:
        ValueError: a trial has no votes, or not for every class.
    """
    counted = {trial.id: _counted(trial, classes) for trial in trials}
    missing = [id for id, counts in counted.items() if not counts.sum() > 0]  # NaN too
    if missing:
        raise ValueError(f"labels=votes: expected the votes of annotators for every clip, got none, or not of each "
                         f"class, for {len(missing)} of {len(counted)}: {', '.join(missing[:5])}: DFEW has them in "
                         "Annotation/annotation.xlsx; mien data check says what is wrong with it")
    return {id: counts / counts.sum() for id, counts in counted.items()}


def _counted(trial: Trial, classes: Sequence[str]) -> np.ndarray:
    """(K,) votes, NaN where a number is missing."""
    texts = [trial.about.get(f"votes_{name}", "") for name in classes]
    return np.array([float(text) if text.isdecimal() else np.nan for text in texts])


def _known(targets: Targets) -> dict[str, float]:
    return dict(zip((trial.id for trial in targets.trials), targets.taught.tolist(), strict=True))


def expect_learnable(schedule: Schedule, train: Targets, val: Targets) -> None:
    """Raise ValueError unless there is something to learn and validation is apart from training."""
    present = [name for name, count in train.counts.items() if count]
    if train.rule.task.scale is not None:
        if len(set(train.taught)) < 2:
            raise ValueError(f"fit: expected different ratings to learn from, got {len(train.trials)} trials alike")
    elif len(present) < 2:
        raise ValueError(f"fit: expected two or more classes to learn from, got {', '.join(present) or 'no trial'}")
    both = {(trial.dataset, trial.id) for trial in train.trials} & {(trial.dataset, trial.id) for trial in val.trials}
    if both:
        raise ValueError(f"fit: expected validation apart from training, got {len(both)} trials on both sides")
    if schedule.patience and not val.trials:
        raise ValueError("schedule.patience: expected a side to validate on, which says when to stop, got none: leave "
                         "it at 0, or use a protocol that has one")
