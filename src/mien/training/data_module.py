"""Load the data of a training: one fold of a preprocessed dataset with its targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mien.core.parallel.outcome import ProgressCallback
from mien.core.trials import Fold, Trial
from mien.datasets import dataset
from mien.datasets.index import DatasetIndex
from mien.datasets.labels import Targets
from mien.datasets.splits.fingerprint import split_hash
from mien.preprocessing import external_aus
from mien.preprocessing.build_cache import build_cache
from mien.preprocessing.cache import Cache, read_index
from mien.preprocessing.data_loader import WindowReader
from mien.preprocessing.window_dataset import WindowSource
from mien.recipes.recipe import Recipe
from mien.training.datasets import vote_targets
from mien.training.trial_sources import trial_source


@dataclass(frozen=True, eq=False)
class DataModule:
    """The training and validation data of a fold.

    `cache`: the preprocessed dataset; `fold`: with its test side, which `fit` does not get; `train`, `val`: targets;
    `notes`: lines with counts, the label rule and excluded trials; `source`: reads the input of a trial or window;
    `tower`: source and training data of the video tower, if any. Runs are comparable if `split` and `judged` in their
    `data` are equal, which are the fold and the validation trials.
    """

    cache: Cache
    fold: Fold
    train: Targets
    val: Targets
    notes: tuple[str, ...]
    source: WindowReader
    tower: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    tiny: bool = False

    @property
    def counted(self) -> str:
        """The unit of `train` and `val`: "windows" or "trials"."""
        return "windows" if isinstance(self.source, WindowSource) else "trials"

    @property
    def data(self) -> dict[str, Any]:
        """The description of the data for the card."""
        data = {"dataset": self.cache.dataset, "fold": self.fold.name, "protocol": self.fold.protocol,
                "split": split_hash(self.fold), "train": len(self.train.trials), "val": len(self.val.trials),
                "counted": self.counted, "judged": _trials_hash(self.val.trials), "seed": self.seed, "tiny": self.tiny,
                "labels": str(self.train.rule)}
        if self.tower:
            data["tower"] = self.tower
        if self.cache.aus:
            data["aus"] = dict(self.cache.aus)
        return data


def load_data(recipe: Recipe, root: str | Path, cache: str | Path, fold: str, *, workers: int = 1,
           progress: ProgressCallback | None = None, log: Callable[[str], None] | None = None, device: str = "auto",
           seed: int = 0) -> DataModule:
    """Load one fold of a dataset, and preprocess first what is missing in the cache.

    Args:
        recipe: gives the dataset, the protocol and the label rule.
        root: folder of the dataset.
        cache: folder of the preprocessed dataset.
        fold: name or number of the fold, from 1.
        workers: processes of the preprocessing.
        progress: receives the finished share, 0..1.
        log: receives a line for each trial that cannot be preprocessed.
        device: device to fine-tune a video tower on, if the recipe has one.
        seed: random seed of the fine-tuning.

    Raises:
        ValueError: `root` is not the recipe's dataset, or the fold is unknown.
        FileNotFoundError: `root` does not exist.
    """
    survey, folds = split(recipe, root)
    chosen, ready = choose_fold(folds, fold), prepared_cache(survey, cache, workers, progress, log)
    return load_fold(recipe, chosen, ready, len(survey.trials), device, seed)


def split(recipe: Recipe, root: str | Path) -> tuple[DatasetIndex, tuple[Fold, ...]]:
    """The dataset at `root` and all folds of the recipe's protocol, without preprocessing.

    Raises:
        ValueError: `root` is not the recipe's dataset, or the recipe needs votes and a trial has none.
        FileNotFoundError: `root` does not exist.
    """
    survey = dataset(recipe.dataset).survey(root)
    if not survey.usable:
        raise ValueError(f"{root}: expected the dataset {recipe.dataset}, got nothing to work with; run: mien data "
                         f"check {recipe.dataset} {root}")
    trials = survey.trials
    if not recipe.inputs.unfilmed:
        trials = filmed_trials(trials)
    if recipe.labels == "votes":
        vote_targets(trials, recipe.task.classes)
    return survey, recipe.folds(trials)


def load_fold(recipe: Recipe, chosen: Fold, ready: Cache, surveyed: int, device: str = "auto",
              seed: int = 0) -> DataModule:
    """Load the training and validation sides of a fold from a cache.

    Args:
        recipe: the recipe.
        chosen: the fold.
        ready: the preprocessed dataset.
        surveyed: number of trials of the dataset, whether a side has them or not.
        device, seed: as in `load_data`.

    Raises:
        ValueError: no training trial has the inputs of the recipe.
    """
    rule, needs = recipe.label_rule, recipe.inputs
    train, val = (_usable(trials, ready, needs.any_of) for trials in (chosen.train, chosen.val))
    if not train.kept:
        raise ValueError(f"{chosen.name}: expected trials to learn from, got {len(train.lost)} of train, none with "
                         f"{_input_names(needs.any_of)}: look at the videos and at what mien data check says")
    targets, val_targets = rule(train.kept, train.kept), rule(val.kept, train.kept)
    notes = [f"{chosen.name}, {chosen.protocol}", f"train: {targets}", f"val: {val_targets}"]
    if recipe.labels == "votes":
        agreed = [shares.max() for shares in vote_targets(targets.trials, recipe.task.classes).values()]
        notes.append("train: targets are the annotators' votes; the most frequent class has "
                     f"{sum(agreed) / len(agreed):.0%} of the votes on average")
    notes += _exclusion_notes(chosen, surveyed, {"train": train, "val": val}, needs.any_of)
    source: WindowReader = ready.clip
    tower: dict[str, str] = {}
    if needs.sequences:
        source, tower = trial_source(needs.clips, ready, chosen, targets, device, seed)
        if tower:
            notes.append(tower["note"])
    if ready.aus is not None and needs.action_units:
        notes.append(external_aus.format_summary(ready.aus))
    if recipe.windowed:
        source = windows = WindowSource(ready, recipe.seconds)
        targets, val_targets = windows.cut(targets), windows.cut(val_targets)
        notes.append(f"windows of {recipe.seconds:g} s: train {len(targets.trials)}, val {len(val_targets.trials)}")
        if needs.pulse and targets.trials:
            notes.append(windows.pulses(targets, needs.pulse))
            if val_targets.trials:
                notes.append(windows.pulses(val_targets, needs.pulse, "val", least=0))
    return DataModule(ready, chosen, targets, val_targets, tuple(notes), source, tower, seed, recipe.tiny)


def load_test_targets(recipe: Recipe, data: DataModule) -> tuple[Targets, tuple[str, ...]]:
    """The targets of the test side, of windows if the recipe cuts trials into windows, and notes about it."""
    fold, ready, kinds = data.fold, data.cache, recipe.inputs.any_of
    test, train = _usable(fold.test, ready, kinds), _usable(fold.train, ready, kinds)
    targets = recipe.label_rule(test.kept, train.kept)
    notes = [f"{fold.name} test: {targets}"]
    if test.lost:
        notes.append(_lost_note(f"{fold.name} test", test, kinds))
    if targets.dropped:
        shown = [f"{trial.id} ({why})" for trial, why in targets.dropped[:5]]
        if len(targets.dropped) > len(shown):
            shown.append("...")
        notes.append(f"{fold.name} test: {len(targets.dropped)} trials without a label are left out: "
                     + ", ".join(shown))
    if isinstance(data.source, WindowSource):
        targets = data.source.cut(targets)
    return targets, tuple(notes)


def seen(trials: Sequence[Trial], ready: Cache, kinds: Sequence[str]) -> tuple[Trial, ...]:
    """The trials with one of the inputs `kinds`: `pictures` of a face, or `signals`."""
    return _usable(trials, ready, kinds).kept


def filmed_trials(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials with a video; DEAP has them for 22 of 32 subjects.

    Raises:
        ValueError: no trial has a video.
    """
    with_video = tuple(trial for trial in trials if trial.video is not None)
    if not with_video:
        raise ValueError("expected trials with a video, got none: this recipe looks at faces; mien data check says "
                         "what is missing; a recipe of signals and faces learns from signals alone with "
                         "--set options.modality=physio --set options.subjects=all")
    return with_video


