"""Cross-dataset evaluation: test a checkpoint on the people of a dataset that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from mien.checkpoints.factory import Precision
from mien.core import atomic_files
from mien.core.parallel.outcome import ProgressCallback
from mien.core.trials import Trial
from mien.datasets import dataset
from mien.datasets.index import DatasetIndex
from mien.evaluation.predict import Predictions, predict_trials
from mien.metrics import classification
from mien.preprocessing.cache import Cache
from mien.preprocessing.data_loader import WindowReader
from mien.preprocessing.window_dataset import WindowSource
from mien.recipes import installed_recipes
from mien.recipes.recipe import Recipe
from mien.training.data_module import cached_targets, filmed_trials, prepared_cache


@dataclass(frozen=True, eq=False)
class CrossDatasetResult:
    """The result of a cross-dataset evaluation.

    `scores`: "chosen" or "last" -> "uar", "war", 0..1, over trials; `majority`: accuracy of always predicting the most
    frequent class; `notes`: lines about the evaluated and the excluded trials; `predictions`: table of all predictions.
    """

    dataset: str
    scores: dict[str, dict[str, float]]
    majority: float
    notes: tuple[str, ...]
    predictions: Path


def find_checkpoints(recipe: Recipe, root: str | Path, cache: str | Path = "") -> DatasetIndex:
    """Identify the dataset at `root`. It must suit a recipe of the same method and labels, but not be this recipe's.

    Args:
        recipe: recipe of the checkpoint.
        root: folder of the other dataset.
        cache: its preprocessed form, if any; then its faces and pulses are checked too.

    Raises:
        ValueError: there is no such dataset, or `cache` holds it without any face.
    """
    if recipe.task.scale is not None:
        raise ValueError(f"--test-data: expected a recipe that names classes, got {recipe.name}, which predicts "
                         "ratings: evaluate it on its own folds with mien bench")
    names = {other.dataset for other in installed_recipes().values()
             if (other.method, other.rule) == (recipe.method, recipe.rule) and other.dataset != recipe.dataset}
    if not Path(root).is_dir():
        raise ValueError(f"--test-data: expected the folder of a dataset, got nothing at {root}")
    for name in sorted(names):
        survey = dataset(name).survey(root)
        if survey.usable:
            if cached_targets(survey, cache):
                expect_face_trials(recipe, survey, Cache(cache))
            return survey
    raise ValueError(f"--test-data {root}: expected another dataset with the labels of {recipe.name} "
                     f"({', '.join(sorted(names)) or 'there is none'}), got no usable trial")


def expect_face_trials(recipe: Recipe, survey: DatasetIndex, ready: Cache) -> list[Trial]:
    """The trials with a picture of a face.

    Raises:
        ValueError: there is no such trial, or a model that takes the pulse would find none in all windows and would be
            evaluated as a model of the face alone.
    """
    kept = [trial for trial in filmed_trials(survey.trials)
            if trial.id in ready.entries and ready.entries[trial.id].pictures]
    if not kept:
        raise ValueError(f"{survey.root}: expected trials of {survey.dataset} with a picture of a face, got none of "
                         f"{len(survey.trials)}: look at the videos")
    if pulse := recipe.inputs.pulse:
        windows = WindowSource(ready, recipe.seconds)
        windows.pulses(windows.cut(recipe.label_rule(kept, kept)), pulse, survey.dataset)
    return kept


def cross_dataset(recipe: Recipe, folders: dict[str, Path], survey: DatasetIndex, cache: str | Path, out: Path, *,
              train: Sequence[Trial] = (), device: str = "auto", precision: Precision = "auto", workers: int = 0,
              progress: ProgressCallback | None = None, log: Callable[[str], None] | None = None) -> CrossDatasetResult:
    """Test checkpoints on every filmed trial of another dataset.

    Args:
        recipe: recipe of the checkpoints.
        folders: name -> folder of each checkpoint.
        survey: the dataset, as `find` returns it.
        cache: its preprocessed form; missing trials are preprocessed first.
        out: file for the table of all predictions.
        train: training trials; their ratings set the class boundary, if the rule needs them.
        device: as in `checkpoints.load`.
        precision: as in `checkpoints.load`.
        workers: processes that load data.
        progress: receives the finished share of the preprocessing, 0..1.
        log: receives a line for each trial that cannot be preprocessed.
    """
    ready = prepared_cache(survey, cache, max(workers, 1), progress, log)
    kept = expect_face_trials(recipe, survey, ready)
    targets = recipe.label_rule(kept, train or None)
    notes = [f"{survey.dataset}, all of it: {targets}"]
    filmed_count = sum(trial.video is not None for trial in survey.trials)
    if filmed_count < len(survey.trials):
        notes.append(f"{len(survey.trials) - filmed_count} of its trials were not filmed")
    if len(kept) < filmed_count:
        notes.append(f"{filmed_count - len(kept)} of its trials have no picture of a face")
    majority = targets.majority
    source: WindowReader = ready.clip
    if recipe.windowed:
        source = windows = WindowSource(ready, recipe.seconds)
        targets = windows.cut(targets)
        notes.append(f"windows of {recipe.seconds:g} s: {len(targets.trials)}")
    scores, frames = {}, []
    pulse_notes: tuple[str, ...] = ()
    for name, folder in folders.items():
        predicted = cast(
            Predictions,
            predict_trials(
                folder, targets, source, recipe.windowed, views=recipe.views, device=device, precision=precision,
                workers=workers
            ),
        )
        counts = classification.confusion(predicted.target, predicted.probs.argmax(axis=1), predicted.probs.shape[1])
        scores[name] = {"uar": float(classification.uar(counts)), "war": float(classification.war(counts))}
        frames.append(predicted.table(targets, fold="all", checkpoint=name))
        pulse_notes = predicted.pulse_notes
    atomic_files.table(out, pd.concat(frames, ignore_index=True))
    return CrossDatasetResult(survey.dataset, scores, majority, (*notes, *pulse_notes), out)
