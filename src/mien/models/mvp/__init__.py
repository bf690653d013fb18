"""MVP: one to two minutes of a face, as a series, and of raw physiology, joined by cross-attention.

Strizhkova et al. 2024, MVP: Multimodal Emotion Recognition based on Video and Physiological Signals,
https://arxiv.org/abs/2501.03103. Of it the abstract and the captions are public; what they leave open is chosen here,
each choice with its reason in docs/methods.md.

B trials, C channels of N samples, P patches of them; S rows of the video, D numbers each (action units at 5 Hz, or the
features of clips); W width of a token, K classes. `streams` has the backbones, `fusion` what joins them, `model` the
whole. What is missing is masked, never filled in: a sample that is not finite or whose mask is False cannot change the
answer, and a modality that is not there leaves the other to answer.
"""

from mien.models.mvp.model import MVP, Evidence
from mien.models.mvp.options import AU_RATE, CLIP_SECONDS, Options
from mien.models.mvp.streams import forget, standardise

__all__ = ["AU_RATE", "CLIP_SECONDS", "MVP", "Evidence", "Options", "forget", "standardise"]
