"""SCPT: Adaptive Physical-Facial Representation Fusion via Subject-Invariant Cross-Modal Prompt Tuning.

Luo, Li, Song, Liu, Cheng 2026, https://arxiv.org/abs/2605.05694. Only the abstract is public: the parts are its, every
detail is our choice, with the precedent beside it in docs/methods.md. `prompts`: the pulse's time-frequency image makes
prompts in all layers of a frozen ViT; `dssa`: adapters of two branches, of which the shared one alone feeds the stream;
`model`: both around the tower, and the losses.

Symbols: B windows, T frames, L tokens, D width of the tower, r width of a code, K classes, S subjects in training.
"""

from mien.models.scpt.model import SCPT, Answer, gradient_norms, pooled
from mien.models.scpt.options import ABLATIONS, FRAMES, RATE, SECONDS, Options

__all__ = ["ABLATIONS", "FRAMES", "RATE", "SCPT", "SECONDS", "Answer", "Options", "gradient_norms", "pooled"]
