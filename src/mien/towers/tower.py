"""Open towers: CLIP (image, text), ViT and VideoMAE are one pre-norm transformer with different front doors.

A tower has three joints, and a method walks them itself, in its own file, beside its equations:

    tokens = tower.embed(x)                          # (B, L, D)
    for block in tower.blocks:
        tokens = tokens + block.attend(tokens)
        tokens = tokens + block.mlp(tokens)
    features = tower.finish(tokens)                  # (B, d)

`attend` and `mlp` begin with their own layer norm (`attend.norm`, `mlp.norm`) and leave the residual to the caller.
Vaswani et al. 2017 (1706.03762); Dosovitskiy et al. 2021 (2010.11929); Radford et al. 2021 (2103.00020);
Tong et al. 2022 (2203.12602).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.towers.plan import Plan


class Attend(nn.Module):
    """(B, L, D) -> (B, L, D): layer norm, multi-head self-attention, output map; the caller adds the residual."""

    def __init__(self, width: int, heads: int, eps: float = 1e-5, causal: bool = False, norm: bool = True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm = nn.LayerNorm(width, eps) if norm else nn.Identity()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        heads = self.qkv(self.norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    """(B, L, D) -> (B, L, D): layer norm, up, activation, down; the caller adds the residual."""

    def __init__(self, width: int, inner: int, act: str = "gelu", eps: float = 1e-5):
        super().__init__()
        self.act = act
        self.norm = nn.LayerNorm(width, eps)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.norm(x))
        return self.down(F.gelu(x) if self.act == "gelu" else _quick_gelu(x))


def _quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x) = silu(1.702 x) / 1.702, written over x, which nobody else holds."""
    return F.silu(x.mul_(1.702), inplace=not x.requires_grad).mul_(1 / 1.702)


class Block(nn.Module):
    """One layer: `attend`, then `mlp`, each added to the tokens."""

    def __init__(self, plan: Plan):
        super().__init__()
        self.attend = Attend(plan.width, plan.heads, plan.eps, causal=plan.kind == "clip-text")
        self.mlp = Mlp(plan.width, plan.inner, plan.act, plan.eps)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(x)
        return x + self.mlp(x)


class Picture(nn.Module):
    """Door of CLIP's image tower and of ViT: float (B, 3, S, S), normalised -> (B, 1 + patches, D), class token first.

    `pre` is CLIP's layer norm before the blocks (ViT has none). It works token by token: tokens that a method adds
    before it are `pre(tokens)` put beside what this door returns.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.size = plan.size
        clip = plan.kind == "clip-image"
        self.patch = nn.Conv2d(3, plan.width, plan.patch, plan.patch, bias=not clip)
        self.cls = nn.Parameter(0.02 * torch.randn(plan.width))
        self.positions = nn.Parameter(0.02 * torch.randn(1 + plan.patches, plan.width))
        self.pre = nn.LayerNorm(plan.width, plan.eps) if clip else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        _expect_shape(x, (3, self.size, self.size), "pictures (B, 3, S, S)")
        patches = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(x.shape[0], 1, -1), patches], dim=1)
        return self.pre(tokens + self.positions)


class Words(nn.Module):
    """Door of CLIP's text tower: token ids (B, L), L at most the context -> (B, L, D)."""

    def __init__(self, plan: Plan):
        super().__init__()
        self.words = nn.Embedding(plan.vocab, plan.width)
        nn.init.normal_(self.words.weight, std=0.02)
        self.positions = nn.Parameter(0.02 * torch.randn(plan.context, plan.width))

    def forward(self, ids: Tensor) -> Tensor:
        context = len(self.positions)
        if ids.ndim != 2 or ids.shape[1] > context:
            raise ValueError(f"text: expected token ids (B, L) with L <= {context}, got {tuple(ids.shape)}: shorten it")
        return self.words(ids) + self.positions[: ids.shape[1]]