def prepared_cache(survey: DatasetIndex, cache: str | Path, workers: int = 1, progress: ProgressCallback | None = None,
             log: Callable[[str], None] | None = None, cluster: str = "") -> Cache:
    """Open the cache of a dataset, and preprocess first what is missing.

    `progress` and `log` are as in `load_data`, `cluster` as in `build_cache`.
    """
    if not cached_targets(survey, cache):
        count = len(survey.trials)
        built = build_cache(survey, cache, workers=workers, cluster=cluster or None, wait=True, log=log,
                      progress=progress and (lambda done: progress(done / count)))
        if log is not None:
            for id, reason in built.failed:
                log(f"{id}: {reason}")
    return Cache(cache)


def cached_targets(survey: DatasetIndex, cache: str | Path) -> bool:
    """Whether a cache has all trials of a dataset, or action units of another program, which may cover fewer trials."""
    index = read_index(Path(cache)) if cache else None
    known: set[str] = set()
    if index and index["dataset"] == survey.dataset:
        if index.get("aus"):
            return True
        known = {row["trial"]["id"] for row in index["trials"]}
    return known >= {trial.id for trial in survey.trials}


def choose_fold(folds: Sequence[Fold], key: str) -> Fold:
    """The fold with the name or the number `key`, from 1. Raises ValueError for an unknown fold."""
    for number, fold in enumerate(folds, 1):
        if key in (fold.name, str(number)):
            return fold
    names = ", ".join(fold.name for fold in folds)
    raise ValueError(f"--fold: expected 1 to {len(folds)} or one of {names}, got {key!r}")


