"""LSEA, section III-C: aggregate features of frames and of class texts to one feature of the clip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import SelfAttention
from mien.models.duse.config import DuSEConfig, Similarity


class Lsea(nn.Module):
    """Latent Semantic Emotion Aggregator, III-C: F_V (B, T, d) and F_T (K, d) -> V_g (B, d) and attention weights."""

    def __init__(self, width: int, options: DuSEConfig):
        super().__init__()
        self.options = options
        self.attend = SelfAttention(width, heads=8, norm=options.residual)
        self.linear = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.heads = nn.Linear(width, options.heads * width)
        if options.begin == "clip":
            self._begin_as_clip()

    @torch.no_grad()
    def _begin_as_clip(self) -> None:
        """Initialise V_o as the mean of F_V and the heads as near copies of it, so that training starts from CLIP."""
        width = self.linear.in_features
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.score.weight)
        copies = torch.eye(width).repeat(self.options.heads, 1)
        self.heads.weight.copy_(copies + 0.1 / width**0.5 * torch.randn(copies.shape))
        empty: list[Tensor] = [self.linear.bias, self.heads.bias]
        if self.options.residual:
            empty += [self.attend.out.weight, self.attend.out.bias]
        for value in empty:
            nn.init.zeros_(value)

    def forward(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Aggregate F_V (B, T, d) and F_T (K, d) -> V_g (B, d), frame weights (B, T), class weights (B, N, K)."""
        options = self.options
        mixed = self.attend(video)                                                          # (9)
        if options.residual:
            mixed = video + mixed
        v_m = self.linear(mixed)                                                            # (10)
        weights = self.score(v_m).softmax(dim=1)
        v_o = (weights * v_m).sum(dim=1)                                                    # (11)
        v = self.heads(v_o).unflatten(-1, (options.heads, 1, -1))                           # (B, N, 1, d)
        t = self.heads(text).unflatten(-1, (options.heads, -1)).transpose(0, 1)             # (N, K, d)
        like = similarity(v, t, options.match, options.match_temperature).softmax(dim=-1)
        t_o = like @ t                                                                      # (12)
        v_g = (options.beta * v + (1 - options.beta) * t_o).mean(dim=(1, 2))                # (13)
        return v_g, weights.squeeze(-1), like.squeeze(2)


def similarity(a: Tensor, b: Tensor, kind: Similarity, temperature: float) -> Tensor:
    """Cosine or dot product of a (..., A, d) and b (..., B, d) -> (..., A, B), divided by the temperature."""
    if kind == "cosine":
        a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
    return a @ b.transpose(-1, -2) / temperature
