"""DuSE: Cognition-Inspired Dual-Stream Semantic Enhancement for Vision-Based Dynamic Emotion Modeling.

Wang, Zhou, Tao, Li, Zhao, Lin, Wang, Zhang 2026, https://arxiv.org/abs/2604.12777. Equation numbers are in the margin,
and the order is the paper's: III-B HTPC, prompts in the layers of a frozen CLIP; III-C LSEA, frames and texts to one
feature. What the paper leaves open or contradicts is an option, its reason is in docs/methods.md.

Symbols: B clips, T frames (t), K classes (c), n prompts a layer, M prompted layers, N heads; D_T, D_V widths of CLIP's
text and image tower, d width of its features. P prompts, E tokens, F_V frame features, F_T text features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.batch import Batch
from mien.models.shared import ALONE, cross_entropy
from mien.towers import Attend, Tower, ends, pixels, sinusoids
from mien.types import Needs

FRAMES = 16  # section IV-A2
LONGEST = 64  # frames that the sinusoids reach to; our choice, four times the paper's

Depth = Literal["shallow", "normal", "deep"]
Similarity = Literal["cosine", "dot"]


@dataclass(frozen=True)
class Options:
    """The paper's settings, then what it leaves open; `LITERAL` takes the print at its word instead."""

    prompts: int = 4  # n, section IV-A2
    depth: Depth | int = "normal"  # M, table IV: the input layer, one third or two thirds of the image layers
    heads: int = 4  # N, table V
    beta: float = 0.7  # table V
    htpc: bool = True  # table III; without it CoOp: prompts in the text's input only
    lsea: bool = True  # table III; without it the average over frames
    # our choices, each with its reason in docs/methods.md:
    mlp: Literal["hidden", "relu"] = "hidden"  # (6): a ReLU inside, or on the output as printed
    place: Literal["start", "end"] = "start"  # of text prompts: after the start token, or last as printed in (2)
    after: Literal["drop", "keep"] = "drop"  # prompts behind layer M: (3) and (5) drop them
    phase: float = 0.03  # of the sinusoid of the frame; learned from there on, or fixed
    phase_learned: bool = True
    residual: bool = True  # layer norm and residual around (9)
    match: Similarity = "cosine"  # (12)
    match_temperature: float = 0.01
    score: Similarity = "cosine"  # (1)
    score_temperature: float = 0.01
    begin: Literal["clip", "random"] = "clip"  # LSEA begins as the average of CLIP's features, or at random

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("prompts", self.prompts >= 0, "0 or more"), ("heads", self.heads >= 1, "1 or more"),
            ("beta", 0 <= self.beta <= 1, "0..1"), ("match_temperature", self.match_temperature > 0, "more than 0"),
            ("score_temperature", self.score_temperature > 0, "more than 0"),
            ("depth", isinstance(self.depth, int) or self.depth in get_args(Depth), "a number or one of the names"),
        ):
            if not good:
                raise ValueError(f"Options.{name}: expected {expected}, got {getattr(self, name)!r}")


LITERAL = Options(mlp="relu", place="end", phase=1.0, phase_learned=False, residual=False, match="dot",
                  match_temperature=1.0, score="dot", score_temperature=1.0, begin="random")
