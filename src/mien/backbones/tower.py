"""CLIP and SigLIP (image, text), ViT and VideoMAE as one pre-norm transformer with different embeddings.

A tower has three parts. A method calls them itself, so that its file shows the equations of its paper:

    tokens = tower.embed(x)                          # (B, L, D)
    for block in tower.blocks:
        tokens = tokens + block.attend(tokens)
        tokens = tokens + block.mlp(tokens)
    features = tower.finish(tokens)                  # (B, d)

`attend` and `mlp` start with a layer norm (`SelfAttention.norm`, `Mlp.norm`); the caller adds the residual.
Vaswani et al. 2017 (1706.03762); Dosovitskiy et al. 2021 (2010.11929); Radford et al. 2021 (2103.00020);
Tong et al. 2022 (2203.12602); Tschannen et al. 2025, SigLIP 2 (2502.14786).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mien.backbones.activations import ACTIVATIONS
from mien.backbones.attention_pool import AttentionPool
from mien.backbones.config import BackboneConfig


class SelfAttention(nn.Module):
    """Layer norm, multi-head self-attention and output projection, (B, L, D) -> (B, L, D), without the residual."""

    def __init__(self, width: int, heads: int, eps: float = 1e-5, causal: bool = False, norm: bool = True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm = nn.LayerNorm(width, eps) if norm else nn.Identity()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise tokens (B, L, D) and attend -> (B, L, D), without the skip connection."""
        return self.mix(self.qkv(self.norm(x)))

    def mix(self, qkv: Tensor) -> Tensor:
        """Attend with given queries, keys and values (B, L, 3 D) -> (B, L, D). A method may change them before."""
        batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = qkv.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    """Layer norm and two-layer MLP, (B, L, D) -> (B, L, D), without the residual."""

    def __init__(self, width: int, inner: int, act: str = "gelu", eps: float = 1e-5):
        super().__init__()
        self.act = act
        self.norm = nn.LayerNorm(width, eps)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise tokens (B, L, D) and apply both linear layers -> (B, L, D), without the skip connection."""
        return self.down(ACTIVATIONS[self.act](self.up(self.norm(x))))


def checkpointed(layer: Callable[..., Any], *args: Any, on: bool) -> Any:
    """Run a layer; with `on`, its activations are computed again in the backward pass instead of kept.

    Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174. Results and gradients are the
    same, and so are random draws.
    """
    if on and torch.is_grad_enabled():
        return checkpoint(layer, *args, use_reentrant=False)
    return layer(*args)


class Block(nn.Module):
    """A transformer layer: `attend`, then `mlp`, each with its residual.

    Attributes:
        checkpointing: whether `forward` keeps only its input for the backward pass.
    """

    checkpointing = False

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.attend = SelfAttention(plan.width, plan.heads, plan.eps, causal=plan.kind == "clip-text")
        self.mlp = Mlp(plan.width, plan.inner, plan.act, plan.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, L, D) after this block. With `checkpointing` the backward pass computes the activations again."""
        return checkpointed(self._layer, x, on=self.checkpointing and x.requires_grad)

    def _layer(self, x: Tensor) -> Tensor:
        x = x + self.attend(x)
        return x + self.mlp(x)


class PatchEmbed(nn.Module):
    """Patch embedding of CLIP's and SigLIP's image towers and of ViT.

    It maps normalised float pictures (B, 3, S, S) to (B, 1 + patches, D), class token first; SigLIP has no class token.
    `pre` is CLIP's layer norm before the blocks, which others lack. It acts on each token separately, so a method may
    append `pre(tokens)` of its own.
    """

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.size = plan.size
        clip = plan.kind == "clip-image"
        self.patch = nn.Conv2d(3, plan.width, plan.patch, plan.patch, bias=not clip)
        self.cls = None if plan.kind == "siglip-image" else nn.Parameter(0.02 * torch.randn(plan.width))
        self.positions = nn.Parameter(0.02 * torch.randn((self.cls is not None) + plan.patches, plan.width))
        self.pre = nn.LayerNorm(plan.width, plan.eps) if clip else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) -> tokens (B, 1 + patches, D), the class token first; without it (B, patches, D)."""
        _expect_shape(x, (3, self.size, self.size), "pictures (B, 3, S, S)")
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        if self.cls is not None:
            tokens = torch.cat([self.cls.expand(x.shape[0], 1, -1), tokens], dim=1)
        return self.pre(tokens + self.positions)


class TokenEmbed(nn.Module):
    """Token embedding of CLIP's and SigLIP's text towers: ids (B, L), L at most the context -> (B, L, D)."""

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.words = nn.Embedding(plan.vocab, plan.width)
        nn.init.normal_(self.words.weight, std=0.02)
        self.positions = nn.Parameter(0.02 * torch.randn(plan.context, plan.width))

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (B, L) -> tokens (B, L, D)."""
        context = len(self.positions)
        if ids.ndim != 2 or ids.shape[1] > context:
            raise ValueError(f"text: expected token ids (B, L) with L <= {context}, got {tuple(ids.shape)}: shorten it")
        return self.words(ids) + self.positions[: ids.shape[1]]


