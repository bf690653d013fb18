"""Settings of MVP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.core.tasks import ACTION_UNITS
from mien.models.videomae import CLIP_SECONDS

AU_RATE = 5.0
"""Hz of the series of action units. Our choice: expressions last 0.5 s and more, and a minute is 300 tokens."""


@dataclass(frozen=True)
class MVPConfig:
    """Settings of MVP. The paper varies `modality`, `fusion`, `channels`, `video`, `seconds`; the sizes are our choice.

    Attributes:
        modality: which inputs the model uses.
        subjects: subjects in the folds: "filmed" for every modality, so that modalities can be compared, or "all",
            which adds signals of subjects without video (10 of DEAP's 32).
        fusion: "cross" (queries physiology, keys video), "swapped", "both", "concat", "late" (average of two outputs).
        channels: one encoder for all channels, or one per channel.
        signals: names of the channels.
        rate: sampling rate of the signals in Hz.
        seconds: maximum length of a window.
        video: "aus", or the source of the weights of the tower of the clips.
        features: D, numbers per row of the video.
        crop: crop of the pictures of clips.
        pretrain, finetune: epochs of the clip tower on a fold's training set, without and then with labels.
        heads: "one" dimension, "two" for valence and arousal (K = 4: low low, low high, high low, high high), or
            "rating", one number (K = 1) with its scale mapped to -1..1.
        patch: length of a signal patch in s.
        width, inner: width of tokens and of the MLP.
        layers, video_layers, fusion_layers, attention_heads: sizes of encoders and fusion.
        dropout, head_dropout: dropout rates.
        noise: noise on the signals in training, in standard deviations of each.
        forget: chance in training that a channel, a modality or a part of one is hidden.
        smoothing: label smoothing.
        squared: weight of the mean squared error in addition to the concordance, for the "rating" head.
    """

    modality: Literal["both", "physio", "video"] = "both"
    subjects: Literal["filmed", "all"] = "filmed"  # ours: a modality study compares the same people
    fusion: Literal["cross", "swapped", "both", "concat", "late"] = "cross"
    channels: Literal["joint", "separate"] = "joint"  # joint: the paper; separate: its future work
    signals: tuple[str, ...] = ("ecg", "ecg_left", "eda")  # AMIGOS
    rate: float = 128.0  # of AMIGOS and DEAP as published
    seconds: float = 120.0  # "1-2 minutes"
    video: str = "aus"
    features: int = len(ACTION_UNITS)
    crop: Literal["large", "tight"] = "large"  # the paper's better one
    pretrain: int = 20  # ours: VideoMAE has 800 from scratch; we start from published weights
    finetune: int = 10  # ours: VideoMAE has 75 on Kinetics, with a thousand times as many labels
    heads: Literal["one", "two", "rating"] = "one"
    patch: float = 0.5
    width: int = 256
    layers: int = 4
    video_layers: int = 2
    fusion_layers: int = 2
    attention_heads: int = 8
    inner: int = 1024
    dropout: float = 0.1
    head_dropout: float = 0.3
    noise: float = 0.02
    forget: float = 0.1
    smoothing: float = 0.01  # EEGain, of the same laboratory
    squared: float = 1.0  # ours: on synthetic subjects 0 to 3 performed equally well; see `rating`

    def __post_init__(self) -> None:
        shares = ("dropout", "head_dropout", "noise", "forget", "smoothing")
        for name, good, expected in (
            ("signals", len(self.signals) == len(set(self.signals)) > 0, "one or more different channels"),
            ("rate", self.rate > 0, "more than 0 Hz"), ("seconds", self.seconds >= self.patch, "a patch or more"),
            ("patch", round(self.patch * self.rate) >= 1, "a sample or more"),
            ("features", self.features >= 1, "1 or more"), ("layers", self.layers >= 0, "0 or more"),
            ("video_layers", self.video_layers >= 0, "0 or more"), ("inner", self.inner >= 1, "1 or more"),
            ("pretrain", self.pretrain >= 0, "0 or more"), ("finetune", self.finetune >= 0, "0 or more"),
            ("fusion_layers", self.fusion_layers >= 1, "1 or more"), ("width", self.width >= 2, "2 or more"),
            ("attention_heads", self.attention_heads >= 1 and self.width % self.attention_heads == 0,
             f"a divisor of the width {self.width}"),
            ("squared", self.squared >= 0, "0 or more"),
            *((name, 0 <= getattr(self, name) < 1, "0 or more, less than 1") for name in shares),
        ):
            if not good:
                raise ValueError(f"MVPConfig.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def classes(self) -> int:
        """K."""
        return {"one": 2, "two": 4, "rating": 1}[self.heads]

    @property
    def samples(self) -> int:
        """Samples per patch."""
        return round(self.patch * self.rate)

    @property
    def step(self) -> float:
        """Interval between rows of the video in s."""
        if self.video == "aus":
            return 1 / AU_RATE
        return CLIP_SECONDS
