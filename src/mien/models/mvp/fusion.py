"""What joins the two modalities: mid-fusion by cross-attention, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from mien.models.mvp.options import Options
from mien.models.mvp.streams import Layer, Tokens, mean
from mien.models.shared import Dropout


@dataclass(frozen=True, eq=False)
class Paid:
    """Attention that the tokens of each modality got in fusion, (B, T) for each layer."""

    body: list[Tensor] = field(default_factory=list)
    face: list[Tensor] = field(default_factory=list)


class Fusion(nn.Module):
    """Tokens of physiology and of video, of one or of both -> logits (B, K).

    Cross-attention: H' = H_p + MHA(Q = LN H_p, K = V = LN H_v), H = H' + MLP(LN H'), then the mean of the tokens that
    hold, layer norm, dropout, a linear map. "both" does it both ways and puts the two means side by side.
    """

    def __init__(self, options: Options):
        super().__init__()
        self.kind = options.fusion if options.modality == "both" else "alone"
        cross = {"cross": 1, "swapped": 1, "both": 2}.get(self.kind, 0)
        count = options.fusion_layers
        self.ways = nn.ModuleList(nn.ModuleList(Layer(options, cross=True) for _ in range(count)) for _ in range(cross))
        self.joint = nn.ModuleList(Layer(options) for _ in range(count * (self.kind == "concat")))
        width = options.width * max(cross, 1)
        self.two = options.heads == "two"
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), Dropout(options.head_dropout), nn.Linear(width, options.classes))
            for _ in range(2 if self.kind == "late" else 1))

    def forward(self, body: Tokens | None, face: Tokens | None, there: Tensor, paid: Paid | None = None) -> Tensor:
        """`there` (B, 2): whether anything of each modality is known; `paid` is filled where it is given."""
        values = self._read(body, face, there, paid)
        return pairs(values) if self.two else values

    def _read(self, body: Tokens | None, face: Tokens | None, there: Tensor, paid: Paid | None) -> Tensor:
        if body is None or face is None:
            return self.heads[0](mean(*(body or face)))  # type: ignore[misc]
        if self.kind == "late":
            answers = [head(mean(*part)) for head, part in zip(self.heads, (body, face), strict=True)]
            return mean(torch.stack(answers, dim=1), there | ~there.any(dim=1, keepdim=True))
        if self.kind == "concat":
            return self.heads[0](self._concat(body, face, paid))
        sides = [(body, face, paid.face if paid else None), (face, body, paid.body if paid else None)]
        chosen = {"cross": sides[:1], "swapped": sides[1:], "both": sides}[self.kind]
        return self.heads[0](torch.cat([_ask(way, *side) for way, side in zip(self.ways, chosen, strict=True)], dim=-1))

    def _concat(self, body: Tokens, face: Tokens, paid: Paid | None) -> Tensor:
        tokens, held = (torch.cat(pair, dim=1) for pair in zip(body, face, strict=True))
        cut = body[1].shape[1]
        for layer in cast(Iterable[Layer], self.joint):
            if paid is not None:
                got = layer.paid(tokens, held, held)
                paid.body.append(got[:, :cut])
                paid.face.append(got[:, cut:])
            tokens = layer(tokens, held)
        return mean(tokens, held)


def pairs(values: Tensor) -> Tensor:
    """Of two heads, valence low, high and arousal low, high (B, 4) -> logits (B, 4) of low low, low high, ...

    Each is the sum of both heads' log-probabilities, so that cross-entropy over the four is the sum of both heads' own.
    """
    valence, arousal = values.unflatten(-1, (2, 2)).log_softmax(dim=-1).unbind(1)
    return (valence[:, :, None] + arousal[:, None]).flatten(1)


def _ask(layers: nn.Module, asks: Tokens, answers: Tokens, paid: list[Tensor] | None) -> Tensor:
    """Tokens that ask, through layers that look at those that answer -> their mean (B, W)."""
    tokens, held = asks
    for layer in cast(Iterable[Layer], layers.children()):
        if paid is not None:
            paid.append(layer.paid(tokens, held, answers[1], answers[0]))
        tokens = layer(tokens, answers[1], answers[0])
    return mean(tokens, held)
