"""Answers of a model that looks at one or two minutes: for every row, and for a whole recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.types import Course, Emotion, Session, Signal, Window

if TYPE_CHECKING:
    from mien.data.filming import Clips
    from mien.session.units import Units
    from mien.stream import Known

LEAST = 5.0
"""s of a face or of a signal from which an answer is given: the shortest input that the paper compares (length study);
of models that look at less than twice that, half of what they look at."""

SPARSE = 24
"""Answers during one length of the model's window; rows between two keep the earlier one. Our choice: a twenty-fourth
of what it looks at hardly changes an answer, and a reading costs much."""

BATCH = 16


@dataclass(frozen=True, eq=False)
class Answer:
    """Of one window: probabilities (K,), the s of what was known best in it, and what there was of its inputs."""

    probs: np.ndarray | None = None
    seconds: float = 0.0
    parts: str = ""


@dataclass(frozen=True)
class Reader:
    """A model of whole recordings, and the signals (`fed`) and another program's action units (`units`) that belong to
    the person `main`, where there are some."""

    model: Any
    fed: Signal | None
    main: int | None
    clips: Mapping[int, Clips] = field(default_factory=dict)
    units: Units | None = None

    @property
    def length(self) -> float:
        """s that the model looks at."""
        return float(self.model.needs.seconds)

    @property
    def least(self) -> float:
        """s of a face or of a signal from which it answers."""
        return min(LEAST, self.length / 2)

    def rows(self, rows: Sequence[Emotion], id: int, known: Known) -> list[Emotion]:
        """The rows of one person, with answers in place of those of `Later`."""
        hop = max(self.length / SPARSE, 1e-3)
        last = np.array([np.floor(row.end / hop + 1e-9) for row in rows])
        asked = [k for k in np.unique(last) if k > 0]
        answers = dict(zip(asked, self.answers([self._window(known, id, k * hop) for k in asked]), strict=True))
        return [self._told(row, answers.get(k, Answer()), id == self.main) for row, k in zip(rows, last, strict=True)]

    def answers(self, windows: Sequence[Window]) -> list[Answer]:
        """One each."""
        out: list[Answer] = []
        for first in range(0, len(windows), BATCH):
            found = self.model.evidence(windows[first : first + BATCH])
            known = zip(_softmax(found.logits), _most(found), np.asarray(found.video), np.asarray(found.signals),
                        strict=True)
            out += [Answer(probs, float(most), self._parts(float(face), wires)) for probs, most, face, wires in known]
        return out

    def _parts(self, face: float, wires: np.ndarray) -> str:
        """`Emotion.read_from`."""
        names = self.model.needs.signals or ()
        heard = [name for name, seconds in zip(names, wires, strict=False) if seconds]
        return "+".join([*(["face"] if face else []), *heard])

    def _window(self, known: Known, id: int, end: float) -> Window:
        return self._full(known.seen.window(min(self._begin(end - self.length), end), end), id)

    def _begin(self, start: float) -> float:
        """s at which a window begins, so that video and signals share a clock: at once, or where the next clip does."""
        step = 0.0 if self.model.needs.clips is None else self.model.model.options.step
        start = max(start, 0.0)
        return float(np.ceil(start / step - 1e-6) * step) if step else start

    def _full(self, window: Window, id: int | None, until: float = 0.0) -> Window:
        """The window with the signals and the clips of this person, these up to `until` s where that is later."""
        wired = self._wired(window) if id == self.main else None
        window = window if self.units is None else self.units.into(window, id == self.main)
        if self.model.needs.clips is None:
            return replace(window, signals=wired)
        own = None if id is None else self.clips.get(id)
        rows = np.zeros((0, 1)) if own is None else own.rows(window.start, max(window.end, until))
        return replace(window, signals=wired, clips=rows)

    def _wired(self, window: Window) -> Signal | None:
        """The signals within the window."""
        if self.fed is None:
            return None
        first, last = (int(np.floor(time * self.fed.rate + 1e-6)) for time in (window.start, window.end))
        return replace(self.fed, values=self.fed.values[:, first : last + 1], start=first / self.fed.rate)

    def _told(self, row: Emotion, answer: Answer, main: bool) -> Emotion:
        own = main and (self.fed is not None or self.units is not None)
        reason = "" if own else row.reason
        if not reason and (answer.probs is None or answer.seconds < self.least):
            reason = "too_short" if row.end < 2 * self.least else self.blind
        if reason or answer.probs is None:
            return replace(row, probs=np.full(len(row.probs), np.nan), label="", confidence=0.0, valence=np.nan,
                           arousal=np.nan, reason=reason)
        probs = answer.probs
        return replace(row, probs=probs, label=self.model.task.label(probs), confidence=float(probs.max()), reason="",
                       read_from=answer.parts)

    @property
    def blind(self) -> str:
        """Why nothing can be read."""
        return "no_signals" if self.model.needs.aus is None and self.model.needs.clips is None else "no_face"

    def session(self, window: Window, notes: Iterable[str]) -> Session:
        """A whole recording, 0 to its end -> one answer: the mean over windows of `length` that cover it evenly."""
        task, options = self.model.task, self.model.model.options
        rows = np.ceil(self.length / options.step - 1e-6) * options.step  # s: the last may go on after the signals
        count = max(int(np.ceil(window.end / self.length - 1e-6)), 1)
        starts = np.array([self._begin(start) for start in np.linspace(0.0, window.end - self.length, count)])
        parts = [_cut(window, start, min(start + self.length, window.end)) for start in starts]
        found = [self.model.evidence([self._full(part, self.main, min(start + rows, window.end))])
                 for part, start in zip(parts, starts, strict=True)]
        good = np.array([_most(one)[0] >= self.least for one in found])
        probs = np.mean([_softmax(one.logits)[0] for one in found], axis=0, where=good[:, None]) if good.any() else (
            np.full(len(task.classes), np.nan))
        reason = "" if good.any() else "too_short" if window.end < self.least else self.blind
        attention = {name: course for name, step in (("face", options.step), ("body", options.patch)) if (
            course := _course([getattr(one, name) for one in found], starts, window.end, step)) is not None}
        chosen = [k for k in range(count) if good[k] or not good.any()]
        spans = self._spans([found[k] for k in chosen], starts[chosen], window.end)
        used = {name: float(np.diff(span).sum()) for name, span in spans.items()}
        return Session(self.main, task.name, probs, window.end, used, self._drawn(spans),
                       attention if not reason else {}, tuple(notes), reason)

    def _spans(self, found: Sequence[Any], starts: np.ndarray, end: float) -> dict[str, np.ndarray]:
        """Of each channel and of the face, the stretches (M, 2) s that the model used in any of the windows."""
        needs, options = self.model.needs, self.model.model.options
        masks = {name: ([np.asarray(one.heard)[0, k] for one in found], options.patch)
                 for k, name in enumerate(needs.signals or ())}
        if (needs.aus, needs.clips) != (None, None):
            masks["face"] = [np.asarray(one.seen)[0] for one in found], options.step
        return {name: _union([start + step * (np.flatnonzero(mask)[:, None] + np.arange(2))
                              for mask, start in zip(rows, starts, strict=True)], end)
                for name, (rows, step) in masks.items()}

    def _drawn(self, spans: Mapping[str, np.ndarray]) -> Signal | None:
        """The signals where the model used them, NaN elsewhere."""
        if self.fed is None:
            return None
        values = self.fed.values.copy()
        for row, name in zip(values, self.fed.names, strict=True):
            inside = np.searchsorted(spans[name].ravel(), self.fed.times + 1e-6) % 2 == 1
            row[~inside] = np.nan
        return replace(self.fed, values=values)


def _most(found: Any) -> np.ndarray:
    """(N,) s of what was known best."""
    return np.maximum(np.asarray(found.signals).max(axis=1, initial=0.0), np.asarray(found.video))


def _softmax(logits: Any) -> np.ndarray:
    """(N, K) float64."""
    values = np.asarray(logits, dtype=np.float64)
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def _union(stretches: Sequence[np.ndarray], end: float) -> np.ndarray:
    """Stretches (N, 2) s, several times over -> (M, 2) s that do not touch, up to `end`."""
    known = np.minimum(np.concatenate([np.zeros((0, 2)), *stretches]), end)
    known = known[np.argsort(known[:, 0], kind="stable")]
    reach = np.maximum.accumulate(known[:, 1])
    first = np.flatnonzero(np.r_[True, known[1:, 0] > reach[:-1] + 1e-6]) if len(known) else np.zeros(0, np.int64)
    return np.stack([known[first, 0], reach[np.r_[first[1:] - 1, len(known) - 1]] if len(known) else reach], axis=1)


def _course(rows: Sequence[Any], starts: np.ndarray, end: float, step: float) -> Course | None:
    """Attention (1, ..., N) of each window, `step` s apart -> over the recording; several backbones' parts are added.
    """
    if any(row is None for row in rows):
        return None
    parts = [np.asarray(row, dtype=np.float64)[0] for row in rows]
    parts = [part.reshape(-1, part.shape[-1]).sum(axis=0) for part in parts]
    count = max(int(np.ceil(end / step - 1e-6)), 1)
    total, seen = np.zeros(count), np.zeros(count)
    for part, start in zip(parts, starts, strict=True):
        place = np.floor((start + (np.arange(len(part)) + 0.5) * step) / step).astype(int)
        inside = place < count
        np.add.at(total, place[inside], part[inside])
        np.add.at(seen, place[inside], part[inside] > 0)
    share = np.divide(total, seen, out=np.full(count, np.nan), where=seen > 0)
    mean = np.nanmean(share) if (seen > 0).any() else 1.0
    nowhere = 1 - float(np.mean([part.sum() for part in parts]))
    return Course((np.arange(count) + 0.5) * step, share / mean, float(np.clip(nowhere, 0, 1)))


def _cut(window: Window, start: float, end: float) -> Window:
    inside = (window.times >= start) & (window.times < end)
    rows = {name: getattr(window, name)[inside] for name in ("times", "skin", "position", "aus", "pose", "gaze")}
    return replace(window, start=float(start), end=float(end), **rows)
