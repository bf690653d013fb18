"""The interface between a model and training, evaluation, checkpoints, inference and export.

A method is one class: an `nn.Module` that inherits from `Method`. The class states what must be known before a model
exists: its options, the towers it is built around and its inputs. The model states the rest. Only `mien.models`,
`mien.recipes` and the studies know which paper a model is from. `Method` has defaults for everything that a plain
classifier does not need. docs/adding.md shows the smallest method.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Tower
from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.models.distributed_loss import SINGLE_PROCESS, DistributedBatch

Modality = Literal["pictures", "signals"]


@dataclass(frozen=True, eq=False)
class Series:
    """A time series: `values` (B, ..., N), one every `step` s from the start of the window."""

    values: Tensor
    step: float

    @property
    def seconds(self) -> Tensor:
        """Duration (B,) in s for which a mask `values` (B, N) is True."""
        return self.values.sum(dim=-1) * self.step


@dataclass(frozen=True, eq=False)
class Output:
    """The predictions for a batch.

    Attributes:
        logits: (B, K); for a rating (B, 1), with its scale mapped to -1..1.
        features: (B, d), the input of the classifier.
        modalities: name -> (B,) bool, whether it was present, for a model that uses more than the face.
        known: (B,) bool, False if every input is missing; None if that cannot happen.
        used: name of the channel or "face" -> mask (B, N), for a model of long series.
        attention: name -> weights (B, ..., N), for a model of long series.
        details: a value that only studies of this method read.
    """

    logits: Tensor
    features: Tensor
    modalities: Mapping[str, Tensor] = field(default_factory=dict)
    known: Tensor | None = None
    used: Mapping[str, Series] = field(default_factory=dict)
    attention: Mapping[str, Series] = field(default_factory=dict)
    details: Any = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The modalities present in each row, joined by +, the format of `Prediction.read_from`."""
        rows = [[name for name, present in self.modalities.items() if bool(present[k])]
                for k in range(len(self.logits))]
        return tuple(map("+".join, rows))


@dataclass(frozen=True)
class ClipTower:
    """The VideoMAE that turns clips into features.

    `source`: where its weights come from; `features`: how many it returns; `crop`: which crop of the face it receives;
    `pretrain`, `finetune`: epochs of further training on a fold's training set.
    """

    source: str
    features: int
    crop: Literal["large", "tight"] = "large"
    pretrain: int = 0
    finetune: int = 0


@dataclass(frozen=True)
class TrialInputs:
    """The inputs of a method.

    Attributes:
        any_of: a trial without any of these modalities is left out.
        unfilmed: subjects without video are in the folds too.
        sequences: full trials with their signals, instead of pictures alone.
        signals: channels, also those of the hand-crafted baselines.
        pulse: "camera" or the name of a channel; "" for a method without pulse input.
        action_units: whether it reads action unit series.
        clips: the tower of its clips.
    """

    any_of: tuple[Modality, ...] = ("pictures",)
    unfilmed: bool = False
    sequences: bool = False
    signals: tuple[str, ...] = ()
    pulse: str = ""
    action_units: bool = False
    clips: ClipTower | None = None


class TowerSet(Protocol):
    """The pretrained towers that a model is built around; `checkpoints.factory.ClipEncoders` implements this."""

    @property
    def image(self) -> Tower:
        """The image tower."""

    @property
    def text(self) -> Tower | None:
        """The text tower; None without."""

    def tokens(self, task: Task) -> Tensor:
        """Token ids (R, L) of all class texts."""


