"""The configuration of a tower: everything about it that is not a weight."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

Kind = Literal["clip-image", "clip-text", "siglip-image", "siglip-text", "vit", "videomae"]
Act = Literal["quick_gelu", "gelu", "gelu_tanh"]
Pool = Literal["first", "end", "norm-mean", "mean-norm", "attention", "last"]

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # Radford et al. 2021
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)  # mean and standard deviation of google/vit-* and of SigLIP: pixels in -1..1


@dataclass(frozen=True)
class BackboneConfig:
    """Configuration of a tower. Fields that its kind does not use keep their defaults.

    Attributes:
        kind: which tower it is.
        width: D of a token.
        layers, heads: numbers of layers and of attention heads.
        inner: width of the MLP.
        act: activation of the MLP.
        eps: eps of every layer norm.
        out: d of the features, 0 without a projection.
        size, patch: side of pictures and of patches in px.
        frames, tubelet: length of clips and of tubes in frames.
        vocab: number of tokens.
        context: longest text in tokens.
        end: id of the end token; None if it is the highest id of a text.
        pool: how `finish` pools tokens.
        norm: whether there is a last layer norm.
        last_eps: eps of the last layer norm if it differs.
        mean, std: (3,) of pixels in 0..1, for normalisation.
    """

    kind: Kind
    width: int
    layers: int
    heads: int
    inner: int
    act: Act = "gelu"
    eps: float = 1e-5
    out: int = 0
    size: int = 224
    patch: int = 16
    frames: int = 16
    tubelet: int = 2
    vocab: int = 49408
    context: int = 77
    end: int | None = None
    pool: Pool = "first"
    norm: bool = True
    last_eps: float | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        for name, allowed in (("kind", Kind), ("act", Act), ("pool", Pool)):
            self._expect(getattr(self, name) in get_args(allowed), name, " or ".join(get_args(allowed)))
        for name in ("width", "layers", "heads", "inner", "size", "patch", "frames", "tubelet", "vocab", "context"):
            self._expect(getattr(self, name) > 0, name, "a positive number")
        self._expect(self.width % self.heads == 0, "heads", f"a divisor of the width {self.width}")
        self._expect(self.size % self.patch == 0, "patch", f"a divisor of the size {self.size} px")
        self._expect(self.frames % self.tubelet == 0, "tubelet", f"a divisor of {self.frames} frames")

    def _expect(self, ok: bool, name: str, expected: str) -> None:
        if not ok:
            raise ValueError(f"BackboneConfig.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def patches(self) -> int:
        """Number of patches of a picture, or of tubes of a clip for VideoMAE."""
        per_frame = (self.size // self.patch) ** 2
        if self.kind != "videomae":
            return per_frame
        return per_frame * (self.frames // self.tubelet)

    @property
    def features(self) -> int:
        """Width of the features that `finish` returns."""
        return self.out or self.width


FIELDS = {field.name for field in fields(BackboneConfig)}


def _clip(image: tuple[int, int, int, int], text: tuple[int, int, int, int], out: int) -> dict[str, BackboneConfig]:
    """Plans of a CLIP from (width, layers, heads, patch) of the image and (width, layers, heads, inner) of the text."""
    width, layers, heads, patch = image
    picture = BackboneConfig("clip-image", width, layers, heads, 4 * width, "quick_gelu", out=out, patch=patch,
                   mean=CLIP_MEAN, std=CLIP_STD)
    words = BackboneConfig("clip-text", *text, act="quick_gelu", out=out, pool="end")
    return {"image": picture, "text": words}


CLIP = {
    "B/32": _clip((768, 12, 12, 32), (512, 12, 8, 2048), 512),
    "B/16": _clip((768, 12, 12, 16), (512, 12, 8, 2048), 512),
    "L/14": _clip((1024, 24, 16, 14), (768, 12, 12, 3072), 768),
}
"""Sizes of CLIP: Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision."""

VIT_B16 = BackboneConfig("vit", 768, 12, 12, 3072, eps=1e-12, mean=HALF, std=HALF)
"""Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, table 1; eps as published on the hub (timm: 1e-6)."""

VIDEOMAE_B = BackboneConfig("videomae", 768, 12, 12, 3072, eps=1e-12, pool="norm-mean")
"""Tong et al. 2022, VideoMAE, section 4: ViT-B, 16 frames, tubes of 2 x 16 x 16."""
