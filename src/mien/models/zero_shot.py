"""Zero-shot CLIP: the classes are given as text, and nothing is trained.

Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, section 3.1. The feature of
a clip is the average over its frames. The model is DuSE (models/duse) without prompts and without LSEA.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mien.backbones.tower import Tower
from mien.models.duse.config import DuSEConfig
from mien.models.duse.model import DuSE

ZERO_SHOT_CONFIG = DuSEConfig(prompts=0, lsea=False)
"""No prompts, no LSEA; the cosine is multiplied by the scale that the tower was trained with."""


def zero_shot(image: Tower, text: Tower, tokens: Tensor, texts: Sequence[int] = ()) -> DuSE:
    """Build the classifier.

    Args:
        image: the image tower of a CLIP.
        text: its text tower.
        tokens: (R, L) token ids of the class texts.
        texts: number of texts of each class (K); empty for one each.
    """
    return DuSE(image, text, tokens, ZERO_SHOT_CONFIG, texts)