def _trials_hash(trials: Sequence[Trial]) -> str:
    """The SHA-256 of the ids of trials, in any order."""
    return sha256(repr(sorted((trial.dataset, trial.id) for trial in trials)).encode()).hexdigest()


@dataclass(frozen=True)
class _Side:
    """The trials of a side with the inputs of a recipe, and the ids of those without."""

    kept: tuple[Trial, ...]
    lost: tuple[str, ...]


def _exclusion_notes(chosen: Fold, surveyed: int, usable: Mapping[str, _Side], kinds: Sequence[str]) -> list[str]:
    """Notes about trials without a side, and about trials of a side without the inputs `kinds`."""
    notes = []
    sided = sum(len(trials) for _, trials in chosen)
    if sided < surveyed:
        notes.append(f"{surveyed - sided} trials are in no fold: they have no video, or the protocol leaves them out")
    return notes + [_lost_note(name, side, kinds) for name, side in usable.items() if side.lost]


def _lost_note(name: str, side: _Side, kinds: Sequence[str]) -> str:
    shown = ", ".join(side.lost[:5])
    if len(side.lost) > 5:
        shown += " ..."
    return f"{name}: {len(side.lost)} trials without {_input_names(kinds)} are left out: {shown}"


def _input_names(kinds: Sequence[str]) -> str:
    return " or ".join({"signals": "signals", "pictures": "a picture of a face"}[kind] for kind in kinds)


def _usable(trials: Sequence[Trial], cache: Cache, kinds: Sequence[str]) -> _Side:
    """Split trials by whether the cache has one of the inputs `kinds` for them: `pictures` of a face, or `signals`."""
    has = {id for id, entry in cache.entries.items() if any(getattr(entry, kind) for kind in kinds)}
    kept = tuple(trial for trial in trials if trial.id in has)
    return _Side(kept, tuple(trial.id for trial in trials if trial.id not in has))
