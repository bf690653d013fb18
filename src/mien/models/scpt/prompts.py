"""Three ways from the pulse's image to prompts in every layer of a tower.

Each has `begin(image (B, 3, S, S)) -> (B, P, D)`, the image as tokens, and is called with the layer, the tokens of the
stream (B T, 1 + P, D), class token first, and its own tokens (B T, P, D) -> both anew. Weights and sums are float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.scpt.options import Options
from mien.towers import Plan, sinusoids


def _linear(width: int, out: int, empty: bool = False) -> nn.Linear:
    """Xavier as in ViPT, or zeros."""
    made = nn.Linear(width, out)
    (nn.init.zeros_ if empty else nn.init.xavier_uniform_)(made.weight)
    nn.init.zeros_(made.bias)
    return made


def places(plan: Plan) -> Tensor:
    """(P, D): sines and cosines of row and column, half of the channels each, as in Chen et al. 2021, 2104.02057."""
    side = plan.size // plan.patch
    along = sinusoids(side, plan.width // 2)
    both = along[:, None].expand(-1, side, -1), along[None].expand(side, -1, -1)
    return torch.cat(both, dim=2).flatten(0, 1)


class _Door(nn.Module):
    """The image as tokens, by patches of its own that learn."""

    def __init__(self, plan: Plan):
        super().__init__()
        self.embed = nn.Conv2d(3, plan.width, plan.patch, plan.patch)
        nn.init.xavier_uniform_(self.embed.weight.flatten(1))
        nn.init.zeros_(self.embed.bias)  # type: ignore[arg-type]

    def begin(self, image: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, P, D)."""
        return self.embed(image).flatten(2).transpose(1, 2)


class Prompter(nn.Module):
    """One layer of ViPT's block: m0 of the face, m1 of the pulse -> P, which goes on as the pulse of the next layer."""

    def __init__(self, width: int, options: Options):
        super().__init__()
        self.face, self.pulse = _linear(width, options.hidden), _linear(width, options.hidden)
        self.out = _linear(options.hidden, width, empty=options.begin == "zero")
        self.sharpness = nn.Parameter(torch.tensor(options.sharpness))

    def forward(self, face: Tensor, pulse: Tensor) -> Tensor:
        """Both (B T, P, D) -> (B T, P, D)."""
        m0, m1 = self.face(face), self.pulse(pulse)
        return self.out(m0 * (self.sharpness * m0).softmax(dim=1) + m1)  # the fovea: over all places, each channel


class Mcp(_Door):
    """Modality-complementary prompts: Zhu et al. 2023, Visual Prompt Multi-Modal Tracking, arXiv 2303.10826.

    Patch by patch: the prompt made of a place in the image goes to that place of the face. Rows of the image are
    frequencies, which two registered pictures have none of: so its tokens are told their places, by fixed numbers.
    """

    places: Tensor

    def __init__(self, plan: Plan, options: Options):
        super().__init__(plan)
        self.register_buffer("places", places(plan), persistent=False)
        self.norms = nn.ModuleList(nn.LayerNorm(plan.width) for _ in range(plan.layers))
        self.layers = nn.ModuleList(Prompter(plan.width, options) for _ in range(plan.layers))

    def begin(self, image: Tensor) -> Tensor:
        return super().begin(image) + self.places

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        face = self.norms[max(layer - 1, 0)](tokens[:, 1:].float())
        prompt = self.layers[layer](face, self.norms[layer](pulse))
        return torch.cat([tokens[:, :1], tokens[:, 1:] + prompt.to(tokens.dtype)], dim=1), prompt


class _Placed(_Door):
    """Tokens that know their place: rows are frequencies, and attention alone would not see which."""

    def __init__(self, plan: Plan):
        super().__init__(plan)
        self.places = nn.Parameter(0.02 * torch.randn(plan.patches, plan.width))
        self.norm = nn.LayerNorm(plan.width)

    def begin(self, image: Tensor) -> Tensor:
        return self.norm(super().begin(image) + self.places)


class Crossing(_Placed):
    """Every patch of the face asks the whole image: a cell of the image and a patch of the face are not registered."""

    def __init__(self, plan: Plan, options: Options):
        super().__init__(plan)
        self.norms = nn.ModuleList(nn.LayerNorm(plan.width) for _ in range(plan.layers))
        self.ask = nn.ModuleList(_linear(plan.width, options.rank) for _ in range(plan.layers))
        self.kv = nn.ModuleList(_linear(plan.width, 2 * options.rank) for _ in range(plan.layers))
        self.out = nn.ModuleList(_linear(options.rank, plan.width, empty=options.begin == "zero")
                                 for _ in range(plan.layers))

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.kv[layer](pulse).chunk(2, dim=-1)
        q = self.ask[layer](self.norms[layer](tokens[:, 1:].float()))
        prompt = self.out[layer](F.scaled_dot_product_attention(q, k, v))
        return torch.cat([tokens[:, :1], tokens[:, 1:] + prompt.to(tokens.dtype)], dim=1), pulse


class Prepended(_Placed):
    """n tokens beside those of the face, new ones in each layer: Jia et al. 2022, Visual Prompt Tuning, 2203.12119.

    Each is a learned value and what its own question finds in the image.
    """

    def __init__(self, plan: Plan, options: Options):
        super().__init__(plan)
        self.count, self.patches = options.tokens, plan.patches
        self.base = nn.Parameter(0.02 * torch.randn(plan.layers, options.tokens, plan.width))
        self.ask = nn.Parameter(torch.randn(plan.layers, options.tokens, options.rank))
        self.kv = _linear(plan.width, 2 * options.rank)
        self.out = nn.ModuleList(_linear(options.rank, plan.width, empty=options.begin == "zero")
                                 for _ in range(plan.layers))

    def forward(self, layer: int, tokens: Tensor, pulse: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.kv(pulse).chunk(2, dim=-1)
        found = F.scaled_dot_product_attention(self.ask[layer].expand(len(pulse), -1, -1), k, v)
        prompt = self.base[layer] + self.out[layer](found)
        return torch.cat([tokens[:, : 1 + self.patches], prompt.to(tokens.dtype)], dim=1), pulse


GENERATORS = {"mcp": Mcp, "xattn": Crossing, "vpt": Prepended}
