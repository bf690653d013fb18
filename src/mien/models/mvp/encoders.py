"""Sequence encoders: a series in patches -> tokens with a mask of valid tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import Mlp
from mien.models.distributed_loss import SINGLE_PROCESS, DistributedBatch, Dropout
from mien.models.mvp.config import MVPConfig

Tokens = tuple[Tensor, Tensor]
"""Tokens (B, T, W) and a mask of the valid ones (B, T)."""


QUERY_KEY_GAIN = 3.0
"""Factor on torch's initial weights of queries and keys. Our choice: the scores then start with a standard deviation of
about 3, so that some heads attend to salient parts. torch's initial attention is uniform. An event of a few seconds in
a minute is then a few hundredths of the mean. No study compares the two."""


class EncoderLayer(nn.Module):
    """Pre-norm attention layer with MLP: x (B, T, W) attends to `keys` (B, L, W), or to itself, under a mask.

    The mask stays (B, 1, 1, L): fused attention accepts this shape and builds no T x L matrix. There is no dropout
    inside the attention for the same reason: on a CPU it would select an implementation that builds one.
    """

    def __init__(self, options: MVPConfig, cross: bool = False):
        super().__init__()
        width = options.width
        self.heads = options.attention_heads
        self.norm = nn.LayerNorm(width)
        self.other = nn.LayerNorm(width) if cross else None
        self.q, self.kv, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.mlp = Mlp(width, options.inner)
        self.drop = Dropout(options.dropout)
        with torch.no_grad():
            self.q.weight.mul_(QUERY_KEY_GAIN)
            self.kv.weight[:width].mul_(QUERY_KEY_GAIN)

    def forward(self, x: Tensor, mask: Tensor, keys: Tensor | None = None) -> Tensor:
        """Update x (B, T, W); `mask` (B, L) is True for valid keys."""
        q, k, v = self._parts(x, keys)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])                    # (1)
        x = x + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))
        return x + self.drop(self.mlp(x))

    def received_attention(self, x: Tensor, queries: Tensor, mask: Tensor, keys: Tensor | None = None) -> Tensor:
        """Attention (B, L) that each key receives, mean over heads and over the valid `queries` (B, T)."""
        q, k, _ = self._parts(x, keys)
        scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~mask[:, None, None], -torch.inf)
        return masked_mean(scores.softmax(dim=-1).mean(dim=1), queries)

    def _parts(self, x: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Q (B, H, T, w), K and V (B, H, L, w)."""
        x = self.norm(x)
        keys = x if keys is None or self.other is None else self.other(keys)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part in (self.q(x), *self.kv(keys).chunk(2, dim=-1)))
        return q, k, v


class SequenceEncoder(nn.Module):
    """Encoder: values (B, C, N) in patches of `samples`, `step` s each -> tokens (B, 1 + P, W).

    A patch of a channel is valid if all its samples are known; a learned vector replaces an invalid one. A token is
    valid if any channel is. The first token is learned and always valid. A missing modality is therefore one known
    token, which avoids a division by 0 and zeros that could be data.
    """

    def __init__(self, channels: int, samples: int, step: float, layers: int, options: MVPConfig):
        super().__init__()
        self.samples, self.step = samples, step
        self.embed = nn.Conv1d(channels, options.width, samples, samples)
        self.missing = nn.Parameter(0.02 * torch.randn(channels, options.width))
        self.anchor = nn.Parameter(0.02 * torch.randn(options.width))
        self.drop = Dropout(options.dropout)
        self.layers = nn.ModuleList(EncoderLayer(options) for _ in range(layers))

    def forward(self, values: Tensor, known: Tensor) -> Tokens:
        """Encode values (B, C, N) with a mask of known ones -> tokens (B, 1 + P, W) and a mask of valid tokens."""
        valid = complete_patches(known, self.samples)
        count = valid.shape[-1]
        tokens, mask = self.anchor.expand(len(values), 1, -1), known.new_ones(len(values), 1)
        if count:
            filled = valid.repeat_interleave(self.samples, dim=-1)
            rows = self.embed(values[..., : count * self.samples].masked_fill(~filled, 0.0)).transpose(1, 2)
            rows = rows + (~valid).to(rows.dtype).transpose(1, 2) @ self.missing
            rows = self.drop(rows + time_embedding(count, self.step, rows.shape[-1], rows.device))
            tokens, mask = torch.cat([tokens, rows], dim=1), torch.cat([mask, valid.any(dim=1)], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return tokens, mask


def time_embedding(count: int, step: float, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Sinusoidal time embedding (count, width) of the midpoints of rows, `step` s apart, in units of half a second.

    Vaswani et al. 2017, section 3.5. Both modalities use the same times, so attention can compare when events happen.
    """
    time = (torch.arange(count, device=device) + 0.5) * (step / 0.5)
    angle = time[:, None] / 10000 ** (torch.arange(0, width, 2, device=device) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


def complete_patches(known: Tensor, samples: int) -> Tensor:
    """Find the patches with all samples known, (B, C, N) -> (B, C, P); an incomplete patch at the end is dropped."""
    count = known.shape[-1] // samples
    return known[..., : count * samples].unflatten(-1, (count, samples)).all(dim=-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values (B, T, W) over the T where `mask` (B, T) is True -> (B, W)."""
    weight = mask.to(values.dtype)[..., None]
    return (values * weight).sum(dim=1) / weight.sum(dim=1)


def normalise_channels(values: Tensor, known: Tensor) -> Tensor:
    """Scale each channel of each trial (B, C, N) to mean 0 and standard deviation 1 over its known samples.

    A constant channel becomes 0.
    """
    if not values.shape[-1]:
        return values
    weight = known.to(values.dtype)
    count = weight.sum(dim=-1, keepdim=True).clamp_min(1)
    values = values.masked_fill(~known, 0.0)
    most = values.abs().amax(dim=-1, keepdim=True)
    for _ in range(2):  # the second pass removes the rounding error of a large offset
        values = (values - values.sum(dim=-1, keepdim=True) / count) * weight
    spread = ((values**2).sum(dim=-1, keepdim=True) / count).sqrt()
    return values / torch.maximum(spread, 1e-6 * most + 1e-30)  # less is rounding error, not a signal


def modality_dropout(
    signals_known: Tensor, video_known: Tensor, chance: float, share: DistributedBatch = SINGLE_PROCESS
) -> tuple[Tensor, Tensor]:
    """Randomly hide inputs in training: modality dropout.

    Each of these is hidden with `chance`: a channel, all signals, the video, and in signals and in video an interval of
    up to half the length. A trial that would lose all inputs keeps all of them.

    Args:
        signals_known: (B, C, N) bool.
        video_known: (B, D, S) bool.
        chance: 0..1.
        share: this process's part of the batch.

    Returns:
        Both masks without the hidden parts.
    """
    size, device = len(signals_known), signals_known.device
    keep = share.draw(torch.rand, size, signals_known.shape[1] + 2, 1, device=device) >= chance
    parts = [signals_known & keep[:, :-2] & keep[:, -2:-1], video_known & keep[:, -1:]]
    for i, part in enumerate(parts):
        start, length, drawn = share.draw(torch.rand, 3, size, 1, 1, axis=1, device=device)
        position = torch.arange(part.shape[-1], device=device) / max(part.shape[-1], 1)
        parts[i] = part & ~((position >= start) & (position < start + length / 2) & (drawn < chance))
    left = (parts[0].flatten(1).any(dim=1) | parts[1].flatten(1).any(dim=1))[:, None, None]
    return torch.where(left, parts[0], signals_known), torch.where(left, parts[1], video_known)
