"""DuSE on the two towers of one CLIP: output, loss, checkpoint state and export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Tower, end_positions, normalise_pixels
from mien.core.batch import Batch
from mien.core.class_texts import split_texts
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.models.distributed_loss import SINGLE_PROCESS, cross_entropy
from mien.models.duse.config import FRAMES, DuSEConfig
from mien.models.duse.htpc import Htpc, forward_with_prompts, prompt_depth
from mien.models.duse.lsea import Lsea, similarity
from mien.models.method import Method, Output, TowerSet, inference_state, load_trained

DEFAULT = DuSEConfig()

CLIP_SCALE = 100.0
"""Factor of the cosines of a tower whose file does not state it: that of OpenAI's CLIP (Radford et al. 2021, 2.5)."""

TEXT_FEATURES = "text_features"
"""Name of F_T among the tensors of a checkpoint."""


@dataclass(frozen=True, eq=False)
class DuSEOutput:
    """Logits and attention weights of DuSE.

    Attributes:
        logits: (B, K).
        frames: (B, T) weights of the frames, summing to 1.
        classes: (B, N, K) weights of the class texts, summing to 1 per head; None without LSEA.
        feature: (B, d), V_g, which is compared with the texts.
    """

    logits: Tensor
    frames: Tensor
    classes: Tensor | None
    feature: Tensor


