"""The main job, live: frames in, expression and pulse of everybody in the picture out, a row a person and step.

A file is a stream that ends: `analyze` in analysis.py is this, run over `video.read(path)`.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from . import facs, pulse
from .face import Finder, Tracker
from .tasks import EXPRESSION, Task
from .types import Emotion, Face, Frame, Reading, Window
from .windower import Windower


@dataclass(frozen=True)
class Settings:
    """What a user may choose. `step`, `duration`, `latency`, `smoothing` in s.

    step: how often a row comes; duration: how far back the pulse looks; latency: how long a row waits for what comes
    after it; smoothing: time constant of the expression's smoothing; neutral: '' to estimate a person's neutral face on
    line, 'first:5s', or the path of a picture; faces: the most people followed; pictures: keep the best view of each;
    face_model: a .task file for mediapipe's newer API instead of the built-in models.
    """

    step: float = 0.5
    duration: float = 20.0
    latency: float = 0.0
    smoothing: float = 0.5  # our choice: expressions last 0.5 to 4 s (Ekman 2003); shorter flicker is noise
    neutral: str = ""
    faces: int = 8
    pictures: bool = True
    model: str = "facs"
    face_model: str = ""

    def __post_init__(self) -> None:
        for name, low in (("step", 0.02), ("duration", 1.0), ("faces", 1)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name}: expected {low} or more, got {getattr(self, name)}")
        for name in ("latency", "smoothing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more seconds, got {getattr(self, name)}")
        neutral_seconds(self.neutral)


def neutral_seconds(neutral: str) -> float:
    """'first:5s' -> 5.0; 0.0 for anything that is not of this form (a picture's path, or nothing)."""
    if not neutral.startswith("first:"):
        return 0.0
    try:
        seconds = float(neutral.removeprefix("first:").removesuffix("s"))
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < 3600:
        raise ValueError(f"neutral: expected first:<seconds>s, such as first:5s, or a picture's path, got {neutral!r}")
    return seconds


class Model(Protocol):
    """What reads an expression: `task` names its classes, `seconds` how long a window it wants (0: one step)."""

    task: Task
    seconds: float

    def read(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,)."""


class Prototypes:
    """The default model: published action-unit prototypes (`facs.expression`); no training, not calibrated."""

    task = EXPRESSION
    seconds = 0.0

    def read(self, window: Window) -> np.ndarray:
        aus = window.aus[np.isfinite(window.aus).all(axis=1)]
        return facs.expression(aus).mean(axis=0)


class Smoother:
    """Exponential smoothing of probabilities at true times; starts anew after `forget` s without a value."""

    def __init__(self, constant: float, forget: float = 2.0) -> None:
        self.constant, self.forget = constant, forget
        self._time, self._value = -np.inf, np.zeros(0)

    def push(self, time: float, probs: np.ndarray) -> np.ndarray:
        """time s, probs (K,) -> smoothed (K,), which sums to what `probs` sums to."""
        passed = time - self._time
        if passed > self.forget or self.constant == 0:
            self._value = probs
        else:
            self._value = self._value + (1 - np.exp(-passed / self.constant)) * (probs - self._value)
        self._time = time
        return self._value


class Stream:
    """Push frames, get rows. `with Stream() as stream: for frame in video.webcam(): stream.push(frame)`.

    Rows of the step [k step, (k+1) step) come with the first frame at or after its end plus `latency`, for everybody
    known then. `keep_all`: remember each person's whole recording (for a file); otherwise the last `duration` s.
    """

    def __init__(self, model: Model | None = None, settings: Settings | None = None, *, finder: Finder | None = None,
                 neutral: np.ndarray | None = None, keep_all: bool = False) -> None:
        self.settings = settings or Settings()
        self.model = model or Prototypes()
        self.tracker = Tracker(finder, faces=self.settings.faces)
        self.people: dict[int, Windower] = {}
        self.pictures: dict[int, tuple[float, np.ndarray]] = {}
        self.seconds = {"track": 0.0, "pulse": 0.0, "model": 0.0}
        self.frames = 0
        self._neutral = neutral
        self._keep = None if keep_all else self.settings.duration + self.settings.latency + 2 * self.settings.step
        self._smoothers: dict[int, Smoother] = {}
        self._steps = 0  # finished
        self._held: dict[int, list[tuple[float, float]]] = {}  # steps that wait for a person's neutral face
        self._last: tuple[Frame, list[Face]] | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.close()

    def push(self, frame: Frame) -> list[Emotion]:
        """The next frame -> the rows that are due: none most of the time, one a person at the end of a step."""
        arrived = clock.perf_counter()
        if self._last is not None and not frame.time > self._last[0].time:
            raise ValueError(f"Stream.push: expected a frame after {self._last[0].time:.6f} s, got one at "
                             f"{frame.time:.6f} s; drop frames that go back in time")
        rows: list[Emotion] = []
        while frame.time >= (self._steps + 1) * self.settings.step + self.settings.latency:
            rows += self._finish((self._steps + 1) * self.settings.step, arrived)
        started = clock.perf_counter()
        faces = self.tracker.update(frame)
        self.seconds["track"] += clock.perf_counter() - started
        size = frame.rgb.shape[1], frame.rgb.shape[0]
        for face in faces:
            if face.id not in self.people:
                self.people[face.id] = self._meet()
            self.people[face.id].push(frame.time, face, size)
        self._last = frame, faces
        self.frames += 1
        return rows

    def close(self) -> list[Emotion]:
        """No more frames: the rows of the last, shorter step and all that was held back."""
        rows: list[Emotion] = []
        if self._last is not None:
            end = np.nextafter(self._last[0].time, np.inf)
            while end > self._steps * self.settings.step:
                rows += self._finish(min((self._steps + 1) * self.settings.step, end), clock.perf_counter())
            for person in list(self._held):
                rows += self._release(person, end, clock.perf_counter())
        return rows

    def _meet(self) -> Windower:
        return Windower(facs.Reader(neutral=self._neutral), neutral_seconds(self.settings.neutral), self._keep)

    def _finish(self, end: float, arrived: float) -> list[Emotion]:
        """End the step that is under way and read everybody."""
        start = self._steps * self.settings.step
        self._steps += 1
        known = {face.id for face in self._last[1]} if self._last else set()
        self._keep_pictures()
        rows: list[Emotion] = []
        for id_ in sorted(known):
            self._held.setdefault(id_, []).append((start, end))
            if self.people[id_].ready(end):
                rows += self._release(id_, end + self.settings.latency, arrived)
        return rows

    def _release(self, id_: int, until: float, arrived: float) -> list[Emotion]:
        person = self.people[id_]
        started = clock.perf_counter()
        person.read()
        self.seconds["model"] += clock.perf_counter() - started
        rows = [self._row(id_, start, end, arrived) for start, end in self._held.pop(id_)]
        person.forget(until)
        return rows

    def _row(self, id_: int, start: float, end: float, arrived: float) -> Emotion:
        person, settings = self.people[id_], self.settings
        states = person.states(start, end)
        state = max(set(states), key=states.count) if states else "lost"
        started = clock.perf_counter()
        step = person.window(start, end)
        reason = abstention(step, states)
        task = self.model.task
        probs = np.full(len(task.classes), np.nan)
        if not reason:
            wanted = step if not self.model.seconds else person.window(end - self.model.seconds, end)
            smoother = self._smoothers.setdefault(id_, Smoother(settings.smoothing))
            probs = smoother.push(end, self.model.read(wanted))
        middle = clock.perf_counter()
        rate = self._heart_rate(person, state, end)
        done = clock.perf_counter()
        self.seconds["model"] += middle - started
        self.seconds["pulse"] += done - middle
        valence, arousal = task.affect(probs)
        return Emotion(
            start=start, end=end, face=id_, state=state, box=person.box(end), task=task.name, probs=probs,
            label="" if reason else task.label(probs), confidence=0.0 if reason else float(probs.max()),
            valence=valence, arousal=arousal, aus=mean(step.aus), pose=mean(step.pose), gaze=mean(step.gaze),
            heart_rate=rate, reason=reason, latency=done - arrived)

    def _heart_rate(self, person: Windower, state: str, end: float) -> Reading:
        if state == "lost":
            return Reading(None, "bpm", 0.0, "", "no_face")
        until = end + self.settings.latency
        return pulse.heart_rate(person.window(until - self.settings.duration, until))

    def _keep_pictures(self) -> None:
        if not self.settings.pictures or self._last is None:
            return
        frame, faces = self._last
        for face in faces:
            if face.state == "tracked" and face.landmarks is not None:
                worth = face.score * _frontal(face.landmarks) * float(np.sqrt(face.box[2] - face.box[0]))
                if worth > 1.05 * self.pictures.get(face.id, (0.0, None))[0]:
                    self.pictures[face.id] = worth, portrait(frame.rgb, face.box)


def abstention(step: Window, states: Iterable[str]) -> str:
    """Why no expression can be read from this step's frames; '' when it can."""
    states = list(states)
    if not states or states.count("tracked") < 0.5 * len(states):
        return "no_face"
    # our choice: below 16 of 255 an 8-bit picture has too few levels for a mesh to lie on anything
    levels = step.skin[:, :3][np.isfinite(step.skin[:, :3])]
    if len(levels) and levels.mean() < 16:
        return "too_dark"
    # our choice: past 45 degrees half of the face is hidden, and geometry guesses it; facs reads none there at all
    read = np.isfinite(step.aus).all(axis=1).any()
    pitch, yaw, _ = np.abs(mean(step.pose))
    return "" if read and pitch <= 45 and yaw <= 45 else "turned_away"


def mean(rows: np.ndarray) -> np.ndarray:
    """(T, C) with NaN rows -> (C,), NaN where there is no row at all."""
    seen = rows[np.isfinite(rows).all(axis=1)]
    return seen.mean(axis=0) if len(seen) else np.full(rows.shape[1], np.nan)


def _frontal(landmarks: np.ndarray) -> float:
    """1 when the nose stands midway between the ears, towards 0 when the head is turned."""
    nose, ears = landmarks[1, 0], landmarks[[234, 454], 0]
    sides = np.abs(ears - nose)
    return float(sides.min() / max(sides.max(), 1e-9))


def portrait(rgb: np.ndarray, box: np.ndarray, side: int = 192) -> np.ndarray:
    """rgb (H, W, 3), box (4,) px -> uint8 (side, side, 3): the head with a margin."""
    import cv2

    centre, half = (box[:2] + box[2:]) / 2, 0.75 * float(np.max(box[2:] - box[:2]))
    scale = side / (2 * half)
    matrix = np.array([[scale, 0, side / 2 - scale * centre[0]], [0, scale, side / 2 - scale * centre[1]]])
    return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
