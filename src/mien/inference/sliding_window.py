"""Sliding-window predictions of a model with long windows, for every row and for a full recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.observations import Signal, Window
from mien.core.recording_prediction import AttentionOverTime, RecordingPrediction
from mien.core.results import Prediction
from mien.inference.prediction import StepObservation, assemble_row
from mien.metrics.classification import probabilities

if TYPE_CHECKING:
    from mien.inference.clip_features import ClipFeatureBuffer
    from mien.inference.external_aus import ExternalAUs
    from mien.inference.stream import TrackState

MIN_SECONDS = 5.0
"""Minimum s of a face or a signal for a prediction: the shortest input in the paper's study of lengths. For models with
windows below twice that, it is half of the window."""

PREDICTIONS_PER_WINDOW = 24
"""Predictions per length of the model's window; rows in between keep the earlier one. Our choice: a shift by 1/24 of
the window hardly changes a prediction, and a prediction is expensive."""

BATCH = 16


@dataclass(frozen=True, eq=False)
class WindowPrediction:
    """Prediction of a window: probabilities (K,), `seconds` of its best known input, and its inputs as text."""

    probs: np.ndarray | None = None
    seconds: float = 0.0
    parts: str = ""


@dataclass(frozen=True)
class SlidingWindowPredictor:
    """A model with long windows and the inputs of a recording.

    Attributes:
        model: the model.
        signal: contact signals of the person `main`, None without.
        main: id of the person seen longest, None without a face.
        clips: clip buffers by person.
        units: another program's action units of `main`, None for ours.
    """

    model: Any
    signal: Signal | None
    main: int | None
    clips: Mapping[int, ClipFeatureBuffer] = field(default_factory=dict)
    units: ExternalAUs | None = None

    @property
    def length(self) -> float:
        """Length of the model's window in s."""
        return float(self.model.needs.seconds)

    @property
    def min_seconds(self) -> float:
        """Minimum s of a face or a signal for a prediction."""
        return min(MIN_SECONDS, self.length / 2)

    def rows(self, steps: Sequence[StepObservation], id: int, known: TrackState) -> list[Prediction]:
        """Predict the rows of the steps of one person."""
        hop = max(self.length / PREDICTIONS_PER_WINDOW, 1e-3)
        last = np.array([np.floor(row.end / hop + 1e-9) for row in steps])
        ends = [k for k in np.unique(last) if k > 0]
        windows = [self._window(known, id, k * hop) for k in ends]
        predictions = dict(zip(ends, self.predict(windows), strict=True))
        return [self._row(step, predictions.get(k, WindowPrediction()), id == self.main)
                for step, k in zip(steps, last, strict=True)]

    def predict(self, windows: Sequence[Window]) -> list[WindowPrediction]:
        """Predict each window."""
        out: list[WindowPrediction] = []
        for first in range(0, len(windows), BATCH):
            output = self.model.predict(windows[first : first + BATCH])
            rows = zip(probabilities(np.asarray(output.logits)), _longest_input(output), output.sources, strict=True)
            out += [WindowPrediction(probs, float(seconds), parts) for probs, seconds, parts in rows]
        return out

    def _window(self, known: TrackState, id: int, end: float) -> Window:
        return self._full(known.seen.window(min(self._begin(end - self.length), end), end), id)

    def _begin(self, start: float) -> float:
        """Start of a window in s; for models of clips the start of the next clip, so that video and signals align."""
        step, start = self._clip_step, max(start, 0.0)
        if not step:
            return start
        return float(np.ceil(start / step - 1e-6) * step)

    def _full(self, window: Window, id: int | None, until: float = 0.0) -> Window:
        """Add the signals and clips of this person to the window; clips may extend to `until` s if that is later."""
        signal = self._signal_of(window) if id == self.main else None
        if self.units is not None:
            window = self.units.into(window, id == self.main)
        if self.model.needs.clips is None:
            return replace(window, signals=signal)
        rows = np.zeros((0, 1))
        if id is not None and id in self.clips:
            rows = self.clips[id].rows(window.start, max(window.end, until))
        return replace(window, signals=signal, clips=rows)

    def _signal_of(self, window: Window) -> Signal | None:
        """The part of the signals in the window."""
        if self.signal is None:
            return None
        rate = self.signal.rate
        first, last = (int(np.floor(time * rate + 1e-6)) for time in (window.start, window.end))
        return replace(self.signal, values=self.signal.values[:, first : last + 1], start=first / rate)

    def _missing(self, end: float, needed: float) -> str:
        """Why there is no prediction by `end` s for a model that needs `needed` s."""
        if end < needed:
            return "too_short"
        return self.missing_reason

    def _row(self, step: StepObservation, prediction: WindowPrediction, main: bool) -> Prediction:
        reason = step.reason
        if main and (self.signal is not None or self.units is not None):
            reason = ""  # the stream saw the face alone
        if not reason and (prediction.probs is None or prediction.seconds < self.min_seconds):
            reason = self._missing(step.end, 2 * self.min_seconds)
        if reason or prediction.probs is None:
            return assemble_row(step, self.model.task, None, reason=reason)
        return assemble_row(step, self.model.task, prediction.probs, prediction.parts)

    @property
    def missing_reason(self) -> str:
        """The reason code if all inputs are missing."""
        if self.model.needs.aus is None and self.model.needs.clips is None:
            return "no_signals"
        return "no_face"

    def session(self, window: Window, notes: Iterable[str]) -> RecordingPrediction:
        """Predict a full recording: the mean over windows of `length` that cover it evenly.

        Args:
            window: the recording, from 0 to its end.
            notes: notes for the user.
        """
        task, clip_seconds, step = self.model.task, self.length, self._clip_step
        if step:  # the last clip may extend beyond the signals
            clip_seconds = float(np.ceil(self.length / step - 1e-6) * step)
        count = max(int(np.ceil(window.end / self.length - 1e-6)), 1)
        starts = np.array([self._begin(start) for start in np.linspace(0.0, window.end - self.length, count)])
        parts = [_cut(window, start, min(start + self.length, window.end)) for start in starts]
        outputs = [self.model.predict([self._full(part, self.main, min(start + clip_seconds, window.end))],
                                      attention=True) for part, start in zip(parts, starts, strict=True)]
        good = np.array([_longest_input(output)[0] >= self.min_seconds for output in outputs])
        probs_of = np.array([probabilities(np.asarray(output.logits))[0] for output in outputs])
        chosen, reason = np.flatnonzero(good), ""
        if good.any():
            probs = probs_of[good].mean(axis=0)
            attention = {
                name: _course([output.attention[name].values for output in outputs], starts, window.end, weights.step)
                for name, weights in outputs[0].attention.items()}
        else:
            chosen, attention = np.arange(count), {}
            probs = np.full(len(task.classes), np.nan)
            reason = self._missing(window.end, self.min_seconds)
        spans = self._spans([outputs[k] for k in chosen], starts[chosen], window.end)
        used = {name: float(np.diff(span).sum()) for name, span in spans.items()}
        return RecordingPrediction(self.main, task.name, probs, window.end, used, self._used_signal(spans), attention,
                       tuple(notes), reason)

    @property
    def _clip_step(self) -> float:
        """Interval between clips in s, 0 for a model without clips."""
        from mien.models.videomae import CLIP_SECONDS  # imports torch, which a model needs anyway

        return CLIP_SECONDS if self.model.needs.clips is not None else 0.0

    def _spans(self, outputs: Sequence[Any], starts: np.ndarray, end: float) -> dict[str, np.ndarray]:
        """The intervals (M, 2) in s of each channel and of the face that the model used in any window."""
        spans = {}
        for name, series in outputs[0].used.items():
            masks = [np.asarray(output.used[name].values)[0] for output in outputs]
            spans[name] = _union([start + series.step * (np.flatnonzero(mask)[:, None] + np.arange(2))
                                  for mask, start in zip(masks, starts, strict=True)], end)
        return spans

    def _used_signal(self, spans: Mapping[str, np.ndarray]) -> Signal | None:
        """The signals with NaN where the model did not use them."""
        if self.signal is None:
            return None
        values = self.signal.values.copy()
        for row, name in zip(values, self.signal.names, strict=True):
            inside = np.searchsorted(spans[name].ravel(), self.signal.times + 1e-6) % 2 == 1
            row[~inside] = np.nan
        return replace(self.signal, values=values)


