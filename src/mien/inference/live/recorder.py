"""Record a live session as a timeline: rows and measurements, never a picture."""

from __future__ import annotations

import time as clock
from dataclasses import asdict, replace

import numpy as np

from mien.core.observations import Frame
from mien.core.results import Person, Prediction, Source
from mien.core.settings import Settings
from mien.core.tasks import Task
from mien.inference.analyze import library_versions
from mien.inference.person_summary import person_summary
from mien.inference.pulse_rows import vitals_of_people, with_rate
from mien.inference.stream import Stream
from mien.reporting.timeline import Timeline

MOST = 3600.0
"""Longest recording in s; later frames are left out. Our choice: at 30 Hz, an hour takes 42 MB a person."""


MOST_FRAMES = 432_000
"""Most frames of a recording, whatever clock they come with: those of an hour at 120 Hz."""


class SessionRecorder:
    """Collects what a session sees.

    Args:
        settings: Settings of the session.
        task: Label space of its rows.
        most: Longest recording in s.
    """

    def __init__(self, settings: Settings, task: Task, most: float = MOST) -> None:
        self._settings, self._task, self._most = settings, task, most
        self._rows: list[Prediction] = []
        self._people: list[Person] = []
        self._parts: list[Prediction] = []  # the rows of the parts that have ended
        self._times: list[float] = []
        self._size = 0, 0
        self._started = clock.perf_counter()
        self.full = False

    def push(self, frame: Frame) -> bool:
        """Count a frame -> whether the recording has become full with it."""
        if self.full:
            return False
        self._times.append(frame.time)
        self._size = frame.rgb.shape[1], frame.rgb.shape[0]
        self.full = frame.time - self._times[0] > self._most or len(self._times) >= MOST_FRAMES
        return self.full

    def add(self, rows: list[Prediction]) -> None:
        """Add the rows of a step, on the clock of the session and with its ids."""
        if not self.full:
            self._rows += rows

    def end_part(self, stream: Stream, base: float, id_offset: int) -> None:
        """Take what a stream has kept, before a new one replaces it. Its clock begins at `base` s."""
        rows, people = self._part(stream, base, id_offset)
        self._parts += rows
        self._people += people
        self._rows = []

    def timeline(self, name: str, stream: Stream, base: float, id_offset: int) -> Timeline:
        """The recording so far, with the current stream. Raises ValueError if no frame has come."""
        if not self._times:
            raise ValueError("expected a recording of some frames, got none yet")
        rows, people = self._part(stream, base, id_offset)
        begin, times = self._times[0], np.array(self._times)
        intervals = np.diff(times)
        usual = float(np.median(intervals)) if len(intervals) else 0.0
        source = Source(name=name, sha256="", width=self._size[0], height=self._size[1], frames=len(times),
                        duration=float(times[-1] - begin) + usual, fps_mean=_rate(usual),
                        variable_frame_rate=bool(len(intervals) and np.ptp(intervals) > 0.1 * usual))
        return Timeline(
            emotions=tuple(replace(row, start=row.start - begin, end=row.end - begin) for row in self._parts + rows),
            faces=tuple(_shifted(person, -begin) for person in self._people + people), source=source,
            settings={**asdict(self._settings), "face_backend": stream.tracker.backend.name, "live": True},
            seconds={**stream.seconds, "total": clock.perf_counter() - self._started}, versions=library_versions())

    def _part(self, stream: Stream, base: float, id_offset: int) -> tuple[list[Prediction], list[Person]]:
        """Rows and people of one stream on the clock of the session. A person without a row is left out."""
        if not self._rows:
            return [], []
        vitals = vitals_of_people(stream, None)
        rows = [_local(row, base, id_offset) for row in self._rows]
        known = sorted(stream.people.keys() & {row.face for row in rows})
        rows = [with_rate(row, vitals[row.face], self._settings.duration) for row in rows if row.face in known]
        people = [_shifted(person_summary(stream, id_, self._task, rows, vitals[id_]), base, id_offset)
                  for id_ in known]
        return [_local(row, -base, -id_offset) for row in rows], people


def _local(row: Prediction, base: float, id_offset: int) -> Prediction:
    return replace(row, start=row.start - base, end=row.end - base, face=row.face - id_offset)


def _shifted(person: Person, by: float, id_offset: int = 0) -> Person:
    """The person with all times `by` s later."""
    pulse, beats, times = person.pulse, person.beats, person.times
    if pulse is not None:
        pulse = replace(pulse, start=pulse.start + by)
    if beats is not None:
        beats = beats + by
    if times is not None:
        times = times + by
    return replace(person, id=person.id + id_offset, first=person.first + by, last=person.last + by, pulse=pulse,
                   beats=beats, times=times)


def _rate(interval: float) -> float:
    return 1 / interval if interval > 0 else 0.0
