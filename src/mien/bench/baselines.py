"""Honest baselines: hand-crafted features and scikit-learn, by the same folds; and what a leaky split would claim."""

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

from mien import metrics, rating, writing
from mien.bench import features, regressors, tables
from mien.bench.regressors import Made, filled
from mien.labels import RULES
from mien.models import mvp
from mien.protocols import split_hash
from mien.recipes import Recipe
from mien.recipes.published import PRINTED, Printed
from mien.train.material import choose, prepared, seen, split
from mien.types import Fold, Trial

WINDOW = 5.0
"""s of the windows of the leaky split: PhysioSync's on DEAP (MSA-LMC/PhysioSync)."""

LEAKS = 5
"""Parts of the leaky split. Our choice; PhysioSync has ten."""

CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "SVM": lambda seed: make_pipeline(filled(), StandardScaler(), SVC(class_weight="balanced", random_state=seed)),
    "random forest": lambda seed: make_pipeline(
        filled(), RandomForestClassifier(300, class_weight="balanced", random_state=seed)),
    "gradient boosting": lambda seed: make_pipeline(
        filled(), HistGradientBoostingClassifier(class_weight="balanced", min_samples_leaf=5, random_state=seed)),
}
"""Name -> a fresh one, by seed: scikit-learn's defaults, classes weighed alike. Our choices: 300 trees, whose votes
vary less, and leaves of five trials, as a fold may have a hundred."""


def baselines(recipe: Recipe, root: str | Path, out: str | Path, *, cache: str | Path = "", seed: int = 0,
              folds: Sequence[str] = (), workers: int = 0, told: Callable[[str], None] | None = None) -> pd.DataFrame:
    """Judge every classifier by the recipe's folds -> a row each, in %, or of ratings every regressor; `out` gets
    baselines.md and baselines.csv.

    They learn from the training side alone, as the deep model does; nothing is chosen, so validation is not used.
    """
    out = Path(out)
    survey, whole = split(recipe, root)
    chosen = [choose(whole, name) for name in folds] or list(whole)
    ready = prepared(survey, cache or out / "cache", max(workers, 1), None, told)
    names = recipe.options.signals if isinstance(recipe.options, mvp.Options) else ()
    every = {trial.id: trial for fold in whole for _, side in fold for trial in side}
    trials = seen(recipe, tuple(every.values()), ready)
    entire, pieces = (features.table(ready, trials, names, seconds) for seconds in (None, WINDOW))
    if recipe.task.scale is not None:
        frame = regressors.honest(recipe, chosen, entire, seed, deep=out)
        gap, lines, of = regressors.leaky(recipe, whole, trials, pieces, seed, LEAKS), regressors.table(frame), "CCC"
    else:
        frame, gap = honest(recipe, chosen, entire, seed), leaky(recipe, whole, trials, pieces, seed)
        lines, of = _table(recipe, frame), "Accuracy, in %,"
    head = f"# Baselines of {recipe.name}, {len(chosen)} of {len(whole)} folds"
    writing.table(out / "baselines.csv", frame)
    writing.text(out / "baselines.md", "\n".join([head, "", *lines, *_page(gap, of, split_hash(*whole))]) + "\n")
    return frame


