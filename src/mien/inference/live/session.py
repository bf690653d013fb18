"""A live session: turns the frames of one camera into stable events about one person."""

from __future__ import annotations

import math
import time as clock
from bisect import bisect_left
from dataclasses import replace

import numpy as np

from mien.core.observations import LEAST_INTERVAL, Face, Frame, Signal
from mien.core.results import Prediction
from mien.core.settings import Settings
from mien.face.backend import FaceBackend
from mien.inference.live.debounce import HOLD, Debouncer
from mien.inference.live.event import Change, LiveEvent
from mien.inference.live.history import EventHistory
from mien.inference.live.load_live_model import load_live_model
from mien.inference.live.recorder import SessionRecorder
from mien.inference.live.target_selection import select_person
from mien.inference.live.worker import InferenceWorker, WorkerQueue, WorkerResult, WorkerStep
from mien.inference.neutral_pictures import neutral_faces
from mien.inference.prediction import ExpressionModel, StepObservation, StepPredictor, WindowRequest
from mien.inference.stream import Stream
from mien.reporting.llm.message import NO_PERSON
from mien.reporting.llm.templates import render
from mien.reporting.timeline import Timeline
from mien.rppg.frame_methods import expect_method
from mien.rppg.methods import AUTO, band, rppg_method
from mien.rppg.rgb_traces import rgb_traces

GAP = 30.0
"""s without a frame after which a new stream starts: the tracker remembers a person for that long."""

SET_BACK = 1.0
"""s behind the last frame from which on the clock was set. Our choice: frames that overtake each other on a network are
closer."""

WAVE_SECONDS = 12.0
"""Length of the shown pulse wave in s. Our choice: just longer than the shortest signal that gives a heart rate."""


