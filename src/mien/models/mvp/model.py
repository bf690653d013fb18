"""The MVP model: two encoders, the fusion, and the attention behind a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from mien.backbones.tiny import SOURCE as TINY
from mien.backbones.tiny import tiny_tower
from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements
from mien.core.tasks import Task
from mien.models.distributed_loss import SINGLE_PROCESS, cross_entropy
from mien.models.method import ClipTower, Method, Modality, Output, Series, TowerSet, TrialInputs
from mien.models.mvp.config import AU_RATE, MVPConfig
from mien.models.mvp.encoders import SequenceEncoder, complete_patches, modality_dropout, normalise_channels
from mien.models.mvp.fusion import AttentionWeights, Fusion
from mien.models.mvp.losses import ccc_loss


@dataclass(frozen=True, eq=False)
class MVPOutput:
    """Logits and the inputs behind them.

    Attributes:
        logits: (B, K).
        signals: (B, C) seconds of each channel that were used.
        video: (B,) seconds of video that were used.
        nothing: (B,) True without any input; the logits are then meaningless.
        face: (B, S) attention that each row of the video received in fusion, mean over layers, heads and queries. It
            sums to 1 together with a learned token for missing data. None if there is no attention to it.
        body: (B, C or 1, P) the same for each patch of the signals.
        patches: (B, C, P) bool, patches that were used.
        rows: (B, S) bool, rows of the video that were used.
    """

    logits: Tensor
    signals: Tensor
    video: Tensor
    nothing: Tensor
    face: Tensor | None = None
    body: Tensor | None = None
    patches: Tensor | None = None
    rows: Tensor | None = None


class MVP(nn.Module, Method):
    """MVP: encoders of physiological signals and of facial action units, and a transformer that fuses them.

    All parameters are trained from the first step.
    """

    options_type: ClassVar[Any] = MVPConfig
    measures: ClassVar[tuple[str, ...]] = ("macro_f1", "positive_f1", "weighted_f1", "uar", "war")  # the paper has F1
    figures: ClassVar[tuple[Literal["labels", "compared", "cases"], ...]] = ("labels", "compared", "cases")

    share = SINGLE_PROCESS

    def __init__(self, options: MVPConfig):
        super().__init__()
        self.options = options
        self.body, self.face = nn.ModuleList(_signal_encoders(options)), None
        if options.modality != "physio":
            self.face = SequenceEncoder(options.features, 1, options.step, options.video_layers, options)
        self.fusion = Fusion(options)

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        options, needs = self.options, ModelRequirements(seconds=self.options.seconds)
        if len(self.body):
            needs = replace(needs, signals=options.signals, rate=options.rate)
        if self.face is None:
            return needs
        if options.video == "aus":
            return replace(needs, aus=AU_RATE)
        return replace(needs, clips=options.video)

    def infer(self, batch: Batch, attention: bool = True) -> MVPOutput:
        """Classify a batch, with or without attention weights.

        Raises:
            ValueError: the batch has neither signals nor video, or the wrong number of channels or features.
        """
        signals, signals_known, video, video_known = self._sources(batch)
        if self.training and self.options.forget:
            signals_known, video_known = modality_dropout(signals_known, video_known, self.options.forget, self.share)
        patches, rows = complete_patches(signals_known, self.options.samples), video_known.any(dim=1)
        used = patches.sum(dim=-1), rows.sum(dim=-1)
        present = torch.stack([used[0].sum(dim=1), used[1]], dim=1) > 0
        body = face = None
        if len(self.body):
            inputs = self._ways(signals, signals_known)
            encoded = [stream(*values) for stream, values in zip(self.body, inputs, strict=True)]
            body = torch.cat([tokens for tokens, _ in encoded], dim=1), torch.cat([mask for _, mask in encoded], dim=1)
        if self.face is not None:
            face = self.face(video, video_known)
        weights = AttentionWeights() if attention else None
        logits = self.fusion(body, face, present, weights)
        to_face = to_body = None
        if weights is not None and weights.face:
            to_face = torch.stack(weights.face).mean(dim=0)[:, 1:]
        if weights is not None and weights.body:
            to_body = torch.stack(weights.body).mean(dim=0).unflatten(1, (len(self.body), -1))[:, :, 1:]
        return MVPOutput(logits, used[0] * self.options.patch, used[1] * self.options.step, ~present.any(dim=1),
                        face=to_face, body=to_body, patches=patches, rows=rows)

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        """Predict a batch; `details` is the `Evidence`.

        Args:
            batch: signals, video or both.
            attention: whether to compute attention weights.

        Returns:
            Logits (B, K), the parts of signals and video that were used, and attention.
        """
        evidence, options, needs = self.infer(batch, attention=attention), self.options, self.needs
        patches, rows = cast(Tensor, evidence.patches), cast(Tensor, evidence.rows)
        used = {name: Series(patches[:, k], options.patch) for k, name in enumerate(needs.signals or ())}
        modalities = {name: series.seconds > 0 for name, series in used.items()}
        if (needs.aus, needs.clips) != (None, None):
            used["face"] = Series(rows, options.step)
            modalities = {"face": used["face"].seconds > 0, **modalities}
        steps = {"face": (evidence.face, options.step), "body": (evidence.body, options.patch)}
        weights = {name: Series(values, step) for name, (values, step) in steps.items() if values is not None}
        return Output(evidence.logits, evidence.logits, modalities, ~evidence.nothing, used, weights, evidence)

    def forward(self, batch: Batch) -> Tensor:
        """Classify a batch -> logits (B, K); with a rating head the rating (B, 1), its scale mapped to -1..1."""
        return self.infer(batch, attention=False).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss by name. Trials without any input do not count.

        With two heads a target is 2 valence + arousal, see `fusion.joint_logits`; with a rating head a number -1..1.

        Raises:
            ValueError: there are no targets, or no trial has any input.
        """
        if batch.target is None:
            raise ValueError("MVP.loss: expected a target (B,), got none: train on trials with labels")
        evidence = self.infer(batch, attention=False)
        known = ~evidence.nothing
        every = self.share.gather(known)
        if not bool(every.any()):
            raise ValueError(f"MVP.loss: expected signals or video in some trial, got none in {len(every)}: leave "
                             "these trials out")
        if self.options.heads == "rating":
            rated, target = (self.share.gather(value)[every] for value in (evidence.logits[:, 0], batch.target))
            return ccc_loss(rated, target, self.options.squared)
        return {"cross_entropy": cross_entropy(evidence.logits, batch, self.share, self.options.smoothing, known)}

    @classmethod
    def build(cls, options: MVPConfig, towers: TowerSet | None, task: Task, subjects: int) -> MVP:
        """Create a model; it uses no pretrained tower."""
        return cls(options)

    @classmethod
    def check_task(cls, options: MVPConfig, task: Task, rule: str) -> None:
        """Check the head: two classes, four with two heads, or one number for a rating."""
        classes = len(task.classes)
        if (options.heads == "rating") != (task.scale is not None):
            raise ValueError(f"options.heads: expected rating for a rule of ratings and for no other, got {rule} with "
                             f"{options.heads}: take a recipe mvp/...-rating")
        if task.scale is None and options.classes != classes:
            fit = {2: "--set options.heads=one", 4: "--set options.heads=two"}
            raise ValueError(f"options.heads: expected an answer for each of the {classes} classes of {rule}, "
                             f"{', '.join(task.classes)}, got {options.classes}: "
                             f"{fit.get(classes, 'take the rule mvp/valence, mvp/arousal or mvp/both')}")

    @classmethod
    def inputs(cls, options: MVPConfig) -> TrialInputs:
        """Full trials: signals, the face as action units or clips, or both."""
        any_of: dict[str, tuple[Modality, ...]] = {
            "physio": ("signals",), "video": ("pictures",), "both": ("pictures", "signals")}
        inputs = TrialInputs(any_of=any_of[options.modality], unfilmed=options.subjects == "all", sequences=True,
                             signals=options.signals)
        if options.modality == "physio":
            return inputs
        if options.video == "aus":
            return replace(inputs, action_units=True)
        return replace(inputs, clips=ClipTower(options.video, options.features, options.crop, options.pretrain,
                                               options.finetune))

    @classmethod
    def tiny(cls, options: MVPConfig) -> MVPConfig:
        """A very small model of the same kind."""
        return replace(options, width=16, layers=1, video_layers=1, fusion_layers=1, attention_heads=2, inner=32,
                       pretrain=1, finetune=1)

    @classmethod
    def tiny_settings(cls, settings: Mapping[str, str]) -> dict[str, str]:
        """Replace the tower of the clips by the tiny one."""
        kept = {path: value for path, value in settings.items() if path not in ("options.video", "options.features")}
        if settings.get("options.video", "aus") == "aus":
            return kept
        return kept | {"options.video": TINY, "options.features": str(tiny_tower("videomae").plan.features)}

    def _ways(self, signals: Tensor, known: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The values and the mask for each encoder of signals."""
        signals = normalise_channels(signals, known)
        if self.training and self.options.noise:
            signals = signals + self.options.noise * self.share.draw(torch.randn, *signals.shape, device=signals.device)
        if self.options.channels == "joint":
            return [(signals, known)]
        return list(zip(signals.split(1, dim=1), known.split(1, dim=1), strict=True))

    def _sources(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Signals (B, C, N) and video (B, D, S), each with a mask of known values; empty if the batch has none."""
        options, signals, video = self.options, None, None
        if len(self.body):
            signals = batch.signals
        if batch.video is not None and self.face is not None:
            video = batch.video.mT
        if signals is None and video is None:
            expected = {"both": "signals or video", "physio": "signals", "video": "video"}[options.modality]
            raise ValueError(f"MVP: expected {expected} in the batch, got none: prepare it by `needs`")
        out: list[Tensor] = []
        for value, mask, count, what in ((signals, batch.signals_mask, len(options.signals), "channels of signals"),
                                         (video, batch.video_mask, options.features, "features of video")):
            if value is None:
                value, mask = next(self.parameters()).new_zeros(len(batch), count, 0), None
            if value.shape[1] != count:
                raise ValueError(f"MVP: expected {count} {what}, got {value.shape[1]}: prepare the batch by `needs`")
            known = torch.isfinite(value)
            if mask is not None:
                known = known & mask[:, None]
            out += [value, known]
        return out[0], out[1], out[2], out[3]


def _signal_encoders(options: MVPConfig) -> list[SequenceEncoder]:
    if options.modality == "video":
        return []
    channels, count = 1, len(options.signals)
    if options.channels == "joint":
        channels, count = count, 1
    return [SequenceEncoder(channels, options.samples, options.patch, options.layers, options) for _ in range(count)]
