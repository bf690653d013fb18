"""Models of one or two minutes over a whole recording: with the contact signals of one person, where there are some.

Such a model reads no single step, so the stream runs with `Later` in its place; when all is seen, `read` gives every
row its answer, each from the `needs.seconds` before it, and the recording one answer with what that rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.session.reader import LEAST, SPARSE, Reader
from mien.session.units import Units, expect_units, longest, units
from mien.types import Emotion, Needs, Session, Signal, Window

if TYPE_CHECKING:
    from mien.data.filming import Clips
    from mien.imports import Contact
    from mien.stream import Known
    from mien.tasks import Task

LOOKS, APART = 10, 0.15
"""Readings of the camera that are enough to doubt a wire's rate, and the share by which both may differ. Our choice:
the camera misses by some bpm, a wrong rate by a third and more."""

__all__ = ["LEAST", "SPARSE", "Later", "Units", "expect_units", "films", "read", "units", "whole"]


class Later:
    """Stands in the stream for a model that reads when all has been seen."""

    needs, seconds = Needs(), 0.0

    def __init__(self, task: Task) -> None:
        self.task = task

    def read(self, window: Window) -> np.ndarray:
        """A window -> probabilities (K,) that say nothing."""
        return np.full(len(self.task.classes), 1 / len(self.task.classes))


def whole(model: Any) -> bool:
    """Whether this model reads whole recordings: long series of a face, of signals, or of both."""
    needs = model.needs
    return (needs.signals, needs.aus, needs.clips) != (None, None, None)


def films(model: Any) -> tuple[Callable[[], Clips] | None, list[Clips]]:
    """What makes a person's album where the model looks at clips, and the list that it fills."""
    made: list[Clips] = []
    if model.needs.clips is None:
        return None, made
    from mien.data.filming import Clips

    tower = model.videomae()

    def make() -> Clips:
        made.append(Clips(tower.plan.size, tower=tower, crop=model.card.recipe.options.crop))
        return made[-1]

    return make, made


def read(model: Any, people: Mapping[int, Known], emotions: Sequence[Emotion], seconds: float,
         contact: Contact | None, clips: Sequence[Clips] = (), units: Units | None = None
         ) -> tuple[list[Emotion], Session]:
    """What the stream saw of everyone, its rows, the recording's length and its contact signals -> rows and session.

    Contact signals are taken to belong to whoever was seen longest; the others are read by their face alone. `clips`:
    what `films` made, in the order of `people`; `units`: another program's action units of whoever was seen longest.
    """
    for one in clips:
        one.close()
    main = longest(people)
    fed, notes = _fed(contact, model.needs, seconds)
    if contact is not None and len(people) > 1:
        notes.append(f"the signals are taken to be of person {main}, who was seen longest of {len(people)}")
    if units is not None:
        notes += units.notes
        if len(people) > 1:
            notes.append(f"the action units are of person {main}, who was seen longest of {len(people)}: no other face "
                         "is read")
    reader = Reader(model, fed, main, dict(zip(people, clips, strict=False)), units)
    rows = [row for id, known in people.items()
            for row in reader.rows([row for row in emotions if row.face == id], id, known)]
    window = _nobody(seconds) if main is None else replace(people[main].seen.window(0.0, np.inf), end=seconds)
    session = reader.session(window, ())
    notes += _pace(contact, [row for row in emotions if row.face == main]) + _about(session, model.needs, contact)
    return sorted(rows, key=lambda row: (row.start, row.face)), replace(session, notes=tuple(notes))


def _fed(contact: Contact | None, needs: Needs, seconds: float) -> tuple[Signal | None, list[str]]:
    """The channels that the model asks for at its rate, NaN where they are missing or bad; None where there are none.
    """
    if contact is None:
        return None, []
    if needs.signals is None or needs.rate is None:
        return None, [*contact.notes, "the model does not look at signals"]
    from mien.data.series import wires  # with torch, which is there where a model is

    out = np.full((len(needs.signals), round(seconds * needs.rate)), np.nan, np.float32)
    notes = list(contact.notes)
    for row, name in zip(out, needs.signals, strict=True):
        found = contact.find(name)
        if found is None:
            notes.append(f"{name}: the model knows it, and the file has none")
            continue
        signal, k = found
        one = Signal(signal.values[k : k + 1], signal.rate, (name,), ("",), signal.start)
        row[:] = wires(one, (name,), needs.rate, 0.0, seconds)[0]
        notes += [f"{signal.names[k]} is taken for {name}"] * (signal.names[k] != name)
    there = np.isfinite(out).any()
    return Signal(out, needs.rate, needs.signals, ("",) * len(out), judged=True) if there else None, notes


def _pace(contact: Contact | None, rows: Sequence[Emotion]) -> list[str]:
    """Where the wires' heart is not the camera's, as far as that is believed."""
    seen = [row.heart_rate.value for row in rows if row.heart_rate.value is not None]
    if contact is None or len(seen) < LOOKS:
        return []
    bpm = float(np.median(seen))
    return [f"{name}: a heart rate of {rate:.0f} bpm, and {bpm:.0f} by the camera: is the rate right?"
            for name, rate in contact.rates.items() if abs(rate - bpm) > APART * bpm]


def _about(session: Session, needs: Needs, contact: Contact | None) -> list[str]:
    """What the answer rests on, in words."""
    if session.reason:
        return [f"no answer: nothing is left that the model could read{_lost(contact)}"]
    face, wires = session.used.get("face", 0.0) > 0, [name for name in needs.signals or () if session.used[name] > 0]
    told = " and ".join([*(["the face"] if face else []), *([", ".join(wires)] if wires else [])])
    alone = " alone" if needs.signals is not None and "face" in session.used and not (face and wires) else ""
    why = "" if needs.signals is None or wires else _lost(contact) or ": no contact signals were given"
    return [f"read by {told}{alone}{why}"]


def _lost(contact: Contact | None) -> str:
    """Why nothing is read of contact signals that were given."""
    if contact is None:
        return ""
    names = {name for signal in contact.signals for name in signal.names}
    said = [note for note in contact.notes if set(note.split(":")[0].split(", ")) & names]
    return ": nothing is left of the contact signals" + (f" ({'; '.join(said)})" if said else "")


def _nobody(seconds: float) -> Window:
    from mien.tasks import ACTION_UNITS

    none = np.zeros((0, 3))
    return Window(0.0, seconds, np.zeros(0), np.zeros((0, 4, 3)), none, np.zeros((0, len(ACTION_UNITS))), none,
                  none[:, :2])
