"""A model that is ready: read by the stream like the default, saved and loaded as the hub's conventions have it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
import numpy as np
import torch
from safetensors.torch import save_file

from mien import writing
from mien.checkpoint import films
from mien.checkpoint.card import CARD, README, WEIGHTS, Card
from mien.checkpoint.parts import kept
from mien.data.pieces import MARGIN
from mien.data.prepare import prepare
from mien.models import duse
from mien.models.duse import DuSE
from mien.models.mvp import MVP, Evidence
from mien.models.scpt import SCPT
from mien.recipes import Recipe
from mien.tasks import Task
from mien.towers import Tower
from mien.types import OWN_AUS, Needs, Window

if TYPE_CHECKING:
    from mien.checkpoint.exported import Exported

FEATURES = "text_features"
"""Beside the trained tensors: what the text tower makes of the class texts, so that inference needs no text tower."""


class Trained:
    """A model with its label map; `Stream(model)` takes it. `card`: None for zero-shot CLIP, where nothing was trained.

    `place`: the folder that it was loaded from; `clip`: where its towers are now, '' for where they were. `needs` say
    what a window must hold, `seconds` how long it is, where a pulse is read with the margin that it needs;
    `doubt`: why its answers are not to be believed, '' where nothing speaks against them.
    """

    def __init__(self, model: DuSE | SCPT | MVP, task: Task, seconds: float, card: Card | None = None,
                 doubt: str = "", place: Path | None = None, clip: str = "") -> None:
        self.place, self.clip = place, clip
        self.model, self.task, self.card = model.eval(), task, card
        self.doubt = doubt if card is None else card.recipe.doubt
        self.seconds = seconds if self.needs.tfr is None else seconds + MARGIN

    @property
    def needs(self) -> Needs:
        """What `data.prepare` is to make of a window; action units are to be of the program that it learnt from."""
        needs = self.model.needs
        if self.card is None or needs.aus is None:
            return needs
        return replace(needs, aus_by=self.card.data.get("aus", {}).get("by", OWN_AUS))

    @property
    def temperature(self) -> float:
        """The card's, for its own classes; 1 for others, of which validation knows nothing."""
        return 1.0 if self.card is None or self.task.classes != self.card.classes else self.card.temperature

    def videomae(self) -> Tower:
        """The tower of a model that reads clips, `needs.clips`. ValueError for one that reads none, or for another
        tower, FileNotFoundError where it is not there any more: the message says what to give."""
        if self.card is None or self.needs.clips is None:
            raise ValueError("videomae: expected a model that reads clips, got one that reads none")
        return films.tower(self.card, self.clip, self.place)

    def read(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,). ValueError for one without a picture."""
        return self.read_all([window])[0]

    def read_all(self, windows: Sequence[Window]) -> np.ndarray:
        """Windows (N,) -> probabilities (N, K)."""
        return self._answered(windows)[0]

    def told(self, window: Window) -> tuple[np.ndarray, str]:
        """A window of one person -> probabilities (K,), and what of its inputs there was, `Emotion.read_from`."""
        probs, sources = self._answered([window])
        return probs[0], sources[0]

    @torch.inference_mode()
    def rate(self, windows: Sequence[Window]) -> np.ndarray:
        """Windows (N,) -> the rating of each (N,) in points of `task.scale`, NaN where nothing is known. ValueError for
        a model that names classes."""
        if not isinstance(self.model, MVP) or self.task.scale is None:
            raise ValueError(f"rate: expected a model that guesses ratings, got one of the classes "
                             f"{', '.join(self.task.classes)}: see `read_all`")
        found = self.model.read(prepare(windows, self.needs).to(next(self.model.parameters()).device), watch=False)
        points = self.task.points(found.logits[:, 0].double().cpu().numpy())
        return np.where(found.nothing.cpu().numpy(), np.nan, points)

    @torch.inference_mode()
    def _answered(self, windows: Sequence[Window]) -> tuple[np.ndarray, tuple[str, ...]]:
        if self.task.scale is not None:
            raise ValueError("read_all: expected a model that names classes, got one that guesses a rating: see `rate`")
        batch = prepare(windows, self.needs).to(next(self.model.parameters()).device)
        sources = ("",) * len(windows)
        if isinstance(self.model, SCPT) and self.needs.tfr is not None:
            answer = self.model.read(batch)
            logits = answer.logits
            sources = tuple("face+pulse" if there else "face" for there in answer.pulse.tolist())
        elif isinstance(self.model, MVP):
            found = self.model.read(batch, watch=False)
            logits = found.logits
            names = self.needs.signals or ()
            sources = tuple(_parts(names, *one) for one in zip(found.signals, found.video, strict=True))
        else:
            logits = self.model(batch)
        return (logits.double() / self.temperature).softmax(dim=-1).cpu().numpy(), sources

    @torch.inference_mode()
    def evidence(self, windows: Sequence[Window]) -> Evidence | duse.Evidence:
        """Windows (N,) -> what an MVP or a DuSE answers and what that rests on, on the CPU: of a DuSE the weight of
        each frame (N, T) and of each class text (N, heads, K). ValueError for another model."""
        batch = prepare(windows, self.needs).to(next(self.model.parameters()).device)
        if isinstance(self.model, MVP):
            found: Evidence | duse.Evidence = self.model.read(batch)
        elif isinstance(self.model, DuSE) and batch.frames is not None:
            found = self.model.read(batch.frames)
        else:
            raise ValueError(f"evidence: expected an MVP or a DuSE, got {type(self.model).__name__}: see `read_all`")
        told: dict[str, Any] = {name: None if value is None else value.cpu() for name, value in vars(found).items()}
        return type(found)(**told | {"logits": found.logits.cpu().double() / self.temperature})

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `model.safetensors`, `card.json` and `README.md` into `folder`; each whole or not at all. A video tower
        that learnt for the fold lies in `tower` below it."""
        if self.card is None:
            raise ValueError("save_pretrained: expected a trained model, got zero-shot CLIP: its name is all there is")
        if (self.task.classes, self.task.texts or ()) != (self.card.classes, self.card.texts):
            raise ValueError("save_pretrained: expected the labels that it was trained with, got others: load it again")
        folder = Path(folder)
        tensors = {name: value.cpu().contiguous() for name, value in kept(self.model).items()}
        if isinstance(self.model, DuSE):
            with torch.no_grad():
                tensors[FEATURES] = self.model.text_features().cpu().contiguous()
        with writing.replacing(folder / WEIGHTS) as temporary:
            save_file(tensors, temporary, self.card.bond)
        films.keep(self.card, folder, self.place)
        self.card.save(folder / CARD)
        with writing.replacing(folder / README) as temporary:
            temporary.write_text(self.card.readme(), encoding="utf-8")
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None,
                    commit_message: str = "Trained tensors and card") -> str:
        """Upload to the repository `owner/name` of the hub, made where it is missing -> its address."""
        api = huggingface_hub.HfApi(token=token)
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            api.upload_folder(repo_id=address.repo_id, folder_path=self.save_pretrained(folder),
                              commit_message=commit_message)
        return str(address)

    @classmethod
    def from_pretrained(cls, source: str | Path, **options) -> Trained | Exported:
        """The same as `mien.load`."""
        from mien.checkpoint.opening import load

        return load(source, **options)