class Method(Protocol):
    """The interface of one paper's model.

    Attributes:
        options_type: a frozen dataclass.
        towers: whether it is built around both towers of a CLIP, one image tower, or none.
        windowed: trials are cut into windows of `Recipe.seconds`, and their mean is the prediction.
        text_free: it is restored without the weights of the text tower.
        partial_gradients: in some steps some parameters have no gradient.
        rows_independent: the loss is a mean over rows, and rows share no random draw: a batch may be split into parts.
        measures: the metrics that its paper reports; tables list them first.
        figures: which plots `training.plots.write_plots` draws.
        training_only: parts of the names of parameters that inference does not need.
        share: this process's part of a distributed batch; the training loop sets it (`models.distributed_loss`).
        progress: 0..1, the share of training done; the training loop sets it before each step.
    """

    options_type: ClassVar[Any]
    towers: ClassVar[Literal["clip", "vit", "none"]] = "none"
    windowed: ClassVar[bool] = False
    text_free: ClassVar[bool] = False
    partial_gradients: ClassVar[bool] = False
    rows_independent: ClassVar[bool] = False
    measures: ClassVar[tuple[str, ...]] = ()
    figures: ClassVar[tuple[Literal["labels", "compared", "cases"], ...]] = ()
    training_only: ClassVar[tuple[str, ...]] = ()
    share: DistributedBatch = SINGLE_PROCESS
    progress: float = 1.0

    @classmethod
    def build(cls, options: Any, towers: TowerSet | None, task: Task, subjects: int) -> Any:
        """Create a model. `subjects`: number of training subjects, 0 for a model that only predicts."""
        ...

    @classmethod
    def check_task(cls, options: Any, task: Task, rule: str) -> None:
        """Raise ValueError if the options do not fit the classes or the rating of the label `rule`."""
        if task.scale is not None:
            raise ValueError(f"options.heads: expected rating for a rule of ratings and for no other, got {rule} with "
                             f"{cls.__name__}, which names classes: take a recipe that ends in -rating")

    @classmethod
    def check_batch(cls, options: Any, windows: int, people: int) -> None:
        """Raise ValueError if the losses need more `windows` or `people` per batch (people 0: not balanced)."""
        return None

    @classmethod
    def inputs(cls, options: Any) -> TrialInputs:
        """The inputs of the method."""
        return TrialInputs()

    @classmethod
    def tiny(cls, options: Any) -> Any:
        """Options of the same kind for a very small model that trains in seconds."""
        return options

    @classmethod
    def tiny_settings(cls, settings: Mapping[str, str]) -> dict[str, str]:
        """Adapt ablation settings (`overrides.override`) to a tiny recipe: drop those that name published weights."""
        return dict(settings)

    @property
    def needs(self) -> ModelRequirements:
        """The tensors that `prepare_batch` has to make of a window."""
        ...

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        """Predict a batch made by `needs`. Without `attention` the attention weights may be missing."""
        ...

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss terms by name; their sum is minimised. Raises ValueError for a batch without targets."""
        ...

    def export_state(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint: trained tensors, without those that only training needs."""
        return inference_state(cast(nn.Module, self))

    def restore(self, state: Mapping[str, Tensor], labels: Task | None = None) -> None:
        """Load the tensors of `export_state`.

        Args:
            state: name -> tensor.
            labels: replaces the classes and texts of training; None keeps them.

        Raises:
            ValueError: the state belongs to another model.
        """
        load_trained(cast(nn.Module, self), state)

    def text_side(self) -> tuple[Tensor, BackboneConfig | None]:
        """Token ids (K, L) of the class texts, and the plan of the text tower, None without one."""
        return torch.zeros(0, 0, dtype=torch.long), None

    def scoring(self) -> AbstractContextManager[None]:
        """Context for predicting many batches with the same weights: results independent of the batch are cached."""
        return nullcontext()

    def export_graph(self) -> nn.Module | None:
        """A module for export, None if there is none.

        It maps frames uint8 (1, T, 3, S, S) to logits (1, K) and features of the frames (1, T, d).
        """
        return None


@runtime_checkable
class FrameFeatures(Protocol):
    """A method that encodes each frame separately first, so that features of frames can be cached."""

    def frame_features(self, frames: Tensor, places: Any = ()) -> Tensor:
        """Encode frames (B, T, 3, S, S) at these positions in their clips -> (B, T, d)."""

    def predict_features(self, video: Tensor) -> Output:
        """Predict from features of frames (B, T, d)."""

    @property
    def frames_independent(self) -> bool:
        """Whether the feature of a frame is the same at every position in a window."""


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """All trainable parameters by name."""
    return {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}


def inference_state(model: nn.Module) -> dict[str, Tensor]:
    """The trained parameters that prediction needs, by name."""
    dropped = getattr(model, "training_only", ())
    return {name: value for name, value in trainable(model).items() if not any(part in name for part in dropped)}


def load_trained(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load trained tensors into a model. Raises ValueError unless names and shapes are those of the model."""
    expected = {name: tuple(value.shape) for name, value in inference_state(model).items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    if expected != given:
        wrong = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
        raise ValueError(f"expected the tensors of {len(expected)} trained parameters, these differ: "
                         f"{', '.join(wrong[:5])}: the card belongs to another model")
    model.load_state_dict(dict(state), strict=False)
