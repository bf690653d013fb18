"""Opening a checkpoint: its parts must belong together, to the towers it names and to the labels that are expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mien.checkpoint import exported
from mien.checkpoint.card import CARD, WEIGHTS, Card, read
from mien.checkpoint.exported import Exported
from mien.checkpoint.films import TOWER
from mien.checkpoint.parts import METHODS, Clip, Precision, build, ids, kept, place, tokens, tower
from mien.checkpoint.trained import FEATURES, Trained
from mien.models import zeroshot
from mien.models.duse import DuSE, Options
from mien.models.mvp import MVP
from mien.models.scpt import SCPT
from mien.recipes import KNOWS_NOTHING, TINY, Recipe
from mien.tasks import EXPRESSION, Task
from mien.towers import Plan, Tower

CLIP_SECONDS = 2.0
"""Length of a window for zero-shot CLIP. Our choice: an expression lasts 0.5 to 4 s (Ekman 2003)."""


def load(source: str | Path, *, task: Task | None = None, labels: Task | None = None, clip: str = "",
         device: str = "cpu", precision: Precision = "auto", revision: str | None = None,
         token: str | None = None) -> Trained | Exported:
    """A checkpoint or an exported model, in a folder or on the hub -> the model, ready to read.

    `task`: the label map that it must have; `labels`: other labels and texts, for which the text tower is loaded again;
    `clip`: where the towers are now, if not where the card says. Raises FileNotFoundError or ValueError: for what is no
    checkpoint or not whole, for another tower and for another label map.
    """
    folder = locate(source, revision, token)
    if exported.here(folder):
        return exported.load(folder, task=task, labels=labels, device=device, precision=precision)
    card = read(folder / CARD)
    found = card.task
    if task is not None and task.scale != found.scale:
        raise ValueError(f"{source}: expected a checkpoint for {task.name}, got one for {found.name}: one guesses a "
                         "rating, the other names classes; take another, or train one")
    if task is not None and task.classes != found.classes:
        raise ValueError(f"{source}: expected the labels {', '.join(task.classes)}, got a checkpoint for "
                         f"{', '.join(found.classes)}, in this order: take another, or train one")
    tensors = _tensors(folder / WEIGHTS, card)
    where = clip or card.recipe.tower
    if card.recipe.method != "duse":
        numbered = _untold(card, where, labels, tensors, folder / WEIGHTS)
        place(numbered, device, precision)
        return Trained(numbered, found, card.recipe.seconds, card, place=folder, clip=clip)
    features = tensors.pop(FEATURES)
    image = tower(where, "clip-image", card.image)
    if labels is None:
        told = card.words.items()
        words: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told}
        with torch.device("meta"):
            text = Tower(Plan(**words))  # its measures alone: what it says stands in the file
        model = _assembled(card.recipe, image, text, ids(card.tokens))
    else:
        text = tower(where, "clip-text", card.text)
        model = _assembled(card.recipe, image, text, tokens(where, labels, text.plan.context))
    _fill(model, tensors, folder / WEIGHTS)
    if labels is None:
        model.bake(features)
    else:
        model.bake()
    place(model, device, precision)
    return Trained(model, labels or found, card.recipe.seconds, card)


def zero_shot(source: str, labels: Task = EXPRESSION, *, device: str = "cpu", precision: Precision = "auto",
              seconds: float = CLIP_SECONDS) -> Trained:
    """Plain CLIP, told the classes in words: nothing is trained. `source`: a folder or a hub id of a CLIP."""
    image, text = tower(source, "clip-image"), tower(source, "clip-text")
    model = zeroshot.zero_shot(image, text, tokens(source, labels, text.plan.context))
    model.bake()
    place(model, device, precision)
    return Trained(model, labels, seconds, doubt=KNOWS_NOTHING if source == TINY else "")


def _assembled(recipe: Recipe, image: Tower, text: Tower, rows: Tensor) -> DuSE:
    with torch.random.fork_rng(devices=[]):
        return DuSE(image, text, rows, cast(Options, recipe.options))


def _untold(card: Card, where: str, labels: Task | None, tensors: dict[str, Tensor], path: Path) -> SCPT | MVP:
    """A model that knows its classes by number, not by words."""
    if labels is not None:
        raise ValueError(f"{path.parent}: expected the labels {', '.join(card.classes)}, which {card.recipe.method} "
                         "was trained with, got others: only a model that reads texts can take them")
    parts = Clip(where, tower(where, "vit", card.image)) if METHODS[card.recipe.method].around else None
    model = build(card.recipe, card.task, parts)
    _fill(model, tensors, path)
    return model


def locate(source: str | Path, revision: str | None = None, token: str | None = None) -> Path:
    """A folder, or a hub id -> the folder of its snapshot in the hub's cache."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.is_file() or str(source).count("/") != 1:
        raise FileNotFoundError(f"{source}: expected the folder of a checkpoint or a hub id owner/name, got "
                                f"{'a file' if path.is_file() else 'nothing there'}: check the spelling")
    files = [name for names in exported.FILES.values() for name in names]
    try:
        return Path(huggingface_hub.snapshot_download(str(source), revision=revision, token=token,
                                                      allow_patterns=[CARD, WEIGHTS, f"{TOWER}/*", *files]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise FileNotFoundError(f"{source}: expected a folder here or a repository on the hub, got: {told}. Check "
                                "spelling and network, or download it first and give the folder") from error


def _tensors(path: Path, card: Card) -> dict[str, Tensor]:
    """The tensors beside a card, which must be their own."""
    try:
        with safe_open(path, framework="pt") as file:
            told, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: expected a whole safetensors file, got {error}: copy or train it again") from error
    other = [name for name, value in card.bond.items() if told.get(name) != value]
    if other:
        raise ValueError(f"{path}: expected the weights of the card beside them, they differ in {', '.join(other)}: "
                         "take both from one checkpoint")
    bad = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
    lacking = card.recipe.method == "duse" and FEATURES not in tensors
    if bad or lacking:
        raise ValueError(f"{path}: expected finite trained tensors and {FEATURES}, got "
                         f"{'NaN or infinity in ' + bad[0] if bad else 'none'}: train it again")
    return tensors


def _fill(model: DuSE | SCPT | MVP, tensors: dict[str, Tensor], path: Path) -> None:
    """The trained tensors into their places; names and shapes must be those of the model."""
    wanted = {name: tuple(value.shape) for name, value in kept(model).items()}
    got = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted != got:
        wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
        raise ValueError(f"{path}: expected the tensors of {len(wanted)} trained parameters, these differ: "
                         f"{', '.join(wrong[:5])}: the card belongs to another model")
    model.load_state_dict(tensors, strict=False)
