"""SCPT around its tower: prompts of the pulse before each layer, an adapter beside each MLP, and the losses."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.batch import Batch
from mien.models.scpt.dssa import Codes, Dssa, Reverse, adversarial, apart, orthogonality, ramp, standard
from mien.models.scpt.options import FRAMES, SECONDS, Options
from mien.models.scpt.prompts import GENERATORS
from mien.models.shared import ALONE, Dropout, cross_entropy
from mien.towers import Tower, pixels
from mien.types import Needs

FULL = Options()


@dataclass(frozen=True, eq=False)
class Answer:
    """`logits` (B, K); `pulse` (B,): False where the face alone was looked at; `feature` (B, d), what the tower makes
    of the stream; `read` (B, E), what is classified; `codes` of each layer."""

    logits: Tensor
    pulse: Tensor
    feature: Tensor
    read: Tensor
    codes: tuple[Codes, ...] = ()


class SCPT(nn.Module):
    """`tower`: a ViT, or CLIP's image tower; K `classes`; S `subjects` in training, 0 for a model that only reads.

    With 0 subjects there are neither specific branches nor subject heads: inference has no use for them, and `strip`
    takes them out. `progress`, 0..1, is the share of the training that is done; the loop sets it, and `share`.
    """

    share = ALONE

    def __init__(self, tower: Tower, classes: int, subjects: int = 0, options: Options = FULL):
        super().__init__()
        plan = tower.plan
        if plan.kind not in ("vit", "clip-image"):
            raise ValueError(f"SCPT: expected a tower of kind vit or clip-image, got {plan.kind}")
        if classes < 2 or subjects < 0:
            raise ValueError(f"SCPT: expected two or more classes and no negative number of subjects, got {classes} "
                             f"and {subjects}: one class alone cannot be learnt")
        self.options, self.classes, self.subjects, self.progress = options, classes, subjects, 1.0
        self.tower = tower.requires_grad_(options.tune == "all")
        if options.seen:
            self.null = nn.Parameter(torch.zeros(1, plan.size, plan.size))
        self.prompts = GENERATORS[options.prompts](plan, options) if options.prompts != "none" else None
        self.door = nn.Conv2d(3, plan.width, plan.patch, plan.patch) if options.fusion != "prompts" else None
        two = options.adapter == "dssa" and subjects > 0
        made = [Dssa(plan.width, options, two) for _ in range(plan.layers)] if options.adapter != "none" else []
        self.adapters = nn.ModuleList(made)
        read = plan.features if options.read == "stream" else plan.layers * options.bottleneck
        self.dropout = Dropout(options.dropout)
        self.head = nn.Linear(read + (plan.features if options.fusion == "concat" else 0), classes)
        self.late = nn.Linear(plan.features, classes) if options.fusion == "late" else None
        self._heads(plan.width)

    def _heads(self, width: int) -> None:
        """What the decoupling losses need; one of each for all layers."""
        options, r = self.options, self.options.bottleneck
        self.decoupled = options.adapter == "dssa" and options.decouple and self.subjects > 1
        if options.decouple and options.adapter == "dssa" and self.subjects == 1:
            warnings.warn("SCPT: one subject only, nobody to be told apart: the adversary and the losses beside it are "
                          "off", stacklevel=3)
        if not self.decoupled:
            return
        if options.adversary == "head":
            out = self.subjects * (self.classes if options.condition == "label" else 1)
            self.who_shared = nn.Sequential(nn.Linear(r, r), nn.ReLU(), nn.Linear(r, out))
        self.who_specific = nn.Linear(r, self.subjects)
        self.decoder = nn.Linear(width, width)

    training_only = (".specific.", "who_shared.", "who_specific.", "decoder.")
    """What is in the names of parameters that inference has no use for."""

    @property
    def needs(self) -> Needs:
        plan, options = self.tower.plan, self.options
        needs = Needs(frames=FRAMES, size=plan.size, mean=plan.mean, std=plan.std, seconds=SECONDS)
        if not options.seen:
            return needs
        return replace(needs, tfr=(plan.size, plan.size), tfr_kind=options.image, tfr_of=options.pulse)

    def read(self, batch: Batch) -> Answer:
        """Frames (B, T, 3, S, S), and the pulse as (B, 1, S, S) with its quality (B,) -> what is read of them.

        Without an image, or with a quality at or below `least_quality`, the null image stands in: the face alone.
        """
        if batch.frames is None:
            raise ValueError("SCPT: expected frames (B, T, 3, S, S) of a face, got None: a window without a face "
                             "cannot be read; prepare it by `needs`")
        image, there = self._image(batch)
        frames = batch.frames.shape[1]
        tokens, codes = self._walk(pixels(batch.frames.flatten(0, 1), self.tower.plan, self.tower.dtype), image, frames)
        with torch.autocast(tokens.device.type, enabled=False):
            feature = self.tower.finish(tokens).float().unflatten(0, (-1, frames)).mean(dim=1)
            read = feature
            if self.options.read == "shared":
                read = torch.cat([one.shared for one in codes], dim=1)
                read = F.layer_norm(read, read.shape[1:])
            if self.door is not None and image is not None:
                logits = self._fused(read, self._beside(image))
            else:
                logits = self.head(self.dropout(read))
        return Answer(logits, there, feature, read, codes)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits (B, K)."""
        return self.read(batch).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-> what is to be minimised, by name, each with its weight."""
        if batch.target is None:
            raise ValueError("SCPT.loss: expected a target (B,), got None")
        answer, options = self.read(batch), self.options
        found = {"cross_entropy": cross_entropy(answer.logits, batch, self.share, options.smoothing)}
        if not (self.decoupled and self.training):
            return found
        if batch.subject is None:
            raise ValueError("SCPT.loss: expected the subject (B,) of each window, got None: the losses need it")
        return found | self._decoupling(answer.codes, batch.subject, batch.target)

    def _decoupling(self, codes: Sequence[Codes], subject: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The four losses, each the mean over layers; those that compare people do so over the whole batch."""
        options, gather = self.options, self.share.gather
        subject, target = gather(subject), gather(target)
        parts: dict[str, list[Tensor]] = {name: [] for name in ("adversarial", "specific", "orthogonal", "reconstruct")}
        for one in codes:
            own, both, u = one.specific, one.both, one.u
            if own is None or both is None or u is None:
                raise ValueError("SCPT.loss: expected both branches of every layer, got a stripped model")
            shared, own = gather(one.shared), gather(own)
            parts["adversarial"].append(self._adversary(shared, subject, target))
            parts["specific"].append(F.cross_entropy(self.who_specific(standard(own)), subject))
            parts["orthogonal"].append(orthogonality(shared, own))
            parts["reconstruct"].append(F.mse_loss(self.decoder(both), u))
        return {name: getattr(options, name) * torch.stack(each).mean() for name, each in parts.items()}

    def _adversary(self, code: Tensor, subject: Tensor, target: Tensor) -> Tensor:
        """What tells people apart by their shared codes (B, r), to be minimised; ramped."""
        options, strength = self.options, ramp(self.progress)
        if options.adversary == "kernel":
            return strength * apart(code, subject, target, options.condition)
        who = self.who_shared(Reverse.apply(standard(code), strength))
        if options.condition == "label":
            who = who.unflatten(1, (self.classes, self.subjects))
        return adversarial(who, subject, target, options.condition)

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-> shared and specific codes (B, layers, r) as they are at the end of training, for probes; no gradient."""
        modes = {part: part.training for part in self.adapters}
        with torch.no_grad():
            for part in modes:
                part.train()
            found = self.read(batch).codes
            for part, mode in modes.items():
                part.train(mode)
        shared, own = (torch.stack([getattr(one, name) for one in found], dim=1) for name in ("shared", "specific"))
        return shared, own

    def strip(self) -> SCPT:
        """Take out what only training needs: the specific branches and the subject heads; returns the model itself."""
        for part in self.adapters:
            part.specific = None  # type: ignore[assignment]
        for name in ("who_shared", "who_specific", "decoder"):
            if hasattr(self, name):
                delattr(self, name)
        self.subjects, self.decoupled = 0, False
        return self

    def _image(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        """-> the pulse (B, 3, S, S), None where it is not looked at, and (B,) where there is one."""
        count, device = len(batch), batch.frames.device  # type: ignore[union-attr]
        if not self.options.seen:
            return None, torch.zeros(count, dtype=torch.bool, device=device)
        there = torch.zeros(count, dtype=torch.bool, device=device)
        image = self.null.expand(count, 1, -1, -1)
        if batch.tfr is not None:
            quality = torch.ones(count, device=device) if batch.pulse_quality is None else batch.pulse_quality
            there = quality > self.options.least_quality
            if self.training and self.options.drop_pulse:
                there = there & (self.share.draw(torch.rand, count, device=device) >= self.options.drop_pulse)
            image = torch.where(there[:, None, None, None], batch.tfr.float(), image)
        return image.expand(-1, 3, -1, -1), there

    def _walk(self, x: Tensor, image: Tensor | None, frames: int) -> tuple[Tensor, tuple[Codes, ...]]:
        """Normalised pictures (B T, 3, S, S) -> tokens (B T, L, D) behind the last layer, and codes of each adapter."""
        tokens, codes = self.tower.embed(x), []
        join = self.training and self.options.stream == "both" and bool(torch.rand(()) < 0.5)
        pulse = tokens
        if self.prompts is not None and image is not None:
            pulse = self.prompts.begin(image).repeat_interleave(frames, dim=0)
        for i, block in enumerate(self.tower.blocks):
            if self.prompts is not None:
                tokens, pulse = self.prompts(i, tokens, pulse)
            tokens = tokens + block.attend(tokens)
            out = tokens + block.mlp(tokens)
            if len(self.adapters):
                added, found = self.adapters[i](block.mlp.norm(tokens).float(), frames, join)
                out = out + added.to(out.dtype)
                codes.append(found)
            tokens = out
        return tokens[:, : 1 + self.tower.plan.patches], tuple(codes)

    def _beside(self, image: Tensor) -> Tensor:
        """The pulse (B, 3, S, S) through the tower by a door of its own -> (B, d): for late fusion, concatenation."""
        embed = self.tower.embed
        patches = self.door(image).flatten(2).transpose(1, 2)  # type: ignore[misc]
        tokens = torch.cat([embed.cls.float().expand(len(image), 1, -1), patches], dim=1) + embed.positions
        tokens = embed.pre(tokens.to(self.tower.dtype))
        for block in self.tower.blocks:
            tokens = block(tokens)
        return self.tower.finish(tokens).float()

    def _fused(self, face: Tensor, pulse: Tensor) -> Tensor:
        if self.late is None:
            return self.head(self.dropout(torch.cat([face, pulse], dim=1)))
        each = torch.stack([self.head(self.dropout(face)), self.late(self.dropout(pulse))]).log_softmax(dim=-1)
        return each.logsumexp(dim=0)  # the mean of both decisions


def gradient_norms(losses: Mapping[str, Tensor], parameters: Iterable[Tensor]) -> dict[str, float]:
    """The norm of each loss's gradient, by its name; for the log. The graph is kept for the step itself."""
    learning = [value for value in parameters if value.requires_grad]
    norms = {}
    for name, loss in losses.items():
        found = torch.autograd.grad(loss, learning, retain_graph=True, allow_unused=True)
        norms[name] = float(torch.nn.utils.get_total_norm([value for value in found if value is not None]))
    return norms


def pooled(probs: np.ndarray, trials: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Probabilities (N, K) of windows, the trial of each -> trials in order of their first window, means (M, K)."""
    names = tuple(dict.fromkeys(trials))
    place = np.array([names.index(trial) for trial in trials], dtype=np.intp)
    if len(place) != len(probs):
        raise ValueError(f"pooled: expected the trial of each of {len(probs)} windows, got {len(place)}")
    total = np.zeros((len(names), probs.shape[1]))
    np.add.at(total, place, probs)
    return names, total / np.bincount(place, minlength=len(names))[:, None]
