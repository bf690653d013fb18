"""Three generators of prompts in every layer of a tower from the image of the pulse.

Each has `begin(image (B, 3, S, S)) -> (B, P, D)`, which encodes the image. Its `forward` gets the layer, the tokens of
the stream (B T, 1 + P, D), class token first, and the pulse tokens (B T, P, D), and returns both updated. Weights and
sums are float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import sinusoids
from mien.models.scpt.config import SCPTConfig
from mien.models.scpt.encoder import make_encoder


def _linear(width: int, out: int, empty: bool = False) -> nn.Linear:
    """A linear layer with Xavier initialisation as in ViPT, or with zeros."""
    layer = nn.Linear(width, out)
    if empty:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def position_embedding_2d(plan: BackboneConfig) -> Tensor:
    """Sinusoidal positions (P, D) of row and column, half of the channels each, as in Chen et al. 2021, 2104.02057."""
    side = plan.size // plan.patch
    along = sinusoids(side, plan.width // 2)
    both = along[:, None].expand(-1, side, -1), along[None].expand(side, -1, -1)
    return torch.cat(both, dim=2).flatten(0, 1)


class _Encoded(nn.Module):
    """A generator with an encoder of the image."""

    def __init__(self, plan: BackboneConfig, options: SCPTConfig):
        super().__init__()
        self.encoder = make_encoder(plan, options)

    def begin(self, image: Tensor) -> Tensor:
        """Encode images (B, 3, S, S) -> (B, P, D)."""
        return self.encoder(image)


class Prompter(nn.Module):
    """One layer of ViPT's block: m0 of the face, m1 of the pulse -> P, the pulse tokens of the next layer."""

    def __init__(self, width: int, options: SCPTConfig):
        super().__init__()
        self.face, self.pulse = _linear(width, options.hidden), _linear(width, options.hidden)
        self.out = _linear(options.hidden, width, empty=options.begin == "zero")
        self.sharpness = nn.Parameter(torch.tensor(options.sharpness))

    def forward(self, face: Tensor, pulse: Tensor) -> Tensor:
        """Combine face and pulse tokens, each (B T, P, D) -> (B T, P, D)."""
        m0, m1 = self.face(face), self.pulse(pulse)
        return self.out(m0 * (self.sharpness * m0).softmax(dim=1) + m1)  # the fovea: over all patches, per channel


class Mcp(_Encoded):
    """Modality-complementary prompts: Zhu et al. 2023, Visual Prompt Multi-Modal Tracking, arXiv 2303.10826.

    The prompt of a patch of the image is added to the same patch of the face. In ViPT both pictures are registered.
    Here the rows of the image are frequencies, so its tokens get fixed position embeddings.
    """

    places: Tensor

    def __init__(self, plan: BackboneConfig, options: SCPTConfig):
        super().__init__(plan, options)
        self.register_buffer("places", position_embedding_2d(plan), persistent=False)
        self.norms = nn.ModuleList(nn.LayerNorm(plan.width) for _ in range(plan.layers))
        self.layers = nn.ModuleList(Prompter(plan.width, options) for _ in range(plan.layers))

    def begin(self, image: Tensor) -> Tensor:
        """The tokens of the image with their places added."""
        return super().begin(image) + self.places

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens with the prompt of this layer added, and the prompt."""
        face = self.norms[max(layer - 1, 0)](tokens[:, 1:].float())
        prompt = self.layers[layer](face, self.norms[layer](pulse))
        return torch.cat([tokens[:, :1], tokens[:, 1:] + prompt.to(tokens.dtype)], dim=1), prompt


class _Placed(_Encoded):
    """Learned positions of the tokens: rows are frequencies, which attention alone could not distinguish."""

    def __init__(self, plan: BackboneConfig, options: SCPTConfig):
        super().__init__(plan, options)
        self.places = nn.Parameter(0.02 * torch.randn(plan.patches, plan.width))
        self.norm = nn.LayerNorm(plan.width)

    def begin(self, image: Tensor) -> Tensor:
        return self.norm(super().begin(image) + self.places)


class Crossing(_Placed):
    """Every patch of the face attends to the full image, since cells of the image and patches are not registered."""

    def __init__(self, plan: BackboneConfig, options: SCPTConfig):
        super().__init__(plan, options)
        self.norms = nn.ModuleList(nn.LayerNorm(plan.width) for _ in range(plan.layers))
        self.ask = nn.ModuleList(_linear(plan.width, options.rank) for _ in range(plan.layers))
        self.kv = nn.ModuleList(_linear(plan.width, 2 * options.rank) for _ in range(plan.layers))
        self.out = nn.ModuleList(_linear(options.rank, plan.width, empty=options.begin == "zero")
                                 for _ in range(plan.layers))

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens with the prompt of this layer added, and the prompt: tokens attend to the pulse."""
        k, v = self.kv[layer](pulse).chunk(2, dim=-1)
        q = self.ask[layer](self.norms[layer](tokens[:, 1:].float()))
        prompt = self.out[layer](F.scaled_dot_product_attention(q, k, v))
        return torch.cat([tokens[:, :1], tokens[:, 1:] + prompt.to(tokens.dtype)], dim=1), pulse


class Prepended(_Placed):
    """n additional tokens, new ones in each layer: Jia et al. 2022, Visual Prompt Tuning, 2203.12119.

    Each is the sum of a learned value and the result of a learned attention query to the image.
    """

    def __init__(self, plan: BackboneConfig, options: SCPTConfig):
        super().__init__(plan, options)
        self.count, self.patches = options.tokens, plan.patches
        self.base = nn.Parameter(0.02 * torch.randn(plan.layers, options.tokens, plan.width))
        self.ask = nn.Parameter(torch.randn(plan.layers, options.tokens, options.rank))
        self.kv = _linear(plan.width, 2 * options.rank)
        self.out = nn.ModuleList(_linear(options.rank, plan.width, empty=options.begin == "zero")
                                 for _ in range(plan.layers))

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens with the prompts of this layer in front, and the prompts."""
        k, v = self.kv(pulse).chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(self.ask[layer].expand(len(pulse), -1, -1), k, v)
        prompt = self.base[layer] + self.out[layer](attended)
        return torch.cat([tokens[:, : 1 + self.patches], prompt.to(tokens.dtype)], dim=1), pulse


GENERATORS = {"mcp": Mcp, "xattn": Crossing, "vpt": Prepended}
