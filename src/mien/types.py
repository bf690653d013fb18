"""The values that flow through mien: frame, face, window, signal, reading, emotion.

Conventions, for every file of the package:

- time in s since the start of the recording, rate in Hz, heart rate in beats a minute (bpm);
- boxes are x0 y0 x1 y1 in px, x to the right, y down; left and right are the person's own;
- colour is RGB uint8;
- arrays are (time, ...).

All are frozen dataclasses that check themselves; an error says what was expected and what came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

State = Literal["tracked", "predicted", "lost"]
STATES: tuple[State, ...] = ("tracked", "predicted", "lost")

REGIONS = ("forehead", "left_cheek", "right_cheek", "background")
"""The rows of every skin array (R, 3). The last is not skin: what the light alone does."""


def _expect(ok: bool, owner: object, name: str, expected: str, got: object) -> None:
    if not ok:
        raise ValueError(f"{type(owner).__name__}.{name}: expected {expected}, got {got}")


def _freeze(owner: object, name: str, value: object, dtype: type) -> np.ndarray:
    array: np.ndarray = np.asarray(value, dtype=dtype)
    object.__setattr__(owner, name, array)
    return array


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture. `time` in s; `rgb` uint8 (H, W, 3)."""

    time: float
    rgb: np.ndarray

    def __post_init__(self) -> None:
        _expect(np.isfinite(self.time), self, "time", "a finite time in s", self.time)
        rgb = self.rgb
        good = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
        _expect(good, self, "rgb", "uint8 (H, W, 3)", f"{getattr(rgb, 'dtype', type(rgb))} {np.shape(rgb)}")
        _expect(rgb.size > 0, self, "rgb", "at least one pixel", np.shape(rgb))


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
        box = _freeze(self, "box", self.box, np.float64)
        _expect(box.shape == (4,), self, "box", "(4,) x0 y0 x1 y1 in px", box.shape)
        _expect(0 <= self.score <= 1, self, "score", "0..1", self.score)
        _expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        if self.landmarks is not None:
            landmarks = _freeze(self, "landmarks", self.landmarks, np.float32)
            _expect(landmarks.ndim == 2 and landmarks.shape[1] == 3, self, "landmarks", "(L, 3)", landmarks.shape)
        if self.skin is not None:
            skin = _freeze(self, "skin", self.skin, np.float64)
            _expect(skin.shape == (len(REGIONS), 3), self, "skin", f"({len(REGIONS)}, 3)", skin.shape)


