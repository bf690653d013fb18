"""Results: measurements with reasons for missing ones, rows, sources and people."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mien.core.observations import STATES, Signal, State
from mien.core.recording_timeline import RecordingTimeline
from mien.core.validation import expect, freeze_array


@dataclass(frozen=True)
class Measurement:
    """A measurement, or the reason why it is missing.

    Args:
        value: The value; None when abstained.
        unit: Its unit.
        quality: Quality of the signal 0..1; it is not the confidence of a class.
        method: Name of the method.
        reason: Why the value is missing, one of `REASONS`; "" when it is measured.

    Raises:
        ValueError: The quality or reason is invalid, or there are both a value and a reason, or neither.
    """

    value: float | None
    unit: str
    quality: float
    method: str
    reason: str = ""

    def __post_init__(self) -> None:
        expect(0 <= self.quality <= 1, self, "quality", "0..1", self.quality)
        expect((self.value is None) == bool(self.reason), self, "reason", "a reason if and only if there is no value",
                f"value {self.value}, reason {self.reason!r}")
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)

    @property
    def abstained(self) -> bool:
        """Whether the value is missing."""
        return self.value is None

    @property
    def number(self) -> float:
        """The value, NaN when abstained: for arrays and tables."""
        if self.value is None:
            return math.nan
        return self.value


REASONS = {
    "": "measured",
    "too_short": "too few seconds of this person",
    "no_face": "no face was seen for enough of the time",
    "too_dark": "the skin is too dark in the picture",
    "too_bright": "the skin is over-exposed: the sensor is clipped",
    "motion": "the head moves too much, or at the rate of the supposed pulse",
    "flicker": "the background changes at the same rate: the light changes, not the blood",
    "low_snr": "no peak stands out from the noise",
    "disagree": "regions of the skin, or parts of the time, disagree about the rate",
    "not_blood": "something changes at a steady rate, but light or movement explain it as well as blood",
    "compressed": "the video codec renews the colour too seldom: no pulse is left of it",
    "no_colour": "the camera has no colour, and its brightness shows no clear pulse",
    "edge_of_band": "the rate lies at the edge of the searched rates: it may be anything beyond",
    "low_rate": "too few frames per second for this quantity",
    "turned_away": "the face is turned too far from the camera",
    "cut_off": "the edge of the picture cuts the face",
    "picture": "a single picture: a pulse and blinks need a recording of some seconds",
    "pulse_only": "only the pulse was requested",
    "no_signals": "the model needs contact signals, but none of those that it knows were given or are usable",
}
"""Reason codes and their meanings."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one person over one step: a row of a timeline, and the event of a stream.

    Args:
        start: Start in s.
        end: End in s.
        face: Id of the person.
        state: State of the face, one of `STATES`.
        box: x0 y0 x1 y1 in px (4,).
        task: Name of the label space.
        probs: Probabilities over its classes (K,).
        label: The most probable class; "" when abstained.
        confidence: Its probability 0..1; 0 when abstained.
        valence: -1..1.
        arousal: -1..1.
        aus: Intensities 0..5 in the order of `tasks.ACTION_UNITS` (A,).
        pose: Pitch, yaw and roll in degrees (3,).
        gaze: Yaw and pitch in degrees (2,).
        heart_rate: The heart rate, with a reason of its own.
        reason: Why there is no expression, one of `REASONS`; "" when there is one.
        latency: s from the arrival of the last frame to this prediction.
        read_from: The available inputs of a model of several inputs, such as "face+pulse" or "face"; "" for other
            models, and when abstained.

    Raises:
        ValueError: A value is out of range, or the probabilities do not sum to 1.
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
    heart_rate: Measurement
    reason: str = ""
    latency: float = field(default=0.0, compare=False)
    read_from: str = ""

    def __post_init__(self) -> None:
        expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)
        probs = freeze_array(self, "probs", self.probs, np.float64)
        valid = probs.ndim == 1 and (self.abstained or abs(float(probs.sum()) - 1) < 1e-6)
        expect(valid, self, "probs", "(K,) that sum to 1", f"{probs.shape} that sum to {probs.sum()}")

    @property
    def abstained(self) -> bool:
        """Whether the row has no expression; `reason` says why."""
        return bool(self.reason)

    @property
    def quality(self) -> float:
        """Quality of the pulse, 0..1."""
        return self.heart_rate.quality


@dataclass(frozen=True)
class Source:
    """The recording.

    Args:
        name: File name.
        sha256: SHA-256 of the file.
        width: In px.
        height: In px.
        frames: Number of decoded frames.
        duration: From the first picture to the end of the last one in s.
        fps_mean: Mean frame rate in Hz, without the gaps.
        variable_frame_rate: Whether the frame rate varies.
        lost: Describes what is missing, changed or cut off; "" if nothing is.
        start: Time of the first picture in s on the player's clock, on which all times are.
        timeline: Segments, gaps, jumps and counts; None where they are not known.
    """

    name: str
    sha256: str
    width: int
    height: int
    frames: int
    duration: float
    fps_mean: float
    variable_frame_rate: bool
    lost: str = ""
    start: float = 0.0
    timeline: RecordingTimeline | None = None

    @property
    def end(self) -> float:
        """End of the last picture in s on the player's clock."""
        return self.start + self.duration


@dataclass(frozen=True, eq=False)
class Person:
    """A summary of one person over the whole recording.

    Args:
        id: Id of the person.
        coverage: Share of the frames in which the face was tracked, 0..1.
        first: First time in s at which the face was seen.
        last: Last time in s.
        task: Name of the label space.
        expression: Mean probabilities over its classes (K,).
        valence: Mean, -1..1.
        arousal: Mean, -1..1.
        aus: Mean intensities 0..5 (A,).
        pose: Mean pose in degrees (3,), as in `Window`.
        gaze: Mean gaze in degrees (2,), as in `Window`.
        heart_rate: In bpm.
        respiration: Breathing rate.
        blink_rate: Blinks per minute.
        hrv: Heart rate variability by name: `rmssd`, `sdnn`, `sd1` and `sd2` in ms, `pnn50` in percent, `lf_hf` a
            ratio.
        pulse: The pulse wave; None if it abstained throughout.
        beats: Times in s (B,) of the heartbeats in the longest stretch that shows the pulse; None without.
        picture: The best view of the face, uint8 (S, S, 3); None if pictures are switched off.
        times: Times in s (N,) of the frames in which the face was not lost; None if they were not kept.
        boxes: Boxes in px (N, 4) at these times.

    Raises:
        ValueError: The coverage or the times are out of range.
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
    heart_rate: Measurement
    respiration: Measurement
    blink_rate: Measurement
    hrv: dict[str, Measurement]
    pulse: Signal | None = None
    beats: np.ndarray | None = None
    picture: np.ndarray | None = None
    times: np.ndarray | None = None
    boxes: np.ndarray | None = None

    def __post_init__(self) -> None:
        expect(0 <= self.coverage <= 1, self, "coverage", "0..1", self.coverage)
        expect(self.last >= self.first, self, "last", f"a time from {self.first} on", self.last)
