"""What is seen: frames, the faces in them, windows of one person, signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .checking import expect, freeze

State = Literal["tracked", "predicted", "lost"]
STATES: tuple[State, ...] = ("tracked", "predicted", "lost")

REGIONS = ("forehead", "left_cheek", "right_cheek", "background")
"""The rows of every skin array (R, 3). The last is not skin: what the light alone does."""

OWN_AUS = "mien"
"""Who read the action units of a window, where no other program did."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture. `time` in s; `rgb` uint8 (H, W, 3)."""

    time: float
    rgb: np.ndarray

    def __post_init__(self) -> None:
        expect(np.isfinite(self.time), self, "time", "a finite time in s", self.time)
        rgb = self.rgb
        good = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
        expect(good, self, "rgb", "uint8 (H, W, 3)", f"{getattr(rgb, 'dtype', type(rgb))} {np.shape(rgb)}")
        expect(rgb.size > 0, self, "rgb", "at least one pixel", np.shape(rgb))


@dataclass(frozen=True, eq=False)
class Face:
    """One person in one frame.

    `state`: `tracked` (seen here), `predicted` (missed for a moment, `box` is extrapolated) or `lost`.
    `landmarks` (478, 3) px and `skin` (R, 3) mean RGB of `REGIONS` exist only while `tracked`; a region that is
    out of the picture is NaN. What was not seen is None, never guessed.
    """

    id: int
    box: np.ndarray
    score: float
    state: State
    landmarks: np.ndarray | None = None
    skin: np.ndarray | None = None

    def __post_init__(self) -> None:
        box = freeze(self, "box", self.box, np.float64)
        expect(box.shape == (4,), self, "box", "(4,) x0 y0 x1 y1 in px", box.shape)
        expect(0 <= self.score <= 1, self, "score", "0..1", self.score)
        expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        if self.landmarks is not None:
            landmarks = freeze(self, "landmarks", self.landmarks, np.float32)
            expect(landmarks.ndim == 2 and landmarks.shape[1] == 3, self, "landmarks", "(L, 3)", landmarks.shape)
        if self.skin is not None:
            skin = freeze(self, "skin", self.skin, np.float64)
            expect(skin.shape == (len(REGIONS), 3), self, "skin", f"({len(REGIONS)}, 3)", skin.shape)


@dataclass(frozen=True, eq=False)
class Window:
    """What was seen of one person between `start` and `end` (s), a row a frame; rows without a face are NaN.

    `times` (T,) s; `skin` (T, R, 3) mean RGB of `REGIONS`; `position` (T, 3) x and y of the head and width of the face,
    all in px; `aus` (T, A) intensities 0..5 in the order of `facs.ACTION_UNITS`; `pose` (T, 3) pitch (up), yaw (to the
    person's left), roll (to the person's left shoulder) in degrees; `gaze` (T, 2) yaw, pitch of the eyes in the head in
    degrees, same signs; `faces` uint8 (P, S, S, 3) only for models that need pictures, of the moments `pictured` (P,)
    s, or one a row where that is None: frames without a face have none, and of many frames only some may be kept;
    `signals`: what wires said in that time, where a dataset has it; `clips` (S, D): what a video tower makes of the
    clips that follow each other from `start` on, NaN where no face was seen, only for models that need it; `aus_by`:
    the program that read `aus`, whose scale is its own.
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
    aus_by: str = OWN_AUS

    def __post_init__(self) -> None:
        expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        n = len(self.times)
        for name in ("skin", "position", "aus", "pose", "gaze"):
            expect(len(getattr(self, name)) == n, self, name, f"{n} rows, one a time", len(getattr(self, name)))
        if self.faces is not None:
            wanted = n if self.pictured is None else len(self.pictured)
            good = self.faces.ndim == 4 and self.faces.shape[3] == 3 and self.faces.dtype == np.uint8
            expect(good, self, "faces", "uint8 (P, S, S, 3)", f"{self.faces.dtype} {self.faces.shape}")
            expect(len(self.faces) == wanted, self, "faces", f"{wanted} pictures, one a time", len(self.faces))


@dataclass(frozen=True, eq=False)
class Signal:
    """A sampled signal from a wire or from the camera: `values` float32 (C, N) at `rate` Hz from `start` s on.

    `names` and `units` have one entry a channel; `quality` (N,) 0..1 or None where nobody judged it; `judged`: what is
    bad is NaN already, and nothing is to be judged again.
    """

    values: np.ndarray
    rate: float
    names: tuple[str, ...]
    units: tuple[str, ...]
    start: float = 0.0
    quality: np.ndarray | None = None
    judged: bool = False

    def __post_init__(self) -> None:
        values = freeze(self, "values", self.values, np.float32)
        expect(values.ndim == 2, self, "values", "(C, N)", values.shape)
        expect(np.isfinite(self.rate) and self.rate > 0, self, "rate", "a positive rate in Hz", self.rate)
        for name in ("names", "units"):
            count = len(getattr(self, name))
            expect(count == len(values), self, name, f"{len(values)} entries, one a channel", count)
        if self.quality is not None:
            quality = freeze(self, "quality", self.quality, np.float32)
            expect(quality.shape == values.shape[1:], self, "quality", f"{values.shape[1:]}", quality.shape)

    @property
    def times(self) -> np.ndarray:
        """(N,) s."""
        return self.start + np.arange(self.values.shape[1]) / self.rate
