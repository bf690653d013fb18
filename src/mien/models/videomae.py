"""VideoMAE on faces: pre-training without labels, fine-tuning with few labels, and features of clips.

Tong, Song, Wang, Wang 2022, VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video
Pre-Training, https://arxiv.org/abs/2203.12602; MVP (2501.03103, figure 2) uses it as one of its two video backbones.
Nine tenths of a clip's patches are masked, the same ones in every frame ("tubes"), so that nothing can be copied from
the next frame. The tower encodes the visible patches, and a small decoder reconstructs the masked ones.

B clips of T frames, 3 x S x S px; L patches of `tubelet` frames and `patch` x `patch` px; V of them visible. This
module does not know folds: `clip_feature_cache` keeps validation and test subjects out of the training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Block, Tower, normalise_pixels, sinusoids
from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements

MASK_RATIO = 0.9  # the paper's
CLIP_SECONDS = 2.56
"""Length of a clip in s: 16 frames, every fourth at 25 Hz, as VideoMAE samples Kinetics (2203.12602)."""

WIDTH, LAYERS, HEADS = 384, 4, 6  # of the decoder of ViT-B: half as wide, 4 layers (MCG-NJU/VideoMAE)


class MaskedVideoMAE(nn.Module):
    """Pre-training by masked reconstruction; `loss` is the mean squared error of the masked pixels.

    Args:
        tower: a VideoMAE.
        share: share of the patches that is masked, 0..1.
        width, layers, heads: size of the decoder, which is discarded afterwards.
    """

    positions: Tensor

    def __init__(self, tower: Tower, share: float = MASK_RATIO, width: int = WIDTH, layers: int = LAYERS,
                 heads: int = HEADS):
        super().__init__()
        _check(tower)
        plan = tower.plan
        count = (plan.size // plan.patch) ** 2
        if not 1 <= int(share * count) < count:
            raise ValueError(f"share: expected 1 or more of {count} places hidden, 1 or more visible, got {share}")
        self.tower, self.share = tower, share
        small = BackboneConfig("videomae", width, layers, heads, 4 * width, eps=plan.eps)
        self.enter = nn.Linear(plan.width, width, bias=False)
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(small) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.paint = nn.Linear(width, 3 * plan.tubelet * plan.patch**2)
        self.register_buffer("positions", sinusoids(plan.patches, width), persistent=False)

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        return _needs(self.tower.plan)

    def forward(self, frames: Tensor, hidden: Tensor) -> Tensor:
        """Reconstruct the masked patches.

        Args:
            frames: (B, T, 3, S, S), uint8 or float 0..1.
            hidden: (B, L) bool, equally many masked patches per clip.

        Returns:
            (B, L - V, 3 tubelet patch^2).
        """
        tower = self.tower
        tokens = tower.embed(normalise_pixels(frames, tower.plan, tower.dtype))
        tokens = tokens[~hidden].unflatten(0, (len(frames), -1))
        for block in tower.blocks:
            tokens = block(tokens)
        tokens = self.enter(tower.finish.norm(tokens))
        positions = self.positions.expand(len(frames), -1, -1)
        visible, masked = (positions[which].unflatten(0, (len(frames), -1)) for which in (~hidden, hidden))
        tokens = torch.cat([tokens + visible, self.mask + masked], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.paint(self.norm(tokens[:, -masked.shape[1] :]))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss by name. torch's generator draws the masked patches."""
        frames = _frames(batch, "MaskedVideoMAE.loss")
        hidden = random_tubes(self.tower.plan, len(frames), self.share).to(frames.device)
        expected = pixel_targets(frames, self.tower.plan)[hidden].unflatten(0, (len(frames), -1))
        return {"pixels": F.mse_loss(self(frames, hidden), expected)}