@threadpool_limits.wrap(1)  # so little at a time that threads would only wait for each other
def honest(recipe: Recipe, folds: Sequence[Fold], made: Made, seed: int) -> pd.DataFrame:
    """A row a classifier: every measure over all test trials, in %, with the interval of the first; CCC of ratings."""
    rule, classes = RULES[recipe.rule], len(recipe.task.classes)
    place = {id: k for k, id in enumerate(made[0])}
    answers: dict[str, list[np.ndarray]] = {name: [] for name in CLASSIFIERS}
    targets, people, rated = [], [], []
    for fold in folds:
        learnt, judged = (rule([t for t in side if t.id in place], fold.train) for side in (fold.train, fold.test))
        x, y = (made[1][[place[t.id] for t in side.trials]] for side in (learnt, judged))
        for name, make in CLASSIFIERS.items():
            answers[name].append(make(seed).fit(x, learnt.target).predict(y))
        targets.append(judged.target)
        people += [f"{t.dataset} {t.subject}" * bool(t.subject) for t in judged.trials]
        if rule.words is None and not rule.parts:
            ratings = [np.array([float(rule.rating(t)) for t in side.trials]) for side in (learnt, judged)]
            model = make_pipeline(filled(), RandomForestRegressor(300, random_state=seed))
            rated.append(np.stack([ratings[1], model.fit(x, ratings[0]).predict(y)]))
    target = np.concatenate(targets)
    who = people if all(people) else None
    rows = []
    for name, found in answers.items():
        counts = metrics.confusion(target, np.concatenate(found), classes)
        row: dict[str, Any] = {"classifier": name, "trials": len(target)}
        for measure, value in metrics.measures(classes).items():
            low, high = metrics.bootstrap(value, target, np.concatenate(found), classes, who)
            row |= {measure: 100 * float(value(counts)), f"{measure}_low": 100 * low, f"{measure}_high": 100 * high}
        rows.append(row)
    frame = pd.DataFrame(rows)
    if rated:
        told = float(rating.ccc(rating.sums(*np.concatenate(rated, axis=1))))
        frame["ccc"] = np.where(frame["classifier"] == "random forest", told, np.nan)
    return frame


@threadpool_limits.wrap(1)
def leaky(recipe: Recipe, folds: Sequence[Fold], trials: Sequence[Trial], made: Made, seed: int) -> pd.DataFrame:
    """A row a classifier: accuracy over windows, %, by the recipe's folds, and with windows dealt out at random."""
    kept = RULES[recipe.rule](trials, trials)
    known = {t.id: int(value) for t, value in zip(kept.trials, kept.target, strict=True)}
    has = np.array([id in known for id in made[0]])
    ids = np.array(made[0])[has]
    x, y = made[1][has], np.array([known[id] for id in ids])
    sides = [(np.isin(ids, [t.id for t in fold.train]), np.isin(ids, [t.id for t in fold.test])) for fold in folds]
    random = StratifiedKFold(LEAKS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer windows than parts
        parts = list(random.split(x, y))
    rows = []
    for name, make in CLASSIFIERS.items():
        shares = []
        for way in (sides, parts):
            right = [make(seed).fit(x[a], y[a]).predict(x[b]) == y[b] for a, b in way if len(set(y[a])) > 1]
            shares.append(100 * float(np.concatenate(right).mean()))
        rows.append({"classifier": name, "windows": len(y), "by the protocol": shares[0], "LEAKY": shares[1],
                     "gap": shares[1] - shares[0]})
    return pd.DataFrame(rows)


def _table(recipe: Recipe, frame: pd.DataFrame) -> list[str]:
    """What `honest` made, below what is printed of the recipe's method, as lines of markdown."""
    printed = PRINTED.get(recipe.name, Printed()).values
    measures = [name for name in metrics.measures(len(recipe.task.classes))]
    head = ["%", *(tables.NAMES[name] for name in measures)] + ["CCC of the rating"] * ("ccc" in frame)
    rows = [["the recipe's method, as printed", *(tables.number(printed.get(name, np.nan)) for name in measures)]]
    rows[0] += [""] * ("ccc" in frame)
    for _, line in frame.iterrows():
        cells = [tables.within(line[m], line[f"{m}_low"], line[f"{m}_high"]) for m in measures]
        rows.append([line["classifier"], *cells, *([tables.number(line["ccc"])] if "ccc" in frame else [])])
    return tables.grid(head, rows)


def _page(gap: pd.DataFrame, of: str, hash: str) -> list[str]:
    """What follows the table: how it was made, and the leak."""
    return ["",
             "Hand-crafted features: action units (mean, deviation, percentiles, change), head, and of signals heart "
             "rate variability and skin conductance. The same trials as the deep model's; 95 % intervals by bootstrap.",
             "", "## What a leaky split would claim", "", *tables.pages(gap, ".2f"), "",
             f"{of} over windows of {WINDOW:g} s. LEAKY deals the windows of every trial out at random, so "
             "that pieces of one trial, and of one person, are learnt from and judged: it measures who is recognised, "
             "not what is felt, and is shown for the gap alone.", "", f"Split sha256 {hash}, of all folds together."]