class Tubes(nn.Module):
    """Door of VideoMAE: float (B, T, 3, S, S), normalised -> (B, patches, D); no class token, fixed sinusoids."""

    positions: Tensor

    def __init__(self, plan: Plan):
        super().__init__()
        self.shape = (plan.frames, 3, plan.size, plan.size)
        cube = (plan.tubelet, plan.patch, plan.patch)
        self.patch = nn.Conv3d(3, plan.width, cube, cube)
        self.register_buffer("positions", sinusoids(plan.patches, plan.width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        _expect_shape(x, self.shape, "clips (B, T, 3, S, S)")
        return self.patch(x.transpose(1, 2)).flatten(2).transpose(1, 2) + self.positions


class Finish(nn.Module):
    """(B, L, D) -> features (B, d): pick or average tokens, last layer norm, projection, as the plan says.

    `end` (B,): where each text ends; only a text tower needs it.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.pool, self.skip = plan.pool, int(plan.kind in ("vit", "clip-image"))
        eps = plan.eps if plan.last_eps is None else plan.last_eps
        self.norm = nn.LayerNorm(plan.width, eps) if plan.norm else nn.Identity()
        self.project = nn.Linear(plan.width, plan.out, bias=False) if plan.out else nn.Identity()

    def forward(self, tokens: Tensor, end: Tensor | None = None) -> Tensor:
        """tokens (B, L, D) -> features (B, d); `end` (B,): where each text ends."""
        if self.pool == "norm-mean":
            return self.project(self.norm(tokens[:, self.skip:]).mean(1))
        if self.pool == "mean-norm":
            return self.project(self.norm(tokens[:, self.skip:].mean(1)))
        if self.pool == "first":
            return self.project(self.norm(tokens[:, 0]))
        if end is None:
            raise ValueError("finish: expected the place of the end token of each text (B,), got None: see towers.ends")
        return self.project(self.norm(tokens[torch.arange(tokens.shape[0], device=tokens.device), end]))


DOORS: dict[str, type[nn.Module]] = {"clip-image": Picture, "vit": Picture, "clip-text": Words, "videomae": Tubes}


class Tower(nn.Module):
    """`embed`, `blocks`, `finish`; see the top of this file. `forward` is the plain walk: x -> features (B, d).

    `hash` and `source` say which published weights these are; both are empty for a tower that was not loaded.
    `told`: what its file of weights says of itself.
    """

    embed: Any  # Picture, Words or Tubes
    blocks: Any  # nn.ModuleList of Block, whose own type knows no `attend` and `mlp`
    finish: Finish

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.hash = self.source = ""
        self.told: dict[str, str] = {}
        self.embed = DOORS[plan.kind](plan)
        self.blocks = nn.ModuleList(Block(plan) for _ in range(plan.layers))
        self.finish = Finish(plan)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.finish(tokens, ends(x, self.plan.end) if self.plan.pool == "end" else None)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.blocks.parameters()).dtype


def ends(ids: Tensor, end: int | None) -> Tensor:
    """Token ids (B, L) -> (B,) place of the first end token; with `end` None the first of the highest id."""
    return ids.argmax(-1) if end is None else (ids == end).int().argmax(-1)


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width) sines at even and cosines at odd channels (Vaswani et al. 2017, section 3.5), float32."""
    channel = np.arange(width)
    angle = np.arange(length)[:, None] / 10000 ** (2 * (channel // 2) / width)
    return torch.from_numpy(np.where(channel % 2 == 0, np.sin(angle), np.cos(angle)).astype(np.float32))


def pixels(frames: Tensor, plan: Plan, dtype: torch.dtype = torch.float32) -> Tensor:
    """Frames (..., 3, S, S), uint8 0..255 or float 0..1 -> normalised by the plan's mean and std, in `dtype`."""
    mean, std = (torch.tensor(value, device=frames.device).view(3, 1, 1) for value in (plan.mean, plan.std))
    scale = 255.0 if frames.dtype == torch.uint8 else 1.0
    return ((frames.float() - mean * scale) / (std * scale)).to(dtype)


def digest(tower: Tower) -> str:
    """sha256 over the tensors, as float32 in the order of their names, and over what changes the function unseen.

    The same for every file format of the same weights, and for half-precision files and their float32 copies.
    """
    plan = tower.plan
    total = hashlib.sha256(f"{plan.kind} {plan.heads} {plan.act} {plan.pool}".encode())
    for name, value in sorted(tower.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)}".encode())
        total.update(value.detach().float().cpu().contiguous().numpy())
    return total.hexdigest()


def fast_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 where the device computes in it (AVX-512 BF16, AMX, ARM BF16, CUDA from Ampere on), else float32.

    On a CPU without these instructions bfloat16 is emulated and slower than float32.
    """
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if torch.device(device).type != "cpu":
        return torch.float32
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch does not tell: stay exact
        return torch.float32
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(can.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else torch.float32


def _expect_shape(x: Tensor, shape: tuple[int, ...], what: str) -> None:
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != shape:
        raise ValueError(f"expected {what} of {shape}, got {tuple(x.shape)}: resize or sample first")
