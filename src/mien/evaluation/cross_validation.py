"""Cross-validation by a recipe's protocol: `training.fit` trains without a fold's test side, which then tests it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien import recipes, training
from mien.checkpoints.factory import Precision, resolve_device
from mien.core import atomic_files
from mien.core.folder_lock import folder_lock
from mien.core.hashing import version
from mien.core.observations import MIEN_AUS
from mien.core.parquet import read_parquet
from mien.core.read_json import read_json
from mien.core.trials import Fold
from mien.datasets.splits.fingerprint import split_hash, split_statement
from mien.evaluation.environment import describe_environment
from mien.evaluation.epochs_on_test import NAME as BEST_ON_TEST
from mien.evaluation.epochs_on_test import TestEpochs
from mien.evaluation.predict import predict_trials
from mien.preprocessing.cache import Cache
from mien.recipes.recipe import Recipe
from mien.training.data_module import choose_fold, load_fold, load_test_targets, prepared_cache, split
from mien.training.fabric import deterministic_algorithms

SCHEMA = "mien.bench/1"
BENCH, ENVIRONMENT, FOLDS = "bench.json", "environment.json", "folds"
DONE, PREDICTIONS, FEATURES = "done.json", "predictions.parquet", "features.npy"

ProgressCallback = Callable[[float, str], None]
"""Receives the current activity in words and the finished share, 0..1."""


@dataclass(frozen=True, eq=False)
class CrossValidationResult:
    """The finished part of a cross-validation in the folder `out`.

    `split`: sha256 of all folds; `count`: number of folds of the protocol; `folds`: the content of `DONE` for each
    finished fold (name, statement, notes, training trials of each class and more); `predictions`: one row for each
    trial, fold and checkpoint (`Predictions.table`); `features` (N, d) of the first fold's chosen checkpoint and
    `target` (N,), their classes; `by`: columns of the trial table to report groups of.
    """

    recipe: Recipe
    out: Path
    seed: int
    split: str
    count: int
    folds: tuple[dict[str, Any], ...]
    predictions: pd.DataFrame
    features: np.ndarray
    target: np.ndarray
    by: tuple[str, ...] = ()


def cross_validate(recipe: Recipe, root: str | Path, out: str | Path, *, cache: str | Path | Cache = "", seed: int = 0,
                   folds: Sequence[str] = (), by: Sequence[str] = (), device: str = "auto",
                   precision: Precision = "auto", workers: int = 0, log: Callable[[str], None] | None = None,
                   on_progress: ProgressCallback | None = None, deterministic: bool = False) -> CrossValidationResult:
    """Train and test a recipe on the folds of its protocol.

    Results in `out` are continued: finished folds are kept, and an interrupted training resumes.

    Args:
        recipe: the recipe.
        root: folder of the dataset.
        out: folder of the results.
        cache: the preprocessed dataset: a folder, an open cache, or "" for a folder inside `out`.
        seed: random seed.
        folds: names or numbers of the folds; empty for all.
        by: columns of the trial table to report groups of.
        device: as in `training.fit`.
        precision: as in `training.fit`.
        workers: processes that load data.
        log: receives a line for each trial that cannot be preprocessed.
        on_progress: receives the finished share, 0..1, and what is under way.
        deterministic: as in `training.fit`.

    Raises:
        FolderLockedError: another benchmark is under way in `out`.
        ValueError: `out` holds another benchmark, or a column of `by` does not exist.
    """
    out, report = Path(out), on_progress or (lambda share, activity: None)
    survey, all_folds = split(recipe, root)
    known = {"subject", "fold", "dataset"}.union(*(trial.about for trial in survey.trials))
    if strange := sorted(set(by) - known):
        raise ValueError(f"--by: expected one of {', '.join(sorted(known))}, got {', '.join(strange)}")
    chosen = [choose_fold(all_folds, name) for name in folds] or list(all_folds)
    with folder_lock(out, "a benchmark", log=log):
        expect_same_benchmark(out, recipe, all_folds, seed, deterministic)
        if not (out / ENVIRONMENT).exists():
            about = describe_environment(seed, resolve_device(device), precision)
            atomic_files.text(out / ENVIRONMENT, json.dumps(about, indent=1) + "\n")
        if isinstance(cache, Cache):
            ready, begun = cache, 0.0
        else:
            ready, begun = prepared_cache(survey, cache or out / "cache", max(workers, 1),
                                    lambda done: report(0.3 * done, "preparing"), log), 0.3
        how: dict[str, Any] = {"device": device, "precision": precision, "workers": workers}
        for number, fold in enumerate(chosen):
            folder = out / FOLDS / fold.name
            if (folder / DONE).exists():
                _expect_same_units(folder, ready)
                continue

            def on_step(step: int, steps: int, _: float, done: int = number, name: str = fold.name) -> None:
                report(begun + (1 - begun) * (done + step / steps) / len(chosen), f"training {name}")

            with deterministic_algorithms(deterministic):
                evaluate_fold(recipe, fold, ready, folder, len(survey.trials), seed=seed, progress=on_step,
                      deterministic=deterministic, **how)
        return _gathered(recipe, out, seed, split_hash(*all_folds), [fold.name for fold in all_folds], by)


def evaluate_fold(
    recipe: Recipe,
    fold: Fold,
    ready: Cache,
    folder: Path,
    surveyed: int,
    *,
    seed: int,
    progress: Any = None,
    deterministic: bool = False,
    **how: Any,
) -> None:
    """Train one fold, test both checkpoints on its test side, and write the results into `folder`.

    `DONE` is written last. `surveyed`: number of trials of the dataset; `progress`: as in `training.fit`.
    """
    data = load_fold(recipe, fold, ready, surveyed, how.get("device", "auto"), seed)
    test, notes = load_test_targets(recipe, data)
    if not test.trials:
        raise ValueError(f"{fold.name}: expected test trials with labels and a picture of a face, got none of "
                         f"{len(fold.test)}: {'; '.join(notes)}")
    epochs = None
    if recipe.test_epochs:
        epochs = TestEpochs(folder, test, data.source, recipe.windowed, recipe.views)
    fitted = training.fit(recipe, data.train, data.val, data.source, folder, seed=seed, data=data.data,
                       progress=progress, deterministic=deterministic, each_epoch=epochs, **how)
    frames, predicted = [], {}
    for name, checkpoint in (("last", fitted.last), ("chosen", fitted.chosen)):
        predicted[name] = predict_trials(checkpoint, test, data.source, recipe.windowed, views=recipe.views,
                                         **how)
        frames.append(predicted[name].table(test, fold=fold.name, checkpoint=name))
    atomic_files.table(folder / PREDICTIONS, pd.concat(frames, ignore_index=True))
    chosen = predicted["chosen"]
    with atomic_files.replacing(folder / FEATURES) as temporary:
        np.save(temporary, np.hstack([chosen.target[:, None], chosen.feature]).astype(np.float32))
    pulse_notes = [f"{fold.name} test: {line}" for line in predicted["last"].pulse_notes]
    record: dict[str, Any] = {
        "name": fold.name,
        "stated": split_statement(fold),
        "labels": str(data.train.rule),
        "notes": [*data.notes[3:], *notes[1:], *pulse_notes],
        "counts": [*data.notes[1:3], notes[0]],
        "train": data.train.counts,
        "validation": fitted.scores,
        "aus": ready.aus_by,
        "environment": describe_environment(
            seed, resolve_device(how.get("device", "auto")), how.get("precision", "auto")
        ),
    }
    if epochs is not None:
        record[BEST_ON_TEST] = epochs.best(recipe.schedule.choose)
    if recipe.task.scale is not None:
        record["mean"] = float(data.train.ratings.mean())
    atomic_files.text(folder / DONE, json.dumps(record, indent=1) + "\n")


def evaluate_one_fold(recipe: Recipe, root: str | Path, out: str | Path, fold: str, cache: Cache,
                      on_progress: Callable[[float], None], *, seed: int = 0, deterministic: bool = False, **how: Any
                      ) -> None:
    """Train and test one fold of a benchmark in `out`, unless it is finished; the others may run at the same time.

    Args:
        recipe: the recipe.
        root: folder of the dataset.
        out: folder of the benchmark.
        fold: name of the fold.
        cache: the preprocessed dataset.
        on_progress: receives the finished share, 0..1.
        seed: random seed.
        deterministic: as in `training.fit`.
        **how: device, precision and workers, as in `training.fit`.
    """
    survey, folds = split(recipe, root)
    folder = Path(out) / FOLDS / fold
    with folder_lock(folder, "a fold", wait=True):
        if not (folder / DONE).exists():
            with deterministic_algorithms(deterministic):
                evaluate_fold(recipe, choose_fold(folds, fold), cache, folder, len(survey.trials), seed=seed,
                              progress=lambda step, steps, _: on_progress(step / steps), deterministic=deterministic,
                              **how)


def expect_same_benchmark(out: Path, recipe: Recipe, all_folds: Sequence[Fold], seed: int, deterministic: bool
                          ) -> None:
    """Write which benchmark the folder `out` holds, or raise ValueError if it holds another one."""
    same = {"schema": SCHEMA, "recipe": json.loads(json.dumps(recipes.to_json(recipe))), "seed": seed,
            "version": version(), "protocol": all_folds[0].protocol, "split": split_hash(*all_folds),
            "determinism": deterministic}
    path = out / BENCH
    if not path.exists():
        atomic_files.text(path, json.dumps(same, indent=1) + "\n")
        return
    stored = read_json(path)
    if other := [name for name, value in same.items() if stored.get(name) != value]:
        raise ValueError(f"--out {out}: expected a new folder or this same benchmark, got one with another "
                         f"{' and '.join(other)}: name another --out")


def _expect_same_units(folder: Path, ready: Cache) -> None:
    """Raise ValueError if a finished fold used action units of another program."""
    program = read_json(folder / DONE).get("aus", MIEN_AUS)
    if program != ready.aus_by:
        raise ValueError(f"--cache {ready.path}: expected action units by {program}, which {folder} was tested with, "
                         f"got those by {ready.aus_by}: name another --out")


def _gathered(
    recipe: Recipe, out: Path, seed: int, split: str, names: Sequence[str], by: Sequence[str]
) -> CrossValidationResult:
    """Read the finished folds, in the protocol's order."""
    folders = [out / FOLDS / name for name in names if (out / FOLDS / name / DONE).exists()]
    folds = tuple(read_json(folder / DONE) for folder in folders)
    predictions = pd.concat([read_parquet(folder / PREDICTIONS) for folder in folders], ignore_index=True)
    features = np.load(folders[0] / FEATURES)
    return CrossValidationResult(recipe, out, seed, split, len(names), folds, predictions, features[:, 1:],
                  features[:, 0].astype(np.int64), tuple(by))
