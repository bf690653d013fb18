"""Zero-shot CLIP: the classes told in words, nothing trained.

Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, section 3.1; for a clip, the
average over its frames. It is DuSE (models/duse.py) without prompts and without LSEA, and is made of it.
"""

from __future__ import annotations

from torch import Tensor

from mien.models.duse import DuSE, Options
from mien.towers import Tower

PLAIN = Options(prompts=0, lsea=False)
"""No prompts, no LSEA; the cosine is divided by 0.01, CLIP's own scale."""


def zero_shot(image: Tower, text: Tower, tokens: Tensor) -> DuSE:
    """The two towers of one CLIP and the class texts' token ids (K, L) -> the classifier."""
    return DuSE(image, text, tokens, PLAIN)
