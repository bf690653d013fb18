"""Load towers, tokenize class texts, and build the model of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig, Kind
from mien.backbones.load import load
from mien.backbones.tiny import SOURCE, tiny_tokens, tiny_tower
from mien.backbones.tokenizer import tokenize
from mien.backbones.tower import Tower, fast_dtype
from mien.core.class_texts import split_texts
from mien.core.tasks import Task
from mien.models.method import trainable
from mien.models.registry import method
from mien.recipes.recipe import Recipe

__all__ = ["ClipEncoders", "Precision", "build_model", "load_clip", "load_tower", "load_towers", "resolve_device",
           "to_device", "trainable"]

Precision = Literal["auto", "32", "bf16", "16"]


@dataclass(frozen=True, eq=False)
class ClipEncoders:
    """The image and the text tower of a CLIP; without `text`, a ViT.

    `source`: folder, hub id or `backbones.tiny.SOURCE`; `ids` (K, L): token ids of the class texts, if a checkpoint has
    them.
    """

    source: str
    image: Tower
    text: Tower | None = None
    ids: Tensor | None = None

    def tokens(self, task: Task) -> Tensor:
        """Token ids (K, L) of a task's texts. Raises ValueError if there is no text tower or no text."""
        if self.ids is not None:
            return self.ids
        if self.text is None:
            raise ValueError(f"{self.source}: expected a CLIP with its text tower, got a tower of pictures alone")
        return tokenize_texts(self.source, task, self.text.plan.context)


def load_tower(source: str, kind: Kind, expect: str = "") -> Tower:
    """Load one tower.

    Args:
        source: folder, hub id or `backbones.tiny.SOURCE`.
        kind: which tower.
        expect: its sha256; "" for any.

    Raises:
        FileNotFoundError: there is no such tower.
        ValueError: its sha256 differs from `expect`.
    """
    if source != SOURCE:
        try:
            return load(source, kind, expect=expect)
        except FileNotFoundError as error:
            if not expect:
                raise
            raise FileNotFoundError(f"{error}; --tower, in Python clip=, says where the checkpoint's tower is "
                                    "now") from error
    if kind == "vit":
        kind = "clip-image"  # the same tiny tower
    tower = tiny_tower(kind)
    if expect and tower.hash != expect:
        raise ValueError(f"tower: expected the tiny {kind} tower with sha256 {expect[:16]}..., got "
                         f"{tower.hash[:16]}...: it was made by another version of mien")
    return tower


def load_clip(source: str) -> ClipEncoders:
    """Load both towers of a CLIP."""
    return ClipEncoders(source, load_tower(source, "clip-image"), load_tower(source, "clip-text"))


def load_towers(recipe: Recipe) -> ClipEncoders | None:
    """Load the towers of the recipe's method; None for a method without towers."""
    around = method(recipe.method).towers
    if around == "none":
        return None
    if around == "clip":
        return load_clip(recipe.tower)
    return ClipEncoders(recipe.tower, load_tower(recipe.tower, "vit"))


def restored_towers(around: Literal["clip", "vit", "none"], where: str, image: str, text: str, ids: Tensor,
                    words: Mapping[str, Any] | None) -> ClipEncoders | None:
    """Load the towers that a checkpoint was trained with, and check their sha256.

    Args:
        around: as `Method.towers`.
        where: folder, hub id or `backbones.tiny.SOURCE`.
        image: sha256 of the image tower.
        text: sha256 of the text tower.
        ids: token ids (K, L) of the class texts, used with `words`.
        words: configuration of the text tower, fields of `BackboneConfig`, to create it without weights; None
            loads the tower, so that it can encode other texts.
    """
    if around == "none":
        return None
    if around == "vit":
        return ClipEncoders(where, load_tower(where, "vit", image))
    pictures = load_tower(where, "clip-image", image)
    if words is None:
        return ClipEncoders(where, pictures, load_tower(where, "clip-text", text))
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in words.items()}
    with torch.device("meta"):
        return ClipEncoders(where, pictures, Tower(BackboneConfig(**values)), ids)


def tokenize_texts(source: str, task: Task, context: int, by: Callable[..., Tensor] = tokenize) -> Tensor:
    """Token ids (R, L) of all texts of a task by the tokenizer at `source`. Raises ValueError for one without texts.

    `by`: reads the tokenizer of a backbone; that of CLIP by default.
    """
    if task.texts is None:
        raise ValueError(f"{task.name}: expected a text for each class, got none: give a file with --labels")
    if source == SOURCE:
        return tiny_tokens(split_texts(task)[0])
    return by(split_texts(task)[0], source, context)


def build_model(recipe: Recipe, task: Task, parts: ClipEncoders | None, seed: int = 0, subjects: int = 0) -> Any:
    """Build the model of a recipe with newly initialised parameters; torch's global generators do not change.

    Args:
        recipe: the recipe.
        task: the labels.
        parts: the towers.
        seed: random seed of the initialisation.
        subjects: number of training subjects, for losses that distinguish them.

    Raises:
        ValueError: the task does not fit the model, or the towers are missing.
    """
    kind = method(recipe.method)
    kind.check_task(recipe.options, task, recipe.rule)
    if kind.towers != "none" and parts is None:
        raise ValueError(f"{recipe.name}: expected the towers of {recipe.method}, got none: see `towers`")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind.build(recipe.options, parts, task, subjects)


def to_device(model: nn.Module, device: str = "auto", precision: Precision = "auto") -> torch.device:
    """Move a model to a device and cast its towers.

    Args:
        model: the model, changed in place.
        device: as `resolve_device`.
        precision: "auto" is bfloat16 if the device is fast in it, otherwise float32.

    Returns:
        The device.

    Raises:
        ValueError: the device is unknown or not available.
    """
    where = torch.device(resolve_device(device))
    model.to(where)
    dtype = {"auto": fast_dtype(where), "bf16": torch.bfloat16}.get(precision, torch.float32)
    for part in model.children():
        if isinstance(part, Tower):
            part.to(dtype)
    return where


def resolve_device(device: str) -> str:
    """Choose a device by name.

    Args:
        device: such as "cpu" or "cuda:1"; "auto" is the accelerator if there is one, otherwise "cpu".

    Returns:
        The name of the device.

    Raises:
        ValueError: the device is unknown or not available.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        if torch.backends.mps.is_available():
            return "mps"
        return "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"--device: expected auto, cpu, cuda, cuda:1 or mps, got {device!r}") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        names = [name for name, present in available.items() if present]
        raise ValueError(f"--device: expected one of this machine ({', '.join(names)}), got {device!r}")
    return device


def subject_ids(card_tokens: Sequence[Sequence[int]]) -> Tensor:
    """The token ids of a card as a tensor (K, L)."""
    return torch.tensor([list(row) for row in card_tokens])