"""The equations as printed."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """`logits` (B, K), and what they rest on: `frames` (B, T), weights that sum to 1; `classes` (B, N, K), weights of
    class texts that sum to 1 in a head, None without LSEA; `feature` (B, d), V_g, what is compared with the texts."""

    logits: Tensor
    frames: Tensor
    classes: Tensor | None
    feature: Tensor


class Htpc(nn.Module):
    """Hierarchical Temporal Prompt Cluster, III-B: text prompts (M, n, D_T), and visual ones made of them."""

    table: Tensor

    def __init__(self, layers: int, text_width: int, image_width: int, options: Options):
        super().__init__()
        self.text = nn.Parameter(0.02 * torch.randn(layers, options.prompts, text_width))
        if not options.htpc:
            return
        out = nn.Linear(text_width, image_width)
        self.mlp = (nn.Sequential(out, nn.ReLU()) if options.mlp == "relu"
                    else nn.Sequential(nn.Linear(text_width, text_width), nn.ReLU(), out))
        phase = torch.tensor(float(options.phase))
        if options.phase_learned:
            self.phase = nn.Parameter(phase)
        else:
            self.register_buffer("phase", phase, persistent=False)
        self.register_buffer("table", sinusoids(LONGEST, image_width), persistent=False)

    def visual(self, places: Sequence[int]) -> list[Tensor]:
        """Of T frames of a clip -> M prompts for the image tower: the first (T, n, D_V), the others (1, n, D_V)."""
        if max(places) >= LONGEST:
            raise ValueError(f"frames: expected at most {LONGEST} a clip, got {max(places) + 1}: sample fewer")
        shallow, *deep = self.mlp(self.text)[:, None]                                       # (6)
        return [shallow + self.phase * self.table[list(places), None], *deep]


def walk(blocks: Iterable[nn.Module], tokens: Tensor, prompts: Sequence[Tensor], at: int, keep: bool) -> Tensor:
    """Tokens (B, L, D) through all layers, with M prompts (B or 1, n, D) at place `at` of the first M layers.

    With `keep` the last prompts run on behind layer M. Returns (B, L, D) without the places of prompts.
    """
    held = 0
    for i, block in enumerate(blocks):
        if i < len(prompts):
            fresh = prompts[i].to(tokens.dtype).expand(tokens.shape[0], -1, -1)
            tokens = torch.cat([tokens[:, :at], fresh, tokens[:, at + held:]], dim=1)       # (2), (4): "_" is left out
            held = fresh.shape[1]
        elif held and not keep:
            tokens, held = torch.cat([tokens[:, :at], tokens[:, at + held:]], dim=1), 0     # (3), (5)
        tokens = block(tokens)
    return torch.cat([tokens[:, :at], tokens[:, at + held:]], dim=1) if held else tokens


class Lsea(nn.Module):
    """Latent Semantic Emotion Aggregator, III-C: F_V (B, T, d) and F_T (K, d) -> V_g (B, d), with its weights."""

    def __init__(self, width: int, options: Options):
        super().__init__()
        self.options = options
        self.attend = Attend(width, heads=8, norm=options.residual)
        self.linear = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.heads = nn.Linear(width, options.heads * width)
        if options.begin == "clip":
            self._begin_as_clip()

    @torch.no_grad()
    def _begin_as_clip(self) -> None:
        """V_o is the mean of F_V at first and the heads are near copies of it: training begins at what CLIP knows."""
        width = self.linear.in_features
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.score.weight)
        copies = torch.eye(width).repeat(self.options.heads, 1)
        self.heads.weight.copy_(copies + 0.1 / width**0.5 * torch.randn(copies.shape))
        empty: list[Tensor] = [self.linear.bias, self.heads.bias]
        if self.options.residual:
            empty += [self.attend.out.weight, self.attend.out.bias]
        for value in empty:
            nn.init.zeros_(value)

    def forward(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> V_g (B, d), weights of frames (B, T), weights of classes (B, N, K)."""
        options = self.options
        mixed = self.attend(video)                                                          # (9)
        v_m = self.linear(video + mixed if options.residual else mixed)                     # (10)
        weights = self.score(v_m).softmax(dim=1)
        v_o = (weights * v_m).sum(dim=1)                                                    # (11)
        v = self.heads(v_o).unflatten(-1, (options.heads, 1, -1))                           # (B, N, 1, d)
        t = self.heads(text).unflatten(-1, (options.heads, -1)).transpose(0, 1)             # (N, K, d)
        like = similarity(v, t, options.match, options.match_temperature).softmax(dim=-1)
        t_o = like @ t                                                                      # (12)
        v_g = (options.beta * v + (1 - options.beta) * t_o).mean(dim=(1, 2))                # (13)
        return v_g, weights.squeeze(-1), like.squeeze(2)


def similarity(a: Tensor, b: Tensor, kind: Similarity, temperature: float) -> Tensor:
    """a (..., A, d), b (..., B, d) -> (..., A, B), divided by the temperature."""
    if kind == "cosine":
        a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
    return a @ b.transpose(-1, -2) / temperature


