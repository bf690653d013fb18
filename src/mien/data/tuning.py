"""The VideoMAE of one fold: it goes on learning from the faces of the training side, first without labels, then with.

Tong et al. 2022, 2203.12602; MVP (2501.03103), figure 2. Whom it learns from is what `features.train_side` lets
through, which is the only way to the trials here; what comes out carries these people with it, in its file of weights
too, and neither this nor `features.Features` takes it for another fold.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mien import work, writing
from mien.batch import Batch
from mien.data.features import TOLD, Learnt, expect_own, history, train_side
from mien.data.sources import key
from mien.data.wholes import Wholes
from mien.labels import Targets
from mien.models.videomae import Judging, Masked, learn
from mien.towers import Tower, digest, load
from mien.towers.save import save_videomae
from mien.types import Fold, Trial

BATCH = 16
"""Clips of a step. Our choice: what a GPU of 16 GB holds of ViT-B."""

PRETRAINING, FINETUNING = 1.5e-4 * BATCH / 256, 1e-3 * BATCH / 256
"""Rates: MCG-NJU/VideoMAE's, which are for 256 clips and proportional to their number."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """A tower and what it learnt from; `learnt` None for published weights alone. `folder`: where it is kept;
    `losses`: the first and last tenth of each stage, mean."""

    tower: Tower
    folder: Path | None
    learnt: Learnt | None
    losses: dict[str, tuple[float, float]]


def tuned(start: Tower, fold: Fold, wholes: Wholes, targets: Targets, folder: Path, pretrain: int, finetune: int,
          device: str = "cpu", seed: int = 0) -> Tuned:
    """Epochs of both stages over the clips of the fold's training side -> the fold's tower, kept in `folder`.

    `wholes` gives the clips of a trial; `targets`: labels of training trials, for the second stage. A stage that is
    there already, of the same weights, fold, trials and settings, is read. Raises ValueError for targets that are not
    of the fold's training side, for a fold that does not keep people apart, and for a `start` that learnt for another.
    """
    before = history(start)
    if before is not None:
        expect_own(before, fold)
    found = Tuned(start, None, before, {})
    if pretrain:
        faces = [trial for trial in fold.train if trial.id in wholes.cache.entries]
        found = _stage("pretrain", found, fold, faces, None, wholes, folder, pretrain, device, seed)
    if finetune:
        labels = {trial.id: int(k) for trial, k in zip(targets.trials, targets.target, strict=True)}
        found = _stage("finetune", found, fold, targets.trials, labels, wholes, folder, finetune, device, seed)
    return found


def _stage(name: str, begin: Tuned, fold: Fold, trials: Sequence[Trial], labels: dict[str, int] | None, wholes: Wholes,
           folder: Path, epochs: int, device: str, seed: int) -> Tuned:
    chosen, learnt = train_side(fold, trials)
    clips = [(trial, rows) for trial in chosen for rows in wholes.places(trial, begin.tower.plan.frames) if len(rows)]
    if not clips:
        raise ValueError(f"{fold.name}: expected faces of the training side to learn from, got none: see the manifest "
                         "of the prepared dataset")
    people = learnt.people | (begin.learnt.people if begin.learnt else frozenset())
    learnt = Learnt(learnt.split, people)
    content = sorted((trial.id, wholes.cache.entries[trial.id].folder, len(rows)) for trial, rows in clips)
    parts = (digest(begin.tower), learnt.split, sorted(people), name, epochs, wholes.crop, seed, BATCH, content,
             sorted((labels or {}).items()))
    place = folder / key(*parts)
    if not (place / TOLD).exists():
        tower = copy.deepcopy(begin.tower).requires_grad_(True)
        width = tower.plan.width // 2  # as ViT-B's decoder: half the width, heads of 64
        steps = epochs * int(np.ceil(len(clips) / BATCH))
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # before decoder and head are drawn
            model = (Masked(tower, width=width, heads=max(width // 64, 1)) if labels is None
                     else Judging(tower, 1 + max(1, *labels.values())))
            losses = learn(model.to(device), _batches(clips, labels, wholes, tower, epochs, device, seed), steps,
                           PRETRAINING if labels is None else FINETUNING, beta=0.95 if labels is None else 0.999)
        tenth = max(len(losses) // 10, 1)
        _keep(place, tower.cpu(), learnt, (float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))))
    tower, told = load(place, "videomae"), json.loads((place / TOLD).read_text(encoding="utf-8"))
    return Tuned(tower, place, history(tower), begin.losses | {name: tuple(told["losses"])})


def _batches(clips: Sequence[tuple[Trial, np.ndarray]], labels: dict[str, int] | None, wholes: Wholes, tower: Tower,
             epochs: int, device: str, seed: int) -> Iterator[Batch]:
    """Each clip once an epoch, in another order, half of them mirrored."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(clips))
        for first in range(0, len(order), BATCH):
            chosen = [clips[k] for k in order[first : first + BATCH]]
            frames = torch.stack([wholes.clip(trial, rows, tower.plan.size) for trial, rows in chosen])
            mirrored = torch.from_numpy(rng.random(len(chosen)) < 0.5)
            frames = torch.where(mirrored[:, None, None, None, None], frames.flip(-1), frames)
            target = None if labels is None else torch.tensor([labels[trial.id] for trial, _ in chosen])
            yield Batch(frames=frames, target=target).to(device)


def _keep(place: Path, tower: Tower, learnt: Learnt, losses: tuple[float, float]) -> None:
    """The tower, then what it learnt from: where that stands, the folder is whole."""
    place.mkdir(parents=True, exist_ok=True)
    with work.staging(place) as making:
        save_videomae(tower, making, learnt.held)
        for path in sorted(making.iterdir()):
            os.replace(path, place / path.name)
    told = {**learnt.to_json(), "losses": losses}
    writing.text(place / TOLD, json.dumps(told, indent=2) + "\n")
