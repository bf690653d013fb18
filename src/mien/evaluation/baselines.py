"""Baselines of hand-crafted features with scikit-learn on the same folds, and the gap that a leaky split adds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from mien.core import atomic_files
from mien.core.trials import Fold, Trial
from mien.datasets.labels import Rule, Targets
from mien.datasets.splits.fingerprint import split_hash
from mien.evaluation import handcrafted_features, regression_baselines, tables
from mien.evaluation.regression_baselines import FeatureTable, fill_missing
from mien.metrics import classification, regression
from mien.recipes.published import PUBLISHED_SCORES, PublishedValue
from mien.recipes.recipe import Recipe
from mien.training.data_module import choose_fold, prepared_cache, seen, split

LEAKY_WINDOW_SECONDS = 5.0
"""Length in s of the windows of the leaky split: PhysioSync's on DEAP (MSA-LMC/PhysioSync)."""

LEAKY_FOLDS = 5
"""Folds of the leaky split. Our choice; PhysioSync has ten."""

CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "SVM": lambda seed: make_pipeline(
        fill_missing(), StandardScaler(), SVC(class_weight="balanced", random_state=seed)
    ),
    "random forest": lambda seed: make_pipeline(
        fill_missing(), RandomForestClassifier(regression_baselines.TREES, class_weight="balanced", random_state=seed)
    ),
    "gradient boosting": lambda seed: make_pipeline(
        fill_missing(), HistGradientBoostingClassifier(class_weight="balanced", min_samples_leaf=5, random_state=seed)
    ),
}
"""Name -> a function that makes a new classifier from a seed, with scikit-learn's defaults and balanced classes.

Our choice: leaves of five trials, since a fold may have only a hundred."""


def baselines(recipe: Recipe, root: str | Path, out: str | Path, *, cache: str | Path = "", seed: int = 0,
              folds: Sequence[str] = (), workers: int = 0, log: Callable[[str], None] | None = None) -> pd.DataFrame:
    """Evaluate every classifier, or for ratings every regressor, on the recipe's folds.

    The models train on the training side alone, as the deep model does. Nothing is selected, so the validation side is
    not used. Writes baselines.md and baselines.csv into `out`.

    Args:
        recipe: gives the dataset, the labels and the folds.
        root: folder of the dataset.
        out: folder of the results.
        cache: folder of the preprocessed dataset; "" for one inside `out`.
        seed: random seed.
        folds: names or numbers of the folds; empty for all.
        workers: processes of the preprocessing.
        log: receives a line for each trial that cannot be preprocessed.

    Returns:
        One row for each model, in %, or for ratings as `regression_baselines.subject_independent`.
    """
    out = Path(out)
    survey, all_folds = split(recipe, root)
    chosen = [choose_fold(all_folds, name) for name in folds] or list(all_folds)
    ready = prepared_cache(survey, cache or out / "cache", max(workers, 1), None, log)
    inputs, rule = recipe.inputs, recipe.label_rule
    every = {trial.id: trial for fold in all_folds for _, side in fold for trial in side}
    trials = seen(tuple(every.values()), ready, inputs.any_of)
    by_trial, by_window = (
        handcrafted_features.feature_table(ready, trials, inputs.signals, seconds)
        for seconds in (None, LEAKY_WINDOW_SECONDS)
    )
    if recipe.task.scale is not None:
        deep = regression_baselines.deep_model(out, recipe.name, chosen)
        frame = regression_baselines.subject_independent(rule, chosen, by_trial, seed, deep)
        gap = regression_baselines.window_split(rule, all_folds, trials, by_window, seed, LEAKY_FOLDS)
        lines, measure = regression_baselines.table(frame), "CCC"
    else:
        frame = subject_independent(rule, chosen, by_trial, seed)
        gap = window_split(rule, all_folds, trials, by_window, seed)
        lines, measure = _table(recipe, frame), "Accuracy, in %,"
    head = f"# Baselines of {recipe.name}, {len(chosen)} of {len(all_folds)} folds"
    page = [head, "", *lines, *_page(gap, measure, split_hash(*all_folds))]
    atomic_files.table(out / "baselines.csv", frame)
    atomic_files.text(out / "baselines.md", "\n".join(page) + "\n")
    return frame


def fold_data(rule: Rule, fold: Fold, features: FeatureTable) -> tuple[Targets, Targets, np.ndarray, np.ndarray]:
    """The targets of the training and of the test side that have features, and the features of both (N, F)."""
    row_of = {id: k for k, id in enumerate(features[0])}
    train, test = (rule([t for t in side if t.id in row_of], fold.train) for side in (fold.train, fold.test))
    x, y = (features[1][[row_of[t.id] for t in side.trials]] for side in (train, test))
    return train, test, x, y


