"""MVP: video and raw physiological signals of one to two minutes, fused by cross-attention.

Strizhkova et al. 2024, MVP: Multimodal Emotion Recognition based on Video and Physiological Signals,
https://arxiv.org/abs/2501.03103. We know its abstract and captions. They leave many details open; docs/methods.md has
our choices with their reasons.

B trials, C channels of N samples, P patches of them; S rows of the video, D numbers each (action units at 5 Hz, or the
features of clips); W width of a token, K classes. `streams` has the encoders, `fusion` the fusion, and `model` the full
model. Missing data are masked, never imputed. A sample that is not finite or masked cannot change the prediction, and
without one modality the model predicts from the other.
"""

from mien.models.mvp.config import AU_RATE, MVPConfig
from mien.models.mvp.encoders import modality_dropout, normalise_channels
from mien.models.mvp.model import MVP, MVPOutput
from mien.models.videomae import CLIP_SECONDS

__all__ = ["AU_RATE", "CLIP_SECONDS", "MVP", "MVPConfig", "MVPOutput", "modality_dropout", "normalise_channels"]
