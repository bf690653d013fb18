"""Predictions of models with long windows (one or two minutes) for a recording, with optional contact signals.

Such a model cannot predict single steps, so the stream runs without a model. After the last frame,
`predict_recording` predicts each row from the `ModelRequirements.seconds` before it, and the recording as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.observations import Signal, Window
from mien.core.recording_prediction import RecordingPrediction
from mien.core.requirements import ModelRequirements
from mien.core.results import Prediction
from mien.face.track_buffer import AlbumRequest
from mien.inference.contact_clock import align_by_beats, clock_notes
from mien.inference.external_aus import ExternalAUs, check_au_program, load_external_aus, longest_tracked
from mien.inference.sliding_window import PREDICTIONS_PER_WINDOW, SlidingWindowPredictor

if TYPE_CHECKING:
    from mien.datasets.readers.physiology_sync import ContactSignals
    from mien.inference.clip_features import ClipFeatureBuffer
    from mien.inference.prediction import StepObservation
    from mien.inference.stream import TrackState

MIN_HEART_RATES, MAX_RATE_DIFFERENCE = 10, 0.15
"""Camera heart rates needed to question the sampling rate of a contact signal, and the tolerated relative difference.
Our choice: the camera is off by a few bpm, a wrong sampling rate by a third or more."""

__all__ = ["PREDICTIONS_PER_WINDOW", "ExternalAUs", "check_au_program", "load_external_aus", "make_clip_buffer",
           "needs_whole_recording", "predict_recording"]


def needs_whole_recording(model: Any) -> bool:
    """Whether a model needs long sequences of a face or signals, and therefore the full recording."""
    needs = model.needs
    return (needs.signals, needs.aus, needs.clips) != (None, None, None)


def make_clip_buffer(model: Any) -> tuple[AlbumRequest | None, list[ClipFeatureBuffer]]:
    """Request clip buffers, one per person, and create the list of the buffers that will be made.

    The request is None for a model without clips.
    """
    made: list[ClipFeatureBuffer] = []
    if model.needs.clips is None:
        return None, made
    from mien.inference.clip_features import ClipFeatureBuffer

    tower = model.videomae()

    def make() -> ClipFeatureBuffer:
        made.append(ClipFeatureBuffer(tower.plan.size, tower=tower, crop=model.clips.crop))
        return made[-1]

    return AlbumRequest(tower.plan.size, make), made


def predict_recording(model: Any, people: Mapping[int, TrackState], steps: Sequence[StepObservation], seconds: float,
         contact: ContactSignals | None, clips: Sequence[ClipFeatureBuffer] = (), units: ExternalAUs | None = None,
         correct: Callable[[tuple[float, float]], ContactSignals | None] | None = None
         ) -> tuple[list[Prediction], RecordingPrediction]:
    """Predict the rows and the recording.

    We assume that contact signals and imported action units belong to the person who was seen longest. The model
    predicts the others from their face alone.

    Args:
        model: a model that `whole` accepts.
        people: the stream's data of each person, by id.
        steps: what the stream observed in each step.
        seconds: length of the recording.
        contact: contact signals, None without.
        clips: buffers from `make_clip_buffer`, in the order of `people`.
        units: another program's action units, None for ours.
        correct: reads the contact signals again with a slope and an offset of their clock, to align it by the beats of
            sensor and camera; None to report the difference only.

    Returns:
        The rows with predictions, and the prediction of the recording.
    """
    for buffer in clips:
        buffer.close()
    main = longest_tracked(people)
    window = _empty_window(seconds)
    if main is not None:
        window = replace(people[main].seen.window(0.0, np.inf), end=seconds)
    clock_words = clock_notes(contact, window)
    if contact is not None and correct is not None:
        contact, clock_words = align_by_beats(contact, window, correct)
    signals, notes = _model_signals(contact, model.needs, seconds)
    if contact is not None and len(people) > 1:
        notes.append(f"the signals are taken to be of person {main}, who was seen longest of {len(people)}")
    if units is not None:
        notes += units.notes
        if len(people) > 1:
            notes.append(f"the action units are of person {main}, who was seen longest of {len(people)}: the model "
                         "reads no other face")
    reader = SlidingWindowPredictor(model, signals, main, dict(zip(people, clips, strict=False)), units)
    rows = [row for id, known in people.items()
            for row in reader.rows([step for step in steps if step.face == id], id, known)]
    session = reader.session(window, ())
    notes += _rate_warnings(contact, [step for step in steps if step.face == main])
    notes += clock_words
    notes += _about(session, model.needs, contact)
    return sorted(rows, key=lambda row: (row.start, row.face)), replace(session, notes=tuple(notes))


def _model_signals(
    contact: ContactSignals | None, needs: ModelRequirements, seconds: float
) -> tuple[Signal | None, list[str]]:
    """The channels of the model at its rate, NaN where missing or bad, None without any; and notes for the user."""
    if contact is None:
        return None, []
    if needs.signals is None or needs.rate is None:
        return None, [*contact.notes, "the model does not use signals"]
    from mien.preprocessing.sequences import signal_series  # imports torch, which a model needs anyway

    out = np.full((len(needs.signals), round(seconds * needs.rate)), np.nan, np.float32)
    notes = list(contact.notes)
    for row, name in zip(out, needs.signals, strict=True):
        match = contact.find(name)
        if match is None:
            notes.append(f"the file has no {name}, which the model uses")
            continue
        signal, k = match
        channel = Signal(signal.values[k : k + 1], signal.rate, (name,), ("",), signal.start)
        row[:] = signal_series(channel, (name,), needs.rate, 0.0, seconds)[0]
        if signal.names[k] != name:
            notes.append(f"{signal.names[k]} is used as {name}")
    if not np.isfinite(out).any():
        return None, notes
    return Signal(out, needs.rate, needs.signals, ("",) * len(out), judged=True), notes


def _rate_warnings(contact: ContactSignals | None, steps: Sequence[StepObservation]) -> list[str]:
    """Warn if the heart rate of a contact signal differs from the camera's, if the camera has enough readings."""
    seen = [step.heart_rate.value for step in steps if step.heart_rate.value is not None]
    if contact is None or len(seen) < MIN_HEART_RATES:
        return []
    bpm = float(np.median(seen))
    return [f"{name}: a heart rate of {rate:.0f} bpm, and {bpm:.0f} by the camera: is the rate right?"
            for name, rate in contact.rates.items() if abs(rate - bpm) > MAX_RATE_DIFFERENCE * bpm]


