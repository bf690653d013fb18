"""VideoMAE on faces: learn from clips without labels, then from few with, then stand still and give features.

Tong, Song, Wang, Wang 2022, VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video
Pre-Training, https://arxiv.org/abs/2203.12602; MVP (2501.03103, figure 2) takes it as one of its two video backbones.
Nine tenths of a clip's places are hidden, the same in every frame ("tubes"), so that nothing can be copied from the
next frame; the tower reads the rest, and a small decoder paints what was hidden.

B clips of T frames, 3 x S x S px; L places of `tubelet` frames and `patch` x `patch` px; V of them visible. None of it
knows folds: `data.features` sees to it that nobody who is tested is learnt from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.batch import Batch
from mien.towers import Block, Plan, Tower, pixels, sinusoids
from mien.types import Needs

MASKED = 0.9  # the paper's
WIDTH, LAYERS, HEADS = 384, 4, 6  # of the decoder of ViT-B: half as wide, 4 layers (MCG-NJU/VideoMAE)


class Masked(nn.Module):
    """Pre-training: `loss` of a batch of clips is how far the painted pixels are from those that were hidden.

    `share` of the places that is hidden; `width`, `layers`, `heads` of the decoder, which is thrown away afterwards.
    """

    positions: Tensor

    def __init__(self, tower: Tower, share: float = MASKED, width: int = WIDTH, layers: int = LAYERS,
                 heads: int = HEADS):
        super().__init__()
        _check(tower)
        plan = tower.plan
        room = (plan.size // plan.patch) ** 2
        if not 1 <= int(share * room) < room:
            raise ValueError(f"share: expected 1 or more of {room} places hidden, 1 or more visible, got {share}")
        self.tower, self.share = tower, share
        small = Plan("videomae", width, layers, heads, 4 * width, eps=plan.eps)
        self.enter = nn.Linear(plan.width, width, bias=False)
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(small) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.paint = nn.Linear(width, 3 * plan.tubelet * plan.patch**2)
        self.register_buffer("positions", sinusoids(plan.patches, width), persistent=False)

    @property
    def needs(self) -> Needs:
        return _needs(self.tower.plan)

    def forward(self, frames: Tensor, hidden: Tensor) -> Tensor:
        """Frames (B, T, 3, S, S), `hidden` (B, L), equally many in each -> painted (B, L - V, 3 tubelet patch^2)."""
        tower = self.tower
        tokens = tower.embed(pixels(frames, tower.plan, tower.dtype))
        tokens = tokens[~hidden].unflatten(0, (len(frames), -1))
        for block in tower.blocks:
            tokens = block(tokens)
        tokens = self.enter(tower.finish.norm(tokens))
        places = self.positions.expand(len(frames), -1, -1)
        seen, wanted = (places[which].unflatten(0, (len(frames), -1)) for which in (~hidden, hidden))
        tokens = torch.cat([tokens + seen, self.mask + wanted], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.paint(self.norm(tokens[:, -wanted.shape[1] :]))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-> what is to be minimised; which places are hidden torch's generator draws."""
        frames = _frames(batch, "Masked.loss")
        hidden = tubes(self.tower.plan, len(frames), self.share).to(frames.device)
        wanted = targets(frames, self.tower.plan)[hidden].unflatten(0, (len(frames), -1))
        return {"pixels": F.mse_loss(self(frames, hidden), wanted)}


class Judging(nn.Module):
    """Fine-tuning: the tower with a linear map from its features to the classes, such as low and high valence."""

    def __init__(self, tower: Tower, classes: int = 2):
        super().__init__()
        _check(tower)
        self.tower = tower
        self.head = nn.Linear(tower.plan.features, classes)

    @property
    def needs(self) -> Needs:
        return _needs(self.tower.plan)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits (B, K)."""
        plan = self.tower.plan
        return self.head(self.tower(pixels(_frames(batch, "Judging"), plan, self.tower.dtype)).float())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-> what is to be minimised."""
        if batch.target is None:
            raise ValueError("Judging.loss: expected a target (B,), got none: train on clips with labels")
        return {"cross_entropy": F.cross_entropy(self(batch), batch.target)}


def tubes(plan: Plan, count: int, share: float) -> Tensor:
    """(count, L), True where a place is hidden: a share of the places of a frame, the same through all frames."""
    room, times = (plan.size // plan.patch) ** 2, plan.frames // plan.tubelet
    order = torch.rand(count, room).argsort(dim=1)
    return (order < int(share * room)).repeat(1, times)


def targets(frames: Tensor, plan: Plan) -> Tensor:
    """Frames (B, T, 3, S, S), uint8 or float 0..1 -> what is to be painted at each place (B, L, 3 tubelet patch^2).

    Of each place and colour with mean 0 and deviation 1, as in MAE (2111.06377): contrast and texture are to be learnt,
    not brightness.
    """
    side, step, patch = plan.size // plan.patch, plan.tubelet, plan.patch
    scaled = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
    cubes = scaled.reshape(len(frames), plan.frames // step, step, 3, side, patch, side, patch)
    cubes = cubes.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(len(frames), plan.patches, step * patch**2, 3)
    spread, middle = torch.std_mean(cubes, dim=2, keepdim=True)
    return ((cubes - middle) / (spread + 1e-6)).flatten(2)


def learn(model: Any, batches: Iterable[Batch], steps: int, rate: float, *, decay: float = 0.05, warm: float = 0.1,
          beta: float = 0.95) -> list[float]:
    """Steps of AdamW with warm-up and a cosine over `batches`, of which there must be enough -> the loss of each step.

    `decay` and `beta`: 0.95 for pre-training, 0.999 for fine-tuning (MCG-NJU/VideoMAE); `warm`: share of the
    steps in which the rate rises, there 40 of 800 epochs or 5 of 75. On an NVIDIA GPU matrix products are in bfloat16.
    ValueError for too few batches and for a loss that is not finite.
    """
    learning = [value for value in model.parameters() if value.requires_grad]
    adam = torch.optim.AdamW(learning, rate, betas=(0.9, beta), weight_decay=decay)
    rise, kind = max(1, round(warm * steps)), learning[0].device.type
    model.train()
    losses: list[float] = []
    for step, batch in zip(range(steps), batches, strict=False):
        share = (step + 1) / rise if step < rise else (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2
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
def features(tower: Tower, clips: Iterable[Tensor]) -> Tensor:
    """Clips uint8 (T, 3, S, S), one after the other -> their features (N, d) float32, on the CPU."""
    _check(tower)
    device = next(tower.parameters()).device
    found = [tower(pixels(clip[None].to(device), tower.plan, tower.dtype)).float().cpu() for clip in clips]
    return torch.cat(found) if found else torch.zeros(0, tower.plan.features)


def _needs(plan: Plan) -> Needs:
    return Needs(frames=plan.frames, size=plan.size, mean=plan.mean, std=plan.std)


def _frames(batch: Batch, who: str) -> Tensor:
    if batch.frames is None:
        raise ValueError(f"{who}: expected frames (B, T, 3, S, S) in the batch, got None: prepare it by `needs`")
    return batch.frames


def _check(tower: Tower) -> None:
    if tower.plan.kind != "videomae":
        raise ValueError(f"expected a tower of kind videomae, got {tower.plan.kind}: load it as one")
