"""Zero-shot SigLIP 2: the classes are given as text, each has a score of its own, and nothing is trained.

Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training (2303.15343), section 3.2; Tschannen et al. 2025, SigLIP
2 (2502.14786). The score of a text is sigmoid(scale cos + bias), with scale and bias of its training. Our choices: the
feature of a clip is the average over its frames, as for CLIP, and the probability of a class is its share of the scores
of all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.backbones.tower import Tower, normalise_pixels
from mien.core.batch import Batch
from mien.core.requirements import ModelRequirements
from mien.models.duse.config import FRAMES
from mien.models.duse.model import average_texts
from mien.models.method import Output


class SiglipZeroShot(nn.Module):
    """SigLIP 2 on its two frozen towers.

    The towers may be bfloat16; the scores are always float32.

    Args:
        image: a tower of kind siglip-image.
        text: a tower of kind siglip-text.
        tokens: (R, L) token ids of the class texts, padded to the context.
        texts: number of texts of each class (K), whose features are averaged; empty for one each.

    Raises:
        ValueError: the towers are of other kinds, do not fit together, or their file has no scale.
    """

    tokens: Tensor
    cached_text: Tensor | None
    frames_independent = True

    def __init__(self, image: Tower, text: Tower, tokens: Tensor, texts: Sequence[int] = ()):
        super().__init__()
        got = [(tower.plan.kind, tower.plan.features) for tower in (image, text)]
        if got != [("siglip-image", got[0][1]), ("siglip-text", got[0][1])]:
            raise ValueError("SiglipZeroShot: expected the image and the text tower of one SigLIP, got (kind, "
                             f"features) {got}")
        if not image.scale:
            raise ValueError(f"{image.source}: expected logit_scale and logit_bias of a SigLIP, got none: use the file "
                             "of both towers")
        if tokens.ndim != 2 or tokens.shape[1] != text.plan.context:
            raise ValueError(f"SiglipZeroShot: expected token ids (R, {text.plan.context}), got {tuple(tokens.shape)}")
        self.texts = tuple(texts) or (1,) * len(tokens)
        self.image, self.text = image.requires_grad_(False), cast("Tower | None", text.requires_grad_(False))
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("cached_text", None, persistent=False)

    @property
    def needs(self) -> ModelRequirements:
        """What the model needs of a window."""
        plan = self.image.plan
        return ModelRequirements(frames=FRAMES, size=plan.size, mean=plan.mean, std=plan.std)

    @torch.no_grad()
    def cache_text_features(self) -> Tensor:
        """Replace the text tower by its features (K, d), float32, of unit length; returns them."""
        if self.cached_text is None:
            features = average_texts(cast(Tower, self.text)(self.tokens).float(), self.texts)
            self.cached_text, self.text = F.normalize(features, dim=-1), None
        return self.cached_text

    def frame_features(self, frames: Tensor, places: Sequence[int] = ()) -> Tensor:
        """Encode frames (B, T, 3, S, S), uint8 or float 0..1 -> (B, T, d), float32; `places` have no effect."""
        pictures = normalise_pixels(frames.flatten(0, 1), self.image.plan, self.image.dtype)
        return self.image(pictures).unflatten(0, frames.shape[:2]).float()

    def scores(self, video: Tensor) -> Tensor:
        """Features of frames (B, T, d) -> scores (B, K) in 0..1 of the classes, each by itself."""
        return self._logits(video).sigmoid()

    def predict_features(self, video: Tensor) -> Output:
        """Predict from features of frames (B, T, d) -> the logarithms (B, K) of the scores; `details`: the scores."""
        return Output(F.logsigmoid(self._logits(video)), video.mean(dim=1), details=self.scores(video))

    def predict(self, batch: Batch, attention: bool = False) -> Output:
        """Predict the frames of a batch, as `predict_features`. Raises ValueError for a batch without frames."""
        if batch.frames is None:
            raise ValueError("SiglipZeroShot: expected frames (B, T, 3, S, S) in the batch, got None: prepare it by "
                             "`needs`")
        return self.predict_features(self.frame_features(batch.frames))

    def _logits(self, video: Tensor) -> Tensor:
        with torch.autocast(video.device.type, enabled=False):
            cosine = F.normalize(video.mean(dim=1), dim=-1) @ self.cache_text_features().T
            return self.image.scale * cosine + self.image.bias
