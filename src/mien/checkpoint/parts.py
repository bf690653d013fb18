"""From names to parts: towers by their source, texts as tokens, and the model that a recipe makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mien.models import mvp
from mien.models.duse import DuSE
from mien.models.mvp import MVP
from mien.models.scpt import SCPT
from mien.recipes import TINY, Recipe
from mien.tasks import Task
from mien.towers import Tower, fast_dtype, load, tiny, tiny_tokens, tokenize

Precision = Literal["auto", "32", "bf16", "16"]


@dataclass(frozen=True, eq=False)
class Clip:
    """Both towers of the CLIP at `source`: a folder, a hub id, or `recipes.TINY`; or, without `text`, a ViT."""

    source: str
    image: Tower
    text: Tower | None = None

    def tokens(self, task: Task) -> Tensor:
        """Ids (K, L) of a task's texts. ValueError where it has none."""
        if self.text is None:
            raise ValueError(f"{self.source}: expected a CLIP with its text tower, got a tower of pictures alone")
        return tokens(self.source, task, self.text.plan.context)


def tower(source: str, kind: Literal["clip-image", "clip-text", "vit"], expect: str = "") -> Tower:
    """One tower of the CLIP at `source`; ValueError where its sha256 is not the one expected."""
    if source != TINY:
        try:
            return load(source, kind, expect=expect)
        except FileNotFoundError as error:
            if not expect:
                raise
            raise FileNotFoundError(f"{error}; --tower, in Python clip=, says where the checkpoint's tower is "
                                    "now") from error
    kind = "clip-image" if kind == "vit" else kind  # the tiny one serves both
    found = tiny(kind)
    if expect and found.hash != expect:
        raise ValueError(f"tower: expected the tiny {kind} tower with sha256 {expect[:16]}..., got "
                         f"{found.hash[:16]}...: it was made by another version of mien")
    return found


def clip(source: str) -> Clip:
    """Both towers."""
    return Clip(source, tower(source, "clip-image"), tower(source, "clip-text"))


def towers(recipe: Recipe) -> Clip | None:
    """What the recipe's method is built around, `METHODS`; None where all of it learns."""
    around = METHODS[recipe.method].around
    if not around:
        return None
    return clip(recipe.tower) if around == "clip" else Clip(recipe.tower, tower(recipe.tower, "vit"))


def tokens(source: str, task: Task, context: int) -> Tensor:
    """Ids (K, L) of a task's texts, by the tokenizer at `source`. ValueError where the task has no texts."""
    if task.texts is None:
        raise ValueError(f"{task.name}: expected a text for each class, got none: give a file with --labels")
    return tiny_tokens(task.texts) if source == TINY else tokenize(task.texts, source, context)


def build(recipe: Recipe, task: Task, parts: Clip | None, seed: int = 0, subjects: int = 0) -> Any:
    """The model of a recipe, its trainable values drawn anew by `seed`; torch's generators stay as they are.

    `subjects`: how many people it learns from, where its losses tell them apart. Raises ValueError for a model that
    answers for another number of classes than the task has.
    """
    _expect_classes(recipe, task)
    method = METHODS[recipe.method]
    if method.around and parts is None:
        raise ValueError(f"{recipe.name}: expected the towers of {recipe.method}, got none: see `towers`")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method.made(recipe.options, parts, task, subjects)


@dataclass(frozen=True)
class Method:
    """`around`: which towers it is built around, a CLIP's two, one of pictures, or none; `made`: its options, these
    towers, the task, and how many people it learns from -> the model."""

    around: Literal["clip", "vit", ""]
    made: Callable[[Any, Any, Task, int], nn.Module]


METHODS: dict[str, Method] = {
    "duse": Method("clip", lambda options, parts, task, _: DuSE(parts.image, parts.text, parts.tokens(task), options)),
    "scpt": Method("vit", lambda options, parts, task, people: SCPT(parts.image, len(task.classes), people, options)),
    "mvp": Method("", lambda options, *_: MVP(options)),
}
"""Name of a method -> how it comes to be."""


def _expect_classes(recipe: Recipe, task: Task) -> None:
    """DuSE and SCPT have as many classes as the task; MVP two, four with two heads, or one number for a rating."""
    options, wanted = recipe.options, len(task.classes)
    rates = isinstance(options, mvp.Options) and options.heads == "rating"
    if rates != (task.scale is not None):
        raise ValueError(f"options.heads: expected rating for a rule of ratings and for no other, got {recipe.rule} "
                         f"with {recipe.method}: take a recipe mvp/...-rating")
    if rates:
        return
    if isinstance(options, mvp.Options) and options.classes != wanted:
        fit = {2: "--set options.heads=one", 4: "--set options.heads=two"}
        raise ValueError(f"options.heads: expected an answer for each of the {wanted} classes of {recipe.rule}, "
                         f"{', '.join(task.classes)}, got {options.classes}: "
                         f"{fit.get(wanted, 'take the rule mvp/valence, mvp/arousal or mvp/both')}")


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """Name -> tensor of everything that learns."""
    return {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}


def kept(model: nn.Module) -> dict[str, Tensor]:
    """Name -> tensor of what was learnt and is needed to read."""
    left = getattr(model, "training_only", ())
    return {name: value for name, value in trainable(model).items() if not any(part in name for part in left)}


def place(model: nn.Module, device: str = "auto", precision: Precision = "auto") -> torch.device:
    """Move a model, its towers in the precision asked for ("auto": bfloat16 where the device computes in it)."""
    where = torch.device(pick(device))
    model.to(where)
    dtype = {"auto": fast_dtype(where), "bf16": torch.bfloat16}.get(precision, torch.float32)
    for part in model.children():
        if isinstance(part, Tower):
            part.to(dtype)
    return where


def pick(device: str) -> str:
    """"auto" -> the accelerator where there is one, else the processor. ValueError for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"--device: expected auto, cpu, cuda, cuda:1 or mps, got {device!r}") from error
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        found = [name for name, yes in there.items() if yes]
        raise ValueError(f"--device: expected one of this machine ({', '.join(found)}), got {device!r}")
    return device


def ids(card_tokens: Sequence[Sequence[int]]) -> Tensor:
    """Token ids of a card -> (K, L)."""
    return torch.tensor([list(row) for row in card_tokens])
