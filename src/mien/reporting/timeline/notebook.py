"""How a timeline shows itself in a notebook: a table of the people with a strip each, and an interactive plot."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.plain_text import counted
from mien.core.results import REASONS, Person
from mien.core.tasks import ACTION_UNIT_NAMES, ACTION_UNITS, Task
from mien.reporting.timeline.segments import expression_segments

if TYPE_CHECKING:
    from mien.reporting.timeline import Timeline, Track

COLOURS = ("#dc9a00", "#3c6fb4", "#bfc5c9", "#c5472e", "#58b3de", "#2c9a74", "#9669b3")
"""Colours of the classes in their order, those of the report; they repeat for more classes."""

NONE = "#e8e8e4"
WIDTH, STRIP = 480, 16


def html(timeline: Timeline) -> str:
    """A line for each person as HTML; it needs neither scripts nor network."""
    source = timeline.source
    head = f"<b>{escape(source.name)}</b>, {source.duration:.1f} s, {counted(len(timeline.faces), 'person', 'people')}"
    if not timeline.faces:
        return f"<p>{head}. No face was found.</p>"
    rows = "".join(_row(person, timeline) for person in timeline.faces)
    legend = " ".join(f'<span style="background:{_colour(i)};padding:0 .4em">&nbsp;</span> {escape(name)}'
                      for i, name in enumerate(timeline.task.classes))
    return (f"<p>{head}</p><table><thead><tr><th>person</th><th>seen</th><th>heart rate</th><th>mostly</th>"
            f"<th>expression over time</th></tr></thead><tbody>{rows}</tbody></table><p>{legend}</p>")


def _row(person: Person, timeline: Timeline) -> str:
    rate = person.heart_rate
    heart = escape(REASONS[rate.reason]) if rate.value is None else f"{rate.value:.0f} bpm"
    mostly = "not recognised"
    if np.isfinite(person.expression).all() and len(person.expression):
        mostly = f"{escape(timeline.task.label(person.expression))} {person.expression.max():.0%}"
    track = timeline.tracks.get(person.id)
    strip = _strip(track, timeline) if track is not None else ""
    return (f"<tr><td>{person.id}</td><td>{person.coverage:.0%}</td><td>{heart}</td><td>{mostly}</td>"
            f"<td>{strip}</td></tr>")


def _strip(track: Track, timeline: Timeline) -> str:
    """The most probable expression over time as an SVG."""
    start, length = timeline.source.start, max(timeline.source.duration, 1e-9)
    labels = [row.label for row in track.rows]
    parts = []
    for run in expression_segments(track.begin, track.end, labels):
        label = run.value
        colour = _colour(timeline.task.classes.index(label)) if label else NONE
        x, width = (run.begin - start) / length * WIDTH, (run.end - run.begin) / length * WIDTH
        parts.append(f'<rect x="{x:.1f}" width="{max(width, 0.5):.1f}" height="{STRIP}" fill="{colour}">'
                     f"<title>{escape(label or 'no reading')}</title></rect>")
    return (f'<svg width="{WIDTH}" height="{STRIP}" role="img" aria-label="expression of a person over time">'
            f'{"".join(parts)}</svg>')


def plot(timeline: Timeline, face: int | None = None) -> Any:
    """Draw one person: probabilities, heart rate and action units over time.

    Args:
        timeline: The timeline.
        face: Id of the person; None for the one who is seen most.

    Returns:
        A plotly figure, which a notebook shows.

    Raises:
        ValueError: There is no such person.
    """
    from plotly.graph_objects import Heatmap, Scatter
    from plotly.subplots import make_subplots

    track = timeline.tracks.get(_chosen(timeline, face))
    if track is None:
        raise ValueError(f"Timeline.plot: expected one of the faces {sorted(timeline.tracks)}, got {face}")
    task: Task = timeline.task
    time = (track.begin + track.end) / 2
    probs = np.array([row.probs for row in track.rows])
    probs[[row.abstained for row in track.rows]] = np.nan
    rates = [row.heart_rate.number for row in track.rows]
    figure = make_subplots(3, 1, shared_xaxes=True, row_heights=[0.35, 0.2, 0.45], vertical_spacing=0.04)
    for i, name in enumerate(task.classes):
        figure.add_trace(Scatter(x=time, y=probs[:, i], name=name, stackgroup="p", mode="lines",
                                 line={"width": 0, "color": _colour(i)}), 1, 1)
    figure.add_trace(Scatter(x=time, y=rates, name="heart rate", mode="lines+markers", connectgaps=False,
                             line={"color": "#17667f"}, showlegend=False), 2, 1)
    units = np.array([row.aus for row in track.rows]).T
    names = [f"{unit} {ACTION_UNIT_NAMES[unit]}" for unit in ACTION_UNITS]
    figure.add_trace(Heatmap(x=time, y=names, z=units, zmin=0, zmax=5, colorscale="Blues",
                             colorbar={"len": 0.4, "y": 0.2, "title": "0 to 5"}), 3, 1)
    figure.update_yaxes(title_text="probability", range=[0, 1], row=1, col=1)
    figure.update_yaxes(title_text="bpm", row=2, col=1)
    figure.update_yaxes(autorange="reversed", row=3, col=1)
    figure.update_xaxes(title_text="s", row=3, col=1)
    figure.update_layout(height=760, title_text=f"{timeline.source.name}, person {_chosen(timeline, face)}")
    return figure


def _chosen(timeline: Timeline, face: int | None) -> int:
    """Id of the person to draw; -1 without any."""
    if face is not None:
        return face
    return max(timeline.tracks, key=lambda each: sum(row.state == "tracked" for row in timeline.tracks[each].rows),
               default=-1)


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
