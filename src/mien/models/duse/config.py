"""Settings of DuSE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

FRAMES = 16  # section IV-A2
MAX_FRAMES = 64  # most frames of a clip (length of the sinusoid table); our choice, four times the paper's

Depth = Literal["shallow", "normal", "deep"]
Similarity = Literal["cosine", "dot"]


@dataclass(frozen=True)
class DuSEConfig:
    """The paper's settings, then our choices for what it leaves open. `AS_PRINTED` follows the printed equations."""

    prompts: int = 4  # n, section IV-A2
    depth: Depth | int = "normal"  # M, table IV: the input layer, one third or two thirds of the image layers
    heads: int = 4  # N, table V
    beta: float = 0.7  # table V
    htpc: bool = True  # table III; without it CoOp: prompts in the text's input only
    lsea: bool = True  # table III; without it the average over frames
    # our choices, each with its reason in docs/methods.md:
    mlp: Literal["hidden", "relu"] = "hidden"  # (6): a ReLU inside, or on the output as printed
    place: Literal["start", "end"] = "start"  # of text prompts: after the start token, or last as printed in (2)
    after: Literal["drop", "keep"] = "drop"  # prompts after layer M: (3) and (5) drop them
    phase: float = 0.3  # initial amplitude of the frame's sinusoid, learned or fixed
    phase_learned: bool = True
    residual: bool = True  # layer norm and residual around (9)
    match: Similarity = "cosine"  # (12)
    match_temperature: float = 0.1
    score: Similarity = "cosine"  # (1)
    score_temperature: float | None = None  # None: that of the tower's training, 0.01 if its file has none
    begin: Literal["clip", "random"] = "clip"  # initialise LSEA as the average of CLIP's features, or randomly

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("prompts", self.prompts >= 0, "0 or more"), ("heads", self.heads >= 1, "1 or more"),
            ("beta", 0 <= self.beta <= 1, "0..1"), ("match_temperature", self.match_temperature > 0, "more than 0"),
            ("score_temperature", self.score_temperature is None or self.score_temperature > 0, "none, or more than 0"),
            ("depth", isinstance(self.depth, int) or self.depth in get_args(Depth),
             f"a number or one of {', '.join(get_args(Depth))}"),
        ):
            if not good:
                raise ValueError(f"DuSEConfig.{name}: expected {expected}, got {getattr(self, name)!r}")


AS_PRINTED = DuSEConfig(mlp="relu", place="end", phase=1.0, phase_learned=False, residual=False, match="dot",
                  match_temperature=1.0, score="dot", score_temperature=1.0, begin="random")
"""The equations as printed."""
