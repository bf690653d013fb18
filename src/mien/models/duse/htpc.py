"""HTPC, section III-B: text prompts in the layers of a frozen CLIP, and visual prompts derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mien.backbones.tower import sinusoids
from mien.models.duse.config import MAX_FRAMES, DuSEConfig


class Htpc(nn.Module):
    """Hierarchical Temporal Prompt Cluster, III-B: text prompts (M, n, D_T), and visual prompts derived from them."""

    table: Tensor

    def __init__(self, layers: int, text_width: int, image_width: int, options: DuSEConfig):
        super().__init__()
        self.text = nn.Parameter(0.02 * torch.randn(layers, options.prompts, text_width))
        if not options.htpc:
            return
        out = nn.Linear(text_width, image_width)
        if options.mlp == "relu":
            self.mlp = nn.Sequential(out, nn.ReLU())
        else:
            self.mlp = nn.Sequential(nn.Linear(text_width, text_width), nn.ReLU(), out)
        phase = torch.tensor(float(options.phase))
        if options.phase_learned:
            self.phase = nn.Parameter(phase)
        else:
            self.register_buffer("phase", phase, persistent=False)
        self.register_buffer("table", sinusoids(MAX_FRAMES, image_width), persistent=False)

    def visual(self, places: Sequence[int]) -> list[Tensor]:
        """Create M prompts for the image tower: the first (T, n, D_V), the others (1, n, D_V).

        Args:
            places: positions of the T frames in their clip.
        """
        if max(places) >= MAX_FRAMES:
            raise ValueError(f"frames: expected at most {MAX_FRAMES} a clip, got {max(places) + 1}: sample fewer")
        shallow, *deep = self.mlp(self.text)[:, None]                                       # (6)
        return [shallow + self.phase * self.table[list(places), None], *deep]


def forward_with_prompts(
    blocks: Iterable[nn.Module], tokens: Tensor, prompts: Sequence[Tensor], at: int, keep: bool
) -> Tensor:
    """Run tokens through all layers with prompts in the first M of them.

    Args:
        blocks: the layers.
        tokens: (B, L, D).
        prompts: M prompts, each (B or 1, n, D).
        at: token position of the prompts.
        keep: whether the last prompts stay in the layers after M.

    Returns:
        (B, L, D) without the prompts.
    """
    count = 0  # prompts among the tokens
    for i, block in enumerate(blocks):
        if i < len(prompts):
            fresh = prompts[i].to(tokens.dtype).expand(tokens.shape[0], -1, -1)
            tokens = torch.cat([tokens[:, :at], fresh, tokens[:, at + count:]], dim=1)      # (2), (4): "_" is dropped
            count = fresh.shape[1]
        elif count and not keep:
            tokens, count = torch.cat([tokens[:, :at], tokens[:, at + count:]], dim=1), 0   # (3), (5)
        tokens = block(tokens)
    if not count:
        return tokens
    return torch.cat([tokens[:, :at], tokens[:, at + count:]], dim=1)


def prompt_depth(options: DuSEConfig, image_layers: int, text_layers: int) -> int:
    """Return M, the number of prompted layers. Both towers have the same, since (6) couples them one to one.

    Raises:
        ValueError: a tower has fewer layers.
    """
    if not options.htpc:
        return 1
    named = {"shallow": 1, "normal": image_layers // 3, "deep": 2 * image_layers // 3}
    layers = options.depth if isinstance(options.depth, int) else max(1, named[options.depth])
    most = min(image_layers, text_layers)
    if not 1 <= layers <= most:
        raise ValueError(f"DuSEConfig.depth: expected 1 to {most} layers (image tower {image_layers}, text tower "
                         f"{text_layers}), got {layers} for {options.depth!r}: take a smaller depth")
    return layers
