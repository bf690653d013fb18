"""The report's section on what a model of whole recordings answers, and on the contact signals that were given."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from mien.report import words
from mien.report.charts import numbers
from mien.report.person import table
from mien.tasks import Task
from mien.types import REASONS, Course, Session, Signal

POINTS = 1500
"""Points of a signal that are drawn. Our choice: more than a screen shows; highest and lowest of each stretch."""

MOMENTS, APART, MORE = 3, 3.0, 1.5
"""Moments that are named, s between them, and times as much attention as at every other, at least."""

WEIGHT = ("This says where attention went. Each of the tokens it went to mixes seconds, so it does not show what the "
          "answer depends on.")

NAMES = {"face": "the face", "body": "the signals"}


def section(found: Session, task: Task, doubt: str = "") -> str:
    """Answer, what it rests on, chart and notes, as HTML; `doubt`: why the model is not to be believed, then no moment
    is named."""
    who = f"Person {found.face}" if found.face is not None else "Nobody in the picture"
    answer = _answer(found, task)
    rests = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    lines = [[name, f"{seconds:.1f} s", words.percent(seconds / found.seconds if found.seconds else None)]
             for name, seconds in found.used.items()]
    where = "".join(f"<p>{_where(name, course, doubt)}</p>" for name, course in found.attention.items())
    where += f"<p>{WEIGHT}</p>" if where else ""
    return f"""<section aria-labelledby="session"><h2 id="session">The whole recording</h2>
<div class="panel"><p><b>{answer}</b> {who}. A guess at how somebody would rate this recording, by a model that looks
at long stretches of it; not calibrated here, and no measurement of what is felt.</p><ul>{rests}</ul>
{table(["what the answer rests on", "used", "of the recording"], lines)}</div>
<figure aria-labelledby="session-chart"><h3 id="session-chart">Signals, timeline and attention</h3>
<figcaption>The answer along the recording, each from the seconds before it; the signals as the model was given them,
with gaps where it used none; and where its attention went: 1 is as much as to every other moment.</figcaption>{where}
<div class="plot" data-chart="session" data-person="{_index(found)}" role="img"
aria-label="{escape(_alt(found))}"></div>
</figure></section>
"""


def data(found: Session, task: Task) -> dict[str, Any]:
    """For script.js. Times in ms."""
    signals = found.signals
    return {
        "class": task.classes[-1],
        "signals": [] if signals is None else [
            {"name": name, **drawn(signals, k)} for k, name in enumerate(signals.names)
            if np.isfinite(signals.values[k]).any()],
        "attention": [{"name": NAMES.get(name, name), "x": numbers(1000 * course.times, 0),
                       "y": numbers(course.share, 3)} for name, course in found.attention.items()],
    }


def drawn(signal: Signal, row: int, points: int = POINTS) -> dict[str, list[float | None]]:
    """x ms and y in the signal's own spread: the lowest and highest of each stretch, None where nothing is known."""
    values = np.asarray(signal.values[row], dtype=np.float64)
    spread = float(np.nanstd(values)) or 1.0
    values = (values - np.nanmean(values)) / spread
    step = max(1, int(np.ceil(2 * len(values) / points)))
    count = int(np.ceil(len(values) / step))
    padded = np.full(count * step, np.nan)
    padded[: len(values)] = values
    parts = padded.reshape(count, step)
    known = np.isfinite(parts)
    low = np.where(known, parts, np.inf).min(axis=1)
    high = np.where(known, parts, -np.inf).max(axis=1)
    ends = np.stack([low, high], axis=1) if step > 1 else low[:, None]
    ends[~known.any(axis=1)] = np.nan
    offsets = np.array([0.25, 0.75]) if step > 1 else np.array([0.0])
    times = signal.start + (np.arange(count)[:, None] + offsets) * step / signal.rate
    return {"x": numbers(1000 * times.ravel(), 0), "y": numbers(ends.ravel(), 2)}


def _answer(found: Session, task: Task) -> str:
    if found.reason:
        return f"No answer: {escape(REASONS[found.reason])}."
    best = int(np.argmax(found.probs))
    what = {"valence2": "Valence", "arousal2": "Arousal"}.get(task.name, escape(task.name))
    return f"{what}: {escape(task.classes[best])}, {words.percent(found.probs[best])}."


def _where(name: str, course: Course, doubt: str) -> str:
    """The moments that were looked at most, in words."""
    if doubt:
        return f"Attention to {NAMES.get(name, escape(name))}: no moment is named, for the model is {escape(doubt)}."
    times, share = course.times, np.nan_to_num(course.share)
    best: list[int] = []
    for k in np.argsort(-share, kind="stable").tolist():
        apart = all(abs(times[k] - times[other]) >= APART for other in best)
        if apart and share[k] >= MORE and len(best) < MOMENTS:
            best.append(k)
    best.sort()
    moments = ", ".join(f"{words.clock(course.times[k])} ({course.share[k]:.1f} times)" for k in best)
    where = f"most to {moments}" if best else "evenly"
    return (f"Of {NAMES.get(name, escape(name))} the model's attention went {where}; "
            f"{words.percent(course.nowhere)} of it went to no moment.")


def _alt(found: Session) -> str:
    names = [] if found.signals is None else list(found.signals.names)
    return f"The answer over time; signals: {', '.join(names) or 'none'}; attention to: " + (
        ", ".join(NAMES.get(name, name) for name in found.attention) or "nothing that is exposed") + "."


def _index(found: Session) -> str:
    return "{index}" if found.face is not None else "-1"


