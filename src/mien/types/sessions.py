"""What a model of one or two minutes reads of a whole recording, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .checking import expect, freeze
from .seen import Signal
from .told import REASONS


@dataclass(frozen=True, eq=False)
class Course:
    """Attention over time: `times` (N,) s, the middle of each stretch; `share` (N,), 1 where each stretch gets as much
    as every other, NaN where there was nothing to look at; `nowhere` 0..1: what went to no moment at all."""

    times: np.ndarray
    share: np.ndarray
    nowhere: float

    def __post_init__(self) -> None:
        times, share = freeze(self, "times", self.times, np.float64), freeze(self, "share", self.share, np.float64)
        expect(times.shape == share.shape and times.ndim == 1, self, "share", f"{times.shape}", share.shape)


@dataclass(frozen=True, eq=False)
class Session:
    """The answer for a whole recording, of the one person whom contact signals are taken to belong to.

    `face`: the person's id, None where nobody was seen; `probs` (K,) over `task`'s classes, NaN with a `reason` (one of
    REASONS) where the model abstains; `seconds` of the recording; `used` s by name of channel or `face`: what the
    answer rests on, in whole patches; `signals`: as the model was given them, NaN where it used none, None without any;
    `attention` by name, of what the model looks at; `notes`: what was assumed and what is wrong, a phrase each.
    """

    face: int | None
    task: str
    probs: np.ndarray
    seconds: float
    used: Mapping[str, float]
    signals: Signal | None = None
    attention: Mapping[str, Course] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        probs = freeze(self, "probs", self.probs, np.float64)
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)
        whole = probs.ndim == 1 and (bool(self.reason) or abs(float(probs.sum()) - 1) < 1e-6)
        expect(whole, self, "probs", "(K,) that sum to 1", f"{probs.shape} that sum to {probs.sum()}")
