"""A checkpoint judged by people of another dataset, none of whom it has learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd

from mien import metrics, writing
from mien.bench.answers import Answers, answers
from mien.checkpoint.parts import Precision
from mien.data.cache import Cache
from mien.data.loader import Source
from mien.data.pieces import Pieces
from mien.datasets import DATASETS, Survey
from mien.labels import RULES
from mien.models import scpt
from mien.recipes import RECIPES, Recipe
from mien.train.material import filmed, held, prepared
from mien.types import Trial
from mien.work import Tick


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """`scores`: "chosen" or "last" -> "uar", "war", 0..1, of trials; `majority`: what always naming the commonest class
    would have; `notes`: what was judged and what was left out; `predictions`: the table of every answer."""

    dataset: str
    scores: dict[str, dict[str, float]]
    majority: float
    notes: tuple[str, ...]
    predictions: Path


def find(recipe: Recipe, root: str | Path, cache: str | Path = "") -> Survey:
    """The dataset at `root`: one that a recipe of the same method and labels learns from, and not this recipe's own.

    Raises ValueError where there is none, and where nobody's face is in the `cache` that holds it already.
    """
    if recipe.task.scale is not None:
        raise ValueError(f"--test-data: expected a recipe that names classes, got {recipe.name}, which guesses "
                         "ratings: judge it by its own folds, mien bench")
    names = {other.dataset for other in RECIPES.values()
             if (other.method, other.rule) == (recipe.method, recipe.rule) and other.dataset != recipe.dataset}
    if not Path(root).is_dir():
        raise ValueError(f"--test-data: expected the folder of a dataset, got nothing at {root}")
    for name in sorted(names):
        survey = DATASETS[name].survey(root)
        if survey.usable:
            if held(survey, cache):
                expect_seen(recipe, survey, Cache(cache))
            return survey
    raise ValueError(f"--test-data {root}: expected another dataset with the labels of {recipe.name} "
                     f"({', '.join(sorted(names)) or 'there is none'}), got nothing to work with")


def expect_seen(recipe: Recipe, survey: Survey, ready: Cache) -> list[Trial]:
    """The trials that a model of faces can judge. ValueError where there are none, and where no pulse is read in the
    windows of one that looks at it: it would be judged as a model of the face alone."""
    kept = [trial for trial in filmed(survey.trials)
            if trial.id in ready.entries and ready.entries[trial.id].pictures]
    if not kept:
        raise ValueError(f"{survey.root}: expected trials of {survey.dataset} with a picture of a face, got none of "
                         f"{len(survey.trials)}: look at the videos")
    if isinstance(recipe.options, scpt.Options) and recipe.options.seen:
        pieces = Pieces(ready, recipe.seconds)
        pieces.pulses(pieces.cut(RULES[recipe.rule](kept, kept)), recipe.options.pulse, survey.dataset)
    return kept


def elsewhere(recipe: Recipe, folders: dict[str, Path], survey: Survey, cache: str | Path, out: Path, *,
              train: Sequence[Trial] = (), device: str = "auto", precision: Precision = "auto", workers: int = 0,
              tick: Tick | None = None, told: Callable[[str], None] | None = None) -> Elsewhere:
    """Judge the checkpoints in `folders`, by name, on every filmed trial of a survey that was prepared into `cache`, or
    is now; every answer goes to `out`. `train`: whose ratings set the boundary, where the rule wants some."""
    ready = prepared(survey, cache, max(workers, 1), tick, told)
    kept = expect_seen(recipe, survey, ready)
    found = RULES[recipe.rule](kept, train or None)
    notes = [f"{survey.dataset}, all of it: {found}"]
    seen = sum(trial.video is not None for trial in survey.trials)
    notes += [f"{len(survey.trials) - seen} of its trials were not filmed"] * (seen < len(survey.trials))
    notes += [f"{seen - len(kept)} of its trials have no picture of a face"] * (len(kept) < seen)
    majority, source = found.majority, ready.clip
    if recipe.windowed:
        source = pieces = Pieces(ready, recipe.seconds)
        found = pieces.cut(found)
        notes.append(f"windows of {recipe.seconds:g} s: {len(found.trials)}")
    scores, frames = {}, []
    said: Answers | None = None
    for name, folder in folders.items():
        given: Source = source
        said = cast(Answers, answers(folder, found, given, recipe.windowed, device=device, precision=precision,
                                     workers=workers))
        counts = metrics.confusion(said.target, said.probs.argmax(axis=1), said.probs.shape[1])
        scores[name] = {"uar": float(metrics.uar(counts)), "war": float(metrics.war(counts))}
        frames.append(said.table(found, fold="all", checkpoint=name))
    notes += said.told if said else ()
    writing.table(out, pd.concat(frames, ignore_index=True))
    return Elsewhere(survey.dataset, scores, majority, tuple(notes), out)
