"""Frames of one camera in, events about one person out: the stream, the choice of the person, and the hysteresis."""

from __future__ import annotations

import time as clock
from bisect import bisect_left
from dataclasses import replace

import numpy as np

from mien.analysis import neutral_face, reader
from mien.face import Finder
from mien.live.apart import Answer, Apart, Desk, Stand, Step
from mien.live.event import Event
from mien.live.person import choose
from mien.live.steady import HOLD, Steady
from mien.prompt import NOBODY, words
from mien.pulse.methods import band, pos
from mien.pulse.traces import traces
from mien.settings import Settings
from mien.stream import Model, Smoother, Stream
from mien.types import Emotion, Face, Frame, Signal, Window

GAP = 30.0
"""s without a frame after which a stream starts anew: as long as the tracker remembers anybody."""

WAVE = 12.0
"""s of the pulse's wave that are shown. Our choice: just longer than the shortest from which a heart rate is read."""


class Session:
    """Push frames, get events, a step after the other; a pause of `GAP` s starts a new stream on the same clock.

    Of a step in which no frame came, dropped or never sent, nothing is known and nothing is told.

    `person`: the id of whom to follow; None: whoever `choose` says. `model`, `finder`: as in `Stream`, made from the
    settings when None. `apart`: a model that reads windows does so in a thread of its own, this one's (True) or one
    that several sessions share: `push` never waits for it, the events of a step come with a later frame, and steps that
    end while it is busy are left out, but for the newest. `reuse`: as in `eyes`. Not for several threads at a time.
    Raises ValueError for an unknown language, and what `Stream`, `eyes` and the model raise.
    """

    def __init__(self, settings: Settings | None = None, *, model: Model | None = None, finder: Finder | None = None,
                 language: str = "en", person: int | None = None, hold: float = HOLD,
                 apart: Apart | bool = False, reuse: bool = False) -> None:
        # our choice: live, nobody's picture is kept
        self.settings = replace(settings or Settings(), pictures=False)
        self.person, self.language, self.hold = person, language, hold
        self.chosen: int | None = None
        self.frames = 0
        self.backwards = 0
        self.latest: Event | None = None
        words(NOBODY, language)
        self._model = model or (apart.model if isinstance(apart, Apart) else eyes(self.settings, reuse))
        self._own = Apart(self._model) if apart is True and self._model.seconds else None
        shared = apart if isinstance(apart, Apart) else self._own
        self._desk: Desk | None = None if shared is None else shared.desk()
        self._smoothers: dict[int, Smoother] = {}  # of what is read apart
        self._finder = finder
        self._neutral = neutral_face(self.settings, finder)
        self._steady: dict[int, Steady] = {}
        self._met = self._highest = 0  # ids that earlier streams gave, and all
        self._base = 0.0  # s, where the stream began
        self._told = 0.0  # s, until when events were made
        self._last: float | None = None
        self._times: list[float] = []  # s, of the frames whose steps are not told yet
        self._stream = self._open()
        self._finder = self._stream.tracker.finder

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the tracker, and of the model's thread."""
        self.leave()
        if self._own is not None:
            self._own.close()
        self._stream.tracker.close()

    def leave(self) -> None:
        """What the model was asked is of no use any more, and nobody waits for it. From any thread."""
        if self._desk is not None:
            self._desk.forget()

    @property
    def skipped(self) -> int:
        """Steps that were left out because the model was still busy with an earlier one."""
        return 0 if self._desk is None else self._desk.skipped

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model."""
        return self._model.task.classes

    @property
    def faces(self) -> list[Face]:
        """Everybody in the newest frame, with the ids that events have."""
        return [replace(face, id=face.id + self._met) for face in self._stream.faces]

    def push(self, frame: Frame, arrived: float | None = None) -> list[Event]:
        """The next frame, and when it arrived (`time.perf_counter()`, s) -> the events that are due, none mostly.

        A frame whose time is not after the last one's is counted in `backwards` and otherwise ignored.
        """
        arrived = clock.perf_counter() if arrived is None else arrived
        if self._last is None:
            self._base = self._told = frame.time
        elif frame.time <= self._last:
            self.backwards += 1
            return []
        elif frame.time - self._last > GAP:
            self._renew(frame.time)
        self._last = frame.time
        self.frames += 1
        rows = self._stream.push(Frame(frame.time - self._base, frame.rgb))
        self._times.append(frame.time)
        self._highest = max([self._highest, *(face.id for face in self.faces)])
        steps = self._steps(rows, frame.time, arrived)
        if self._desk is None:
            return [self._event(step, step.rows) for step in steps]
        for step in steps:
            self._desk.ask(step)
        return self.due()

    def due(self, wait: bool = False) -> list[Event]:
        """The events that have become due since the last frame; with `wait`, once all that was asked is read."""
        if self._desk is None:
            return []
        return [self._event(answer.step, self._filled(answer)) for answer in self._desk.answers(wait)]

    def wave(self) -> Signal | None:
        """The last seconds of the chosen person's pulse, by POS; None where there are too few. Looks like a pulse on
        noise, too: show it only beside a heart rate that is read."""
        known = self._stream.people.get((self.chosen or 0) - self._met)
        if known is None or self._last is None:
            return None
        now = self._last - self._base
        found = traces(known.seen.window(now - WAVE, now))
        if isinstance(found, str):
            return None
        wave = band(pos(np.nanmean(found.skin, axis=1), found.rate), found.rate)
        return Signal(wave[None], found.rate, ("pulse",), ("AC/DC",), self._base + found.start)

    def _open(self) -> Stream:
        self._stand = None if self._desk is None else Stand(self._model)
        return Stream(self._stand or self._model, self.settings, finder=self._finder, neutral=self._neutral)

    def _renew(self, time: float) -> None:
        """Nobody is known any more, and no id is used twice."""
        self._met = self._highest
        self._stream, self._base, self._told = self._open(), time, time
        self._steady.clear()
        self._smoothers.clear()
        self._times.clear()
        self.chosen = None
        self.leave()

    def _steps(self, rows: list[Emotion], now: float, arrived: float) -> list[Step]:
        """The rows that have come -> the steps that are to be told, in order."""
        shifted = [replace(row, start=row.start + self._base, end=row.end + self._base, face=row.face + self._met)
                   for row in rows]
        steps: dict[tuple[float, float], list[Emotion]] = {}
        windows: dict[tuple[float, float], dict[int, Window]] = {}
        kept = iter(self._stand.taken() if self._stand is not None else [])
        for row in shifted:
            place = len(steps.setdefault((row.start, row.end), []))
            steps[row.start, row.end].append(row)
            if self._stand is not None and not row.abstained:
                windows.setdefault((row.start, row.end), {})[place] = next(kept)
        waiting = any(known.held for known in self._stream.people.values())
        while not waiting and not steps and now >= self._told + self.settings.step + self.settings.latency:
            steps[self._told, self._told + self.settings.step] = []
            self._told += self.settings.step
        told = [Step(*step, steps[step], windows.get(step, {}), arrived) for step in sorted(steps)
                if self._looked(*step)]
        if steps:
            self._told = max(self._told, max(steps)[1])
            self._times = self._times[bisect_left(self._times, self._told):]
        return told

    def _filled(self, answer: Answer) -> list[Emotion]:
        """The rows of a step with what the model found."""
        step, task = answer.step, self._model.task
        rows = list(step.rows)
        for place, (probs, read_from) in answer.found.items():
            row = rows[place]
            smoother = self._smoothers.setdefault(row.face, Smoother(self.settings.smoothing))
            probs = smoother.push(row.end, probs)
            valence, arousal = task.affect(probs)
            rows[place] = replace(row, probs=probs, label=task.label(probs), confidence=float(probs.max()),
                                  valence=valence, arousal=arousal, read_from=read_from,
                                  latency=clock.perf_counter() - step.arrived)
        known = {row.face for row in rows}
        self._smoothers = {face: smoother for face, smoother in self._smoothers.items() if face in known}
        return rows

    def _looked(self, start: float, end: float) -> bool:
        """Whether a frame came in [start, end) s."""
        return bisect_left(self._times, start) < bisect_left(self._times, end)

    def _event(self, step: Step, rows: list[Emotion]) -> Event:
        before = self.chosen
        self.chosen = self.person if self.person is not None else choose(rows, self.chosen)
        found = {row.face: self._steady.setdefault(row.face, Steady(self.hold)).push(row) for row in rows}
        self._steady = {face: steady for face, steady in self._steady.items() if face in found}
        row = next((row for row in rows if row.face == self.chosen), None)
        said, since, change = found[row.face] if row is not None else (NOBODY, step.start, "")
        if row is None and self.latest is not None and self.latest.row is None:
            since = self.latest.since
        last = NOBODY if self.latest is None else self.latest.said
        left = change == "expression" and NOBODY.reason in (said.reason, last.reason)
        if self.latest is None or ((self.chosen != before or left) and (said, last) != (NOBODY, NOBODY)):
            change = "person"
        self.latest = Event(step.start, step.end, row, said, since, change, words(said, self.language),
                            clock.perf_counter() - step.arrived)
        return self.latest


def eyes(settings: Settings, reuse: bool = False) -> Model:
    """What reads the expression, as `analysis.reader`; with `reuse` what was made of a frame is kept for the windows to
    come (`checkpoint.Reusing`). Raises ValueError where there is nothing to be kept."""
    model = reader(settings)
    if not reuse:
        return model
    if settings.model == "facs":
        raise ValueError("--reuse: expected a checkpoint of DuSE, or clip:, got facs, which needs nothing kept: leave "
                         "it out")
    from mien.checkpoint import Reusing

    return Reusing(model)
