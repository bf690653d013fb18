"""Baselines of SCPT: other ways to combine the face with the image of the pulse, or to read the pulse alone.

The digest names single modalities, concatenation, cross-attention and a multimodal transformer, but not their forms.
The forms, late fusion and both readings of the spectrum are our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import Tower
from mien.models.distributed_loss import Dropout

HEADS = 8
"""Attention heads: 8 divides the feature width of every tower that we know."""


@dataclass(frozen=True, eq=False)
class FusionInputs:
    """What a baseline may read.

    Attributes:
        face: (B, d), mean of the frame features.
        frames: (B, T, d), frame features.
        image: (B, 1, S, S), the image of the pulse; rows are frequencies, low ones first.
        encode: encodes the image by the frozen tower -> its feature (B, d), and its tokens (B, P, D).
    """

    face: Tensor
    frames: Tensor
    image: Tensor
    encode: Callable[[], tuple[Tensor, Tensor]]


class Baseline(nn.Module):
    """A classifier of `FusionInputs`; `width`: of its input, the tower's features unless given."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float, width: int = 0):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(width or plan.features, classes)

    def feature(self, inputs: FusionInputs) -> Tensor:
        """The input of the linear classifier (B, E)."""
        raise NotImplementedError

    def forward(self, inputs: FusionInputs) -> tuple[Tensor, Tensor]:
        """Classify -> logits (B, K) and the classifier's input (B, E)."""
        read = self.feature(inputs)
        return self.head(self.dropout(read)), read


class Concatenation(Baseline):
    """Both features side by side."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, dropout, 2 * plan.features)

    def feature(self, inputs: FusionInputs) -> Tensor:
        """Mean face feature and pulse feature, side by side (B, 2 D)."""
        return torch.cat([inputs.face, inputs.encode()[0]], dim=1)


class LateFusion(Concatenation):
    """The mean of both modalities' probabilities."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, dropout)
        self.head = nn.Linear(plan.features, classes)
        self.pulse = nn.Linear(plan.features, classes)

    def forward(self, inputs: FusionInputs) -> tuple[Tensor, Tensor]:
        """The log of the mean of both predictions (B, K), and the features."""
        face, pulse = (self.dropout(part) for part in self.feature(inputs).chunk(2, dim=1))
        each = torch.stack([self.head(face), self.pulse(pulse)]).log_softmax(dim=-1)
        return each.logsumexp(dim=0), self.feature(inputs)  # the mean of both predictions


class PulseOnly(Baseline):
    """The feature of the image."""

    def feature(self, inputs: FusionInputs) -> Tensor:
        """The pulse feature (B, D)."""
        return inputs.encode()[0]


class CrossAttention(Baseline):
    """One layer in which frame features query the tokens of the image, with a residual; then the mean over frames."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, dropout)
        self.attend = nn.MultiheadAttention(plan.features, HEADS, kdim=plan.width, vdim=plan.width, batch_first=True)
        self.norms = nn.ModuleList((nn.LayerNorm(plan.features), nn.LayerNorm(plan.width), nn.LayerNorm(plan.features)))

    def feature(self, inputs: FusionInputs) -> Tensor:
        """Frames that attend to the tokens of the pulse, averaged (B, D)."""
        tokens = self.norms[1](inputs.encode()[1])
        mixed, _ = self.attend(self.norms[0](inputs.frames), tokens, tokens, need_weights=False)
        return self.norms[2](inputs.frames + mixed).mean(dim=1)


class MultimodalTransformer(Baseline):
    """Two transformer layers over a class token, the frame features and the tokens of the image."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, dropout)
        self.pulse = nn.Linear(plan.width, plan.features)
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, plan.features))
        self.kinds = nn.Parameter(0.02 * torch.randn(2, plan.features))
        layer = nn.TransformerEncoderLayer(plan.features, HEADS, 2 * plan.features, 0.0, "gelu", batch_first=True,
                                           norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(plan.features), enable_nested_tensor=False)

    def feature(self, inputs: FusionInputs) -> Tensor:
        """The class token (B, D) of a transformer over frames and tokens of the pulse."""
        pulse = self.pulse(inputs.encode()[1])
        tokens = [self.cls.expand(len(pulse), 1, -1), inputs.frames + self.kinds[0], pulse + self.kinds[1]]
        return self.layers(torch.cat(tokens, dim=1))[:, 0]


class Spectrum(Baseline):
    """A linear reading of the image's mean over time: a method that scores below it throws the pulse away."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, 0.0, plan.size)

    def feature(self, inputs: FusionInputs) -> Tensor:
        """The mean spectrum of the pulse (B, rows)."""
        return inputs.image[:, 0].mean(dim=-1)


class RateAlone(Baseline):
    """The frequency of the highest mean row, -1..1 over the image's logarithmic band."""

    def __init__(self, plan: BackboneConfig, classes: int, dropout: float):
        super().__init__(plan, classes, 0.0, 1)
        self.rows = plan.size

    def feature(self, inputs: FusionInputs) -> Tensor:
        """The row with most power as a number -1..1 (B, 1)."""
        highest = inputs.image[:, 0].mean(dim=-1).argmax(dim=1, keepdim=True)
        return 2 * highest / (self.rows - 1) - 1


FUSIONS: dict[str, type[Baseline]] = {
    "late": LateFusion, "concat": Concatenation, "cross": CrossAttention, "joint": MultimodalTransformer,
    "pulse": PulseOnly, "spectrum": Spectrum, "rate": RateAlone,
}


def encode_pulse(tower: Tower, encoder: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Encode the image of the pulse with the tower and an encoder of its own.

    Args:
        tower: the frozen tower.
        encoder: image (B, 3, S, S) -> patches (B, P, D).
        image: (B, 3, S, S).

    Returns:
        Its feature (B, d) and the tokens of its patches (B, P, D).
    """
    embed = tower.embed
    patches = encoder(image)
    tokens = torch.cat([embed.cls.float().expand(len(image), 1, -1), patches], dim=1) + embed.positions
    tokens = embed.pre(tokens.to(tower.dtype))
    for block in tower.blocks:
        tokens = block(tokens)
    return tower.finish(tokens).float(), tokens[:, 1:].float()