def _longest_input(output: Any) -> np.ndarray:
    """Seconds (N,) of the best known input."""
    if not output.used:
        raise ValueError("session: expected a model that says what it used of a recording (Output.used), got one that "
                         "does not: add it to the model's predict")
    return np.max([np.asarray(series.seconds) for series in output.used.values()], axis=0)


def _union(intervals: Sequence[np.ndarray], end: float) -> np.ndarray:
    """Merge overlapping intervals (N, 2) in s, cut at `end` -> disjoint intervals (M, 2)."""
    known = np.minimum(np.concatenate([np.zeros((0, 2)), *intervals]), end)
    if not len(known):
        return known
    known = known[np.argsort(known[:, 0], kind="stable")]
    reach = np.maximum.accumulate(known[:, 1])
    first = np.flatnonzero(np.r_[True, known[1:, 0] > reach[:-1] + 1e-6])
    return np.stack([known[first, 0], reach[np.r_[first[1:] - 1, len(known) - 1]]], axis=1)


def _course(rows: Sequence[Any], starts: np.ndarray, end: float, step: float) -> AttentionOverTime:
    """Average the attention (1, ..., N) of the windows, `step` s apart, over the recording; encoders are summed."""
    parts = [np.asarray(row, dtype=np.float64)[0] for row in rows]
    parts = [part.reshape(-1, part.shape[-1]).sum(axis=0) for part in parts]
    count = max(int(np.ceil(end / step - 1e-6)), 1)
    total, seen = np.zeros(count), np.zeros(count)
    for part, start in zip(parts, starts, strict=True):
        index = np.floor((start + (np.arange(len(part)) + 0.5) * step) / step).astype(int)
        inside = index < count
        np.add.at(total, index[inside], part[inside])
        np.add.at(seen, index[inside], part[inside] > 0)
    share = np.divide(total, seen, out=np.full(count, np.nan), where=seen > 0)
    mean = np.nanmean(share) if (seen > 0).any() else 1.0
    nowhere = 1 - float(np.mean([part.sum() for part in parts]))
    return AttentionOverTime((np.arange(count) + 0.5) * step, share / mean, float(np.clip(nowhere, 0, 1)))


def _cut(window: Window, start: float, end: float) -> Window:
    inside = (window.times >= start) & (window.times < end)
    rows = {name: getattr(window, name)[inside] for name in ("times", "skin", "position", "aus", "pose", "gaze")}
    return replace(window, start=float(start), end=float(end), **rows)
