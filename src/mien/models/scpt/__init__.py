"""SCPT: Adaptive Physical-Facial Representation Fusion via Subject-Invariant Cross-Modal Prompt Tuning.

Luo, Li, Song, Liu, Cheng 2026, https://arxiv.org/abs/2605.05694. We have read the abstract and a second-hand digest.
The parts follow both; every other detail is our choice, with its reason in docs/methods.md. `encoder`: a light residual
CNN encodes the pulse's time-frequency image; `prompts`: it generates prompts in all layers of a frozen ViT; `dssa`:
adapters with two branches, of which only the shared one feeds the residual stream; `losses`; `baselines`; `model`.

Symbols: B windows, T frames, L tokens, D width of the tower, R and r widths of a layer's shared and specific code,
K classes, S training subjects.
"""

from mien.models.scpt.config import ABLATIONS, BASELINES, FRAMES, KERNEL, RATE, SECONDS, SCPTConfig
from mien.models.scpt.dssa import SCPTOutput
from mien.models.scpt.model import SCPT

__all__ = ["ABLATIONS", "BASELINES", "FRAMES", "KERNEL", "RATE", "SCPT", "SECONDS", "SCPTConfig", "SCPTOutput"]
