"""Encoders of the pulse image: from an image (B, 3, S, S) to one token for each patch, (B, P, D).

Which frequency a patch holds is a product of its content and its place. A frozen tower cannot learn such products, so
something nonlinear has to stand before it: with ViPT's linear patches SCPT falls behind a linear reading of the image.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.models.scpt.config import SCPTConfig

CHANNELS = (16, 32, 64, 96)
"""Of the CNN's stages. Our choice: at D = 768 the CNN has half as many parameters as ViPT's patches."""


class PatchEncoder(nn.Module):
    """ViPT's trainable patch embedding, without a nonlinearity."""

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.embed = nn.Conv2d(3, plan.width, plan.patch, plan.patch)
        nn.init.xavier_uniform_(self.embed.weight.flatten(1))
        nn.init.zeros_(self.embed.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Encode (B, 3, S, S) -> (B, P, D)."""
        return self.embed(image).flatten(2).transpose(1, 2)


class MlpEncoder(PatchEncoder):
    """ViPT's patch embedding, then a residual MLP of each token."""

    def __init__(self, plan: BackboneConfig):
        super().__init__(plan)
        inner = max(plan.width // 4, 8)  # our choice
        self.mlp = nn.Sequential(nn.LayerNorm(plan.width), nn.Linear(plan.width, inner), nn.GELU(),
                                 nn.Linear(inner, plan.width))

    def forward(self, image: Tensor) -> Tensor:
        """Time-frequency images -> tokens, each with its own MLP added."""
        tokens = super().forward(image)
        return tokens + self.mlp(tokens)


class ResidualStage(nn.Module):
    """Two 3 x 3 convolutions with half the resolution, and a shortcut: He et al. 2016, arXiv 1512.03385.

    Group norm (Wu & He 2018, arXiv 1803.08494) instead of batch norm: a window's tokens must not depend on the batch.
    """

    def __init__(self, width: int, out: int):
        super().__init__()
        self.first = nn.Conv2d(width, out, 3, 2, 1, bias=False)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(width, out, 1, 2, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(8, out) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Apply two convolutions with a shortcut."""
        inner = F.gelu(self.norms[0](self.first(x)))
        return F.gelu(self.norms[1](self.second(inner)) + self.norms[2](self.shortcut(x)))


class CnnEncoder(nn.Module):
    """A light residual CNN, as the digest says; its form is our choice.

    A stem and residual stages halve the resolution until one more would be coarser than the tower's patches. The mean
    within each patch, and a linear map, give the patch's token.
    """

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.side = plan.size // plan.patch
        count = plan.patch.bit_length() - 1  # halvings, stem included
        widths = [CHANNELS[min(stage, len(CHANNELS) - 1)] for stage in range(max(count, 1))]
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.GroupNorm(8, widths[0]), nn.GELU())
        self.stages = nn.Sequential(*(ResidualStage(*pair) for pair in itertools.pairwise(widths)))
        self.out = nn.Linear(widths[-1], plan.width)

    def forward(self, image: Tensor) -> Tensor:
        """Encode (B, 3, S, S) -> (B, P, D)."""
        maps = F.adaptive_avg_pool2d(self.stages(self.stem(image)), self.side)
        return self.out(maps.flatten(2).transpose(1, 2))


ENCODERS: dict[str, type[nn.Module]] = {"cnn": CnnEncoder, "mlp": MlpEncoder, "patch": PatchEncoder}


def make_encoder(plan: BackboneConfig, options: SCPTConfig) -> nn.Module:
    """The encoder that the options name, for a tower's patches."""
    return ENCODERS[options.encoder](plan)