@threadpool_limits.wrap(1)  # the tasks are so small that threads would only wait for each other
def subject_independent(rule: Rule, folds: Sequence[Fold], features: FeatureTable, seed: int) -> pd.DataFrame:
    """One row for each classifier: every measure over all test trials, in %, with its 95 % interval.

    For rules that cut ratings, `ccc` is the CCC of a random forest that predicts the rating itself, 0..1.
    """
    classes = len(rule.task.classes)
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in CLASSIFIERS}
    targets, people, rated = [], [], []
    for fold in folds:
        train, test, x, y = fold_data(rule, fold, features)
        for name, make in CLASSIFIERS.items():
            outputs[name].append(make(seed).fit(x, train.target).predict(y))
        targets.append(test.target)
        people += [t.subject and f"{t.dataset} {t.subject}" for t in test.trials]
        if rule.words is None and not rule.parts:
            ratings = [np.array([float(rule.rating(t)) for t in side.trials]) for side in (train, test)]
            model = make_pipeline(fill_missing(), RandomForestRegressor(regression_baselines.TREES, random_state=seed))
            rated.append(np.stack([ratings[1], model.fit(x, ratings[0]).predict(y)]))
    target = np.concatenate(targets)
    who = people if all(people) else None
    rows = []
    for name, parts in outputs.items():
        predicted = np.concatenate(parts)
        counts = classification.confusion(target, predicted, classes)
        row: dict[str, Any] = {"classifier": name, "trials": len(target)}
        for measure, value in classification.measures(classes).items():
            low, high = classification.bootstrap(value, target, predicted, classes, who)
            row |= {measure: 100 * float(value(counts)), f"{measure}_low": 100 * low, f"{measure}_high": 100 * high}
        rows.append(row)
    frame = pd.DataFrame(rows)
    if rated:
        ccc = float(regression.ccc(regression.sums(*np.concatenate(rated, axis=1))))
        frame["ccc"] = np.where(frame["classifier"] == "random forest", ccc, np.nan)
    return frame


@threadpool_limits.wrap(1)
def window_split(
    rule: Rule, folds: Sequence[Fold], trials: Sequence[Trial], features: FeatureTable, seed: int
) -> pd.DataFrame:
    """One row for each classifier: accuracy over windows, in %, by the recipe's folds and by a random window split."""
    kept = rule(trials, trials)
    known = {t.id: int(value) for t, value in zip(kept.trials, kept.target, strict=True)}
    has = np.array([id in known for id in features[0]])
    ids = np.array(features[0])[has]
    x, y = features[1][has], np.array([known[id] for id in ids])
    sides = [(np.isin(ids, [t.id for t in fold.train]), np.isin(ids, [t.id for t in fold.test])) for fold in folds]
    random = StratifiedKFold(LEAKY_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn warns of classes with fewer windows than folds
        random_splits = list(random.split(x, y))
    rows = []
    for name, make in CLASSIFIERS.items():
        shares = []
        for splits in (sides, random_splits):
            right = [make(seed).fit(x[a], y[a]).predict(x[b]) == y[b] for a, b in splits if len(set(y[a])) > 1]
            shares.append(100 * float(np.concatenate(right).mean()))
        rows.append({"classifier": name, "windows": len(y), "by the protocol": shares[0], "LEAKY": shares[1],
                     "gap": shares[1] - shares[0]})
    return pd.DataFrame(rows)


def _table(recipe: Recipe, frame: pd.DataFrame) -> list[str]:
    """The result of `subject_independent` as lines of markdown; the first row has the paper's numbers."""
    printed = PUBLISHED_SCORES.get(recipe.name, PublishedValue()).values
    measures = [name for name in classification.measures(len(recipe.task.classes))]
    head = ["%", *(tables.names()[name] for name in measures)]
    rows = [
        ["the recipe's method, as printed", *(tables.format_number(printed.get(name, np.nan)) for name in measures)]
    ]
    for _, line in frame.iterrows():
        cells = [tables.format_interval(line[m], line[f"{m}_low"], line[f"{m}_high"]) for m in measures]
        rows.append([line["classifier"], *cells])
    if "ccc" in frame:
        head.append("CCC of the rating")
        for row, cell in zip(rows, ["", *map(tables.format_number, frame["ccc"])], strict=True):
            row.append(cell)
    return tables.markdown_grid(head, rows)


def _page(gap: pd.DataFrame, measure: str, split: str) -> list[str]:
    """The text below the table: the features, and the gap of the leaky split."""
    return [
        "",
        "Hand-crafted features: action units (mean, deviation, percentiles, change), head, and of signals heart "
        "rate variability and skin conductance. The same trials as the deep model's; 95 % intervals by bootstrap.",
        "",
        "## What a leaky split would claim",
        "",
        *tables.frame_to_markdown(gap, ".2f"),
        "",
        f"{measure} over windows of {LEAKY_WINDOW_SECONDS:g} s. LEAKY assigns the windows of every "
        "trial to folds at random. "
        "Windows of one trial, and of one person, are then in both training and test: the result measures who is "
        "recognised, not what is felt, and we show it for the gap alone.",
        "",
        f"Split sha256 {split}, of all folds together.",
    ]
