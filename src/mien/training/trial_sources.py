"""Where a method reads its trials: the cache, and for clips the features of the fold's own tower."""

from __future__ import annotations

from mien.backbones.load import load
from mien.backbones.tiny import SOURCE, tiny_tower
from mien.backbones.tower import weights_digest
from mien.checkpoints.factory import resolve_device
from mien.datasets.labels import Targets
from mien.datasets.splits import Fold
from mien.models.method import ClipTower
from mien.preprocessing.cache import Cache
from mien.preprocessing.clip_feature_cache import ClipFeatureCache
from mien.preprocessing.trial_dataset import TrialSource
from mien.training.finetune_videomae import finetune_videomae


def trial_source(clips: ClipTower | None, cache: Cache, fold: Fold, train: Targets, device: str, seed: int
                  ) -> tuple[TrialSource, dict[str, str]]:
    """The source of complete trials; for a model of clips with the features of the fold's own tower.

    Returns:
        The source, and the entry of the card about the tower, empty without clips.
    """
    if clips is None:
        return TrialSource(cache), {}
    start = tiny_tower("videomae") if clips.source == SOURCE else load(clips.source, "videomae")
    if clips.features != start.plan.features:
        raise ValueError(f"options.features: expected {start.plan.features}, the width of the tower {clips.source}, "
                         f"got {clips.features}: give --set options.features={start.plan.features}")
    backbone = finetune_videomae(start, fold, TrialSource(cache, crop=clips.crop), train, cache.path / "towers",
                                 clips.pretrain, clips.finetune, resolve_device(device), seed)
    losses = [f"{stage}: loss {first:.3f}, then {last:.3f}" for stage, (first, last) in backbone.losses.items()]
    people = len(backbone.provenance.people) if backbone.provenance else 0
    note = f"video tower {clips.source}, trained on {people} people of the training side; {'; '.join(losses)}"
    features = ClipFeatureCache(cache.path / "features", backbone.tower, fold, backbone.provenance)
    where = clips.source if backbone.folder is None else str(backbone.folder.absolute())
    about = {"source": where, "sha256": weights_digest(backbone.tower), "note": note}
    return TrialSource(cache, features, clips.crop), about