class DuSE(nn.Module):
    """Both streams around the two towers of one CLIP, which stay as they are; only HTPC and LSEA learn.

    `image`, `text`: towers of kind clip-image and clip-text; `tokens` (K, L): the class texts, by `towers.tokenize`.
    The towers may be bfloat16; prompts, LSEA and logits are float32 whatever they are.
    """

    text: Tower | None
    tokens: Tensor
    ends: Tensor
    baked: Tensor | None
    share = ALONE

    def __init__(self, image: Tower, text: Tower, tokens: Tensor, options: Options = Options()):
        super().__init__()
        _check_parts(image, text, tokens, options)
        self.options = options
        self.image, self.text = image.requires_grad_(False), text.requires_grad_(False)
        last = ends(tokens, text.plan.end)
        tokens = tokens[:, : int(last.max()) + 1]  # causal: nothing looks behind the end
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("ends", last, persistent=False)
        self.register_buffer("baked", None, persistent=False)
        layers = depth(options, image.plan.layers, text.plan.layers)
        self.htpc = Htpc(layers, text.plan.width, image.plan.width, options) if options.prompts else None
        self.lsea = Lsea(image.plan.features, options) if options.lsea else None

    @property
    def needs(self) -> Needs:
        plan = self.image.plan
        return Needs(frames=FRAMES, size=plan.size, mean=plan.mean, std=plan.std)

    def text_features(self) -> Tensor:
        """F_T (K, d), float32."""                                                          # (8)
        if self.baked is not None:
            return self.baked
        options, ids, text = self.options, self.tokens, cast(Tower, self.text)
        coop, n = not options.htpc, options.prompts
        at = ids.shape[1] if options.place == "end" and not coop else 1
        tokens = text.embed(torch.cat([ids[:, :at], ids[:, :1].expand(-1, n), ids[:, at:]], dim=1))
        tokens = torch.cat([tokens[:, :at], tokens[:, at + n :]], dim=1)  # words behind prompts stand n further on
        prompts = list(self.htpc.text[:, None]) if self.htpc is not None else []
        prompts[:1] = [shallow + text.embed.positions[at : at + n] for shallow in prompts[:1]]
        tokens = walk(text.blocks, tokens, prompts, at, keep=coop or options.after == "keep")
        return text.finish(tokens, self.ends).float()

    def frame_features(self, frames: Tensor, places: Sequence[int] = ()) -> Tensor:
        """Frames (B, T, 3, S, S), uint8 or float 0..1, of these places in their clips -> F_V (B, T, d), float32."""
        count, length = frames.shape[:2]                                                    # (7)
        tokens = self.image.embed(pixels(frames.flatten(0, 1), self.image.plan, self.image.dtype))
        prompts: list[Tensor] = []
        if self.htpc is not None and self.options.htpc:
            shallow, *deep = self.htpc.visual(places or range(length))
            shallow = self.image.embed.pre(shallow.to(tokens.dtype))  # joins the patches before CLIP's first layer norm
            prompts = [shallow.repeat(count, 1, 1), *deep]
        tokens = walk(self.image.blocks, tokens, prompts, tokens.shape[1], self.options.after == "keep")
        return self.image.finish(tokens).unflatten(0, (count, length)).float()

    def read(self, frames: Tensor) -> Evidence:
        """Frames (B, T, 3, S, S), uint8 or float 0..1 -> logits, and what they rest on."""
        return self.judge(self.frame_features(frames))

    def judge(self, video: Tensor) -> Evidence:
        """F_V (B, T, d) -> logits, and what they rest on."""
        text = self.text_features()
        with torch.autocast(video.device.type, enabled=False):  # cosines divided by 0.01 need more than 8 bits
            if self.lsea is None:
                v_g, weights, classes = video.mean(dim=1), video.new_full(video.shape[:2], 1 / video.shape[1]), None
            else:
                v_g, weights, classes = self.lsea(video, text)
            logits = similarity(v_g, text, self.options.score, self.options.score_temperature)
        return Evidence(logits, weights, classes, v_g)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits (B, K)."""
        if batch.frames is None:
            raise ValueError("DuSE: expected frames (B, T, 3, S, S) in the batch, got None: prepare it by `needs`")
        return self.read(batch.frames).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-> what is to be minimised, by name."""
        if batch.target is None or self.text is None:
            raise ValueError("DuSE.loss: expected a target (B,) and a model with its text tower, got "
                             + ("no target" if batch.target is None else "baked text features: build it again"))
        return {"cross_entropy": cross_entropy(self(batch), batch, self.share)}             # (1)

    @torch.no_grad()
    def bake(self, features: Tensor | None = None) -> Tensor:
        """Text features (K, d), computed once or given, take the place of the text tower; returns them.

        For inference. To build a model from stored features without the weights of the text tower, make that tower
        under `torch.device("meta")`.
        """
        found = self.text_features() if features is None else features.float()
        wanted = (len(self.tokens), self.image.plan.features)
        if tuple(found.shape) != wanted:
            raise ValueError(f"DuSE.bake: expected text features {wanted}, got {tuple(found.shape)}: other labels?")
        self.baked, self.text = found.to(self.tokens.device), None
        return self.baked


def depth(options: Options, image_layers: int, text_layers: int) -> int:
    """M, the number of prompted layers: the same on both sides, since (6) couples them one to one."""
    if not options.htpc:
        return 1
    named = {"shallow": 1, "normal": image_layers // 3, "deep": 2 * image_layers // 3}
    layers = max(1, named[options.depth]) if isinstance(options.depth, str) else options.depth
    most = min(image_layers, text_layers)
    if not 1 <= layers <= most:
        raise ValueError(f"Options.depth: expected 1 to {most} layers (image tower {image_layers}, text tower "
                         f"{text_layers}), got {layers} for {options.depth!r}: take a smaller depth")
    return layers


def _check_parts(image: Tower, text: Tower, tokens: Tensor, options: Options) -> None:
    got = [(tower.plan.kind, tower.plan.features) for tower in (image, text)]
    if got != [("clip-image", got[0][1]), ("clip-text", got[0][1])]:
        raise ValueError(f"DuSE: expected the image and the text tower of one CLIP, got (kind, features) {got}")
    if tokens.ndim != 2 or len(tokens) < 2:
        raise ValueError(f"DuSE: expected token ids (K, L) of two or more class texts, got {tuple(tokens.shape)}")
    longest = int(ends(tokens, text.plan.end).max()) + 1 + options.prompts
    if longest > text.plan.context:
        raise ValueError(f"DuSE: expected class texts and prompts of at most {text.plan.context} tokens together, got "
                         f"{longest}: shorten the longest text")