def _parts(names: Sequence[str], signals: torch.Tensor, video: torch.Tensor) -> str:
    """`Emotion.read_from`: s of each channel (C,) and of the face -> what there was of them."""
    heard = [name for name, seconds in zip(names, signals.tolist(), strict=False) if seconds]
    return "+".join([*(["face"] if float(video) else []), *heard])


def make_card(recipe: Recipe, task: Task, model: DuSE | SCPT | MVP, hashes: tuple[str, str], **told) -> Card:
    """The card of a model that is being trained; `hashes` of the image and the text tower as they were loaded."""
    needs = asdict(model.needs)
    asked = {name: needs[name] for name in ("frames", "size", "mean", "std")}
    asked |= {name: needs[name] for name in ("signals", "rate", "aus", "clips") if needs[name] is not None}
    rows: tuple[tuple[int, ...], ...] = ()
    text: dict = {}
    if isinstance(model, DuSE):
        rows, text = tuple(map(tuple, model.tokens.tolist())), asdict(model.text.plan) if model.text is not None else {}
    return Card(
        recipe=recipe, classes=task.classes, texts=task.texts or (), tokens=rows,
        image=hashes[0], text=hashes[1], words=text,
        preprocessing={**asked, "seconds": needs["seconds"] or recipe.seconds,
                       "sampling": "the middle of equal segments"},
        parameters=sum(value.numel() for value in kept(model).values()), version=version("mien"), **told)
