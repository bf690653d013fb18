"""The SCPT model: pulse prompts before each layer of a tower, an adapter in each layer, and the losses."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import Tower, checkpointed, normalise_pixels
from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.models.distributed_loss import SINGLE_PROCESS, Dropout, cross_entropy
from mien.models.method import Method, Output, TowerSet, TrialInputs
from mien.models.scpt import losses
from mien.models.scpt.baselines import FUSIONS, FusionInputs, encode_pulse
from mien.models.scpt.config import FRAMES, SECONDS, WITHOUT_FACE, SCPTConfig
from mien.models.scpt.dssa import FORMS, LatentCodes, SCPTOutput
from mien.models.scpt.encoder import make_encoder
from mien.models.scpt.prompts import GENERATORS

DEFAULT_OPTIONS = SCPTConfig()


class SCPT(nn.Module, Method):
    """SCPT: a ViT that reads faces, with pulse prompts before each layer and an adapter in each layer.

    Without subjects there are neither specific branches nor subject heads: inference does not need them, and
    `remove_training_heads` deletes them. The training loop sets `progress` (0..1, share of training done) and `share`.

    Args:
        tower: a ViT, or CLIP's image tower.
        classes: K.
        subjects: S, number of training subjects; 0 for a model that only predicts.
        options: the settings.
    """

    options_type: ClassVar[Any] = SCPTConfig
    towers: ClassVar[Literal["vit"]] = "vit"
    windowed: ClassVar[bool] = True
    partial_gradients: ClassVar[bool] = True
    training_only: ClassVar[tuple[str, ...]] = (".specific.", "who_shared.", "who_specific.", "decoder.")

    share = SINGLE_PROCESS

    def __init__(self, tower: Tower, classes: int, subjects: int = 0, options: SCPTConfig = DEFAULT_OPTIONS):
        super().__init__()
        plan = tower.plan
        if plan.kind not in ("vit", "clip-image"):
            raise ValueError(f"SCPT: expected a tower of kind vit or clip-image, got {plan.kind}")
        if classes < 2 or subjects < 0:
            raise ValueError(f"SCPT: expected two or more classes and no negative number of subjects, got {classes} "
                             f"and {subjects}: a model cannot learn a single class")
        self.options, self.classes, self.subjects, self.progress = options, classes, subjects, 1.0
        self.tower = tower.requires_grad_(options.tune == "all")
        if options.seen:
            self.null = nn.Parameter(torch.zeros(1, plan.size, plan.size))
        self.prompts = self.encoder = self.baseline = None
        if options.prompts != "none":
            self.prompts = GENERATORS[options.prompts](plan, options)
        branches = options.adapter == "dssa" and subjects > 0
        count = plan.layers * (options.adapter != "none")
        self.adapters = nn.ModuleList(FORMS[options.form](plan.width, options, branches) for _ in range(count))
        if options.fusion == "prompts":
            self.dropout = Dropout(options.dropout)
            self.head = nn.Linear(plan.features if options.read == "stream" else plan.layers * options.code, classes)
        else:
            self.baseline = FUSIONS[options.fusion](plan, classes, options.dropout)
            if options.fusion not in ("spectrum", "rate"):
                self.encoder = make_encoder(plan, options)
        self._heads(plan.width)

    def _heads(self, width: int) -> None:
        """Create the modules of the decoupling losses, shared by all layers."""
        options = self.options
        self.decoupled = options.adapter == "dssa" and options.decouple and self.subjects > 1
        if options.decouple and options.adapter == "dssa" and self.subjects == 1:
            warnings.warn("SCPT: expected two or more subjects for the decoupling losses, got one: these losses are "
                          "off", stacklevel=3)
        if not self.decoupled:
            return
        if options.adversarial and options.adversary == "head":
            out = self.subjects
            if options.condition == "label":
                out *= self.classes
            r = options.code
            self.who_shared = nn.Sequential(nn.Linear(r, r), nn.ReLU(), nn.Linear(r, out))
        if options.specific:
            self.who_specific = nn.Linear(options.bottleneck, self.subjects)
        if options.reconstruct:
            self.decoder = nn.Linear(width, width)

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        plan, options = self.tower.plan, self.options
        needs = ModelRequirements(frames=FRAMES, size=plan.size, mean=plan.mean, std=plan.std, seconds=SECONDS)
        if not options.seen:
            return needs
        return replace(needs, tfr=(plan.size, plan.size), tfr_kind=options.image, tfr_of=options.pulse)

    def infer(self, batch: Batch) -> SCPTOutput:
        """Classify frames (B, T, 3, S, S), and images of the pulse (B, 1, S, S) with their quality (B,).

        A learned null image replaces a missing image, or one with a quality at or below `least_quality`. The model then
        uses the face alone.
        """
        if batch.frames is None:
            raise ValueError("SCPT: expected frames (B, T, 3, S, S) of a face, got None: a window without a face "
                             "cannot be read; prepare it by `needs`")
        image, present = self._image(batch)
        frames = batch.frames.shape[1]
        tokens, codes = self._walk(normalise_pixels(batch.frames.flatten(0, 1), self.tower.plan, self.tower.dtype),
                                   image, frames)
        with torch.autocast(tokens.device.type, enabled=False):
            features = self.tower.finish(tokens).float().unflatten(0, (-1, frames))
            feature = read = features.mean(dim=1)
            if self.options.read == "shared":
                read = torch.cat([code.shared for code in codes], dim=1)
                read = F.layer_norm(read, read.shape[1:])
            if self.baseline is None:
                logits = self.head(self.dropout(read))
            else:
                def encoded() -> tuple[Tensor, Tensor]:
                    return encode_pulse(self.tower, self.encoder, image)  # type: ignore[arg-type]

                logits, read = self.baseline(FusionInputs(read, features, image[:, :1], encoded))
        return SCPTOutput(logits, present, feature, read, codes)

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        """Predict a batch -> logits (B, K), the input of the classifier, and whether the pulse was present."""
        output = self.infer(batch)
        modalities: dict[str, Tensor] = {}
        if self.options.seen:
            modalities = {"face": torch.ones_like(output.pulse), "pulse": output.pulse}
        if self.options.fusion in WITHOUT_FACE:
            del modalities["face"]
        return Output(output.logits, output.read, modalities)

    def forward(self, batch: Batch) -> Tensor:
        """Classify a batch -> logits (B, K)."""
        return self.infer(batch).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted losses by name. Raises ValueError without targets, or without subjects if they are needed."""
        if batch.target is None:
            raise ValueError("SCPT.loss: expected a target (B,), got None")
        output = self.infer(batch)
        first = {"cross_entropy": cross_entropy(output.logits, batch, self.share, self.options.smoothing)}
        if not (self.decoupled and self.training):
            return first
        if batch.subject is None:
            raise ValueError("SCPT.loss: expected the subject (B,) of each window, got None: the losses need it")
        return first | self._decoupling(output.codes, batch.subject, batch.target)

    def _decoupling(self, codes: Sequence[LatentCodes], subject: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The losses with a weight, averaged over layers; rows are compared over the batch of all processes."""
        gather = self.share.gather
        subject, target = gather(subject), gather(target)
        layers = [self._layer_losses(code, gather(code.shared), subject, target) for code in codes]
        return {name: getattr(self.options, name) * torch.stack([parts[name] for parts in layers]).mean()
                for name in layers[0]}

    def _layer_losses(self, code: LatentCodes, shared: Tensor, subject: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The losses of one layer by name, without their weights; `shared` (B, R) of all processes."""
        options, gather = self.options, self.share.gather
        if code.specific is None:
            raise ValueError("SCPT.loss: expected both branches of every layer, got a stripped model")
        specific, parts = gather(code.specific), {}
        if options.adversarial:
            parts["adversarial"] = self._adversary(shared, subject, target)
        if options.specific:
            who = self.who_specific(losses.batch_standardise(specific))
            parts["specific"] = F.cross_entropy(who, subject)
        if options.orthogonal:
            parts["orthogonal"] = losses.orthogonality(shared, specific)
        if options.sparse:
            parts["sparse"] = losses.sparsity(shared if code.gate is None else code.gate)
        if options.subspace and options.svd == "penalty":
            parts["subspace"] = losses.outside_subspace(shared, options.dimension)
        if options.reconstruct and code.both is not None and code.u is not None:
            parts["reconstruct"] = F.mse_loss(self.decoder(code.both), code.u)
        return parts

    def _adversary(self, code: Tensor, subject: Tensor, target: Tensor) -> Tensor:
        """The adversarial loss of shared codes (B, R), ramped with the training progress."""
        options, strength = self.options, losses.reversal_strength(self.progress)
        if options.adversary == "kernel":
            return strength * losses.subject_mmd_loss(code, subject, target, options.condition)
        who = self.who_shared(losses.GradientReversal.apply(losses.batch_standardise(code), strength))
        if options.condition == "label":
            who = who.unflatten(1, (self.classes, self.subjects))
        return losses.adversarial(who, subject, target, options.condition)

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute shared and specific codes (B, layers, r) of a trained model for probes, without gradient."""
        modes = {part: part.training for part in self.adapters}
        with torch.no_grad():
            for part in modes:
                part.train()
            codes = self.infer(batch).codes
            for part, mode in modes.items():
                part.train(mode)
        shared, specific = (torch.stack([getattr(code, name) for code in codes], dim=1)
                            for name in ("shared", "specific"))
        return shared, specific

    def remove_training_heads(self) -> SCPT:
        """Delete the specific branches and the subject heads, which only training needs; returns the model itself."""
        for part in self.adapters:
            part.specific = None  # type: ignore[assignment]
        for name in ("who_shared", "who_specific", "decoder"):
            if hasattr(self, name):
                delattr(self, name)
        self.subjects, self.decoupled = 0, False
        return self

    @classmethod
    def build(cls, options: SCPTConfig, towers: TowerSet | None, task: Task, subjects: int) -> SCPT:
        """Create a model around one image tower."""
        if towers is None:
            raise ValueError("SCPT: expected a tower of pictures, got none")
        return cls(towers.image, len(task.classes), subjects, options)

    @classmethod
    def check_batch(cls, options: SCPTConfig, windows: int, people: int) -> None:
        """Check the batch: the losses compare two subjects and, for the kernel, two windows of one of them."""
        if options.adapter != "dssa" or not options.decouple:
            return
        least = 2 + (options.adversarial and options.adversary == "kernel")
        if windows < least or people == 1:
            raise ValueError(f"schedule.batch, schedule.people: expected {least} or more windows of two or more people "
                             f"in a batch, for the losses that compare people, got {windows} windows, people "
                             f"{people}: give more, or --set options.decouple=false")

    @classmethod
    def inputs(cls, options: SCPTConfig) -> TrialInputs:
        """Pictures of a face, and the pulse if the options use it."""
        if not options.seen:
            return TrialInputs()
        return TrialInputs(pulse=options.pulse)

    def _image(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Image of the pulse (B, 3, S, S), empty if it is not an input, and a mask (B,) of the rows that have one."""
        count, device = len(batch), batch.frames.device  # type: ignore[union-attr]
        present = torch.zeros(count, dtype=torch.bool, device=device)
        if not self.options.seen:
            return torch.empty(count, 3, 0, 0, device=device), present
        image = self.null.expand(count, 1, -1, -1)
        if batch.tfr is not None:
            quality = batch.pulse_quality
            if quality is None:
                quality = torch.ones(count, device=device)
            present = quality > self.options.least_quality
            if self.training and self.options.drop_pulse:
                present = present & (self.share.draw(torch.rand, count, device=device) >= self.options.drop_pulse)
            image = torch.where(present[:, None, None, None], batch.tfr.float(), image)
        return image.expand(-1, 3, -1, -1), present

    def _walk(self, x: Tensor, image: Tensor, frames: int) -> tuple[Tensor, tuple[LatentCodes, ...]]:
        """Run normalised pictures (B T, 3, S, S) through the tower -> tokens (B T, L, D) and codes of each adapter."""
        tokens, codes = self.tower.embed(x), []
        join = self.training and self.options.stream == "both" and bool(torch.rand(()) < 0.5)
        pulse = tokens
        if self.prompts is not None:
            pulse = self.prompts.begin(image).repeat_interleave(frames, dim=0)
        for i, block in enumerate(self.tower.blocks):
            if self.prompts is not None:
                tokens, pulse = self.prompts(i, tokens, pulse)
            if len(self.adapters):
                tokens, layer_codes = checkpointed(self.adapters[i], block, tokens, frames, join,
                                                   on=self.training and block.checkpointing)
                codes.append(layer_codes)
            else:
                tokens = block(tokens)
        return tokens[:, : 1 + self.tower.plan.patches], tuple(codes)