class DuSE(nn.Module, Method):
    """DuSE on the two frozen towers of one CLIP; only HTPC and LSEA are trained.

    The towers may be bfloat16; prompts, LSEA and logits are always float32.

    Args:
        image: a tower of kind clip-image.
        text: a tower of kind clip-text.
        tokens: (R, L) token ids of the class texts, from `tokenize_texts`.
        options: the settings.
        texts: number of texts of each class (K), whose features are averaged; empty for one each.
    """

    options_type: ClassVar[Any] = DuSEConfig
    towers: ClassVar[Literal["clip"]] = "clip"
    text_free: ClassVar[bool] = True
    rows_independent: ClassVar[bool] = True

    text: Tower | None
    tokens: Tensor
    ends: Tensor
    cached_text: Tensor | None
    share = SINGLE_PROCESS

    def __init__(self, image: Tower, text: Tower, tokens: Tensor, options: DuSEConfig = DEFAULT,
                 texts: Sequence[int] = ()):
        super().__init__()
        _check_parts(image, text, tokens, options)
        self.texts = tuple(texts) or (1,) * len(tokens)
        self.options = options
        self.image, self.text = image.requires_grad_(False), text.requires_grad_(False)
        last = end_positions(tokens, text.plan.end)
        tokens = tokens[:, : int(last.max()) + 1]  # causal attention: the tokens after the end have no effect
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("ends", last, persistent=False)
        self.register_buffer("cached_text", None, persistent=False)
        layers = prompt_depth(options, image.plan.layers, text.plan.layers)
        self.htpc = Htpc(layers, text.plan.width, image.plan.width, options) if options.prompts else None
        self.lsea = Lsea(image.plan.features, options) if options.lsea else None

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        plan = self.image.plan
        return ModelRequirements(frames=FRAMES, size=plan.size, mean=plan.mean, std=plan.std)

    def text_features(self) -> Tensor:
        """Compute F_T (K, d), float32."""                                                  # (8)
        if self.cached_text is not None:
            return self.cached_text
        options, ids, text = self.options, self.tokens, cast(Tower, self.text)
        coop, n = not options.htpc, options.prompts
        at = 1
        if options.place == "end" and not coop:
            at = ids.shape[1]
        tokens = text.embed(torch.cat([ids[:, :at], ids[:, :1].expand(-1, n), ids[:, at:]], dim=1))
        tokens = torch.cat([tokens[:, :at], tokens[:, at + n :]], dim=1)  # words after the prompts move by n positions
        prompts: list[Tensor] = []
        if self.htpc is not None:
            shallow, *deep = self.htpc.text[:, None]
            prompts = [shallow + text.embed.positions[at : at + n], *deep]
        tokens = forward_with_prompts(text.blocks, tokens, prompts, at, keep=coop or options.after == "keep")
        return average_texts(text.finish(tokens, self.ends).float(), self.texts)

    def frame_features(self, frames: Tensor, places: Sequence[int] = ()) -> Tensor:
        """Encode frames.

        Args:
            frames: (B, T, 3, S, S), uint8 or float 0..1.
            places: positions of the frames in their clips; empty for 0..T-1.

        Returns:
            F_V (B, T, d), float32.
        """
        count, length = frames.shape[:2]                                                    # (7)
        tokens = self.image.embed(normalise_pixels(frames.flatten(0, 1), self.image.plan, self.image.dtype))
        prompts: list[Tensor] = []
        if self.htpc is not None and self.options.htpc:
            shallow, *deep = self.htpc.visual(places or range(length))
            shallow = self.image.embed.pre(shallow.to(tokens.dtype))  # they join before CLIP's first layer norm
            prompts = [shallow.repeat(count, 1, 1), *deep]
        tokens = forward_with_prompts(self.image.blocks, tokens, prompts, tokens.shape[1], self.options.after == "keep")
        return self.image.finish(tokens).unflatten(0, (count, length)).float()

    def infer(self, frames: Tensor) -> DuSEOutput:
        """Classify frames (B, T, 3, S, S), uint8 or float 0..1."""
        return self.infer_features(self.frame_features(frames))

    def infer_features(self, video: Tensor) -> DuSEOutput:
        """Classify F_V (B, T, d)."""
        text = self.text_features()
        with torch.autocast(video.device.type, enabled=False):  # cosines divided by 0.01 need more than 8 bits
            v_g, weights, classes = self.aggregate(video, text)
            logits = self.score(v_g, text)
        return DuSEOutput(logits, weights, classes, v_g)

    def aggregate(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """F_V (B, T, d) and F_T (K, d) -> V_g (B, d), weights of the frames (B, T) and of the classes (B, N, K)."""
        if self.lsea is None:
            return video.mean(dim=1), video.new_full(video.shape[:2], 1 / video.shape[1]), None
        return self.lsea(video, text)

    def score(self, v_g: Tensor, text: Tensor) -> Tensor:
        """Compare V_g (B, d) with F_T (K, d) -> logits (B, K)."""
        temperature = self.options.score_temperature or 1 / (self.image.scale or CLIP_SCALE)
        return similarity(v_g, text, self.options.score, temperature)

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        """Predict the frames of a batch -> logits (B, K) and V_g; `details` is the `DuSEOutput`."""
        if batch.frames is None:
            raise ValueError("DuSE: expected frames (B, T, 3, S, S) in the batch, got None: prepare it by `needs`")
        return self.predict_features(self.frame_features(batch.frames))

    def predict_features(self, video: Tensor) -> Output:
        """Predict from F_V (B, T, d) -> logits (B, K) and V_g; `details` is the `DuSEOutput`."""
        evidence = self.infer_features(video)
        return Output(evidence.logits, evidence.feature, details=evidence)

    def forward(self, batch: Batch) -> Tensor:
        """Classify a batch -> logits (B, K)."""
        return self.predict(batch).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss by name. Raises ValueError without targets or without the text tower."""
        if batch.target is None:
            raise ValueError("DuSE.loss: expected a target (B,) and a model with its text tower, got no target")
        if self.text is None:
            raise ValueError("DuSE.loss: expected a target (B,) and a model with its text tower, got cached text "
                             "features: build it again")
        return {"cross_entropy": cross_entropy(self(batch), batch, self.share)}             # (1)

    @torch.no_grad()
    def cache_text_features(self, features: Tensor | None = None) -> Tensor:
        """Replace the text tower by its features (K, d), for inference.

        To build a model from stored features without the weights of the text tower, create that tower under
        `torch.device("meta")`.

        Args:
            features: stored features; None computes them.

        Returns:
            The features.

        Raises:
            ValueError: the features have the wrong shape.
        """
        if features is None:
            features = self.text_features()
        expected = (len(self.texts), self.image.plan.features)
        if tuple(features.shape) != expected:
            raise ValueError(f"DuSE.cache_text_features: expected text features {expected}, got "
                             f"{tuple(features.shape)}: other labels?")
        self.cached_text, self.text = features.float().to(self.tokens.device), None
        return self.cached_text

    @property
    def frames_independent(self) -> bool:
        """Whether F_V of a frame is the same at every position in a clip; HTPC adds the position (6)."""
        return self.htpc is None or not self.options.htpc or not bool(self.htpc.phase.any())

    @classmethod
    def build(cls, options: DuSEConfig, towers: TowerSet | None, task: Task, subjects: int) -> DuSE:
        """Create a model for the class texts of the task."""
        if towers is None or towers.text is None:
            raise ValueError("DuSE: expected the image and the text tower of one CLIP, got none or a part of it")
        return cls(towers.image, towers.text, towers.tokens(task), options, split_texts(task)[1])

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Context in which the text tower runs only once."""
        before, self.cached_text = self.cached_text, self.text_features()
        try:
            yield
        finally:
            self.cached_text = before

    def export_state(self) -> dict[str, Tensor]:
        """The trained tensors, and the text features, so that inference needs no text tower."""
        with torch.no_grad():
            return {**inference_state(self), TEXT_FEATURES: self.text_features()}

    def restore(self, state: Mapping[str, Tensor], labels: Task | None = None) -> None:
        """Load the trained tensors and the text features: the stored ones, or those of other `labels`."""
        if TEXT_FEATURES not in state:
            raise ValueError(f"expected finite trained tensors and {TEXT_FEATURES}, got none: train it again")
        load_trained(self, {name: value for name, value in state.items() if name != TEXT_FEATURES})
        self.cache_text_features(state[TEXT_FEATURES] if labels is None else None)

    def text_side(self) -> tuple[Tensor, BackboneConfig | None]:
        """Token ids (K, L) of the class texts, and the plan of the text tower, None without it."""
        if self.text is None:
            return self.tokens, None
        return self.tokens, self.text.plan

    def export_graph(self) -> nn.Module:
        """The image tower with LSEA, and the text features as constants."""
        return ImageSide(self)


class ImageSide(nn.Module):
    """DuSE with constant text features: frames uint8 (1, T, 3, S, S) -> logits (1, K) and features (1, T, d)."""

    text: Tensor

    def __init__(self, model: DuSE) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.register_buffer("text", model.text_features())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Classify without autocast: an exported model is float32."""
        model = self.model
        video = model.frame_features(frames)
        return model.score(model.aggregate(video, self.text)[0], self.text), video


def average_texts(features: Tensor, texts: Sequence[int]) -> Tensor:
    """Features (R, d) of all texts -> (K, d): the mean direction of each class's texts, with their mean length.

    CLIP averages unit vectors (Radford et al. 2021, section 3.1.4). The length is our choice: LSEA adds these features
    to others of the tower. One text keeps its feature exactly.
    """
    if max(texts) == 1:
        return features
    means = []
    for part in features.split(list(texts)):
        length = part.norm(dim=-1, keepdim=True)
        means.append(F.normalize((part / length).mean(dim=0), dim=0) * length.mean())
    return torch.stack(means)


def _check_parts(image: Tower, text: Tower, tokens: Tensor, options: DuSEConfig) -> None:
    got = [(tower.plan.kind, tower.plan.features) for tower in (image, text)]
    if got != [("clip-image", got[0][1]), ("clip-text", got[0][1])]:
        raise ValueError(f"DuSE: expected the image and the text tower of one CLIP, got (kind, features) {got}")
    if tokens.ndim != 2 or len(tokens) < 2:
        raise ValueError(f"DuSE: expected token ids (K, L) of two or more class texts, got {tuple(tokens.shape)}")
    longest = int(end_positions(tokens, text.plan.end).max()) + 1 + options.prompts
    if longest > text.plan.context:
        raise ValueError(f"DuSE: expected class texts and prompts of at most {text.plan.context} tokens together, got "
                         f"{longest}: shorten the longest text")
