"""Settings of SCPT, and the ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

FRAMES = 16
"""Pictures per window: S2D (MSA-LMC/S2D), of the same laboratory."""

SECONDS = 10.0
"""Length of a window in s. Our choice: a resolution of 0.1 Hz, and the shortest window for a camera pulse."""

RATE = 30.0
"""Hz of the pulse waveform. Our choice: the rate of common cameras, seven times the highest pulse frequency."""

Generator = Literal["mcp", "xattn", "vpt", "none"]
Encoder = Literal["cnn", "mlp", "patch"]
Fusion = Literal["prompts", "late", "concat", "cross", "joint", "pulse", "spectrum", "rate"]

WITHOUT_FACE = ("pulse", "spectrum", "rate")
"""Baselines that classify the pulse alone."""


@dataclass(frozen=True)
class SCPTConfig:
    """What the abstract or the digest names is marked so; the rest is our choice. docs/methods.md has all reasons."""

    image: Literal["cwt", "stft", "ssq", "wave"] = "cwt"  # digest; of the pulse; `wave`: the waveform, for ablation
    pulse: str = "camera"  # or "camera:chrom", with another rPPG method, or the name of a channel, such as ppg or ecg
    encoder: Encoder = "cnn"  # of the image; digest: a light residual CNN; or ViPT's patches, alone or with an MLP
    prompts: Generator = "mcp"  # digest: ViPT's block; cross-attention; prepended tokens
    begin: Literal["zero", "xavier"] = "zero"  # initial prompts: zero starts from the plain tower; ViPT: xavier
    hidden: int = 8  # channels of ViPT's block
    sharpness: float = 10.0  # initial sharpness of its fovea, learned
    rank: int = 64  # of cross-attention
    tokens: int = 8  # number of prepended tokens
    fusion: Fusion = "prompts"  # the others are baselines
    adapter: Literal["dssa", "single", "none"] = "dssa"
    form: Literal["lora", "bottleneck"] = "lora"  # of the shared branch; digest: LoRA, and an MLP for the specific one
    lora_rank: int = 8  # of LoRA, with alpha and dropout: CLAIP-Emo, of the same laboratory
    lora_alpha: float = 32.0
    lora_dropout: float = 0.1
    bottleneck: int = 64  # width of the MLP; AdaptFormer
    scale: float = 0.1  # initial factor of a bottleneck in the stream, learned; AdaptFormer, SSM
    svd: Literal["penalty", "project", "none"] = "penalty"  # digest: a constraint of the shared subspace by an SVD
    dimension: int = 8  # k, of the shared subspace; the digest: tuned by hand for each dataset
    sparse_on: Literal["code", "gate"] = "code"  # of the L1 loss: the shared codes, or gates of the specific MLP
    stream: Literal["shared", "both"] = "shared"  # both: the specific branch joins in half of the training steps
    read: Literal["shared", "stream"] = "stream"  # input of the classifier: the class token, or the shared codes
    decouple: bool = True  # the losses below; one with weight 0 is not computed
    sparse: float = 0.01  # digest: L1
    orthogonal: float = 0.075  # digest; weight of DSN
    specific: float = 0.25  # digest: identity supervision; DSN's order of magnitude
    subspace: float = 0.1  # weight of svd=penalty
    adversarial: float = 0.0  # not in the digest; 1: MISA, for its similarity loss; DSN, with a head: 0.25
    adversary: Literal["kernel", "head"] = "kernel"  # the subject discriminator: in closed form, or learned
    condition: Literal["label", "balance", "none"] = "label"  # Zhao et al. 2019: invariance given the class
    reconstruct: float = 0.0  # not in the digest; DSN: 0.01
    smoothing: float = 0.1  # of labels; S2D
    dropout: float = 0.5  # before the classifier; S2D
    drop_pulse: float = 0.1  # share of training rows without pulse; our choice: it trains the null image
    least_quality: float = 0.0  # of the pulse; at or below it the null image is used
    tune: Literal["frozen", "all"] = "frozen"  # the tower; all: the baseline of full fine-tuning

    def __post_init__(self) -> None:
        weights = ("adversarial", "specific", "orthogonal", "reconstruct", "sparse", "subspace")
        shares = ("smoothing", "dropout", "drop_pulse", "least_quality", "lora_dropout")
        counts = ("hidden", "rank", "tokens", "bottleneck", "lora_rank", "dimension")
        faceless = self.fusion in WITHOUT_FACE
        for name, good, expected in (
            *((name, getattr(self, name) >= 1, "1 or more") for name in counts),
            *((name, getattr(self, name) >= 0, "0 or more") for name in weights),
            *((name, 0 <= getattr(self, name) < 1, "0 or more, below 1") for name in shares),
            ("lora_alpha", self.lora_alpha > 0, "more than 0"),
            ("dimension", self.svd == "none" or self.dimension <= self.code, f"at most {self.code}, the width of a "
             "shared code"),
            ("fusion", self.fusion == "prompts" or self.prompts == "none", "prompts=none with a baseline"),
            ("adapter", not faceless or self.adapter == "none", f"none with fusion={self.fusion}, which reads no face"),
            ("read", self.read == "stream" or self.adapter != "none", "stream without an adapter"),
            ("stream", self.stream == "shared" or self.adapter == "dssa", "shared without two branches"),
            ("reconstruct", not self.reconstruct or self.form == "bottleneck", "0 unless form=bottleneck, as the "
             "output of LoRA is not a feature of the stream"),
        ):
            if not good:
                raise ValueError(f"SCPTConfig.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def seen(self) -> bool:
        """Whether the pulse is an input."""
        return self.prompts != "none" or self.fusion != "prompts"

    @property
    def code(self) -> int:
        """Width of a layer's shared code: LoRA's ranks of queries and values together, or the bottleneck."""
        if self.form == "lora":
            return 2 * self.lora_rank
        return self.bottleneck


_FACE = SCPTConfig(prompts="none", adapter="none", decouple=False)

KERNEL = SCPTConfig(form="bottleneck", svd="none", sparse=0.0, adversarial=1.0, reconstruct=0.01, read="shared")
"""Two bottlenecks, the kernel loss, and a classifier of the shared codes: our reading of the abstract alone."""

BASELINES: dict[str, SCPTConfig] = {
    "face only": _FACE,
    "pulse only": replace(_FACE, fusion="pulse"),
    "concatenation": replace(_FACE, fusion="concat"),
    "late fusion": replace(_FACE, fusion="late"),
    "cross-attention": replace(_FACE, fusion="cross"),
    "multimodal transformer": replace(_FACE, fusion="joint"),
    "linear reading of the spectrum": replace(_FACE, fusion="spectrum"),
    "rate alone": replace(_FACE, fusion="rate"),
    "full fine-tuning": replace(_FACE, tune="all"),
}
"""The digest's baselines (single modalities, concatenation, cross-attention, multimodal transformer), and ours."""

ABLATIONS: dict[str, SCPTConfig] = {
    "face only": _FACE,
    "+ waveform prompts": replace(_FACE, prompts="mcp", image="wave"),
    "+ time-frequency prompts": replace(_FACE, prompts="mcp"),
    "+ single adapter": SCPTConfig(adapter="single", decouple=False),
    "+ DSSA without its losses": SCPTConfig(stream="both", decouple=False),
    "full": SCPTConfig(),
    "full, classifying the shared codes": SCPTConfig(read="shared"),
    "full, bottlenecks and kernel loss": KERNEL,
}
"""The parts of the abstract, added one after the other, and our earlier reading of it."""
