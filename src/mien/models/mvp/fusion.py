"""Fusion of the two modalities: mid-fusion by cross-attention, and its alternatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from mien.models.distributed_loss import Dropout
from mien.models.mvp.config import MVPConfig
from mien.models.mvp.encoders import EncoderLayer, Tokens, masked_mean


@dataclass(frozen=True, eq=False)
class AttentionWeights:
    """Attention that the tokens of each modality received in fusion, (B, T) for each layer."""

    body: list[Tensor] = field(default_factory=list)
    face: list[Tensor] = field(default_factory=list)


class Fusion(nn.Module):
    """Fuse the tokens of physiology and video, or classify those of one modality -> logits (B, K).

    Cross-attention: H' = H_p + MHA(Q = LN H_p, K = V = LN H_v), H = H' + MLP(LN H'), then the mean of the valid tokens,
    layer norm, dropout and a linear layer. "both" runs it in both directions and concatenates the two means.
    """

    def __init__(self, options: MVPConfig):
        super().__init__()
        self.kind = "alone"
        if options.modality == "both":
            self.kind = options.fusion
        cross = {"cross": 1, "swapped": 1, "both": 2}.get(self.kind, 0)
        count = options.fusion_layers
        self.ways = nn.ModuleList(
            nn.ModuleList(EncoderLayer(options, cross=True) for _ in range(count)) for _ in range(cross)
        )
        self.joint = nn.ModuleList(EncoderLayer(options) for _ in range(count * (self.kind == "concat")))
        width = options.width * max(cross, 1)
        self.two = options.heads == "two"
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), Dropout(options.head_dropout), nn.Linear(width, options.classes))
            for _ in range(1 + (self.kind == "late")))

    def forward(
        self, body: Tokens | None, face: Tokens | None, present: Tensor, attention: AttentionWeights | None = None
    ) -> Tensor:
        """Fuse and classify.

        Args:
            body: tokens of physiology, None without this modality.
            face: tokens of video, None without this modality.
            present: (B, 2) bool, whether each modality has data.
            attention: collects the attention weights if given.

        Returns:
            Logits (B, K).
        """
        values = self._read(body, face, present, attention)
        if self.two:
            return joint_logits(values)
        return values

    def _read(self, body: Tokens | None, face: Tokens | None, present: Tensor, attention: AttentionWeights | None
              ) -> Tensor:
        if body is None or face is None:
            return self.heads[0](masked_mean(*(body or face)))  # type: ignore[misc]
        if self.kind == "late":
            logits = [head(masked_mean(*part)) for head, part in zip(self.heads, (body, face), strict=True)]
            return masked_mean(torch.stack(logits, dim=1), present | ~present.any(dim=1, keepdim=True))
        if self.kind == "concat":
            return self.heads[0](self._concat(body, face, attention))
        to_face, to_body = (None, None) if attention is None else (attention.face, attention.body)
        sides = [(body, face, to_face), (face, body, to_body)]
        chosen = {"cross": sides[:1], "swapped": sides[1:], "both": sides}[self.kind]
        fused = [_cross(way, queries, keys, weights)
                 for way, (queries, keys, weights) in zip(self.ways, chosen, strict=True)]
        return self.heads[0](torch.cat(fused, dim=-1))

    def _concat(self, body: Tokens, face: Tokens, attention: AttentionWeights | None) -> Tensor:
        tokens, mask = (torch.cat(pair, dim=1) for pair in zip(body, face, strict=True))
        cut = body[1].shape[1]
        for layer in cast(Iterable[EncoderLayer], self.joint):
            if attention is not None:
                received = layer.received_attention(tokens, mask, mask)
                attention.body.append(received[:, :cut])
                attention.face.append(received[:, cut:])
            tokens = layer(tokens, mask)
        return masked_mean(tokens, mask)


def joint_logits(values: Tensor) -> Tensor:
    """Join the logits of two heads, valence low, high and arousal low, high (B, 4), to those of low low, low high, ...

    Each joint logit (B, 4) is the sum of both heads' log-probabilities. The cross-entropy over the four classes is then
    the sum of the cross-entropies of both heads.
    """
    valence, arousal = values.unflatten(-1, (2, 2)).log_softmax(dim=-1).unbind(1)
    return (valence[:, :, None] + arousal[:, None]).flatten(1)


def _cross(layers: nn.Module, queries: Tokens, keys: Tokens, attention: list[Tensor] | None) -> Tensor:
    """Run the queries through layers of cross-attention to the keys -> their mean (B, W)."""
    tokens, mask = queries
    for layer in cast(Iterable[EncoderLayer], layers.children()):
        if attention is not None:
            attention.append(layer.received_attention(tokens, mask, keys[1], keys[0]))
        tokens = layer(tokens, keys[1], keys[0])
    return masked_mean(tokens, mask)