@dataclass(frozen=True, eq=False)
class Window:
    """What was seen of one person between `start` and `end` (s), a row a frame; rows without a face are NaN.

    `times` (T,) s; `skin` (T, R, 3) mean RGB of `REGIONS`; `position` (T, 3) x and y of the head and width of the face,
    all in px; `aus` (T, A) intensities 0..5 in the order of `facs.ACTION_UNITS`; `pose` (T, 3) pitch (up), yaw (to the
    person's left), roll (to the person's left shoulder) in degrees; `gaze` (T, 2) yaw, pitch of the eyes in the head in
    degrees, same signs; `faces` uint8 (T, S, S, 3) only for models that need pictures.
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

    def __post_init__(self) -> None:
        _expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        n = len(self.times)
        for name in ("skin", "position", "aus", "pose", "gaze", "faces"):
            value = getattr(self, name)
            if value is not None:
                _expect(len(value) == n, self, name, f"{n} rows, one a time", len(value))


@dataclass(frozen=True, eq=False)
class Signal:
    """A sampled signal from a wire or from the camera: `values` float32 (C, N) at `rate` Hz from `start` s on.

    `names` and `units` have one entry a channel; `quality` (N,) 0..1 or None where nobody judged it.
    """

    values: np.ndarray
    rate: float
    names: tuple[str, ...]
    units: tuple[str, ...]
    start: float = 0.0
    quality: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = _freeze(self, "values", self.values, np.float32)
        _expect(values.ndim == 2, self, "values", "(C, N)", values.shape)
        _expect(np.isfinite(self.rate) and self.rate > 0, self, "rate", "a positive rate in Hz", self.rate)
        for name in ("names", "units"):
            count = len(getattr(self, name))
            _expect(count == len(values), self, name, f"{len(values)} entries, one a channel", count)
        if self.quality is not None:
            quality = _freeze(self, "quality", self.quality, np.float32)
            _expect(quality.shape == values.shape[1:], self, "quality", f"{values.shape[1:]}", quality.shape)

    @property
    def times(self) -> np.ndarray:
        """(N,) s."""
        return self.start + np.arange(self.values.shape[1]) / self.rate


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
        _expect(0 <= self.quality <= 1, self, "quality", "0..1", self.quality)
        _expect((self.value is None) == bool(self.reason), self, "reason", "a reason exactly where there is no value",
                f"value {self.value}, reason {self.reason!r}")
        _expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)

    @property
    def abstained(self) -> bool:
        return self.value is None


REASONS = {
    "": "measured",
    "too_short": "not enough seconds of this person yet",
    "no_face": "no face was seen for enough of the time",
    "too_dark": "the skin is too dark in the picture to carry a pulse",
    "too_bright": "the skin is over-exposed: the sensor is clipped",
    "motion": "the head moves too much, or at the rate that the pulse is claimed at",
    "flicker": "the background changes at the same rate: the light does it, not the blood",
    "low_snr": "no peak stands out of the noise",
    "disagree": "skin regions or methods disagree about the rate",
    "low_rate": "too few frames a second for this quantity",
    "turned_away": "the face is turned too far from the camera",
}
"""Every reason code and what it means."""


@dataclass(frozen=True, eq=False)
class Emotion:
    """What is read of one person over [start, end] s: the row of a timeline and the event of a stream.

    `probs` (K,) over `task`'s classes, `confidence` 0..1 their largest (0 when abstained); `aus` (A,) intensities
    0..5 in the order of `facs.ACTION_UNITS`; `pose` pitch, yaw, roll and `gaze` yaw, pitch in degrees;
    `valence`, `arousal` -1..1; `quality` 0..1 of the pulse; `latency` s from the last frame's arrival to this value.
    `abstained` and `reason` speak of the expression; the heart rate has its own.
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

    def __post_init__(self) -> None:
        _expect(self.end >= self.start, self, "end", f"a time from {self.start} on", self.end)
        _expect(self.state in STATES, self, "state", " or ".join(STATES), self.state)
        _expect(self.reason in REASONS, self, "reason", "one of REASONS", self.reason)
        probs = _freeze(self, "probs", self.probs, np.float64)
        whole = probs.ndim == 1 and (self.abstained or abs(float(probs.sum()) - 1) < 1e-6)
        _expect(whole, self, "probs", "(K,) that sum to 1", f"{probs.shape} that sum to {probs.sum()}")

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
    `picture` uint8 (S, S, 3): the best view of the face, None when pictures are not wanted.
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

    def __post_init__(self) -> None:
        _expect(0 <= self.coverage <= 1, self, "coverage", "0..1", self.coverage)
        _expect(self.last >= self.first, self, "last", f"a time from {self.first} on", self.last)


@dataclass(frozen=True)
class Needs:
    """What a model asks of `data.prepare`; None for what it does not look at.

    `frames`: number of pictures of the face, `size` their side in px, `mean`, `std` (3,) of pixels in 0..1;
    `seconds`: length of the window; `signals`: names of the channels, at `rate` Hz; `aus`: rate in Hz of the series of
    action units; `clips`: which video tower's features, one row a clip; `tfr`: (F, T) of the time-frequency image.
    """

    frames: int | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seconds: float | None = None
    signals: tuple[str, ...] | None = None
    rate: float | None = None
    aus: float | None = None
    clips: str | None = None
    tfr: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "size", "seconds", "rate", "aus"):
            value = getattr(self, name)
            _expect(value is None or value > 0, self, name, "a positive number or None", value)
        for name, other in (("size", "frames"), ("rate", "signals")):
            together = (getattr(self, name) is None) == (getattr(self, other) is None)
            _expect(together, self, name, f"a value exactly where {other} are asked for", getattr(self, name))