class TubeletEmbed(nn.Module):
    """Tube embedding of VideoMAE, with fixed sinusoidal positions and without class token.

    It maps normalised float clips (B, T, 3, S, S) to (B, patches, D).
    """

    positions: Tensor

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.shape = (plan.frames, 3, plan.size, plan.size)
        cube = (plan.tubelet, plan.patch, plan.patch)
        self.patch = nn.Conv3d(3, plan.width, cube, cube)
        self.register_buffer("positions", sinusoids(plan.patches, plan.width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Clips (B, T, 3, S, S) -> tokens (B, tubelets, D)."""
        _expect_shape(x, self.shape, "clips (B, T, 3, S, S)")
        return self.patch(x.transpose(1, 2)).flatten(2).transpose(1, 2) + self.positions


class PoolAndProject(nn.Module):
    """Pooling, last layer norm and projection, (B, L, D) -> features (B, d), in the order that the plan defines."""

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.pool, self.skip = plan.pool, int(plan.kind in ("vit", "clip-image"))
        eps = plan.eps if plan.last_eps is None else plan.last_eps
        self.norm: nn.Module = nn.LayerNorm(plan.width, eps) if plan.norm else nn.Identity()
        bias = plan.kind == "siglip-text"
        self.project: nn.Module = nn.Linear(plan.width, plan.out, bias=bias) if plan.out else nn.Identity()
        if plan.pool == "attention":
            self.attention = AttentionPool(plan, Mlp(plan.width, plan.inner, plan.act, plan.eps))

    def forward(self, tokens: Tensor, end: Tensor | None = None) -> Tensor:
        """Pool tokens (B, L, D) to features (B, d). `end` (B,): position of each text's end token, for text towers."""
        if self.pool == "norm-mean":
            return self.project(self.norm(tokens[:, self.skip:]).mean(1))
        if self.pool == "mean-norm":
            return self.project(self.norm(tokens[:, self.skip:].mean(1)))
        if self.pool == "first":
            return self.project(self.norm(tokens[:, 0]))
        if self.pool == "last":
            return self.project(self.norm(tokens[:, -1]))
        if self.pool == "attention":
            return self.project(self.attention(self.norm(tokens)))
        if end is None:
            raise ValueError("finish: expected the place of the end token of each text (B,), got None: see towers.ends")
        return self.project(self.norm(tokens[torch.arange(tokens.shape[0], device=tokens.device), end]))


EMBEDDINGS: dict[str, type[nn.Module]] = {
    "clip-image": PatchEmbed,
    "vit": PatchEmbed,
    "clip-text": TokenEmbed,
    "siglip-image": PatchEmbed,
    "siglip-text": TokenEmbed,
    "videomae": TubeletEmbed,
}


class Tower(nn.Module):
    """A backbone: `embed`, `blocks` and `finish`, see the top of this file. `forward` maps x to features (B, d).

    Attributes:
        plan: its configuration.
        hash, source: identify the published weights; both are empty for a tower that was not loaded.
        scale, bias: factor of the cosines that a CLIP or SigLIP was trained with, and what SigLIP adds to the product;
            0 where its file has none.
        metadata: text fields of its weights file.
    """

    embed: Any  # Picture, Words or Tubes
    blocks: Any  # an nn.ModuleList of Block; its static type has no `attend` and `mlp`
    finish: PoolAndProject

    def __init__(self, plan: BackboneConfig):
        super().__init__()
        self.plan = plan
        self.hash = self.source = ""
        self.scale = self.bias = 0.0
        self.metadata: dict[str, str] = {}
        self.embed = EMBEDDINGS[plan.kind](plan)
        self.blocks = nn.ModuleList(Block(plan) for _ in range(plan.layers))
        self.finish = PoolAndProject(plan)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs of `embed` -> features (B, d): embed, all blocks, finish."""
        tokens = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens)
        if self.plan.pool == "end":
            return self.finish(tokens, end_positions(x, self.plan.end))
        return self.finish(tokens)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.blocks.parameters()).dtype


def end_positions(ids: Tensor, end: int | None) -> Tensor:
    """Find the first end token of token ids (B, L) -> positions (B,); with `end` None the highest id."""
    if end is None:
        return ids.argmax(-1)
    return (ids == end).int().argmax(-1)


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width), sines in even and cosines in odd channels (Vaswani et al. 2017, 3.5)."""
    channel = np.arange(width)
    angle = np.arange(length)[:, None] / 10000 ** (2 * (channel // 2) / width)
    return torch.from_numpy(np.where(channel % 2 == 0, np.sin(angle), np.cos(angle)).astype(np.float32))


def normalise_pixels(frames: Tensor, plan: BackboneConfig, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normalise frames (..., 3, S, S), uint8 0..255 or float 0..1, by the plan's mean and std, in `dtype`."""
    mean, std = (torch.tensor(value, device=frames.device).view(3, 1, 1) for value in (plan.mean, plan.std))
    if frames.dtype == torch.uint8:
        mean, std = mean * 255.0, std * 255.0
    return ((frames.float() - mean) / std).to(dtype)


def weights_digest(tower: Tower) -> str:
    """sha256 of the tensors as float32, sorted by name, and of the configuration that the tensors do not show.

    It is the same for every file format of the same weights, and for half-precision files and their float32 copies.
    """
    plan = tower.plan
    total = hashlib.sha256(f"{plan.kind} {plan.heads} {plan.act} {plan.pool}".encode())
    for name, value in sorted(tower.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)}".encode())
        total.update(value.detach().float().cpu().contiguous().numpy())
    return total.hexdigest()


def fast_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 if the device supports it natively (AVX-512 BF16, AMX, ARM BF16, CUDA from Ampere on), else float32.

    On a CPU without these instructions bfloat16 is emulated and slower than float32.
    """
    device_type = torch.device(device).type
    native = False
    if device_type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device_type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # an older torch cannot say: stay exact
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if native else torch.float32


def _expect_shape(x: Tensor, shape: tuple[int, ...], what: str) -> None:
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != shape:
        raise ValueError(f"expected {what} of {shape}, got {tuple(x.shape)}: resize or sample first")
