"""DSSA, the decoupled shared-specific adapter of one layer of a frozen tower, in two forms.

`LoraDssa` follows the digest: LoRA for the shared part, an MLP for the subject-specific one. `BottleneckDssa` has two
bottlenecks parallel to the layer's MLP. Both run the layer themselves: tokens (B T, L, D) -> tokens, and the codes of
the class token. The shared branch starts at zero, so that the layer is at first the tower's own, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.distributed_loss import Dropout
from mien.models.scpt.config import SCPTConfig


@dataclass(frozen=True, eq=False)
class LatentCodes:
    """Codes of one layer's class token, averaged over the frames.

    Attributes:
        shared: (B, R).
        specific: (B, r), None without specific branch.
        gate: (r,), gates of the specific branch, None without them.
        both: (B, D), sum of the outputs of both bottlenecks; None of LoRA or without specific branch, as is `u`.
        u: (B, D), input of the bottlenecks.
    """

    shared: Tensor
    specific: Tensor | None = None
    gate: Tensor | None = None
    both: Tensor | None = None
    u: Tensor | None = None


@dataclass(frozen=True, eq=False)
class SCPTOutput:
    """Logits and intermediate results of SCPT.

    Attributes:
        logits: (B, K).
        pulse: (B,) bool, False if only the face was used.
        feature: (B, d), output of the tower.
        read: (B, E), input of the classifier.
        codes: codes of each layer.
    """

    logits: Tensor
    pulse: Tensor
    feature: Tensor
    read: Tensor
    codes: tuple[LatentCodes, ...] = ()


class Adapter(nn.Module):
    """Bottleneck parallel to a tower's MLP: Chen et al. 2022, AdaptFormer, arXiv 2205.13535; `up` starts at zero."""

    def __init__(self, width: int, rank: int, gated: bool = False):
        super().__init__()
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, width)
        self.gate = nn.Parameter(torch.ones(rank)) if gated else None
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        for value in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(value)

    def code(self, u: Tensor) -> Tensor:
        """Encode (..., D) -> (..., r)."""
        code = F.gelu(self.down(u))
        if self.gate is not None:
            code = code * self.gate
        return code


class Lora(nn.Module):
    """Low-rank changes of a layer's queries and values: Hu et al. 2022, LoRA, arXiv 2106.09685; `up` starts at zero.

    Where it sits is our choice: queries and values, as in the LoRA paper. Dropout acts on the codes, not on the input:
    a mask of D numbers for each token would take as much memory as the tower's own activations.
    """

    def __init__(self, width: int, options: SCPTConfig):
        super().__init__()
        self.rank, self.factor = options.lora_rank, options.lora_alpha / options.lora_rank
        self.down = nn.Linear(width, 2 * options.lora_rank, bias=False)
        self.up = nn.ModuleList(nn.Linear(options.lora_rank, width, bias=False) for _ in range(2))
        self.dropout = Dropout(options.lora_dropout)
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        for weight in self.up.parameters():
            nn.init.zeros_(weight)

    def change(self, code: Tensor, frames: int) -> Tensor:
        """Changes (B T, L, 3 D) of queries, keys (0) and values from codes (B T, L, 2 r)."""
        by_window = code.unflatten(0, (-1, frames))  # the mask of a window must not depend on the processes
        query, value = self.dropout(by_window).flatten(0, 1).split(self.rank, dim=-1)
        queries, values = self.factor * self.up[0](query), self.factor * self.up[1](value)
        return torch.cat([queries, torch.zeros_like(queries), values], dim=-1)


class _Dssa(nn.Module):
    """The specific branch, and what both forms share.

    The specific branch gets its input without gradient unless it feeds the stream. Subject information must not reach
    the layers before it.
    """

    def __init__(self, width: int, options: SCPTConfig, specific: bool):
        super().__init__()
        self.both, self.svd, self.dimension = options.stream == "both", options.svd, options.dimension
        gated = options.sparse_on == "gate"
        self.specific = Adapter(width, options.bottleneck, gated) if specific else None

    def constrain(self, code: Tensor, down: nn.Linear) -> Tensor:
        """With svd=project: the part of the code in the first k left singular directions of the map that makes it.

        The gradient passes straight through, so that the other directions can still enter the subspace.
        """
        if self.svd != "project":
            return code
        weight = down.weight.detach()
        top = torch.linalg.eigh(weight @ weight.T).eigenvectors[:, -self.dimension :]
        return code + (code @ top @ top.T - code).detach()

    def separate(self, u: Tensor, frames: int, join: bool) -> tuple[Tensor | None, dict[str, Any]]:
        """Apply the specific branch in training.

        Args:
            u: (B T, L, D) normalised tokens.
            frames: T.
            join: whether the branch feeds the stream in this step.

        Returns:
            Its output (B T, L or 1, D), None where it is not used, and its fields of `LatentCodes`.
        """
        if self.specific is None or not self.training:
            return None, {}
        code = self.specific.code(u if self.both and join else u[:, :1].detach())
        return self.specific.up(code), {"specific": _mean(code, frames), "gate": self.specific.gate}


class LoraDssa(_Dssa):
    """LoRA in the layer's attention, and the specific MLP parallel to the layer's own."""

    def __init__(self, width: int, options: SCPTConfig, specific: bool):
        super().__init__(width, options, specific)
        self.shared = Lora(width, options)

    def forward(self, block: Any, tokens: Tensor, frames: int, join: bool) -> tuple[Tensor, LatentCodes]:
        """Run a layer: tokens (B T, L, D) -> tokens and codes; `join`: whether the specific branch feeds the stream."""
        u = block.attend.norm(tokens)
        code = self.constrain(self.shared.down(u.float()), self.shared.down)
        change = self.shared.change(code, frames)
        tokens = tokens + block.attend.mix(block.attend.qkv(u) + change.to(u.dtype))
        added, fields = self.separate(block.mlp.norm(tokens).float(), frames, join)
        out = tokens + block.mlp(tokens)
        if added is not None and self.both and join:
            out = out + added.to(out.dtype)
        return out, LatentCodes(_mean(code, frames), **fields)


class BottleneckDssa(_Dssa):
    """Two bottlenecks parallel to the layer's MLP, times a learned factor."""

    def __init__(self, width: int, options: SCPTConfig, specific: bool):
        super().__init__(width, options, specific)
        self.shared = Adapter(width, options.bottleneck)
        self.scale = nn.Parameter(torch.tensor(options.scale))

    def forward(self, block: Any, tokens: Tensor, frames: int, join: bool) -> tuple[Tensor, LatentCodes]:
        """Run a layer: tokens (B T, L, D) -> tokens and codes; `join`: whether the specific branch feeds the stream."""
        tokens = tokens + block.attend(tokens)
        plain = tokens + block.mlp(tokens)
        u = block.mlp.norm(tokens).float()
        code = self.constrain(self.shared.code(u), self.shared.down)
        out = self.shared.up(code)
        added, fields = self.separate(u, frames, join)
        if added is not None:
            fields |= {"both": _mean(out, frames) + _mean(added, frames), "u": _mean(u, frames).detach()}
            if self.both and join:
                out = out + added
        return plain + (self.scale * out).to(plain.dtype), LatentCodes(_mean(code, frames), **fields)


FORMS: dict[str, type[_Dssa]] = {"lora": LoraDssa, "bottleneck": BottleneckDssa}


def _mean(values: Tensor, frames: int) -> Tensor:
    """Average the class token over frames, (B T, L, C) -> (B, C)."""
    return values[:, 0].unflatten(0, (-1, frames)).mean(dim=1)
