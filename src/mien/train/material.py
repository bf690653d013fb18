"""What a recipe is trained on: a fold of a dataset, prepared first where it is not, with its targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mien.checkpoint.parts import pick
from mien.data import imported
from mien.data.build import build
from mien.data.cache import Cache, read_index
from mien.data.features import Features
from mien.data.loader import Source
from mien.data.pieces import Pieces
from mien.data.tuning import tuned
from mien.data.wholes import Wholes
from mien.datasets import DATASETS, Survey
from mien.labels import RULES, Targets
from mien.models import mvp, scpt
from mien.protocols import PROTOCOLS, split_hash
from mien.recipes import TINY, Recipe
from mien.towers import digest, load, tiny
from mien.train.lessons import votes
from mien.types import Fold, Trial
from mien.work import Tick


@dataclass(frozen=True, eq=False)
class Material:
    """`train` and `val` of the fold, ready to be read from `cache`; `fold` knows test, which `fit` is not given.

    `source`: trial, or window of one, -> what was seen; `notes`: what is to be told, a line each: counts, the rule of
    the labels, trials that are left out and why; `tower`: which one gave features of clips, and what it learnt from.
    Runs can be compared where `split` and `judged` of their `data` are equal: the fold, and the trials of validation.
    """

    cache: Cache
    fold: Fold
    train: Targets
    val: Targets
    notes: tuple[str, ...]
    source: Source
    tower: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    tiny: bool = False

    @property
    def counted(self) -> str:
        """What `train` and `val` are counted in: windows, where trials are cut, or trials."""
        return "windows" if isinstance(self.source, Pieces) else "trials"

    @property
    def data(self) -> dict[str, Any]:
        """For the card."""
        return {"dataset": self.cache.dataset, "fold": self.fold.name, "protocol": self.fold.protocol,
                "split": split_hash(self.fold), "train": len(self.train.trials), "val": len(self.val.trials),
                "counted": self.counted,
                "judged": _named(self.val.trials), "seed": self.seed, "tiny": self.tiny, "labels": str(self.train.rule),
                **({"tower": self.tower} if self.tower else {}),
                **({"aus": dict(self.cache.aus)} if self.cache.aus else {})}


def gather(recipe: Recipe, root: str | Path, cache: str | Path, fold: str, *, workers: int = 1,
           tick: Tick | None = None, told: Callable[[str], None] | None = None, device: str = "auto",
           seed: int = 0) -> Material:
    """The fold of that name or number of the dataset at `root`; what is not in `cache` is prepared; `tick` hears the
    share that is done, 0..1, and `told` of each trial that cannot be prepared; `device` and `seed` of a video tower
    that learns for the fold.

    Raises ValueError or FileNotFoundError for a root that is not the recipe's dataset, and for an unknown fold.
    """
    survey, folds = split(recipe, root)
    chosen = choose(folds, fold)
    return sides(recipe, chosen, prepared(survey, cache, workers, tick, told), len(survey.trials), device, seed)


def split(recipe: Recipe, root: str | Path) -> tuple[Survey, tuple[Fold, ...]]:
    """The dataset at `root` and all folds of the recipe's protocol; nothing is prepared.

    Raises ValueError or FileNotFoundError for a root that is not the recipe's dataset, and where it asks for votes that
    are not there.
    """
    survey = DATASETS[recipe.dataset].survey(root)
    if not survey.usable:
        raise ValueError(f"{root}: expected the dataset {recipe.dataset}, got nothing to work with; run: mien data "
                         f"check {recipe.dataset} {root}")
    every = isinstance(recipe.options, mvp.Options) and recipe.options.subjects == "all"
    trials = survey.trials if every else filmed(survey.trials)
    if recipe.labels == "votes":
        votes(trials, recipe.task.classes)
    return survey, PROTOCOLS[recipe.protocol](trials)


def sides(recipe: Recipe, chosen: Fold, ready: Cache, surveyed: int, device: str = "auto", seed: int = 0) -> Material:
    """What a fold gives to learn from, out of a cache. `surveyed`: trials of the dataset, on any side or none; `device`
    and `seed`: as in `gather`.

    Raises ValueError where no trial of train has what the recipe looks at.
    """
    rule, wanted = RULES[recipe.rule], _wanted(recipe)
    train, val = (_there(trials, ready, wanted) for trials in (chosen.train, chosen.val))
    if not train.kept:
        raise ValueError(f"{chosen.name}: expected trials to learn from, got {len(train.lost)} of train, none with "
                         f"{_words(wanted)}: look at the videos and at what mien data check says")
    learnt = rule(train.kept, train.kept)
    judged = rule(val.kept, train.kept)
    notes = [f"{chosen.name}, {chosen.protocol}", f"train: {learnt}", f"val: {judged}"]
    sided = sum(len(trials) for _, trials in chosen)
    if recipe.labels == "votes":
        agreed = [shares.max() for shares in votes(learnt.trials, recipe.task.classes).values()]
        notes.append(f"train: learnt from votes, of which the commonest has {sum(agreed) / len(agreed):.0%} on average")
    notes += [f"{surveyed - sided} trials were not filmed or are left out by the protocol: no side has them"] * (
        sided < surveyed)
    for side, found in (("train", train), ("val", val)):
        notes += [_lost(side, found, wanted)] * bool(found.lost)
    source: Source = ready.clip
    tower: dict[str, str] = {}
    if isinstance(recipe.options, mvp.Options):
        source, tower = _wholes(recipe.options, ready, chosen, learnt, device, seed)
        notes += [tower["told"]] if tower else []
        if ready.aus is not None and recipe.options.video == "aus" and recipe.options.modality != "physio":
            notes.append(imported.words(ready.aus))
    if recipe.windowed:
        source = pieces = Pieces(ready, recipe.seconds)
        learnt, judged = pieces.cut(learnt), pieces.cut(judged)
        notes.append(f"windows of {recipe.seconds:g} s: train {len(learnt.trials)}, val {len(judged.trials)}")
        if isinstance(recipe.options, scpt.Options) and recipe.options.seen and learnt.trials:
            notes.append(pieces.pulses(learnt, recipe.options.pulse))
            if judged.trials:
                notes.append(pieces.pulses(judged, recipe.options.pulse, "val", least=0))
    return Material(ready, chosen, learnt, judged, tuple(notes), source, tower, seed, recipe.tiny)


def tested(recipe: Recipe, material: Material) -> tuple[Targets, tuple[str, ...]]:
    """The test side, for those who judge what `fit` has made -> its targets, of windows where the recipe cuts trials,
    and what is to be told of it."""
    fold, ready, wanted = material.fold, material.cache, _wanted(recipe)
    test, train = _there(fold.test, ready, wanted), _there(fold.train, ready, wanted)
    found = RULES[recipe.rule](test.kept, train.kept)
    notes = [f"{fold.name} test: {found}", *[_lost(f"{fold.name} test", test, wanted)] * bool(test.lost)]
    if found.dropped:
        each = ", ".join(f"{trial.id} ({why})" for trial, why in found.dropped[:5])
        notes.append(f"{fold.name} test: {len(found.dropped)} trials without a label are left out: {each}"
                     + " ..." * (len(found.dropped) > 5))
    return (material.source.cut(found) if isinstance(material.source, Pieces) else found), tuple(notes)


def seen(recipe: Recipe, trials: Sequence[Trial], ready: Cache) -> tuple[Trial, ...]:
    """Those of the trials that have what the recipe looks at."""
    return _there(trials, ready, _wanted(recipe)).kept


def filmed(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials that a model of faces can be judged by: of DEAP those of 22 of the 32 subjects.

    Raises ValueError where there are none.
    """
    found = tuple(trial for trial in trials if trial.video is not None)
    if not found:
        raise ValueError("expected trials with a video, got none: this recipe looks at faces; mien data check says "
                         "what is missing; MVP learns from signals alone with --set options.modality=physio --set "
                         "options.subjects=all")
    return found