def _about(session: RecordingPrediction, needs: ModelRequirements, contact: ContactSignals | None) -> list[str]:
    """Describe the inputs of the prediction."""
    if session.reason:
        return [f"no answer: nothing is left that the model could read{_lost(contact)}"]
    used = []
    if session.used.get("face", 0.0) > 0:
        used.append("the face")
    channels = [name for name in needs.signals or () if session.used[name] > 0]
    if channels:
        used.append(", ".join(channels))
    text = f"read by {' and '.join(used)}"
    if needs.signals is not None and "face" in session.used and len(used) < 2:
        text += " alone"
    if needs.signals is not None and not channels:
        text += _lost(contact) or ": no contact signals were given"
    return [text]


def _lost(contact: ContactSignals | None) -> str:
    """Say why contact signals were not used."""
    if contact is None:
        return ""
    names = {name for signal in contact.signals for name in signal.names}
    reasons = [note for note in contact.notes if set(note.split(":")[0].split(", ")) & names]
    text = ": nothing is left of the contact signals"
    if reasons:
        text += f" ({'; '.join(reasons)})"
    return text


def _empty_window(seconds: float) -> Window:
    from mien.core.tasks import ACTION_UNITS

    none = np.zeros((0, 3))
    return Window(0.0, seconds, np.zeros(0), np.zeros((0, 4, 3)), none, np.zeros((0, len(ACTION_UNITS))), none,
                  none[:, :2])
