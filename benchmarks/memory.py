"""Memory of a training step by recipe, batch and precision: activations kept for the backward pass, without a GPU.

    python benchmarks/memory.py

The models are on torch's meta device: shapes without numbers, so that L/14 needs neither time nor memory. Attention
keeps what a fused kernel keeps: queries, keys, values, the result and one number for each row, no L x L weights.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from mien.backbones.config import CLIP
from mien.backbones.tower import Tower
from mien.core.batch import Batch
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE
from mien.training.memory import saved_bytes, set_checkpointing

FRAMES, CLASSES, TOKENS = 16, 7, 32


class FusedAttention(torch.autograd.Function):
    """Keeps what a fused attention keeps; it computes nothing."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = torch.empty_like(v)
        ctx.save_for_backward(q, k, v, out, torch.empty(q.shape[:-1], device=q.device))
        return out

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        raise NotImplementedError("only memory is counted")


def model_of(name: str, dtype: torch.dtype) -> DuSE:
    """DuSE on a CLIP of this size with weights in `dtype`, on the meta device."""
    tokens = torch.zeros(CLASSES, TOKENS, dtype=torch.long, device="cpu")
    tokens[:, -1] = 49407
    made = DuSE(Tower(CLIP[name]["image"]), Tower(CLIP[name]["text"]), tokens, DuSEConfig()).to("meta")
    for part in made.children():
        if isinstance(part, Tower):
            part.to(dtype)
    return made.train()


def gibibytes(name: str, rows: int, dtype: torch.dtype, checkpointing: bool) -> float:
    with torch.device("meta"):
        model = model_of(name, dtype)
        set_checkpointing(model, checkpointing)
        size = model.needs.size
        batch = Batch(frames=torch.empty(rows, FRAMES, 3, size, size), target=torch.empty(rows, dtype=torch.long))
        return saved_bytes(model, batch) / 2**30


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    torch.autocast = lambda *_, **__: nullcontext()  # it does not know the meta device, and is off in a loss anyway
    F.scaled_dot_product_attention = lambda q, k, v, is_causal=False: FusedAttention.apply(q, k, v)
    print("| recipe | precision | " + " | ".join(f"{rows} rows | {rows} rows, checkpointing" for rows in (16, 4)) +
          "\n|" + " --- |" * 6)
    for name in CLIP:
        for dtype in (torch.bfloat16, torch.float32):
            cells = [f"{gibibytes(name, rows, dtype, on):.2f}" for rows in (16, 4) for on in (False, True)]
            print(f"| DuSE, {name} | {str(dtype).removeprefix('torch.')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
