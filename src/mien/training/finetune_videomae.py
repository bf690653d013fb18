"""Pre-train and fine-tune a VideoMAE on the training set of one fold, first without labels, then with labels.

Tong et al. 2022, 2203.12602; MVP (2501.03103), figure 2. `training_trials` selects the trials, and there is no
other access to trials here. The result stores its training subjects in the weights file. This module and
`ClipFeatureCache` reject it for any other fold.
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

from mien.backbones.load import load
from mien.backbones.save import save_videomae
from mien.backbones.tower import Tower, weights_digest
from mien.core import atomic_files, parallel
from mien.core.batch import Batch
from mien.core.read_json import read_json
from mien.core.trials import Fold, Trial
from mien.datasets.labels import Targets
from mien.models.videomae import MaskedVideoMAE, VideoMAEClassifier, pretrain_step
from mien.preprocessing.clip_feature_cache import (
    PROGRESS_LOG,
    TrainingProvenance,
    check_provenance,
    load_provenance,
    training_trials,
)
from mien.preprocessing.trial_dataset import TrialSource
from mien.preprocessing.trial_reader import cache_key

BATCH = 16
"""Clips per step. Our choice: the limit for ViT-B on a GPU with 16 GB."""

PRETRAIN_LEARNING_RATE, FINETUNE_LEARNING_RATE = 1.5e-4 * BATCH / 256, 1e-3 * BATCH / 256
"""Learning rates of MCG-NJU/VideoMAE, given for 256 clips and proportional to their number."""


@dataclass(frozen=True, eq=False)
class FinetunedBackbone:
    """A tower and its training data.

    Attributes:
        tower: the VideoMAE.
        folder: its folder, None for published weights.
        provenance: the fold and subjects that it was trained on, None for published weights.
        losses: mean loss of the first and the last tenth of each stage.
    """

    tower: Tower
    folder: Path | None
    provenance: TrainingProvenance | None
    losses: dict[str, tuple[float, float]]


def finetune_videomae(
    start: Tower,
    fold: Fold,
    source: TrialSource,
    targets: Targets,
    folder: Path,
    pretrain: int,
    finetune: int,
    device: str = "cpu",
    seed: int = 0,
) -> FinetunedBackbone:
    """Train a VideoMAE further on the clips of a fold's training set.

    A stage that is already in `folder`, with the same weights, fold, trials and settings, is loaded.

    Args:
        start: a VideoMAE with published weights.
        fold: the fold; its protocol must keep subjects apart.
        source: reads the clips of a trial.
        targets: labels of training trials, for the second stage.
        folder: folder of the trained towers.
        pretrain: epochs without labels, 0 to skip this stage.
        finetune: epochs with labels, 0 to skip this stage.
        device: torch device.
        seed: seed of the training.

    Raises:
        ValueError: targets are not in the fold's training set, the fold does not keep subjects apart, or `start` was
            trained for another fold.
    """
    before = load_provenance(start)
    if before is not None:
        check_provenance(before, fold)
    stage = FinetunedBackbone(start, None, before, {})
    if pretrain:
        faces = [trial for trial in fold.train if trial.id in source.cache.entries]
        stage = _stage("pretrain", stage, fold, faces, None, source, folder, pretrain, device, seed)
    if finetune:
        labels = {trial.id: int(k) for trial, k in zip(targets.trials, targets.target, strict=True)}
        stage = _stage("finetune", stage, fold, targets.trials, labels, source, folder, finetune, device, seed)
    return stage


def _stage(
    name: str,
    begin: FinetunedBackbone,
    fold: Fold,
    trials: Sequence[Trial],
    labels: dict[str, int] | None,
    source: TrialSource,
    folder: Path,
    epochs: int,
    device: str,
    seed: int,
) -> FinetunedBackbone:
    """Train one stage, or load it from `folder`. It is pre-training if `labels` is None, else fine-tuning."""
    chosen, provenance = training_trials(fold, trials)
    clips = [(trial, rows) for trial in chosen for rows in source.places(trial, begin.tower.plan.frames) if len(rows)]
    if not clips:
        raise ValueError(f"{fold.name}: expected faces in the training set, got none: see the manifest "
                         "of the prepared dataset")
    if begin.provenance is not None:
        provenance = TrainingProvenance(provenance.split, provenance.people | begin.provenance.people)
    content = sorted((trial.id, source.cache.entries[trial.id].folder, len(rows)) for trial, rows in clips)
    parts = (
        weights_digest(begin.tower),
        provenance.split,
        sorted(provenance.people),
        name,
        epochs,
        source.crop,
        seed,
        BATCH,
        content,
        sorted((labels or {}).items()),
    )
    target = folder / cache_key(*parts)
    if not (target / PROGRESS_LOG).exists():
        tower = copy.deepcopy(begin.tower).requires_grad_(True)
        steps = epochs * int(np.ceil(len(clips) / BATCH))
        batches = _batches(clips, labels, source, tower, epochs, device, seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # before decoder and head are initialised
            if labels is None:
                width = tower.plan.width // 2  # as ViT-B's decoder: half the width, heads of 64
                masked = MaskedVideoMAE(tower, width=width, heads=max(width // 64, 1))
                losses = pretrain_step(masked.to(device), batches, steps, PRETRAIN_LEARNING_RATE, beta=0.95)
            else:
                classifier = VideoMAEClassifier(tower, 1 + max(1, *labels.values()))
                losses = pretrain_step(classifier.to(device), batches, steps, FINETUNE_LEARNING_RATE, beta=0.999)
        tenth = max(len(losses) // 10, 1)
        _keep(target, tower.cpu(), provenance, (float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))))
    tower, record = load(target, "videomae"), read_json(target / PROGRESS_LOG)
    return FinetunedBackbone(tower, target, load_provenance(tower), begin.losses | {name: tuple(record["losses"])})


def _batches(
    clips: Sequence[tuple[Trial, np.ndarray]],
    labels: dict[str, int] | None,
    source: TrialSource,
    tower: Tower,
    epochs: int,
    device: str,
    seed: int,
) -> Iterator[Batch]:
    """Each clip once per epoch, in a new order, half of them mirrored."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(clips))
        for first in range(0, len(order), BATCH):
            chosen = [clips[k] for k in order[first : first + BATCH]]
            frames = torch.stack([source.clip(trial, rows, tower.plan.size) for trial, rows in chosen])
            mirrored = torch.from_numpy(rng.random(len(chosen)) < 0.5)
            frames = torch.where(mirrored[:, None, None, None, None], frames.flip(-1), frames)
            target = None
            if labels is not None:
                target = torch.tensor([labels[trial.id] for trial, _ in chosen])
            yield Batch(frames=frames, target=target).to(device)


def _keep(target: Path, tower: Tower, provenance: TrainingProvenance, losses: tuple[float, float]) -> None:
    """Save the tower, then the record of its training data: a folder with the record is complete."""
    target.mkdir(parents=True, exist_ok=True)
    with parallel.staging(target) as staging:
        save_videomae(tower, staging, provenance.metadata)
        for path in sorted(staging.iterdir()):
            os.replace(path, target / path.name)
    record = {**provenance.to_json(), "losses": losses}
    atomic_files.text(target / PROGRESS_LOG, json.dumps(record, indent=2) + "\n")