def prepared(survey: Survey, cache: str | Path, workers: int = 1, tick: Tick | None = None,
             told: Callable[[str], None] | None = None, cluster: str = "") -> Cache:
    """The cache of a survey; what it lacks is prepared. `tick` and `told` as in `gather`, `cluster` as in `build`."""
    if not held(survey, cache):
        count = len(survey.trials)
        built = build(survey, cache, workers=workers, cluster=cluster or None,
                      tick=None if tick is None else lambda done: tick(done / count))
        for id, reason in built.failed if told else ():
            told(f"{id}: {reason}")  # type: ignore[misc]
    return Cache(cache)


def held(survey: Survey, cache: str | Path) -> bool:
    """Whether a cache has all trials of a survey already, or all that its imported action units are there for."""
    index = read_index(Path(cache)) if cache else None
    if index and index["dataset"] == survey.dataset and index.get("aus"):
        return True
    known = {row["trial"]["id"] for row in index["trials"]} if index and index["dataset"] == survey.dataset else set()
    return known >= {trial.id for trial in survey.trials}


def choose(folds: Sequence[Fold], wanted: str) -> Fold:
    """The fold of this name, or of this number from 1. ValueError lists what there is."""
    for number, fold in enumerate(folds, 1):
        if wanted in (fold.name, str(number)):
            return fold
    names = ", ".join(fold.name for fold in folds)
    raise ValueError(f"--fold: expected 1 to {len(folds)} or one of {names}, got {wanted!r}")


