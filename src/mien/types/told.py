"""What is told of it: readings, and the reason where there is none; rows, sources, people."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .checking import expect, freeze
from .seen import STATES, Signal, State


@dataclass(frozen=True)
class Reading:
    """One measured quantity, or the reason why there is none.

    When `abstained`, `value` is None and `reason` one of `REASONS`; `quality` 0..1 is the signal's, never a class's.
    """

    value: float | None
    unit: str
    quality: float
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        expect(0 <= self.quality <= 1, self, "quality", "0..1", self.quality)
        expect((self.value is None) == bool(self.reason), self, "reason", "a reason exactly where there is no value",
                f"value {self.value}, reason {self.reason!r}")
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)

    @property
    def abstained(self) -> bool:
        return self.value is None


REASONS = {
    "": "measured",
    "too_short": "not enough seconds of this person yet",
    "no_face": "no face was seen for enough of the time",
    "too_dark": "the skin is too dark in the picture to be read",
    "too_bright": "the skin is over-exposed: the sensor is clipped",
    "motion": "the head moves too much, or at the rate that the pulse is claimed at",
    "flicker": "the background changes at the same rate: the light does it, not the blood",
    "low_snr": "no peak stands out of the noise",
    "disagree": "regions of the skin, or parts of the time, disagree about the rate",
    "low_rate": "too few frames a second for this quantity",
    "turned_away": "the face is turned too far from the camera",
    "cut_off": "the edge of the picture cuts the face",
    "no_signals": "the model reads contact signals, and none that it knows were given or can be read",
}
"""Every reason code and what it means."""


@dataclass(frozen=True, eq=False)
class Emotion:
    """What is read of one person over [start, end] s: the row of a timeline and the event of a stream.

    `probs` (K,) over `task`'s classes, `confidence` 0..1 their largest (0 when abstained); `aus` (A,) intensities
    0..5 in the order of `facs.ACTION_UNITS`; `pose` pitch, yaw, roll and `gaze` yaw, pitch in degrees;
    `valence`, `arousal` -1..1; `quality` 0..1 of the pulse; `latency` s from the last frame's arrival to this value.
    `abstained` and `reason` speak of the expression; the heart rate has its own. `read_from`: of a model that looks at
    more than the face, what there was of it, such as "face+pulse", or "face" alone; "" for any other, or abstained.
    """

    start: float
    end: float
    face: int
    state: State
    box: np.ndarray
    task: str
    probs: np.ndarray
    label: str
    confidence: float
    valence: float
    arousal: float
    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    heart_rate: Reading
    reason: str = ""
    latency: float = field(default=0.0, compare=False)
    read_from: str = ""

    def __post_init__(self) -> None:
        expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)
        probs = freeze(self, "probs", self.probs, np.float64)
        whole = probs.ndim == 1 and (self.abstained or abs(float(probs.sum()) - 1) < 1e-6)
        expect(whole, self, "probs", "(K,) that sum to 1", f"{probs.shape} that sum to {probs.sum()}")

    @property
    def abstained(self) -> bool:
        return bool(self.reason)

    @property
    def quality(self) -> float:
        """0..1, of the pulse."""
        return self.heart_rate.quality


@dataclass(frozen=True)
class Source:
    """Where frames came from. `lost` says in words what could not be decoded; empty when all was."""

    name: str
    sha256: str
    width: int
    height: int
    frames: int
    duration: float
    fps_mean: float
    variable_frame_rate: bool
    lost: str = ""


@dataclass(frozen=True, eq=False)
class Person:
    """What a whole recording says of one person.

    `coverage` 0..1: share of the recording's frames in which the face was tracked; `first`, `last` s;
    `expression` (K,) mean probabilities over `task`'s classes; `aus` (A,) mean intensities 0..5;
    `hrv` by name (`rmssd` in ms, `lf_hf` a ratio); `blink_rate` a minute; `pose`, `gaze` mean degrees, as in `Window`;
    `pulse`: the waveform of the best method over the whole recording, None when it abstained throughout;
    `picture` uint8 (S, S, 3): the best view of the face, None when pictures are not wanted; `times` (N,) s and `boxes`
    (N, 4) px: where the face was in every frame in which it was not lost, None where nobody kept them.
    """

    id: int
    coverage: float
    first: float
    last: float
    task: str
    expression: np.ndarray
    valence: float
    arousal: float
    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    heart_rate: Reading
    respiration: Reading
    blink_rate: Reading
    hrv: dict[str, Reading]
    pulse: Signal | None = None
    picture: np.ndarray | None = None
    times: np.ndarray | None = None
    boxes: np.ndarray | None = None

    def __post_init__(self) -> None:
        expect(0 <= self.coverage <= 1, self, "coverage", "0..1", self.coverage)
        expect(self.last >= self.first, self, "last", f"a time from {self.first} on", self.last)
