"""The prediction for a whole recording by a model with a long window, and its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mien.core.observations import Signal
from mien.core.results import REASONS
from mien.core.validation import expect, freeze_array


@dataclass(frozen=True, eq=False)
class AttentionOverTime:
    """Attention of a model over time.

    Args:
        times: Centres of the intervals in s (N,).
        share: Relative attention (N,): 1 is the average over all intervals, NaN means no input.
        nowhere: Share of the attention that belongs to no moment, 0..1.
    """

    times: np.ndarray
    share: np.ndarray
    nowhere: float

    def __post_init__(self) -> None:
        times, share = (
            freeze_array(self, "times", self.times, np.float64),
            freeze_array(self, "share", self.share, np.float64),
        )
        expect(times.shape == share.shape and times.ndim == 1, self, "share", f"{times.shape}", share.shape)


@dataclass(frozen=True, eq=False)
class RecordingPrediction:
    """The prediction for a whole recording, for the person with the contact signals.

    Args:
        face: Id of the person; None if no face was seen.
        task: Name of the label space.
        probs: Probabilities over its classes (K,); NaN if the model abstains.
        seconds: Length of the recording in s.
        used: s of each channel and of `face` that the prediction used, in complete patches.
        signals: The signals as the model received them, NaN where it used none; None without any.
        attention: Attention over time, by name of the input.
        notes: Assumptions and problems, a phrase each.
        reason: Why the model abstains, one of `REASONS`; "" if it does not.

    Raises:
        ValueError: The reason is unknown, or the probabilities do not sum to 1.
    """

    face: int | None
    task: str
    probs: np.ndarray
    seconds: float
    used: Mapping[str, float]
    signals: Signal | None = None
    attention: Mapping[str, AttentionOverTime] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        probs = freeze_array(self, "probs", self.probs, np.float64)
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)
        valid = probs.ndim == 1 and (bool(self.reason) or abs(float(probs.sum()) - 1) < 1e-6)
        expect(valid, self, "probs", "(K,) that sum to 1", f"{probs.shape} that sum to {probs.sum()}")