class VideoMAEClassifier(nn.Module):
    """Fine-tuning: the tower with a linear classifier, for example of low and high valence."""

    def __init__(self, tower: Tower, classes: int = 2):
        super().__init__()
        _check(tower)
        self.tower = tower
        self.head = nn.Linear(tower.plan.features, classes)

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        return _needs(self.tower.plan)

    def forward(self, batch: Batch) -> Tensor:
        """Classify a batch -> logits (B, K)."""
        plan = self.tower.plan
        pixels = normalise_pixels(_frames(batch, "VideoMAEClassifier"), plan, self.tower.dtype)
        return self.head(self.tower(pixels).float())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss by name. Raises ValueError for a batch without targets."""
        if batch.target is None:
            raise ValueError("VideoMAEClassifier.loss: expected a target (B,), got none: train on clips with labels")
        return {"cross_entropy": F.cross_entropy(self(batch), batch.target)}


def random_tubes(plan: BackboneConfig, count: int, share: float) -> Tensor:
    """Draw the masked patches of `count` clips -> (count, L) bool: a share of a frame's patches, equal in all frames.
    """
    per_frame, times = (plan.size // plan.patch) ** 2, plan.frames // plan.tubelet
    order = torch.rand(count, per_frame).argsort(dim=1)
    return (order < int(share * per_frame)).repeat(1, times)


def pixel_targets(frames: Tensor, plan: BackboneConfig) -> Tensor:
    """Compute the reconstruction targets of frames (B, T, 3, S, S), uint8 or float 0..1.

    Each patch and colour channel has mean 0 and standard deviation 1, as in MAE (2111.06377). The model then learns
    contrast and texture, not brightness.

    Returns:
        (B, L, 3 tubelet patch^2).
    """
    side, step, patch = plan.size // plan.patch, plan.tubelet, plan.patch
    scaled = frames.float()
    if frames.dtype == torch.uint8:
        scaled = scaled / 255
    cubes = scaled.reshape(len(frames), plan.frames // step, step, 3, side, patch, side, patch)
    cubes = cubes.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(len(frames), plan.patches, step * patch**2, 3)
    spread, middle = torch.std_mean(cubes, dim=2, keepdim=True)
    return ((cubes - middle) / (spread + 1e-6)).flatten(2)


def pretrain_step(
    model: Any,
    batches: Iterable[Batch],
    steps: int,
    rate: float,
    *,
    decay: float = 0.05,
    warm: float = 0.1,
    beta: float = 0.95,
) -> list[float]:
    """Train with AdamW, warm-up and a cosine schedule. On an NVIDIA GPU matrix products are in bfloat16.

    Args:
        model: a module with `loss(batch)`.
        batches: at least `steps` batches.
        steps: number of steps.
        rate: peak learning rate.
        decay: weight decay.
        warm: share of the steps with a rising rate; MCG-NJU/VideoMAE has 40 of 800 or 5 of 75 epochs.
        beta: second beta of AdamW: 0.95 for pre-training, 0.999 for fine-tuning (MCG-NJU/VideoMAE).

    Returns:
        The loss of each step.

    Raises:
        ValueError: there are too few batches, or a loss is not finite.
    """
    learning = [value for value in model.parameters() if value.requires_grad]
    adam = torch.optim.AdamW(learning, rate, betas=(0.9, beta), weight_decay=decay)
    rise, kind = max(1, round(warm * steps)), learning[0].device.type
    model.train()
    losses: list[float] = []
    for step, batch in zip(range(steps), batches, strict=False):
        share = (step + 1) / rise
        if step >= rise:
            share = (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2
        for group in adam.param_groups:
            group["lr"] = rate * share
        adam.zero_grad()
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            loss = torch.stack(list(model.loss(batch).values())).sum()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise ValueError(f"step {step + 1}: expected a finite loss, got {losses[-1]}: lower the rate {rate:g}")
        loss.backward()
        adam.step()
    if len(losses) < steps:
        raise ValueError(f"learn: expected batches for {steps} steps, got {len(losses)}: repeat them")
    model.eval()
    return losses


@torch.no_grad()
def clip_features(tower: Tower, clips: Iterable[Tensor]) -> Tensor:
    """Compute the features (N, d) float32 of clips uint8 (T, 3, S, S), one clip at a time; the result is on the CPU."""
    _check(tower)
    device = next(tower.parameters()).device
    rows = [tower(normalise_pixels(clip[None].to(device), tower.plan, tower.dtype)).float().cpu() for clip in clips]
    return torch.cat([torch.zeros(0, tower.plan.features), *rows])


def _needs(plan: BackboneConfig) -> ModelRequirements:
    return ModelRequirements(frames=plan.frames, size=plan.size, mean=plan.mean, std=plan.std)


def _frames(batch: Batch, name: str) -> Tensor:
    if batch.frames is None:
        raise ValueError(f"{name}: expected frames (B, T, 3, S, S) in the batch, got None: prepare it by `needs`")
    return batch.frames


def _check(tower: Tower) -> None:
    if tower.plan.kind != "videomae":
        raise ValueError(f"expected a tower of kind videomae, got {tower.plan.kind}: load it as one")
