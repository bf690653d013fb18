"""SigLIP's pooling of an image's tokens: a learned query attends to them, followed by an MLP.

Zhai et al. 2022, Scaling Vision Transformers (2106.04560), section 2.2; Tschannen et al. 2025, SigLIP 2 (2502.14786).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig


class AttentionPool(nn.Module):
    """Tokens (B, L, D), after the last layer norm -> features (B, D).

    Args:
        plan: the configuration of the tower.
        mlp: layer norm and MLP, (B, L, D) -> (B, L, D), as in a block.
    """

    def __init__(self, plan: BackboneConfig, mlp: nn.Module):
        super().__init__()
        self.heads = plan.heads
        self.probe = nn.Parameter(0.02 * torch.randn(1, 1, plan.width))
        self.qkv = nn.Linear(plan.width, 3 * plan.width)
        self.out = nn.Linear(plan.width, plan.width)
        self.mlp = mlp

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool tokens (B, L, D) to features (B, D)."""
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        sources = self.probe.expand(len(tokens), -1, -1), tokens, tokens
        query, key, value = (F.linear(source, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                             for source, weight, bias in zip(sources, weights, biases, strict=True))
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        pooled = self.out(mixed)
        return (pooled + self.mlp(pooled))[:, 0]
