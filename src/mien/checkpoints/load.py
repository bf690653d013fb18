"""Load a checkpoint, and check that its files, its towers and its labels belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mien.backbones.tiny import SOURCE
from mien.backbones.weight_files import expect_weights
from mien.checkpoints import exported
from mien.checkpoints.card import CARD, WEIGHTS, Card, read_card
from mien.checkpoints.exported import Exported
from mien.checkpoints.factory import (
    Precision,
    build_model,
    restored_towers,
    subject_ids,
    to_device,
)
from mien.checkpoints.formats import FORMATS
from mien.checkpoints.predictor import Predictor
from mien.checkpoints.video_backbone import TOWER_FOLDER
from mien.checkpoints.zero_shot_towers import build_zero_shot
from mien.core.plain_text import hub_reason, what_is_at
from mien.core.tasks import EXPRESSION, Task
from mien.models.registry import method
from mien.recipes.recipe import TINY_DOUBT

CLIP_SECONDS = 2.0
"""Length of a window for zero-shot CLIP. Our choice: an expression lasts 0.5 to 4 s (Ekman 2003)."""


def load(source: str | Path, *, task: Task | None = None, labels: Task | None = None, clip: str = "",
         device: str = "cpu", precision: Precision = "auto", revision: str | None = None,
         token: str | None = None) -> Predictor | Exported:
    """Load a checkpoint or an exported model for prediction.

    Args:
        source: a folder or a hub id.
        task: the labels that the model must have.
        labels: other labels with texts, for a model with a text tower.
        clip: folder or hub id of the towers; "" for the source in the card.
        device: as in `factory.resolve_device`.
        precision: of the towers, as in `factory.to_device`.
        revision: of the hub repository.
        token: of the hub.

    Raises:
        FileNotFoundError: there is no checkpoint, or a tower is missing.
        ValueError: the checkpoint is damaged, or has other towers or other labels.
    """
    folder = locate(source, revision, token)
    if exported.is_exported(folder):
        return exported.load_exported(folder, task=task, labels=labels, device=device, precision=precision)
    card = read_card(folder / CARD)
    trained_task = card.task
    if task is not None and task.scale != trained_task.scale:
        raise ValueError(f"{source}: expected a checkpoint for {task.name}, got one for {trained_task.name}: one "
                         "predicts a rating, the other classes; use another checkpoint, or train one")
    if task is not None and task.classes != trained_task.classes:
        raise ValueError(f"{source}: expected the labels {', '.join(task.classes)}, got a checkpoint for "
                         f"{', '.join(trained_task.classes)}, in this order: use another checkpoint, or train one")
    tensors = _tensors(folder / WEIGHTS, card)
    model = _restored(card, clip or card.recipe.tower, labels, tensors, folder / WEIGHTS)
    to_device(model, device, precision)
    return Predictor(model, labels or trained_task, card.recipe.seconds, card, place=folder, clip=clip)


def _restored(card: Card, where: str, labels: Task | None, tensors: dict[str, Tensor], path: Path) -> Any:
    """The model of a card with its trained tensors, for its labels or for other `labels` with texts."""
    kind = method(card.recipe.method)
    if labels is not None and kind.towers != "clip":
        raise ValueError(f"{path.parent}: expected the labels {', '.join(card.classes)}, which {card.recipe.method} "
                         "was trained with, got others: only a model with a text tower accepts them")
    words = card.words if kind.text_free and labels is None else None
    parts = restored_towers(kind.towers, where, card.image, card.text, subject_ids(card.tokens), words)
    model = build_model(card.recipe, labels or card.task, parts)
    try:
        model.restore(tensors, labels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return model


def zero_shot(source: str, labels: Task = EXPRESSION, *, device: str = "cpu", precision: Precision = "auto",
              seconds: float = CLIP_SECONDS, backbone: str = "clip") -> Predictor:
    """Load CLIP or SigLIP 2 as a zero-shot classifier.

    Args:
        source: folder or hub id of a CLIP or SigLIP 2.
        labels: classes with texts.
        device: as in `factory.resolve_device`.
        precision: of the towers, as in `factory.to_device`.
        seconds: length of a window.
        backbone: a name in `zero_shot_towers.ZERO_SHOT`.

    Raises:
        FileNotFoundError: there are no weights or no tokenizer at `source`.
        ValueError: they are not those of this backbone, or the labels have no texts.
    """
    model = build_zero_shot(backbone, source, labels)
    model.cache_text_features()
    to_device(model, device, precision)
    return Predictor(model, labels, seconds, doubt=TINY_DOUBT if source == SOURCE else "")


def locate(source: str | Path, revision: str | None = None, token: str | None = None) -> Path:
    """Find the folder of a checkpoint; a hub id is downloaded first.

    Args:
        source: a folder, or a hub id `owner/name`.
        revision: branch, tag or commit of the hub; None for the newest.
        token: access token of the hub; None for the stored one.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: there is no such folder, and no such repository on the hub.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.is_file() or str(source).count("/") != 1:
        raise FileNotFoundError(f"{source}: expected the folder of a checkpoint or a hub id owner/name, got "
                                f"{what_is_at(path)}: check the spelling")
    files = [name for form in FORMATS.values() for name in form.files]
    try:
        return Path(huggingface_hub.snapshot_download(str(source), revision=revision, token=token,
                                                      allow_patterns=[CARD, WEIGHTS, f"{TOWER_FOLDER}/*", *files]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(f"{source}: expected a folder here or a repository on the hub, got: "
                                f"{hub_reason(error)}. Check spelling and network, or download it first and give the "
                                "folder") from error


def _tensors(path: Path, card: Card) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, and check that they belong to its card and are finite."""
    try:
        expect_weights(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: expected a whole safetensors file, got {error}: copy or train it again") from error
    other = [name for name, value in card.bond.items() if metadata.get(name) != value]
    if other:
        raise ValueError(f"{path}: expected the weights of the card next to them, they differ in {', '.join(other)}: "
                         "copy both from one checkpoint")
    bad = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise ValueError(f"{path}: expected finite trained tensors, got NaN or infinity in {bad[0]}: train it again")
    return tensors
