"""Observations: frames, faces, windows of one person, and signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.core.validation import expect, freeze_array

State = Literal["tracked", "predicted", "lost"]
STATES: tuple[State, ...] = ("tracked", "predicted", "lost")

REGIONS = ("forehead", "left_cheek", "right_cheek", "background")
"""The rows of every skin array (R, 3). The background is not skin; it shows changes of the light alone."""

LEAST_INTERVAL = 0.001
"""Least time in s between two frames of a live stream. Our choice: no camera is faster. A client whose clock hardly
advances would fill the memory."""

LARGEST_SIDE = 16_384
"""Largest side of a frame in px. Our choice: twice the width of 8K video. It is below 32,767 px, where the 16-bit
coordinates of OpenCV and of face detectors overflow and crash the process."""

MIEN_AUS = "mien"
"""The value of `Window.aus_by` for action units that mien measured."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One video frame.

    Args:
        time: Time in s.
        rgb: Picture, uint8 (H, W, 3), at most `LARGEST_SIDE` px a side.

    Raises:
        ValueError: A value is not as described.
    """

    time: float
    rgb: np.ndarray

    def __post_init__(self) -> None:
        expect(np.isfinite(self.time), self, "time", "a finite time in s", self.time)
        rgb = self.rgb
        good = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
        expect(good, self, "rgb", "uint8 (H, W, 3)", f"{getattr(rgb, 'dtype', type(rgb))} {np.shape(rgb)}")
        expect(rgb.size > 0, self, "rgb", "at least one pixel", np.shape(rgb))
        expect(max(rgb.shape) <= LARGEST_SIDE, self, "rgb", f"at most {LARGEST_SIDE} px a side", np.shape(rgb))


@dataclass(frozen=True, eq=False)
class Face:
    """One person in one frame. Values that were not measured are None, never guessed.

    Args:
        id: Id of the person.
        box: x0 y0 x1 y1 in px (4,).
        score: Confidence of the detector, 0..1.
        state: "tracked" (detected here), "predicted" (missed for a moment, the box is extrapolated) or "lost".
        landmarks: In px (478, 3); only while tracked.
        skin: Mean RGB of `REGIONS` (R, 3), NaN for a region outside the picture; only while tracked.
        carried: Whether the landmarks are those of an earlier frame, moved by optical flow. Their positions are valid,
            but the expression is not measured.

    Raises:
        ValueError: A value is not as described.
    """

    id: int
    box: np.ndarray
    score: float
    state: State
    landmarks: np.ndarray | None = None
    skin: np.ndarray | None = None
    carried: bool = False

    def __post_init__(self) -> None:
        box = freeze_array(self, "box", self.box, np.float64)
        expect(box.shape == (4,), self, "box", "(4,) x0 y0 x1 y1 in px", box.shape)
        expect(0 <= self.score <= 1, self, "score", "0..1", self.score)
        expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        if self.landmarks is not None:
            landmarks = freeze_array(self, "landmarks", self.landmarks, np.float32)
            expect(landmarks.ndim == 2 and landmarks.shape[1] == 3, self, "landmarks", "(L, 3)", landmarks.shape)
        if self.skin is not None:
            skin = freeze_array(self, "skin", self.skin, np.float64)
            expect(skin.shape == (len(REGIONS), 3), self, "skin", f"({len(REGIONS)}, 3)", skin.shape)


@dataclass(frozen=True, eq=False)
class Window:
    """The measurements of one person over a time interval, one row per frame; rows without a face are NaN.

    Args:
        start: Start in s.
        end: End in s.
        times: Times of the rows in s (T,).
        skin: Mean RGB of `REGIONS` (T, R, 3).
        position: x and y of the head and width of the face in px (T, 3).
        aus: Intensities 0..5 in the order of `tasks.ACTION_UNITS` (T, A).
        pose: Pitch (up), yaw (to the person's left) and roll (to the person's left shoulder) in degrees (T, 3).
        gaze: Yaw and pitch of the eyes in the head in degrees, with the same signs (T, 2).
        faces: Pictures, uint8 (P, S, S, 3); only for models that need them. Frames without a face have none, and some
            frames may be left out.
        pictured: Times of the pictures in s (P,); None if there is one per row.
        signals: Contact signals of the interval, if a dataset has them.
        clips: Features of a video backbone (S, D) for consecutive clips from `start`, NaN without a face; only for
            models that need them.
        aus_by: The program that measured `aus`; each program has a scale of its own.
        expression: Probabilities of the classes of `tasks.EXPRESSION` by the built-in reader (T, K); None where it has
            not read the face.
        features: What heads of other classes read of each frame (T, F); None as `expression`.

    Raises:
        ValueError: The number of rows or pictures differs, or the pictures have a wrong type.
    """

    start: float
    end: float
    times: np.ndarray
    skin: np.ndarray
    position: np.ndarray
    aus: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    faces: np.ndarray | None = None
    pictured: np.ndarray | None = None
    signals: Signal | None = None
    clips: np.ndarray | None = None
    aus_by: str = MIEN_AUS
    expression: np.ndarray | None = None
    features: np.ndarray | None = None

    def __post_init__(self) -> None:
        expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        n = len(self.times)
        for name in ("skin", "position", "aus", "pose", "gaze"):
            expect(len(getattr(self, name)) == n, self, name, f"{n} rows, one a time", len(getattr(self, name)))
        if self.faces is not None:
            count = n if self.pictured is None else len(self.pictured)
            good = self.faces.ndim == 4 and self.faces.shape[3] == 3 and self.faces.dtype == np.uint8
            expect(good, self, "faces", "uint8 (P, S, S, 3)", f"{self.faces.dtype} {self.faces.shape}")
            expect(len(self.faces) == count, self, "faces", f"{count} pictures, one a time", len(self.faces))


@dataclass(frozen=True, eq=False)
class Signal:
    """A sampled signal from a contact sensor or the camera.

    Args:
        values: Samples, float32 (C, N).
        rate: Sampling rate in Hz.
        names: Names of the channels (C).
        units: Units of the channels (C).
        start: Time of the first sample in s.
        quality: Quality of each sample 0..1 (N,); None if it is unknown.
        judged: Whether bad samples are already NaN, so that quality checks are skipped.

    Raises:
        ValueError: A shape is wrong, or the rate is not positive.
    """

    values: np.ndarray
    rate: float
    names: tuple[str, ...]
    units: tuple[str, ...]
    start: float = 0.0
    quality: np.ndarray | None = None
    judged: bool = False

    def __post_init__(self) -> None:
        values = freeze_array(self, "values", self.values, np.float32)
        expect(values.ndim == 2, self, "values", "(C, N)", values.shape)
        expect(np.isfinite(self.rate) and self.rate > 0, self, "rate", "a positive rate in Hz", self.rate)
        for name in ("names", "units"):
            count = len(getattr(self, name))
            expect(count == len(values), self, name, f"{len(values)} entries, one a channel", count)
        if self.quality is not None:
            quality = freeze_array(self, "quality", self.quality, np.float32)
            expect(quality.shape == values.shape[1:], self, "quality", f"{values.shape[1:]}", quality.shape)

    @property
    def times(self) -> np.ndarray:
        """Times of the samples in s (N,)."""
        return self.start + np.arange(self.values.shape[1]) / self.rate
