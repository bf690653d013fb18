"""A trained model for prediction, with the hub's methods save_pretrained, push_to_hub and from_pretrained."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import huggingface_hub
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from mien.backbones.tower import Tower
from mien.checkpoints import video_backbone
from mien.checkpoints.card import CARD, README, WEIGHTS, Card
from mien.core import atomic_files, parallel
from mien.core.observations import MIEN_AUS, Window
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.metrics.classification import probabilities
from mien.models.method import ClipTower, Method, Output, inference_state
from mien.models.registry import method
from mien.preprocessing.model_inputs import prepare_batch
from mien.preprocessing.window_dataset import END_MARGIN
from mien.recipes.recipe import Recipe

if TYPE_CHECKING:
    from mien.checkpoints.exported import Exported


class Predictor:
    """A model with its labels; `Stream(model)` accepts it.

    `card`: None for zero-shot CLIP; `place`: the folder that it was loaded from; `clip`: folder or hub id of its
    towers, "" for the source in the card; `needs`: the inputs of a window; `seconds`: its length, including the margin
    of a pulse; `doubt`: why the predictions are not meaningful, "" if they are.
    """

    def __init__(self, model: Any, task: Task, seconds: float, card: Card | None = None,
                 doubt: str = "", place: Path | None = None, clip: str = "") -> None:
        self.place, self.clip = place, clip
        self.model: Any = model.eval()
        self.task, self.card = task, card
        self.doubt = doubt if card is None else card.recipe.doubt
        self.seconds = seconds
        if self.needs.tfr is not None:
            self.seconds += END_MARGIN

    @property
    def needs(self) -> ModelRequirements:
        """The inputs that `prepare_batch` must make from a window; `aus_by`: the program of the action units."""
        needs = self.model.needs
        if self.card is None or needs.aus is None:
            return needs
        return replace(needs, aus_by=self.card.data.get("aus", {}).get("by", MIEN_AUS))

    @property
    def temperature(self) -> float:
        """The divisor of the logits: the card's for the trained classes, 1 for other classes."""
        if self.card is None or self.task.classes != self.card.classes:
            return 1.0
        return self.card.temperature

    @property
    def clips(self) -> ClipTower | None:
        """The clips that the model takes; None for a model without clips or without a card."""
        if self.card is None:
            return None
        return method(self.card.recipe.method).inputs(self.card.recipe.options).clips

    def videomae(self) -> Tower:
        """Load the video tower of a model with clips (`ModelRequirements.clips`).

        Returns:
            The frozen tower.

        Raises:
            ValueError: the model has no clips, or the tower is another one.
            FileNotFoundError: the tower is missing.
        """
        if self.card is None or self.needs.clips is None:
            raise ValueError("videomae: expected a model that takes clips, got one that takes none")
        return video_backbone.load_video_backbone(self.card, self.clip, self.place)

    def predict_window(self, window: Window) -> np.ndarray:
        """Predict a window of one person.

        Args:
            window: with the inputs in `needs`.

        Returns:
            Probabilities (K,) of the classes, which sum to 1.

        Raises:
            ValueError: the window lacks an input, or the model predicts ratings.
        """
        return self.predict_proba([window])[0]

    def predict_proba(self, windows: Sequence[Window]) -> np.ndarray:
        """Predict windows.

        Args:
            windows: (N,), each of one person, with the inputs in `needs`.

        Returns:
            Probabilities (N, K) of the classes; each row sums to 1.

        Raises:
            ValueError: a window lacks an input, or the model predicts ratings.
        """
        return self._probabilities(self.predict(windows))

    def predict_with_sources(self, window: Window) -> tuple[np.ndarray, str]:
        """Predict a window of one person, and say which inputs the prediction uses.

        Args:
            window: with the inputs in `needs`.

        Returns:
            Probabilities (K,), and the inputs as in `Prediction.read_from`.

        Raises:
            ValueError: the window lacks an input, or the model predicts ratings.
        """
        output = self.predict([window])
        return self._probabilities(output)[0], output.sources[0]

    def rate(self, windows: Sequence[Window]) -> np.ndarray:
        """Predict ratings.

        Args:
            windows: (N,), each of one person, with the inputs in `needs`.

        Returns:
            Ratings (N,) in points of `Task.scale`; NaN if the inputs are unknown.

        Raises:
            ValueError: the model predicts classes.
        """
        if self.task.scale is None:
            raise ValueError(f"rate: expected a model that guesses ratings, got one of the classes "
                             f"{', '.join(self.task.classes)}: see `predict_proba`")
        output = self.predict(windows)
        points = self.task.points(output.logits[:, 0].numpy())
        if output.known is None:
            return points
        return np.where(output.known.numpy(), points, np.nan)

    @torch.inference_mode()
    def predict(self, windows: Sequence[Window], attention: bool = False) -> Output:
        """Predict windows.

        Args:
            windows: (N,), each of one person, with the inputs in `needs`.
            attention: whether to return attention weights, if the model has them.

        Returns:
            The model's output on the CPU; its logits (N, K) are float64 and divided by the temperature.

        Raises:
            ValueError: a window lacks what the model needs.
        """
        batch = prepare_batch(windows, self.needs).to(next(self.model.parameters()).device)
        output = self.model.predict(batch, attention)
        return replace(_on_cpu(output), logits=output.logits.cpu().double() / self.temperature)

    def evidence(self, windows: Sequence[Window]) -> Any:
        """Explain predictions by the method's detailed output.

        Args:
            windows: (N,), each of one person, with the inputs in `needs`.

        Returns:
            The detailed output, on the CPU. For DuSE it has the weights of the frames (N, T) and of the class texts (N,
            heads, K).

        Raises:
            ValueError: the model has no detailed output.
        """
        output = self.predict(windows, attention=True)
        if output.details is None:
            raise ValueError(f"evidence: expected a model with a detailed output, got "
                             f"{type(self.model).__name__}, which has none: see `predict_proba`")
        return replace(output.details, logits=output.logits)

    def _probabilities(self, output: Output) -> np.ndarray:
        if self.task.scale is not None:
            raise ValueError("predict_proba: expected a model that names classes, got one that guesses a rating: "
                             "see `rate`")
        return probabilities(output.logits.numpy())

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `model.safetensors`, `card.json` and `README.md`, each atomically.

        A video tower that was fine-tuned for the fold goes to the subfolder `tower`.

        Args:
            folder: the folder to write into.

        Returns:
            The folder.

        Raises:
            ValueError: the model is zero-shot CLIP, or has other labels than those of its training.
        """
        if self.card is None:
            raise ValueError("save_pretrained: expected a trained model, got zero-shot CLIP: its name is all there is")
        if (self.task.classes, self.task.texts or ()) != (self.card.classes, self.card.texts):
            raise ValueError("save_pretrained: expected the labels of the training, got others: load the model again")
        folder = Path(folder)
        tensors = {name: value.cpu().contiguous() for name, value in self.model.export_state().items()}
        with atomic_files.replacing(folder / WEIGHTS) as temporary:
            save_file(tensors, temporary, self.card.bond)
        video_backbone.save_video_backbone(self.card, folder, self.place)
        self.card.save(folder / CARD)
        with atomic_files.replacing(folder / README) as temporary:
            temporary.write_text(self.card.readme(), encoding="utf-8")
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None,
                    commit_message: str = "Trained tensors and card") -> str:
        """Upload the checkpoint to a repository of the hub, which is created if it is missing.

        Args:
            repo_id: `owner/name`.
            private: whether a new repository is private; None for the owner's default.
            token: access token of the hub; None for the stored one.
            commit_message: message of the commit.

        Returns:
            Address of the repository.

        Raises:
            ValueError: as `save_pretrained`.
        """
        api = huggingface_hub.HfApi(token=token)
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            api.upload_folder(repo_id=address.repo_id, folder_path=self.save_pretrained(folder),
                              commit_message=commit_message)
        return str(address)

    @classmethod
    def from_pretrained(cls, source: str | Path, **options) -> Predictor | Exported:
        """Load a checkpoint or an exported model, as `mien.load`.

        Args:
            source: a folder or a hub id.
            **options: the options of `mien.load`.

        Returns:
            The model for prediction.
        """
        from mien.checkpoints.load import load

        return load(source, **options)


def _on_cpu(value: Any) -> Any:
    """A copy of nested data with every tensor on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {name: _on_cpu(part) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{name: _on_cpu(part) for name, part in vars(value).items()})
    return value


def make_card(recipe: Recipe, task: Task, model: Method, hashes: tuple[str, str], **fields) -> Card:
    """Make the card of a model in training.

    Args:
        recipe: the recipe of the training.
        task: the classes or the scale.
        model: the model that is trained.
        hashes: sha256 of the image and the text tower.
        **fields: further fields of `Card`.

    Returns:
        The card.
    """
    needs = asdict(model.needs)
    inputs = {name: needs[name] for name in ("frames", "size", "mean", "std")}
    inputs |= {name: needs[name] for name in ("signals", "rate", "aus", "clips") if needs[name] is not None}
    tokens, plan = model.text_side()
    return Card(
        recipe=recipe, classes=task.classes, texts=task.texts or (), tokens=tuple(map(tuple, tokens.tolist())),
        image=hashes[0], text=hashes[1], words=asdict(plan) if plan is not None else {},
        preprocessing={**inputs, "seconds": needs["seconds"] or recipe.seconds,
                       "sampling": "the middle of equal segments"},
        parameters=sum(value.numel() for value in inference_state(cast(nn.Module, model)).values()),
        version=parallel.version(), **fields)
