"""Rows of an ablation that are classic classifiers on hand-crafted features, on the folds of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from mien.core import atomic_files
from mien.core.trials import Fold
from mien.datasets.labels import Rule
from mien.evaluation.baselines import CLASSIFIERS, fold_data
from mien.evaluation.cross_validation import PREDICTIONS, expect_same_benchmark
from mien.evaluation.handcrafted_features import feature_table
from mien.evaluation.regression_baselines import FeatureTable
from mien.evaluation.scores import CHECKPOINTS
from mien.preprocessing.cache import Cache
from mien.recipes.recipe import Recipe
from mien.training.data_module import choose_fold, seen, split


def evaluate_classifier(name: str, recipe: Recipe, root: str | Path, out: str | Path, cache: Cache, *, seed: int = 0,
                        folds: Sequence[str] = ()) -> None:
    """Train and test a classifier on the folds of a recipe, and write its predictions as a benchmark's.

    It trains on the training side alone, as the deep model does, and selects nothing: both checkpoints of the table
    have the same predictions.

    Args:
        name: key of `baselines.CLASSIFIERS`.
        recipe: gives the dataset, the labels, the inputs and the folds.
        root: folder of the dataset.
        out: folder of the results.
        cache: the preprocessed dataset.
        seed: random seed.
        folds: names or numbers of the folds; empty for all.
    """
    _, all_folds = split(recipe, root)
    chosen = [choose_fold(all_folds, fold) for fold in folds] or list(all_folds)
    expect_same_benchmark(Path(out), recipe, all_folds, seed, False)
    every = {trial.id: trial for fold in all_folds for _, side in fold for trial in side}
    trials = seen(tuple(every.values()), cache, recipe.inputs.any_of)
    features = feature_table(cache, trials, recipe.inputs.signals)
    parts = [_predictions(name, recipe.label_rule, fold, features, seed) for fold in chosen]
    atomic_files.table(Path(out) / PREDICTIONS, pd.concat(parts, ignore_index=True))


@threadpool_limits.wrap(1)
def _predictions(name: str, rule: Rule, fold: Fold, features: FeatureTable, seed: int) -> pd.DataFrame:
    """One row for each test trial and checkpoint."""
    train, test, x, y = fold_data(rule, fold, features)
    guess = CLASSIFIERS[name](seed).fit(x, train.target).predict(y)
    classes = rule.task.classes
    return pd.DataFrame([
        {"dataset": trial.dataset, "trial": trial.id, "subject": trial.subject, "fold": fold.name,
         "checkpoint": checkpoint, "label": classes[target], "predicted": classes[predicted]}
        for checkpoint in CHECKPOINTS
        for trial, target, predicted in zip(test.trials, test.target, guess, strict=True)])
