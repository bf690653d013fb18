"""What can be asked of MVP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.tasks import ACTION_UNITS

AU_RATE = 5.0
"""Hz of the series of action units. Our choice: expressions last 0.5 s and more, and a minute is 300 tokens."""

CLIP_SECONDS = 2.56
"""From one clip to the next: 16 frames, every fourth at 25 Hz, as VideoMAE samples Kinetics (2203.12602)."""


@dataclass(frozen=True)
class Options:
    """`modality`, `fusion`, `channels`, `video`, `seconds` are the questions of the paper; the sizes are our choice.

    `subjects`: whose trials the folds are made of, "filmed" alone for every modality, so that they can be compared, or
    "all", for signals of those who were not filmed too (of DEAP's 32 people, 10);
    `fusion`: "cross" (queries physiology, keys video), "swapped", "both", "concat", "late" (average of two answers);
    `channels`: one backbone for all, or one each; `rate` Hz and `patch` s of the signals; `video`: "aus", or where the
    tower of the clips comes from, and `features` D of a row; `crop` of its pictures, and for how many epochs it goes on
    learning from the faces of a fold's training side, without labels (`pretrain`) and then with (`finetune`); `heads`:
    one dimension, valence and arousal at once (K = 4: low low, low high, high low, high high), or "rating", one number
    (K = 1), the rating of one dimension with its scale as -1..1, for which `squared` weighs the mean squared error
    beside concordance; `seconds`: of a window at most; in training, `noise` is added to the signals, in deviations of
    each, and `forget` is the chance that a channel, a modality or a stretch of one is hidden; `smoothing` of labels.
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
    pretrain: int = 20  # ours: VideoMAE needs 800 from nothing; published weights know moving pictures already
    finetune: int = 10  # ours: 75 of VideoMAE on Kinetics, whose labels are a thousand times as many
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
    squared: float = 1.0  # ours: on planted people 0 to 3 did equally well; see `rating`

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
                raise ValueError(f"Options.{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def classes(self) -> int:
        """K."""
        return {"one": 2, "two": 4, "rating": 1}[self.heads]

    @property
    def samples(self) -> int:
        """Of a patch."""
        return round(self.patch * self.rate)

    @property
    def step(self) -> float:
        """s from one row of the video to the next."""
        return 1 / AU_RATE if self.video == "aus" else CLIP_SECONDS
