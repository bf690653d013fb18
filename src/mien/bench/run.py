"""Cross-validation by a recipe's protocol: each fold trained by `train.fit`, which never sees test, then judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mien import recipes, train, writing
from mien.bench.answers import answers
from mien.bench.stamp import stamp
from mien.checkpoint.parts import Precision, pick
from mien.data.cache import Cache
from mien.protocols import split_hash, stated
from mien.recipes import Recipe
from mien.train.devices import exact
from mien.train.material import choose, prepared, sides, split, tested
from mien.types import OWN_AUS, Fold
from mien.work import version

SCHEMA = "mien.bench/1"
BENCH, ENVIRONMENT, FOLDS = "bench.json", "environment.json", "folds"
DONE, PREDICTIONS, FEATURES = "done.json", "predictions.parquet", "features.npy"

Heard = Callable[[str, float], None]
"""(what is being done, how much of all is done, 0..1)."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A cross-validation in folder `out`, as far as it went.

    `predictions`: a row a trial, fold and checkpoint (`Answers.table`); `folds`: of each judged fold what `DONE` holds,
    its name, statement, notes, training trials of each class and more; `features` (N, d) of the first fold's chosen
    checkpoint, with the class of each; `count`: folds of the whole protocol; `by`: columns of the trial table whose
    groups are told apart.
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
                   precision: Precision = "auto", workers: int = 0, told: Callable[[str], None] | None = None,
                   heard: Heard | None = None, deterministic: bool = False) -> Judged:
    """Train and judge the `folds` (names or numbers; all when empty) of the dataset at `root` into `out`.

    What stands in `out` is gone on with: judged folds are kept, a training stopped half-way continues. `cache`: the
    prepared dataset, inside `out` when not given; one that is open already is taken as it is; `by`: columns of the
    trial table whose groups are told apart; `deterministic`: as in `train.fit`. Raises ValueError where `out` holds
    another benchmark, and for a column that is not there.
    """
    out, hear = Path(out), heard or (lambda what, share: None)
    survey, whole = split(recipe, root)
    known = {"subject", "fold", "dataset"}.union(*(trial.about for trial in survey.trials))
    if strange := sorted(set(by) - known):
        raise ValueError(f"--by: expected one of {', '.join(sorted(known))}, got {', '.join(strange)}")
    chosen = [choose(whole, name) for name in folds] or list(whole)
    same = {"schema": SCHEMA, "recipe": json.loads(json.dumps(recipes.to_json(recipe))), "seed": seed,
            "version": version(), "protocol": whole[0].protocol, "split": split_hash(*whole),
            "determinism": deterministic}
    _expect_same(out, same)
    if not (out / ENVIRONMENT).exists():
        writing.text(out / ENVIRONMENT, json.dumps(stamp(seed, pick(device), precision), indent=1) + "\n")
    ready = cache if isinstance(cache, Cache) else prepared(
        survey, cache or out / "cache", max(workers, 1), lambda done: hear("preparing", 0.3 * done), told)
    begun = 0.0 if ready is cache else 0.3
    how: dict[str, Any] = {"device": device, "precision": precision, "workers": workers}
    for number, fold in enumerate(chosen):
        place = out / FOLDS / fold.name
        if (place / DONE).exists():
            _expect_same_units(place, ready)
            continue

        def tick(step: int, steps: int, _: float, done: int = number, name: str = fold.name) -> None:
            hear(f"training {name}", begun + (1 - begun) * (done + step / steps) / len(chosen))

        with exact(deterministic):
            judge(recipe, fold, ready, place, len(survey.trials), seed=seed, tick=tick, deterministic=deterministic,
                  **how)
    return _gathered(recipe, out, seed, same["split"], [fold.name for fold in whole], by)


def judge(recipe: Recipe, fold: Fold, ready: Cache, place: Path, surveyed: int, *, seed: int, tick: Any = None,
          deterministic: bool = False, **how: Any) -> None:
    """Train one fold and judge both checkpoints on its test side; `DONE` in `place` is written last."""
    material = sides(recipe, fold, ready, surveyed, how.get("device", "auto"), seed)
    fitted = train.fit(recipe, material.train, material.val, material.source, place, seed=seed, data=material.data,
                       tick=tick, deterministic=deterministic, **how)
    test, notes = tested(recipe, material)
    if not test.trials:
        raise ValueError(f"{fold.name}: expected test trials with labels and a picture of a face, got none of "
                         f"{len(fold.test)}: {'; '.join(notes)}")
    frames, found = [], {}
    for name, folder in (("last", fitted.last), ("chosen", fitted.chosen)):
        found[name] = answers(folder, test, material.source, recipe.windowed, **how)
        frames.append(found[name].table(test, fold=fold.name, checkpoint=name))
    writing.table(place / PREDICTIONS, pd.concat(frames, ignore_index=True))
    with writing.replacing(place / FEATURES) as temporary:
        np.save(temporary, np.hstack([found["chosen"].target[:, None], found["chosen"].feature]).astype(np.float32))
    told: dict[str, Any] = {
        "name": fold.name, "stated": stated(fold), "labels": str(material.train.rule),
        "notes": [*material.notes[3:], *notes[1:], *(f"{fold.name} test: {line}" for line in found["last"].told)],
        "counts": [*material.notes[1:3], notes[0]],
        "train": material.train.counts, "validation": fitted.scores, "aus": ready.aus_by,
        "environment": stamp(seed, pick(how.get("device", "auto")), how.get("precision", "auto"))}
    if recipe.task.scale is not None:
        told["mean"] = float(material.train.ratings.mean())
    writing.text(place / DONE, json.dumps(told, indent=1) + "\n")


def _expect_same(out: Path, same: dict[str, Any]) -> None:
    """Only the same benchmark goes on in a folder."""
    path = out / BENCH
    if not path.exists():
        writing.text(path, json.dumps(same, indent=1) + "\n")
        return
    held = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name, value in same.items() if held.get(name) != value]:
        raise ValueError(f"--out {out}: expected a new folder or this same benchmark, got one with another "
                         f"{' and '.join(other)}: name another --out")


def _expect_same_units(place: Path, ready: Cache) -> None:
    """Folds of one table are judged by the action units of one program."""
    held = json.loads((place / DONE).read_text(encoding="utf-8")).get("aus", OWN_AUS)
    if held != ready.aus_by:
        raise ValueError(f"--cache {ready.path}: expected action units by {held}, by which {place} was judged, got "
                         f"those by {ready.aus_by}: name another --out")


def _gathered(recipe: Recipe, out: Path, seed: int, split: str, names: Sequence[str], by: Sequence[str]) -> Judged:
    """All folds that are judged, in the protocol's order."""
    places = [out / FOLDS / name for name in names if (out / FOLDS / name / DONE).exists()]
    folds = tuple(json.loads((place / DONE).read_text(encoding="utf-8")) for place in places)
    predictions = pd.concat([pd.read_parquet(place / PREDICTIONS) for place in places], ignore_index=True)
    features = np.load(places[0] / FEATURES)
    return Judged(recipe, out, seed, split, len(names), folds, predictions, features[:, 1:],
                  features[:, 0].astype(np.int64), tuple(by))
