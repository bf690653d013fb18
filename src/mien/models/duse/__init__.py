"""DuSE: Cognition-Inspired Dual-Stream Semantic Enhancement for Vision-Based Dynamic Emotion Modeling.

Wang, Zhou, Tao, Li, Zhao, Lin, Wang, Zhang 2026, https://arxiv.org/abs/2604.12777. Comments in the margin give equation
numbers. The files follow the paper: `htpc` is III-B, prompts in the layers of a frozen CLIP; `lsea` is III-C, which
aggregates frames and texts to one feature; `model` combines both with the towers. Details that the paper leaves open or
contradicts are options, with reasons in docs/methods.md.

Symbols: B clips, T frames (t), K classes (c), n prompts per layer, M prompted layers, N heads; D_T, D_V widths of
CLIP's text and image tower, d width of its features. P prompts, E tokens, F_V frame features, F_T text features.
"""

from mien.models.duse.config import AS_PRINTED, DuSEConfig
from mien.models.duse.htpc import prompt_depth
from mien.models.duse.lsea import similarity
from mien.models.duse.model import DuSE, DuSEOutput, ImageSide

__all__ = ["AS_PRINTED", "DuSE", "DuSEConfig", "DuSEOutput", "ImageSide", "prompt_depth", "similarity"]
