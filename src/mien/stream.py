"""The main job, live: frames in, expression and pulse of everybody in the picture out, a row a person and step.

A file is a stream that ends: `analyze` in analysis.py is this, run over `video.read(path)`.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from . import facs, pulse
from .face import Finder, Tracker
from .settings import Settings, neutral_seconds
from .tasks import EXPRESSION, Task
from .types import Emotion, Face, Frame, Needs, Reading, Window
from .windower import Album, Windower

PICTURES = 50
"""People who have left a recording and whose picture is kept, the longest seen; a film may have thousands of shots."""

SPARE = 4
"""Pictures kept for each that a model looks at. Our choice: any segment of a window then has some to choose from."""


class Model(Protocol):
    """What reads an expression: `task` names its classes, `needs` say what a window must hold, `seconds` how long it is
    (0: one step)."""

    @property
    def task(self) -> Task: ...

    @property
    def needs(self) -> Needs: ...

    @property
    def seconds(self) -> float: ...

    def read(self, window: Window) -> np.ndarray:
        """A window of one person -> probabilities (K,)."""


@runtime_checkable
class Telling(Protocol):
    """A `Model` that looks at more than the face, and says what there was of it."""

    def told(self, window: Window) -> tuple[np.ndarray, str]:
        """A window of one person -> probabilities (K,), and `Emotion.read_from`."""


class Prototypes:
    """The default model: published action-unit prototypes (`facs.expression`); no training, not calibrated."""

    task = EXPRESSION
    needs = Needs()
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


@dataclass(eq=False)
class Known:
    """One person in a stream: what was seen, from `first` to `last` s, and the steps `held` back for a neutral face."""

    seen: Windower
    smoother: Smoother
    first: float
    last: float = 0.0
    held: list[tuple[float, float]] = field(default_factory=list)
    worth: float = 0.0
    picture: np.ndarray | None = None
    gone: bool = False


class Stream:
    """Push frames, get rows. `with Stream() as stream: for frame in video.webcam(): stream.push(frame)`.

    Leaving the `with` frees the tracker; close() first gives the rows of the last, shorter step.
    Rows of the step [k step, (k+1) step) come with the first frame at or after its end plus `latency`, for everybody
    known then. `keep_all`: remember each person's whole recording (for a file); otherwise the last `duration` s.
    `album`: makes what keeps a person's pictures, for each in the order in which they come; None: by the model's needs.
    """

    def __init__(self, model: Model | None = None, settings: Settings | None = None, *, finder: Finder | None = None,
                 neutral: np.ndarray | None = None, keep_all: bool = False,
                 album: Callable[[], Album] | None = None) -> None:
        self.settings = settings or Settings()
        self.model = model or Prototypes()
        needs = self.model.needs
        if needs.aus is None and (needs.clips or (needs.signals and needs.frames is None)):
            raise ValueError("Stream: expected a model that reads a face as it is seen, got one of contact signals or "
                             "of clips alone: analyse a recording with it")
        self.tracker = Tracker(finder, faces=self.settings.faces)
        self.people: dict[int, Known] = {}
        self.seconds = {"track": 0.0, "pulse": 0.0, "model": 0.0}
        self.frames = 0
        self._neutral = neutral
        self._keep_all = keep_all
        self._album = album
        self._steps = 0  # finished
        self._last: tuple[Frame, list[Face]] | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.close()

    @property
    def faces(self) -> list[Face]:
        """Everybody known in the newest frame."""
        return self._last[1] if self._last is not None else []

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
                self.people[face.id] = self._meet(frame.time)
            person = self.people[face.id]
            person.seen.push(frame.time, face, size, frame.rgb)
            person.last = frame.time
        self._last = frame, faces
        self.frames += 1
        return rows

    def close(self) -> list[Emotion]:
        """No more frames: the rows of the last, shorter step and all that was held back."""
        rows: list[Emotion] = []
        if self._last is not None:
            end = float(np.nextafter(self._last[0].time, np.inf))
            while end > self._steps * self.settings.step:
                rows += self._finish(min((self._steps + 1) * self.settings.step, end), clock.perf_counter())
            for id_ in [id_ for id_, person in self.people.items() if person.held]:
                rows += self._release(id_, end, clock.perf_counter())
        return rows

    def _meet(self, time: float) -> Known:
        longest = max(self.settings.duration, self.model.seconds)
        keep = None if self._keep_all else longest + self.settings.latency + 2 * self.settings.step
        album, needs = self._album() if self._album else None, self.model.needs
        if needs.frames is not None and needs.size is not None:
            span = max(self.model.seconds, self.settings.step)
            album = Album(needs.size, span + self.settings.latency, span / (SPARE * needs.frames))
        seen = Windower(facs.Reader(neutral=self._neutral), neutral_seconds(self.settings.neutral), keep, album)
        return Known(seen, Smoother(self.settings.smoothing), first=time)

    def _finish(self, end: float, arrived: float) -> list[Emotion]:
        """End the step that is under way and read everybody who was known in it."""
        start = self._steps * self.settings.step
        self._steps += 1
        self._keep_pictures()
        here = {face.id for face in self._last[1]} if self._last else set()
        rows: list[Emotion] = []
        for id_, person in sorted(self.people.items()):
            if person.gone or person.first >= end:
                continue
            person.held.append((start, end))
            gone = id_ not in here and person.last < end  # a scene cut, or too long away: this id never comes back
            if gone or person.seen.ready(end):
                rows += self._release(id_, end + self.settings.latency, arrived)
            if gone:
                self._part(id_)
        return rows

    def _release(self, id_: int, until: float, arrived: float) -> list[Emotion]:
        person = self.people[id_]
        started = clock.perf_counter()
        person.seen.read()
        self.seconds["model"] += clock.perf_counter() - started
        rows = [self._row(id_, start, end, arrived) for start, end in person.held]
        person.held.clear()
        person.seen.forget(until)
        return rows

    def _part(self, id_: int) -> None:
        """Somebody will not come back: live, they are forgotten; of a recording, what was seen is kept and packed."""
        if not self._keep_all:
            del self.people[id_]
            return
        self.people[id_].gone = True
        self.people[id_].seen.trim()
        pictured = [person for person in self.people.values() if person.gone and person.picture is not None]
        if len(pictured) > PICTURES:
            min(pictured, key=lambda person: person.seen.frames_tracked).picture = None

    def _row(self, id_: int, start: float, end: float, arrived: float) -> Emotion:
        known = self.people[id_]
        person = known.seen
        states = person.states(start, end)
        state = max(set(states), key=states.count) if states else "lost"
        started = clock.perf_counter()
        step = person.window(start, end)
        reason = abstention(step, states)
        task = self.model.task
        probs, read_from = np.full(len(task.classes), np.nan), ""
        if not reason:
            wanted = person.pictured(min(start, end - self.model.seconds), end) if self.model.seconds else step
            model = self.model
            found, read_from = model.told(wanted) if isinstance(model, Telling) else (model.read(wanted), "")
            probs = known.smoother.push(end, found)
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
            heart_rate=rate, reason=reason, latency=done - arrived, read_from=read_from)

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
                person = self.people[face.id]
                if worth > 1.05 * person.worth:
                    person.worth, person.picture = worth, portrait(frame.rgb, face.box)


def abstention(step: Window, states: Iterable[str]) -> str:
    """Why no expression can be read from this step's frames; '' when it can."""
    states = list(states)
    if not states or states.count("tracked") < 0.5 * len(states):
        return "no_face"
    # our choice: below 16 of 255 an 8-bit picture has too few levels for a mesh to lie on anything
    levels = step.skin[:, :3][np.isfinite(step.skin[:, :3])]
    if len(levels) and levels.mean() < 16:
        return "too_dark"
    if np.isfinite(step.aus).all(axis=1).any():
        return ""
    pitch, yaw, _ = np.abs(mean(step.pose))
    return "cut_off" if yaw <= facs.FURTHEST_YAW and pitch <= facs.FURTHEST_PITCH else "turned_away"


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
