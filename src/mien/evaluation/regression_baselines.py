"""Baselines for recipes that predict ratings: hand-crafted features and scikit-learn regressors on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from threadpoolctl import threadpool_limits

from mien.core.parquet import read_parquet
from mien.core.read_json import read_json
from mien.core.trials import Fold, Trial
from mien.datasets.labels import Rule
from mien.evaluation import regression as regression_scores
from mien.evaluation import tables
from mien.evaluation.cross_validation import BENCH, PREDICTIONS
from mien.evaluation.predict import GUESS, RATING
from mien.metrics import regression

FeatureTable = tuple[list[str], np.ndarray, list[str]]
"""Trial id of each row, values (R, F) and feature names (F,), as `feature_table` returns them."""

MEAN_BASELINE = "mean of training"

TREES = 300
"""Trees of a forest, so that the votes vary less than with scikit-learn's hundred. Our choice."""

REGRESSORS: dict[str, Callable[[int], Any]] = {
    "SVR": lambda seed: make_pipeline(fill_missing(), StandardScaler(), SVR()),
    "random forest": lambda seed: make_pipeline(fill_missing(), RandomForestRegressor(TREES, random_state=seed)),
    "gradient boosting": lambda seed: make_pipeline(
        fill_missing(), HistGradientBoostingRegressor(min_samples_leaf=5, random_state=seed)),
}
"""Name -> a function that makes a new regressor from a seed, with scikit-learn's defaults.

The number of trials in a leaf is that of `baselines.CLASSIFIERS`."""


def fill_missing() -> SimpleImputer:
    """An imputer that replaces NaN by the median of the training trials."""
    return SimpleImputer(strategy="median", keep_empty_features=True)


@threadpool_limits.wrap(1)  # the tasks are so small that threads would only wait for each other
def subject_independent(
    rule: Rule, folds: Sequence[Fold], features: FeatureTable, seed: int, deep: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """Evaluate every regressor, and the constant mean of training, on the folds.

    Args:
        rule: the label rule.
        folds: the folds.
        features: features of each trial.
        seed: random seed.
        deep: the predictions of the recipe's own model by their title, as `deep_model` reads them: the first rows.

    Returns:
        One row for each regressor: trials, every measure of `regression.MEASURES` over all test trials, and
        CCC's interval.
    """
    row_of = {id: k for k, id in enumerate(features[0])}
    frames: dict[str, list[pd.DataFrame]] = {name: [] for name in (*REGRESSORS, MEAN_BASELINE)}
    for fold in folds:
        train, test = (rule([t for t in side if t.id in row_of]) for side in (fold.train, fold.test))
        x, y = (features[1][[row_of[t.id] for t in side.trials]] for side in (train, test))
        truth = pd.DataFrame({"dataset": [t.dataset for t in test.trials], "fold": fold.name,
                              "subject": [t.subject for t in test.trials], RATING: test.ratings})
        for name, make in REGRESSORS.items():
            guess = make(seed).fit(x, train.ratings).predict(y)
            frames[name].append(truth.assign(**{GUESS: np.clip(guess, *rule.scale)}))
        frames[MEAN_BASELINE].append(truth.assign(**{GUESS: train.ratings.mean()}))
    by_model = {**(deep or {}), **{name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}}
    rows = []
    for name, frame in by_model.items():
        low, high = regression_scores.intervals(frame)["ccc"]
        rows.append({"regressor": name, "trials": len(frame), **regression_scores.rating_scores(frame), "ccc_low": low,
                     "ccc_high": high})
    return pd.DataFrame(rows)


def deep_model(out: Path, name: str, folds: Sequence[Fold]) -> dict[str, pd.DataFrame]:
    """The test predictions of a finished benchmark of the recipe `name` in `out`, by their title.

    Empty if there is no benchmark, or one of other folds.
    """
    if not (out / PREDICTIONS).is_file():
        return {}
    predicted, stored = read_parquet(out / PREDICTIONS), read_json(out / BENCH)["recipe"]
    if stored["name"] != name or set(predicted["fold"]) != {fold.name for fold in folds}:
        return {}
    title = f"{name}, chosen on validation"
    if stored["tiny"]:
        title += ", a tiny run with meaningless numbers"
    return {title: predicted[predicted["checkpoint"] == "chosen"]}


@threadpool_limits.wrap(1)
def window_split(
    rule: Rule, folds: Sequence[Fold], trials: Sequence[Trial], features: FeatureTable, seed: int, parts: int
) -> pd.DataFrame:
    """One row for each regressor: CCC over windows, by the recipe's folds and by a random split into `parts` folds."""
    kept = rule(trials)
    known = {t.id: value for t, value in zip(kept.trials, kept.ratings.tolist(), strict=True)}
    has = np.array([id in known for id in features[0]])
    ids = np.array(features[0])[has]
    x, y = features[1][has], np.array([known[id] for id in ids])
    sides = [(np.isin(ids, [t.id for t in fold.train]), np.isin(ids, [t.id for t in fold.test])) for fold in folds]
    random = list(KFold(parts, shuffle=True, random_state=seed).split(x))
    rows = []
    for name, make in REGRESSORS.items():
        cccs = []
        for splits in (sides, random):
            pairs = [np.stack([y[b], make(seed).fit(x[a], y[a]).predict(x[b])]) for a, b in splits
                     if len(y[a]) and len(y[b])]
            cccs.append(float(regression.ccc(regression.sums(*np.concatenate(pairs, axis=1)))))
        rows.append({"regressor": name, "windows": len(y), "by the protocol": cccs[0], "LEAKY": cccs[1],
                     "gap": cccs[1] - cccs[0]})
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame) -> list[str]:
    """The result of `subject_independent` as lines of markdown."""
    names = [name for name in regression_scores.MEASURE_TITLES if name in frame]
    rows = [[line["regressor"], tables.format_interval(line["ccc"], line["ccc_low"], line["ccc_high"], ".3f"),
             *(tables.format_number(line[name], ".3f") for name in names[1:])] for _, line in frame.iterrows()]
    return tables.markdown_grid(["", *(regression_scores.MEASURE_TITLES[name] for name in names)], rows)
