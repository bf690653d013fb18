"""The report's section on the prediction for a whole recording and on the contact signals."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from mien.core.observations import Signal
from mien.core.recording_prediction import AttentionOverTime, RecordingPrediction
from mien.core.results import REASONS
from mien.core.tasks import Task
from mien.reporting.html import formatting
from mien.reporting.html.charts import numbers
from mien.reporting.html.person import table

POINTS = 1500
"""Most drawn points of a signal, the highest and lowest of each interval. Our choice: more than a screen shows."""

MOMENTS, MIN_DISTANCE, MIN_ATTENTION = 3, 3.0, 1.5
"""Most moments that the text names, smallest distance between them in s, and their smallest relative attention."""

ATTENTION_NOTE = (
    "This shows the attention weights. Each token covers several seconds of input, so it does not show what the "
    "answer depends on."
)

NAMES = {"face": "the face", "body": "the signals"}


def section(recording: RecordingPrediction, task: Task, doubt: str = "") -> str:
    """The section on the whole recording.

    Args:
        recording: The prediction.
        task: Its label space.
        doubt: Why the model is not reliable; "" if it is. With a doubt, the text names no moments.

    Returns:
        HTML with prediction, inputs, chart and notes.
    """
    who = "No person in the picture" if recording.face is None else f"Person {recording.face}"
    answer = _answer(recording, task)
    notes = "".join(f"<li>{escape(note)}</li>" for note in recording.notes)
    lines = [[name, f"{seconds:.1f} s", formatting.percent(seconds / recording.seconds if recording.seconds else None)]
             for name, seconds in recording.used.items()]
    where = "".join(f"<p>{_where(name, course, doubt)}</p>" for name, course in recording.attention.items())
    if where:
        where += f"<p>{ATTENTION_NOTE}</p>"
    return f"""<section aria-labelledby="session"><h2 id="session">The whole recording</h2>
<div class="panel"><p><b>{answer}</b> {who}. This is a model&rsquo;s estimate of how the person would rate this
recording, from long parts of it. It is not calibrated here, and it does not measure feelings.</p><ul>{notes}</ul>
{table(["input of the answer", "used", "of the recording"], lines)}</div>
<figure aria-labelledby="session-chart"><h3 id="session-chart">Signals, timeline and attention</h3>
<figcaption>The answer over time, each value from the seconds before it; the signals as the model received them, with
gaps where it used none; and the model&rsquo;s attention, where 1 is the average over all moments.</figcaption>{where}
<div class="plot" data-chart="session" data-person="{_index(recording)}" role="group"
aria-label="{escape(_alt(recording))}"></div>
</figure></section>
"""


def data(recording: RecordingPrediction, task: Task) -> dict[str, Any]:
    """JSON data for script.js; times in ms."""
    signals = recording.signals
    lines = []
    if signals is not None:
        lines = [{"name": name, **downsample_channel(signals, k)} for k, name in enumerate(signals.names)
                 if np.isfinite(signals.values[k]).any()]
    return {
        "class": task.classes[-1],
        "signals": lines,
        "attention": [{"name": NAMES.get(name, name), "x": numbers(1000 * course.times, 0),
                       "y": numbers(course.share, 3)} for name, course in recording.attention.items()],
    }


def downsample_channel(signal: Signal, row: int, points: int = POINTS) -> dict[str, list[float | None]]:
    """Reduce a channel to about `points` points for a chart.

    Args:
        signal: The signals.
        row: Index of the channel.
        points: Most points.

    Returns:
        `x` in ms and `y` standardised: the lowest and highest value of each interval, None without any.
    """
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
    ends, offsets = low[:, None], np.array([0.0])
    if step > 1:
        ends, offsets = np.stack([low, high], axis=1), np.array([0.25, 0.75])
    ends[~known.any(axis=1)] = np.nan
    times = signal.start + (np.arange(count)[:, None] + offsets) * step / signal.rate
    return {"x": numbers(1000 * times.ravel(), 0), "y": numbers(ends.ravel(), 2)}


def _answer(recording: RecordingPrediction, task: Task) -> str:
    if recording.reason:
        return f"No answer: {escape(REASONS[recording.reason])}."
    best = int(np.argmax(recording.probs))
    dimension = {"valence2": "Valence", "arousal2": "Arousal"}.get(task.name, escape(task.name))
    return f"{dimension}: {escape(task.classes[best])}, {formatting.percent(recording.probs[best])}."


def _where(name: str, course: AttentionOverTime, doubt: str) -> str:
    """The moments with the most attention, in words."""
    if doubt:
        return (f"Attention to {NAMES.get(name, escape(name))}: no moments are named, since the model is "
                f"{escape(doubt)}.")
    times, share = course.times, np.nan_to_num(course.share)
    best: list[int] = []
    for k in np.argsort(-share, kind="stable").tolist():
        distant = all(abs(times[k] - times[other]) >= MIN_DISTANCE for other in best)
        if distant and share[k] >= MIN_ATTENTION and len(best) < MOMENTS:
            best.append(k)
    best.sort()
    moments = ", ".join(f"{formatting.clock(course.times[k])} ({course.share[k]:.1f} times)" for k in best)
    where = f"mostly to {moments}" if best else "evenly to all moments"
    return (f"Attention to {NAMES.get(name, escape(name))} went {where}; "
            f"{formatting.percent(course.nowhere)} of it went to no moment.")


def _alt(recording: RecordingPrediction) -> str:
    names = recording.signals.names if recording.signals else ()
    attention = ", ".join(NAMES.get(name, name) for name in recording.attention)
    return (f"The answer over time; signals: {', '.join(names) or 'none'}; attention to: "
            f"{attention or 'nothing that the model exposes'}.")


def _index(recording: RecordingPrediction) -> str:
    return "-1" if recording.face is None else "{index}"
