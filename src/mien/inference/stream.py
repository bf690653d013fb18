"""The main job, live: frames in, expression and pulse of everybody in the picture out, a row a person and step.

A file is a stream that ends: `analyze` in analyze.py is this, run over `open_video(path)`.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from mien import rppg
from mien.core.observations import Face, Frame
from mien.core.results import Measurement, Prediction
from mien.core.settings import Settings, neutral_seconds
from mien.core.tasks import seen_units
from mien.face import AUEstimator, PoseReader
from mien.face.backend import FaceBackend
from mien.face.located import Located
from mien.face.observer import Observer
from mien.face.setup import tracker
from mien.face.thumbnails import frontality, portrait
from mien.face.track_buffer import AlbumRequest, FaceCropBuffer, Observation, TrackBuffer, abstention, mean
from mien.inference.neutral_pictures import NeutralFaces
from mien.inference.prediction import BUILT_IN, ExpressionModel, StepObservation, StepPredictor, WindowRequest
from mien.video.open import cores
from mien.video.prefetch import Prefetcher

PICTURES = 50
"""People who have left a recording and whose picture is kept, the longest seen; a video may have thousands of shots."""

AHEAD = 4
"""Frames in which faces are found before the rest of the work reaches them. Our choice: it smooths over a slow step."""

SPARE = 4
"""Pictures kept for each that a model looks at. Our choice: any segment of a window then has some to choose from."""


@dataclass(eq=False)
class TrackState:
    """What was seen of a person from `first` to `last` s; `pending` steps wait for the neutral face."""

    seen: TrackBuffer
    first: float
    last: float = 0.0
    pending: list[tuple[float, float]] = field(default_factory=list)
    worth: float = 0.0
    picture: np.ndarray | None = None
    gone: bool = False


class Stream:
    """Push frames, get rows. `with Stream() as stream: for frame in video.webcam(): stream.push(frame)`.

    Leaving the `with` frees the tracker; close() first gives the rows of the last, shorter step.
    Rows of the step [k step, (k+1) step) come with the first frame at or after its end plus `latency`, for everybody
    known then; those of a newcomer's probation come later, with the end of the step in which it ends.

    Args:
        model: Reads the expressions; the built-in one by default. None: the stream only observes, `push` and `close`
            give no rows, and `observed` gives the steps instead.
        settings: What to do, and how.
        backend: What finds faces and landmarks; None: onnxruntime.
        neutral: Neutral faces that are known; None: none.
        keep_all: Remember each person's whole recording; otherwise the last `duration` s.
        live: Give each row a heart rate, although everything is remembered.
        album: Which pictures of each person are kept; None: by what the model asks for.
        request: What the steps that `observed` gives are to hold for a model that reads them elsewhere.

    Raises:
        ValueError: The model does not read a face as it is seen.
    """

    def __init__(self, model: ExpressionModel | None = BUILT_IN, settings: Settings | None = None, *,
                 backend: FaceBackend | None = None, neutral: NeutralFaces | None = None, keep_all: bool = False,
                 live: bool = False, album: AlbumRequest | None = None,
                 request: WindowRequest | None = None) -> None:
        self.settings = settings or Settings()
        self.model = model
        self._request, self._predictor = request, None
        if model is not None:
            self._request = WindowRequest(model.needs, model.seconds)
            self._predictor = StepPredictor(model, self.settings.smoothing)
        self._album = album or self._pictures_asked_for()
        self.tracker = tracker(self.settings, backend)
        self.observer = Observer(self.tracker, self._buffer, None if self._album is None else self._album.side)
        self.people: dict[int, TrackState] = {}
        self.seconds = {"track": 0.0, "skin": 0.0, "pulse": 0.0, "model": 0.0}
        self.frames = 0
        self._neutral = neutral or NeutralFaces()
        self._keep_all, self._live = keep_all, live
        self._steps = 0  # finished
        self._newest = -np.inf  # time of the last frame in which faces were looked for, s
        self._last: Frame | None = None
        self._observed: list[StepObservation] = []

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.close()

    @property
    def faces(self) -> list[Face]:
        """Everybody known in the newest frame."""
        return self.observer.faces

    def observed(self) -> list[StepObservation]:
        """Return the steps that were observed since the last call, of a stream without a model."""
        steps, self._observed = self._observed, []
        return steps

    def push(self, frame: Frame) -> list[Prediction]:
        """Process the next frame, which is later than the one before, and return the rows that are due."""
        return self._take(frame, arrived=clock.perf_counter(), located=self._locate(frame))

    def run(self, frames: Iterable[Frame]) -> Iterator[list[Prediction]]:
        """Process all frames of a recording, and yield for each the rows that are due.

        The rows are those of `push`. It takes less time, because a thread finds faces some frames ahead.
        """
        if cores() < 2:
            return (yield from map(self.push, frames))
        ahead = Prefetcher(((frame, self._locate(frame)) for frame in frames), AHEAD, "mien-faces")
        with ThreadPoolExecutor(cores() - 1, "mien-faces") as self.tracker.pool:
            try:
                for frame, located in ahead:
                    yield self._take(frame, located, clock.perf_counter())
            finally:
                ahead.close()
                self.tracker.pool = None

    def _locate(self, frame: Frame) -> Located:
        """Where everybody is in the next frame."""
        if not frame.time > self._newest:
            raise ValueError(f"Stream.push: expected a frame after {self._newest:.6f} s, got one at "
                             f"{frame.time:.6f} s; drop frames that go back in time")
        started = clock.perf_counter()
        located = self.observer.locate(frame)
        self._newest = frame.time
        self.seconds["track"] += clock.perf_counter() - started
        return located

    def _take(self, frame: Frame, located: Located, arrived: float) -> list[Prediction]:
        """A frame and where everybody is in it -> the rows that are due."""
        rows: list[Prediction] = []
        while frame.time >= (self._steps + 1) * self.settings.step + self.settings.latency:
            rows += self._finish((self._steps + 1) * self.settings.step, arrived)
            if self._last is None or self._last.time < self._steps * self.settings.step:
                self._steps = max(self._steps, self._step_of(frame.time))  # steps without a frame have no rows
        started = clock.perf_counter()
        seen = self.observer.observe(frame, located)
        self.seconds["skin"] += clock.perf_counter() - started
        self._note(seen)
        self._last = frame
        self.frames += 1
        return rows

    def _step_of(self, time: float) -> int:
        """The step [k step, (k+1) step) that holds a time in s."""
        k = round(time / self.settings.step)
        return k - (k * self.settings.step > time)

    def _note(self, seen: list[Observation]) -> None:
        """Who was seen, and until when; of a newcomer the steps of the probation are yet to come."""
        for observation in seen:
            id_, step = observation.face.id, self.settings.step
            if id_ not in self.people:
                steps = {self._step_of(each.time) for each in seen if each.face.id == id_}
                missed = [(k * step, (k + 1) * step) for k in sorted(steps) if k < self._steps]
                self.people[id_] = TrackState(self.observer.people[id_], observation.time, pending=missed)
            self.people[id_].last = max(self.people[id_].last, observation.time)

    def close(self) -> list[Prediction]:
        """End the stream, and return the rows of the last, shorter step and all rows that were delayed."""
        rows: list[Prediction] = []
        if self._last is not None:
            self._note(self.observer.finish())
            end = float(np.nextafter(self._last.time, np.inf))
            while end > self._steps * self.settings.step:
                rows += self._finish(min((self._steps + 1) * self.settings.step, end), clock.perf_counter())
            for id_ in [id_ for id_, person in self.people.items() if person.pending]:
                rows += self._release(id_, end, clock.perf_counter())
        return rows

    def _pictures_asked_for(self) -> AlbumRequest | None:
        """The pictures of the last seconds, where the windows are to hold some."""
        request = self._request
        if request is None:
            return None
        needs = request.requirements
        if needs.aus is None and (needs.clips or (needs.signals and needs.frames is None)):
            raise ValueError("Stream: expected a model that reads a face as it is seen, got one of contact signals or "
                             "of clips alone: analyse a recording with it")
        if needs.frames is None or needs.size is None:
            return None
        size, span = needs.size, max(request.seconds, self.settings.step)
        keep, gap = span + self.settings.latency, span / (SPARE * needs.frames)
        return AlbumRequest(size, lambda: FaceCropBuffer(size, keep, gap))

    def _buffer(self, person: int) -> TrackBuffer:
        """What keeps the rows of a person, by their number."""
        longest = max(self.settings.duration, self._request.seconds if self._request else 0.0)
        keep = None if self._keep_all else longest + self.settings.latency + 2 * self.settings.step
        if self.settings.pulse_only:
            return TrackBuffer(PoseReader(), keep=keep)
        album = None if self._album is None else self._album.make()
        reader = AUEstimator(neutral=self._neutral.of(person))
        return TrackBuffer(reader, neutral_seconds(self.settings.neutral), keep, album)

    def _finish(self, end: float, arrived: float) -> list[Prediction]:
        """End the step that is under way and read everybody who was known in it."""
        start = self._steps * self.settings.step
        self._steps += 1
        self._keep_pictures()
        here = {face.id for face in self.faces}
        rows: list[Prediction] = []
        for id_, person in sorted(self.people.items()):
            if person.gone or person.first >= end:
                continue
            person.pending.append((start, end))
            gone = id_ not in here and person.last < end  # a scene cut, or too long away: this id never comes back
            if gone or person.seen.ready(end):
                rows += self._release(id_, end + self.settings.latency, arrived)
            if gone:
                self._part(id_)
        return rows

    def _release(self, id_: int, until: float, arrived: float) -> list[Prediction]:
        person = self.people[id_]
        started = clock.perf_counter()
        person.seen.measure()
        self.seconds["model"] += clock.perf_counter() - started
        rows: list[Prediction] = []
        for start, end in person.pending:
            step = self._step(id_, start, end, arrived)
            if self._predictor is None:
                self._observed.append(step.with_own_window())
                continue
            started = clock.perf_counter()
            rows.append(self._predictor.predict(step))
            self.seconds["model"] += clock.perf_counter() - started
        person.pending.clear()
        person.seen.forget(until)
        return rows

    def _part(self, id_: int) -> None:
        """Somebody will not come back: live, they are forgotten; of a recording, what was seen is kept and packed."""
        if not self._keep_all:
            del self.people[id_]
            self.observer.forget(id_)
            if self._predictor is not None:
                self._predictor.keep(self.people)
            return
        self.people[id_].gone = True
        self.people[id_].seen.trim()
        pictured = [person for person in self.people.values() if person.gone and person.picture is not None]
        if len(pictured) > PICTURES:
            min(pictured, key=lambda person: person.seen.frames_tracked).picture = None

    def _step(self, id_: int, start: float, end: float, arrived: float) -> StepObservation:
        person = self.people[id_].seen
        states = person.states(start, end)
        state = max(set(states), key=states.count) if states else "lost"
        seen = person.window(start, end)
        reason = abstention(seen, states)
        if self.settings.pulse_only and reason in ("", "cut_off", "turned_away"):
            reason = "pulse_only"
        window = None
        if self._request is not None and not reason:
            long = self._request.seconds
            window = person.pictured(min(start, end - long), end) if long else seen
        started, rate = clock.perf_counter(), self._heart_rate(person, state, end)
        self.seconds["pulse"] += clock.perf_counter() - started
        return StepObservation(start, end, id_, state, person.box(end), seen_units(mean(seen.aus)), mean(seen.pose),
                               mean(seen.gaze), rate, reason, window, arrived)

    def _heart_rate(self, person: TrackBuffer, state: str, end: float) -> Measurement:
        if state == "lost":
            return Measurement(None, "bpm", 0.0, "", "no_face")
        if self._keep_all and not self._live:
            return Measurement(None, "bpm", 0.0, rppg.METHOD, "too_short")
        until = end + self.settings.latency
        return rppg.heart_rate(person.window(until - self.settings.duration, until))

    def _keep_pictures(self) -> None:
        if not self.settings.pictures or self._last is None:
            return
        frame = self._last
        for face in self.faces:
            if face.state == "tracked" and face.landmarks is not None:
                worth = face.score * frontality(face.landmarks) * float(np.sqrt(face.box[2] - face.box[0]))
                person = self.people[face.id]
                if worth > 1.05 * person.worth:
                    person.worth, person.picture = worth, portrait(frame.rgb, face.box)
