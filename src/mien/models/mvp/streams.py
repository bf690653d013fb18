"""The backbones: a series in patches -> tokens, with a mask of those that hold."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.mvp.options import Options
from mien.models.shared import ALONE, Dropout, Share
from mien.towers import Mlp

Tokens = tuple[Tensor, Tensor]
"""(B, T, W), and which of them hold (B, T)."""


SHARP = 3.0
"""Times torch's own start of queries and keys. Our choice: scores then begin with a deviation of about 3, so that some
heads look at what stands out. Even attention, which is torch's start, makes of an event of seconds in a minute a few
hundredths of a mean, and two such events are found together late or never (`mien bench evidence/mvp`)."""


class Layer(nn.Module):
    """x (B, T, W) looks at `keys` (B, L, W), or at itself, where `held` (B, L) is True; pre-norm, with its MLP.

    The mask stays (B, 1, 1, L): fused attention reads it so, and no T x L table comes to be. No dropout inside the
    attention for the same reason: on a processor it would switch to the way that makes one.
    """

    def __init__(self, options: Options, cross: bool = False):
        super().__init__()
        width = options.width
        self.heads = options.attention_heads
        self.norm = nn.LayerNorm(width)
        self.other = nn.LayerNorm(width) if cross else None
        self.q, self.kv, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.mlp = Mlp(width, options.inner)
        self.drop = Dropout(options.dropout)
        with torch.no_grad():
            self.q.weight.mul_(SHARP)
            self.kv.weight[:width].mul_(SHARP)

    def forward(self, x: Tensor, held: Tensor, keys: Tensor | None = None) -> Tensor:
        q, k, v = self._parts(x, keys)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=held[:, None, None])                    # (1)
        x = x + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))
        return x + self.drop(self.mlp(x))

    def paid(self, x: Tensor, asks: Tensor, held: Tensor, keys: Tensor | None = None) -> Tensor:
        """Attention (B, L) that each key gets, mean over heads and over the queries that `asks` (B, T) names."""
        q, k, _ = self._parts(x, keys)
        scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~held[:, None, None], -torch.inf)
        return mean(scores.softmax(dim=-1).mean(dim=1), asks)

    def _parts(self, x: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """-> Q (B, H, T, w), K and V (B, H, L, w)."""
        x = self.norm(x)
        keys = x if keys is None or self.other is None else self.other(keys)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                   for part in (self.q(x), *self.kv(keys).chunk(2, dim=-1)))
        return q, k, v


class Stream(nn.Module):
    """A backbone: values (B, C, N) in patches of `samples`, `step` s each -> tokens (B, 1 + P, W).

    A patch of a channel counts when each of its samples is known; for one that is not a learnt vector stands, and a
    token holds while any channel does. The first token is learnt and always there, so that a modality that is missing
    altogether is one known token, and neither a division by 0 nor zeros that could be data.
    """

    def __init__(self, channels: int, samples: int, step: float, layers: int, options: Options):
        super().__init__()
        self.samples, self.step = samples, step
        self.embed = nn.Conv1d(channels, options.width, samples, samples)
        self.missing = nn.Parameter(0.02 * torch.randn(channels, options.width))
        self.anchor = nn.Parameter(0.02 * torch.randn(options.width))
        self.drop = Dropout(options.dropout)
        self.layers = nn.ModuleList(Layer(options) for _ in range(layers))

    def forward(self, values: Tensor, known: Tensor) -> Tokens:
        """values (B, C, N) and what of them is known -> tokens (B, 1 + P, D), and which of them hold anything."""
        there = whole(known, self.samples)
        count = there.shape[-1]
        tokens, held = self.anchor.expand(len(values), 1, -1), known.new_ones(len(values), 1)
        if count:
            filled = there.repeat_interleave(self.samples, dim=-1)
            rows = self.embed(values[..., : count * self.samples].masked_fill(~filled, 0.0)).transpose(1, 2)
            rows = rows + (~there).to(rows.dtype).transpose(1, 2) @ self.missing
            rows = self.drop(rows + clock(count, self.step, rows.shape[-1], rows.device))
            tokens, held = torch.cat([tokens, rows], dim=1), torch.cat([held, there.any(dim=1)], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, held)
        return tokens, held


def clock(count: int, step: float, width: int, device: torch.device | str = "cpu") -> Tensor:
    """(count, width): sines and cosines of the time at the middle of each row, `step` s apart, in half seconds.

    Vaswani et al. 2017, section 3.5. Both modalities have the same clock, so that attention can tell what was when.
    """
    time = (torch.arange(count, device=device) + 0.5) * (step / 0.5)
    angle = time[:, None] / 10000 ** (torch.arange(0, width, 2, device=device) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


def whole(known: Tensor, samples: int) -> Tensor:
    """(B, C, N) -> (B, C, P): patches of which every sample is known; what fills no patch is left out."""
    count = known.shape[-1] // samples
    return known[..., : count * samples].unflatten(-1, (count, samples)).all(dim=-1)


def mean(values: Tensor, held: Tensor) -> Tensor:
    """values (B, T, W) -> (B, W): mean over the T that `held` (B, T) names."""
    weight = held.to(values.dtype)[..., None]
    return (values * weight).sum(dim=1) / weight.sum(dim=1)


def standardise(values: Tensor, known: Tensor) -> Tensor:
    """(B, C, N) -> each channel of each trial with mean 0 and deviation 1 over what is known of it; a flat one is 0."""
    weight = known.to(values.dtype)
    count = weight.sum(dim=-1, keepdim=True).clamp_min(1)
    values = values.masked_fill(~known, 0.0)
    most = values.abs().amax(dim=-1, keepdim=True) if values.shape[-1] else values.new_zeros(1)
    for _ in range(2):  # the second time for what rounding left of a large offset
        values = (values - values.sum(dim=-1, keepdim=True) / count) * weight
    spread = ((values**2).sum(dim=-1, keepdim=True) / count).sqrt()
    return values / torch.maximum(spread, 1e-6 * most + 1e-30)  # less is rounding, not a signal


def forget(heard: Tensor, seen: Tensor, chance: float, share: Share = ALONE) -> tuple[Tensor, Tensor]:
    """What is known of signals (B, C, N) and video (B, D, S) -> the same without what is drawn to be hidden.

    With `chance` each: a channel, all signals, the video; and of signals and of video a stretch of up to half. A trial
    that would be left with nothing keeps all.
    """
    size, device = len(heard), heard.device
    keep = share.draw(torch.rand, size, heard.shape[1] + 2, 1, device=device) >= chance
    parts = [heard & keep[:, :-2] & keep[:, -2:-1], seen & keep[:, -1:]]
    for i, part in enumerate(parts):
        start, length, drawn = share.draw(torch.rand, 3, size, 1, 1, axis=1, device=device)
        place = torch.arange(part.shape[-1], device=device) / max(part.shape[-1], 1)
        parts[i] = part & ~((place >= start) & (place < start + length / 2) & (drawn < chance))
    left = parts[0].flatten(1).any(dim=1) | parts[1].flatten(1).any(dim=1)
    return (torch.where(left[:, None, None], parts[0], heard), torch.where(left[:, None, None], parts[1], seen))
