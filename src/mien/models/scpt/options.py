"""What may be chosen of SCPT, and the ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

FRAMES = 16
"""Pictures a window: S2D (MSA-LMC/S2D), of the same laboratory."""

SECONDS = 10.0
"""s of a window. Our choice: 0.1 Hz of resolution, the shortest that a camera's pulse is read from."""

RATE = 30.0
"""Hz of the pulse waveform. Our choice: that of common cameras, seven times its highest frequency."""

Generator = Literal["mcp", "xattn", "vpt", "none"]


@dataclass(frozen=True)
class Options:
    """Nothing of it is stated in the abstract; reasons and precedents are in docs/methods.md."""

    image: Literal["cwt", "stft", "ssq", "wave"] = "cwt"  # of the pulse; `wave`: the waveform itself, for ablation
    pulse: str = "camera"  # or the name of a wire, such as ppg or ecg
    prompts: Generator = "mcp"  # ViPT's block; cross-attention; prepended tokens
    begin: Literal["zero", "xavier"] = "zero"  # of what makes prompts: at first the plain tower; ViPT: xavier
    hidden: int = 8  # channels of ViPT's block
    sharpness: float = 10.0  # of its fovea, learned from there on
    rank: int = 64  # of cross-attention
    tokens: int = 8  # prepended ones
    fusion: Literal["prompts", "late", "concat"] = "prompts"
    adapter: Literal["dssa", "single", "none"] = "dssa"
    bottleneck: int = 64  # r; AdaptFormer
    scale: float = 0.1  # of the adapter in the stream, learned from there on; AdaptFormer, SSM
    stream: Literal["shared", "both"] = "shared"  # both: the specific branch joins in half of the training steps
    read: Literal["shared", "stream"] = "shared"  # what is classified: the shared codes, or the class token
    decouple: bool = True  # the four losses below
    adversary: Literal["kernel", "head"] = "kernel"  # who tells people apart: in closed form, or learned
    adversarial: float = 1.0  # MISA, for what makes codes alike; DSN, with a head, has 0.25
    condition: Literal["label", "balance", "none"] = "label"  # Zhao et al. 2019: what is made equal, given the class
    specific: float = 0.25  # DSN's order of size
    orthogonal: float = 0.075  # DSN
    reconstruct: float = 0.01  # DSN
    smoothing: float = 0.1  # of labels; S2D
    dropout: float = 0.5  # before the classifier; S2D
    drop_pulse: float = 0.1  # how often training hides the pulse; our choice: so that the null image is learned
    least_quality: float = 0.0  # of the pulse; at or below it the null image stands in
    tune: Literal["frozen", "all"] = "frozen"  # the tower; all: the baseline of full fine-tuning

    def __post_init__(self) -> None:
        for name, good, expected in (
            *((name, getattr(self, name) >= 1, "1 or more") for name in ("hidden", "rank", "tokens", "bottleneck")),
            *((name, getattr(self, name) >= 0, "0 or more")
              for name in ("adversarial", "specific", "orthogonal", "reconstruct")),
            *((name, 0 <= getattr(self, name) < 1, "0 or more, below 1")
              for name in ("smoothing", "dropout", "drop_pulse", "least_quality")),
            ("fusion", self.fusion == "prompts" or self.prompts == "none", "prompts none beside late or concat"),
            ("read", self.read == "stream" or self.adapter != "none", "stream where there is no adapter"),
            ("stream", self.stream == "shared" or self.adapter == "dssa", "shared where there are no two branches"),
        ):
            if not good:
                raise ValueError(f"Options.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def seen(self) -> bool:
        """Whether the pulse is looked at."""
        return self.prompts != "none" or self.fusion != "prompts"


_FACE = Options(prompts="none", adapter="none", read="stream", decouple=False)

ABLATIONS: dict[str, Options] = {
    "face only": _FACE,
    "+ waveform prompts": replace(_FACE, prompts="mcp", image="wave"),
    "+ time-frequency prompts": replace(_FACE, prompts="mcp"),
    "+ single adapter": Options(adapter="single", read="stream", decouple=False),
    "+ DSSA without its losses": Options(stream="both", decouple=False),
    "full": Options(),
    "late fusion": replace(_FACE, fusion="late"),
    "concatenation": replace(_FACE, fusion="concat"),
    "full fine-tuning": replace(_FACE, tune="all"),
}
"""What the abstract's parts are worth, one after the other, and the baselines that it speaks against."""