def _named(trials: Sequence[Trial]) -> str:
    """SHA-256 of which trials these are."""
    return sha256(repr(sorted((trial.dataset, trial.id) for trial in trials)).encode()).hexdigest()


@dataclass(frozen=True)
class _Side:
    kept: tuple[Trial, ...]
    lost: tuple[str, ...]


def _wanted(recipe: Recipe) -> tuple[str, ...]:
    """What a trial must have, one of these at least: a model of both answers where one of them is missing."""
    modality = recipe.options.modality if isinstance(recipe.options, mvp.Options) else "video"
    return {"physio": ("signals",), "video": ("pictures",), "both": ("pictures", "signals")}[modality]


def _lost(name: str, found: _Side, wanted: Sequence[str]) -> str:
    return (f"{name}: {len(found.lost)} trials without {_words(wanted)} are left out: "
            f"{', '.join(found.lost[:5])}{' ...' if len(found.lost) > 5 else ''}")


def _words(wanted: Sequence[str]) -> str:
    return " or ".join({"signals": "signals", "pictures": "a picture of a face"}[one] for one in wanted)


def _wholes(options: mvp.Options, cache: Cache, fold: Fold, learnt: Targets, device: str, seed: int
            ) -> tuple[Wholes, dict[str, str]]:
    """Whole trials, for clips with the features of this fold's own tower -> these, and for the card, which tower."""
    wholes = Wholes(cache, crop=options.crop)
    if options.video == "aus" or options.modality == "physio":
        return wholes, {}
    start = tiny("videomae") if options.video == TINY else load(options.video, "videomae")
    if options.features != start.plan.features:
        raise ValueError(f"options.features: expected {start.plan.features}, the width of the tower {options.video}, "
                         f"got {options.features}: say --set options.features={start.plan.features}")
    found = tuned(start, fold, wholes, learnt, cache.path / "towers", options.pretrain, options.finetune,
                  pick(device), seed)
    losses = [f"{stage}: loss {first:.3f}, then {last:.3f}" for stage, (first, last) in found.losses.items()]
    people = len(found.learnt.people) if found.learnt else 0
    told = f"video tower {options.video}, learnt from {people} people of the training side; {'; '.join(losses)}"
    features = Features(cache.path / "features", found.tower, fold, found.learnt)
    where = options.video if found.folder is None else str(found.folder.absolute())
    return Wholes(cache, features, options.crop), {"source": where, "sha256": digest(found.tower), "told": told}


def _there(trials: Sequence[Trial], cache: Cache, wanted: Sequence[str]) -> _Side:
    """The trials that have one of `pictures` of a face and `signals`, as wanted, and the names of the others."""
    has = {id for id, entry in cache.entries.items() if any(getattr(entry, one) for one in wanted)}
    kept = tuple(trial for trial in trials if trial.id in has)
    return _Side(kept, tuple(trial.id for trial in trials if trial.id not in has))
