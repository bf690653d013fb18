"""Peers of DuSE that also adapt a CLIP, rebuilt on the same frozen towers, so that they can be compared on one dataset.

DuSE's table I compares methods with different towers and training. Here all have the tower, the data, the loss and the
schedule of the recipe, and differ in what is trained. Each is the wiring of its paper, not a copy of its program:

- `probe`, Radford et al. 2021, arXiv 2103.00020, section 3.2: a linear classifier on the mean of the frame features.
- `coop`, Zhou et al. 2022, arXiv 2109.01134: a learned context before the words of each class.
- `maple`, Khattak et al. 2023, arXiv 2210.03117: learned prompts in the first layers of the text tower; one linear map
  for each of these layers makes the prompts of the image tower. The prompts of the last of them go on to the end.
- `dfer-clip`, Zhao & Patras 2023, arXiv 2308.13382: a learned context as in `coop`, and a transformer over the frames
  with a class token. The paper also trains the image tower; here it stays frozen.
- `duse`: the whole DuSE with its defaults, as the row to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import Mlp, SelfAttention, Tower
from mien.core.tasks import Task
from mien.models.duse.config import MAX_FRAMES, DuSEConfig
from mien.models.duse.htpc import Htpc
from mien.models.duse.model import DuSE

Kind = Literal["probe", "coop", "maple", "dfer-clip", "duse"]

_PARTS: dict[str, DuSEConfig] = {
    "probe": DuSEConfig(prompts=0, lsea=False),
    "coop": DuSEConfig(prompts=16, htpc=False, lsea=False),  # CoOp: 16 tokens
    "maple": DuSEConfig(prompts=2, lsea=False, phase=0.0, phase_learned=False, after="keep"),  # MaPLe: 2 tokens
    "dfer-clip": DuSEConfig(prompts=8, htpc=False, lsea=False),  # DFER-CLIP: 8 tokens
    "duse": DuSEConfig(),
}
"""What each peer shares with DuSE: the learned prompts, and how they pass the towers."""


@dataclass(frozen=True)
class ClipPeerConfig:
    """Settings of a peer.

    Attributes:
        kind: which method.
        prompts: number of learned tokens; none for that of its paper.
        depth: number of layers with prompts, for `maple`; 9 is its paper's.
        heads: heads of the attention over frames, for `dfer-clip`; 8 is its authors'.
    """

    kind: Kind = "coop"
    prompts: int | None = None
    depth: int = 9
    heads: int = 8

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("kind", self.kind in _PARTS, f"one of {', '.join(_PARTS)}"),
            ("prompts", self.prompts is None or self.prompts >= 1, "none, or 1 or more"),
            ("prompts", self.prompts is None or self.kind != "probe", "none for probe, which has no prompts"),
            ("depth", self.depth >= 1, "1 or more"), ("heads", self.heads >= 1, "1 or more"),
        ):
            if not good:
                raise ValueError(f"ClipPeerConfig.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def parts(self) -> DuSEConfig:
        """The settings of what the peer shares with DuSE."""
        parts = _PARTS[self.kind]
        if self.prompts is not None:
            parts = replace(parts, prompts=self.prompts)
        return replace(parts, depth=self.depth) if self.kind == "maple" else parts


class ClipPeer(DuSE):
    """Baselines for DuSE (linear probe, CoOp, MaPLe, DFER-CLIP) on the two frozen towers of one CLIP.

    Args:
        image: a tower of kind clip-image.
        text: a tower of kind clip-text.
        tokens: (R, L) token ids of the class texts.
        options: which peer, and its settings.
        texts: number of texts of each class (K); empty for one each.
    """

    options_type: ClassVar[Any] = ClipPeerConfig

    def __init__(self, image: Tower, text: Tower, tokens: Tensor, options: ClipPeerConfig,
                 texts: Sequence[int] = ()):
        super().__init__(image, text, tokens, options.parts, texts)
        self.peer = options
        width = image.plan.features
        self.probe = nn.Linear(width, len(self.texts)) if options.kind == "probe" else None
        self.temporal = FrameTransformer(width, options.heads) if options.kind == "dfer-clip" else None
        if options.kind == "maple" and self.htpc is not None:
            layers = len(self.htpc.text)
            self.htpc = CoupledPrompts(layers, text.plan.width, image.plan.width, options.parts)

    @classmethod
    def tiny(cls, options: ClipPeerConfig) -> ClipPeerConfig:
        """The same peer for towers of two layers."""
        return replace(options, depth=min(options.depth, 2))

    def aggregate(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """As `DuSE.aggregate`; DFER-CLIP's transformer gives the feature of the clip."""
        feature, weights, classes = super().aggregate(video, text)
        if self.temporal is not None:
            feature = self.temporal(video)
        return feature, weights, classes

    def score(self, v_g: Tensor, text: Tensor) -> Tensor:
        """Compare V_g (B, d) with F_T (K, d), or apply the linear classifier -> logits (B, K)."""
        if self.probe is None:
            return super().score(v_g, text)
        scaled = v_g.shape[-1] ** 0.5 * F.normalize(v_g, dim=-1)  # our choice: components near 1, for every tower
        return self.probe(scaled)

    def restore(self, state: Mapping[str, Tensor], labels: Task | None = None) -> None:
        """Load a checkpoint. Raises ValueError for other `labels` with a linear classifier, which reads no text."""
        if labels is not None and self.probe is not None:
            raise ValueError("labels: expected none for a linear classifier, whose classes are those of its training, "
                             f"got {', '.join(labels.classes)}: take clip/coop or another peer with texts")
        super().restore(state, labels)


class CoupledPrompts(Htpc):
    """MaPLe's prompts: those of the text tower are learned, one linear map a layer makes those of the image tower."""

    def __init__(self, layers: int, text_width: int, image_width: int, options: DuSEConfig):
        super().__init__(layers, text_width, image_width, options)
        del self.mlp  # the map that DuSE's layers share
        self.couplings = nn.ModuleList(nn.Linear(text_width, image_width) for _ in range(layers))

    def visual(self, places: Sequence[int]) -> list[Tensor]:
        """Create M prompts for the image tower, the same for each frame: (T, n, D_V), then (1, n, D_V)."""
        shallow, *deep = [couple(prompt)[None] for couple, prompt in zip(self.couplings, self.text, strict=True)]
        return [shallow.expand(len(places), -1, -1), *deep]


class FrameTransformer(nn.Module):
    """DFER-CLIP's temporal model: one layer over the frames and a class token, with learned positions."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(width))
        self.positions = nn.Parameter(0.02 * torch.randn(1 + MAX_FRAMES, width))
        self.attend = SelfAttention(width, heads)
        self.mlp = Mlp(width, 2 * width)  # DFER-CLIP: 1024 for features of 512
        self.norm = nn.LayerNorm(width)

    def forward(self, video: Tensor) -> Tensor:
        """Frame features (B, T, d) -> the class token (B, d)."""
        tokens = torch.cat([self.token.expand(len(video), 1, -1), video], dim=1)
        tokens = tokens + self.positions[: tokens.shape[1]]
        tokens = tokens + self.attend(tokens)
        tokens = tokens + self.mlp(tokens)
        return self.norm(tokens[:, 0])
