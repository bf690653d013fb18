"""Honest baselines of recipes that guess ratings: hand-crafted features and scikit-learn's regressors, same folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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

from mien import rating
from mien.bench import ratings, tables
from mien.bench.answers import GUESS, RATING
from mien.bench.run import BENCH, PREDICTIONS
from mien.labels import RULES
from mien.recipes import Recipe
from mien.types import Fold, Trial

Made = tuple[list[str], np.ndarray, list[str]]
"""What `features.table` makes."""

MEAN = "mean of training"

REGRESSORS: dict[str, Callable[[int], Any]] = {
    "SVR": lambda seed: make_pipeline(filled(), StandardScaler(), SVR()),
    "random forest": lambda seed: make_pipeline(filled(), RandomForestRegressor(300, random_state=seed)),
    "gradient boosting": lambda seed: make_pipeline(
        filled(), HistGradientBoostingRegressor(min_samples_leaf=5, random_state=seed)),
}
"""Name -> a fresh one, by seed: scikit-learn's defaults; trees and leaves as of `baselines.CLASSIFIERS`."""


def filled() -> SimpleImputer:
    """What is not known becomes the median of training."""
    return SimpleImputer(strategy="median", keep_empty_features=True)


@threadpool_limits.wrap(1)  # so little at a time that threads would only wait for each other
def honest(recipe: Recipe, folds: Sequence[Fold], made: Made, seed: int, deep: Path | None = None) -> pd.DataFrame:
    """A row a regressor, and the mean of training: trials, every measure of `ratings.NAMES` over all test trials, and
    the interval of CCC. `deep`: the folder of the recipe's own benchmark; where it has these folds, a row of its own.
    """
    rule, place = RULES[recipe.rule], {id: k for k, id in enumerate(made[0])}
    frames: dict[str, list[pd.DataFrame]] = {name: [] for name in (*REGRESSORS, MEAN)}
    for fold in folds:
        learnt, judged = (rule([t for t in side if t.id in place]) for side in (fold.train, fold.test))
        x, y = (made[1][[place[t.id] for t in side.trials]] for side in (learnt, judged))
        told = pd.DataFrame({"dataset": [t.dataset for t in judged.trials], "fold": fold.name,
                             "subject": [t.subject for t in judged.trials], RATING: judged.ratings})
        for name, make in REGRESSORS.items():
            guess = make(seed).fit(x, learnt.ratings).predict(y)
            frames[name].append(told.assign(**{GUESS: np.clip(guess, *rule.scale)}))
        frames[MEAN].append(told.assign(**{GUESS: learnt.ratings.mean()}))
    whole = {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}
    if deep is not None and (deep / PREDICTIONS).is_file():
        found = pd.read_parquet(deep / PREDICTIONS)
        held = json.loads((deep / BENCH).read_text(encoding="utf-8"))["recipe"]
        if held["name"] == recipe.name and set(found["fold"]) == {fold.name for fold in folds}:
            title = f"{recipe.name}, chosen on validation{', a trial that knows nothing' * held['tiny']}"
            whole = {title: found[found["checkpoint"] == "chosen"]} | whole
    rows = []
    for name, frame in whole.items():
        low, high = ratings.intervals(frame)["ccc"]
        rows.append({"regressor": name, "trials": len(frame), **ratings.values(frame), "ccc_low": low,
                     "ccc_high": high})
    return pd.DataFrame(rows)


@threadpool_limits.wrap(1)
def leaky(recipe: Recipe, folds: Sequence[Fold], trials: Sequence[Trial], made: Made, seed: int, parts: int
          ) -> pd.DataFrame:
    """A row a regressor: CCC over windows by the recipe's folds, and with windows dealt out at random."""
    kept = RULES[recipe.rule](trials)
    known = {t.id: value for t, value in zip(kept.trials, kept.ratings.tolist(), strict=True)}
    has = np.array([id in known for id in made[0]])
    ids = np.array(made[0])[has]
    x, y = made[1][has], np.array([known[id] for id in ids])
    sides = [(np.isin(ids, [t.id for t in fold.train]), np.isin(ids, [t.id for t in fold.test])) for fold in folds]
    random = list(KFold(parts, shuffle=True, random_state=seed).split(x))
    rows = []
    for name, make in REGRESSORS.items():
        found = []
        for way in (sides, random):
            pairs = [np.stack([y[b], make(seed).fit(x[a], y[a]).predict(x[b])]) for a, b in way
                     if len(y[a]) and len(y[b])]
            found.append(float(rating.ccc(rating.sums(*np.concatenate(pairs, axis=1)))))
        rows.append({"regressor": name, "windows": len(y), "by the protocol": found[0], "LEAKY": found[1],
                     "gap": found[1] - found[0]})
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame) -> list[str]:
    """What `honest` made as lines of markdown."""
    names = [name for name in ratings.NAMES if name in frame]
    rows = [[line["regressor"], tables.within(line["ccc"], line["ccc_low"], line["ccc_high"], ".3f"),
             *(tables.number(line[name], ".3f") for name in names[1:])] for _, line in frame.iterrows()]
    return tables.grid(["", *(ratings.NAMES[name] for name in names)], rows)