class LiveSession:
    """Takes frames and returns events, one for each step. Use a session from one thread at a time.

    A pause of `GAP` s starts a new stream on the same clock. A step without a frame (dropped or never sent) has no
    event: a missing frame does not mean that the person left.

    Args:
        settings: Settings of the stream.
        model: As in `Stream`; None to load it as the settings say.
        backend: As in `Stream`; None to make one.
        language: Language of the sentences.
        person: Id of the person to follow; None to follow the one that `choose` selects.
        hold: s for which a new value must persist, as in `Debouncer`.
        worker: Runs a model of windows in a worker thread: True for a new one, or a worker that sessions share. `push`
            then never waits for the model. The events of a step come with a later frame. While the model is busy, only
            the newest step waits, and the others are skipped.
        reuse: As in `load_live_model`.
        record: Whether `timeline` is wanted in the end.

    Raises:
        ValueError: The language is unknown, or the model does not suit.
    """

    def __init__(self, settings: Settings | None = None, *, model: ExpressionModel | None = None,
                 backend: FaceBackend | None = None, language: str = "en", person: int | None = None,
                 hold: float = HOLD,
                 worker: InferenceWorker | bool = False, reuse: bool = False, record: bool = False) -> None:
        # our choice: a live session keeps no pictures
        expect_method((settings or Settings()).pulse_method, live=True)
        self.settings = replace(settings or Settings(), pictures=False)
        self.person, self.language, self.hold = person, language, hold
        self.chosen: int | None = None
        self.frames = 0
        self.backwards = 0
        self.latest: LiveEvent | None = None
        self.history = EventHistory()
        render(NO_PERSON, language)
        self._worker: InferenceWorker | None = None
        self._queue: WorkerQueue | None = None
        if isinstance(worker, InferenceWorker):
            self._model = model or worker.model
            self._queue = worker.queue()
        else:
            self._model = model or load_live_model(self.settings, reuse)
            if worker and self._model.seconds:
                self._worker = InferenceWorker(self._model)
                self._queue = self._worker.queue()
        self._predictor = StepPredictor(self._model, self.settings.smoothing)
        self._recorder = SessionRecorder(self.settings, self._model.task) if record else None
        self._backend = backend
        self._neutral = neutral_faces(self.settings, backend=backend)
        self._steady: dict[int, Debouncer] = {}
        self._id_offset = self._highest = 0  # largest id of earlier streams, and of all
        self._base = 0.0  # s, start of the stream
        self._done_until = 0.0  # s, end of the last step with events
        self._last: float | None = None
        self._refused = np.inf  # s, time of the last frame far behind
        self._times: list[float] = []  # s, frames of the steps that are not done yet
        self._stream = self._open()
        self._backend = self._stream.tracker.backend

    def __enter__(self) -> LiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the tracker and stop the session's worker thread."""
        self.leave()
        if self._worker is not None:
            self._worker.close()
        self._stream.tracker.close()

    def leave(self) -> None:
        """Cancel the steps that the model has not finished. May be called from any thread."""
        if self._queue is not None:
            self._queue.cancel()

    @property
    def skipped(self) -> int:
        """Number of steps that were skipped because the model was busy."""
        return 0 if self._queue is None else self._queue.skipped

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the model."""
        return self._model.task.classes

    @property
    def faces(self) -> list[Face]:
        """The faces of the newest frame, with the same ids as in events."""
        return [replace(face, id=face.id + self._id_offset) for face in self._stream.faces]

    def push(self, frame: Frame, arrived: float | None = None) -> list[LiveEvent]:
        """Analyse the next frame.

        Args:
            frame: The frame. It is ignored and counted in `backwards` unless it is `LEAST_INTERVAL` s after the last.
                If the clock was set back by more than `SET_BACK` s and stays there, a new stream starts.
            arrived: When it arrived, `time.perf_counter()` in s; None for now.

        Returns:
            The events that have become due; mostly none.
        """
        if arrived is None:
            arrived = clock.perf_counter()
        if self._last is None:
            self._base = self._done_until = frame.time
        elif frame.time < self._last + LEAST_INTERVAL and not self._set_back(frame.time):
            self.backwards += 1
            return []
        elif frame.time <= self._last or frame.time - self._last > GAP:
            self._renew(frame.time)
        self._last = frame.time
        self.frames += 1
        if self._recorder is not None and self._recorder.push(frame):
            self._renew(frame.time)
        self._stream.push(Frame(frame.time - self._base, frame.rgb))
        self._times.append(frame.time)
        self._highest = max([self._highest, *(face.id for face in self.faces)])
        steps = self._steps(self._stream.observed(), frame.time, arrived)
        if self._queue is None:
            return [self._event(step, [self._predictor.predict(observation) for observation in step.observed])
                for step in steps]
        for step in steps:
            self._queue.submit(step)
        return self.due()

    def due(self, wait: bool = False) -> list[LiveEvent]:
        """Events from the worker since the last call.

        Args:
            wait: Whether to wait until all submitted steps are finished.

        Returns:
            The events; none without a worker.
        """
        if self._queue is None:
            return []
        return [self._event(result.step, self._with_results(result)) for result in self._queue.results(wait)]

    def timeline(self, name: str = "live") -> Timeline:
        """Everything since the start of the session, as from the analysis of a file. Its times begin at 0.

        Args:
            name: Name of the recording in the timeline.

        Returns:
            The timeline. It has no pictures of faces.

        Raises:
            ValueError: The session was made without `record`, or no frame has come.
        """
        if self._recorder is None:
            raise ValueError("LiveSession.timeline: expected a session that records, got none: make it with "
                             "record=True")
        return self._recorder.timeline(name, self._stream, self._base, self._id_offset)

    def wave(self) -> Signal | None:
        """The last `WAVE_SECONDS` s of the selected person's pulse; None if the signal is too short.

        It is by the method of the settings, or by POS, which needs no heart rate, where they leave the method open.

        Noise also looks like a pulse after the band-pass filter: show the wave only together with a heart rate.
        """
        person = self._stream.people.get((self.chosen or 0) - self._id_offset)
        if person is None or self._last is None:
            return None
        now = self._last - self._base
        rgb = rgb_traces(person.seen.window(now - WAVE_SECONDS, now))
        if isinstance(rgb, str):
            return None
        name = "POS" if self.settings.pulse_method == AUTO else self.settings.pulse_method
        wave = band(rppg_method(name)(np.nanmean(rgb.skin, axis=1), rgb.rate), rgb.rate)
        return Signal(wave[None], rgb.rate, ("pulse",), ("AC/DC",), self._base + rgb.start)

    def _set_back(self, time: float) -> bool:
        """Whether the clock was set back: two frames in a row, in order, are far behind the last one."""
        far = self._last is not None and time < self._last - SET_BACK
        again = far and self._refused < time
        self._refused = time if far and not again else np.inf
        return again

    def _open(self) -> Stream:
        return Stream(None, self.settings, backend=self._backend, neutral=self._neutral, live=True,
                      keep_all=self._recorder is not None and not self._recorder.full,
                      request=WindowRequest(self._model.needs, self._model.seconds))

    def _renew(self, time: float) -> None:
        """Start a new stream without any known person; ids continue, so that none is used twice."""
        if self._recorder is not None:
            self._recorder.end_part(self._stream, self._base, self._id_offset)
        self._id_offset = self._highest
        self._stream, self._base, self._done_until = self._open(), time, time
        self._steady.clear()
        self._predictor.keep(())
        self._times.clear()
        self.chosen = None
        self.leave()

    def _steps(self, observed: list[StepObservation], now: float, arrived: float) -> list[WorkerStep]:
        """Group new observations into steps, in order; leave out steps without a frame and steps that are done."""
        steps: dict[tuple[float, float], list[StepObservation]] = {}
        for observation in observed:
            shifted = replace(observation, start=observation.start + self._base, end=observation.end + self._base,
                              face=observation.face + self._id_offset, arrived=arrived)
            if shifted.start > self._done_until - self.settings.step / 2:
                steps.setdefault((shifted.start, shifted.end), []).append(shifted)
        waiting = any(person.pending for person in self._stream.people.values())
        while not waiting and not steps and now >= self._done_until + self.settings.step + self.settings.latency:
            steps[self._done_until, self._done_until + self.settings.step] = []
            self._done_until += self.settings.step
        with_frames = [WorkerStep(*step, steps[step], arrived) for step in sorted(steps) if self._has_frame(*step)]
        if steps:
            self._done_until = max(self._done_until, max(steps)[1])
            self._times = self._times[bisect_left(self._times, self._done_until):]
        return with_frames

    def _with_results(self, result: WorkerResult) -> list[Prediction]:
        """The rows of a step with the model's smoothed probabilities."""
        rows = [self._predictor.row(observation, result.results.get(index))
                for index, observation in enumerate(result.step.observed)]
        self._predictor.keep(row.face for row in rows)
        return rows

    def _neutral_known(self) -> float:
        person = self._stream.people.get((self.chosen or 0) - self._id_offset)
        return math.nan if person is None else person.seen.neutral_known

    def _has_frame(self, start: float, end: float) -> bool:
        """Whether a frame came in [start, end) s."""
        return bisect_left(self._times, start) < bisect_left(self._times, end)

    def _event(self, step: WorkerStep, rows: list[Prediction]) -> LiveEvent:
        if self._recorder is not None:
            self._recorder.add(rows)
        before = self.chosen
        self.chosen = self.person if self.person is not None else select_person(rows, self.chosen)
        stable = {row.face: self._steady.setdefault(row.face, Debouncer(self.hold)).push(row) for row in rows}
        self._steady = {face: steady for face, steady in self._steady.items() if face in stable}
        row = next((row for row in rows if row.face == self.chosen), None)
        utterance, since = NO_PERSON, step.start
        change: Change = ""
        if row is not None:
            utterance, since, change = stable[row.face]
        if row is None and self.latest is not None and self.latest.row is None:
            since = self.latest.since
        last = self.latest.said if self.latest else NO_PERSON
        left = change == "expression" and NO_PERSON.reason in (utterance.reason, last.reason)
        if self.latest is None or ((self.chosen != before or left) and (utterance, last) != (NO_PERSON, NO_PERSON)):
            change = "person"
        self.latest = LiveEvent(step.start, step.end, row, utterance, since, change, render(utterance, self.language),
                            clock.perf_counter() - step.arrived, self._neutral_known())
        self.history.push(self.latest)
        return self.latest
