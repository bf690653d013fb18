"""The card and the section of one person in the HTML report; each chart has a description and a table."""

from __future__ import annotations

import base64
import io
import math
from html import escape

import numpy as np
from PIL import Image

from mien.core.observations import STATES
from mien.core.plain_text import listed_after
from mien.core.results import REASONS, Measurement, Person
from mien.core.tasks import ACTION_UNIT_NAMES, ACTION_UNITS, Task, unit_description
from mien.reporting import face_blur
from mien.reporting.html import formatting, page
from mien.reporting.html.downsample import DownsampledTrack
from mien.reporting.html.ground_truth import CurveScore

ROWS = 24
"""Most rows of the table below a chart."""


def card(
    who: Person, task: Task, images: bool, blur: bool, basis: str = formatting.BASELINE, still: bool = False
) -> str:
    """The summary of a person.

    Args:
        who: The person.
        task: Label space of the expression.
        images: Whether to show the picture.
        blur: Whether to make the picture unrecognisable.
        basis: What the expressions are based on, as HTML.
        still: Whether the recording is a single picture.

    Returns:
        HTML.
    """
    others = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _measures(who))
    when = f"{formatting.clock(who.first)}\N{EN DASH}{formatting.clock(who.last)}"
    seen = "in a single picture" if still else f"seen {formatting.percent(who.coverage)} of the time, {when}"
    return f"""<article class="card" aria-labelledby="card-{who.id}">
{_picture(who, images, blur)}
<div class="who"><h3 id="card-{who.id}"><a href="#person-{who.id}">Person {who.id}</a></h3>
<p class="hint">{seen}</p>
{_heart(who.heart_rate)}</div>
<dl class="wide">{others}</dl>
<div class="wide"><p class="small tight"><b>{_expression(who, task)}</b></p>
{_bar(who, task)}
<p class="small tight">{basis}</p></div>
</article>
"""


def section(who: Person, task: Task, cells: DownsampledTrack | None, scores: list[CurveScore], units_by: str = ""
            ) -> str:
    """The charts of a person.

    Args:
        who: The person.
        task: Label space of the expression.
        cells: The downsampled rows; None without any.
        scores: Agreement with ground truth; empty without any.
        units_by: The model that predicted the action units; "" for mien.

    Returns:
        HTML with the placeholder {index} for the person's index.
    """
    name = f"Person {who.id}"
    head = f'<section aria-labelledby="person-{who.id}"><h2 id="person-{who.id}">{name}</h2>'
    if cells is None:
        return f'{head}<div class="panel"><p class="empty">There are no rows for this person.</p></div></section>'
    parts = [
        _expression_figure(who, task, cells),
        _figure(who, "affect", "Valence and arousal",
                "Ratings of the words for these expressions, not of a feeling.",
                f"{name}: mean valence {formatting.number(who.valence, 2, True)}, arousal "
                f"{formatting.number(who.arousal, 2, True)}.",
                page.keys([("valence", "accent", "stroke"), ("arousal", "warn", "stroke dots")])),
        _figure(who, "heart", "Heart rate",
                "Each value covers the seconds before it. Grey: abstained; point at it to see the reason. "
                "Dashed: the rate of the whole recording.",
                _heart_alt(name, cells), _planted(scores), _reasons(cells)),
        _pulse(who, name, bool(scores)),
        _figure(who, "aus", "Action units", "Intensity of each facial movement.", _unit_alt(name, who),
                '<p class="small tight">0, absent<span class="ramp"></span>5, strongest</p>', _units(cells, units_by)),
    ]
    if any(score.name in ACTION_UNITS for score in scores):
        parts.append(_figure(who, "truth", "Planted and estimated action units",
                             "Ground truth of this synthetic recording, and our estimates.",
                             f"{name}: planted and estimated curves; the table shows their agreement.",
                             _both(), _scores(scores), opened=True))
    return head + "".join(parts) + "</section>\n"


def _expression_figure(who: Person, task: Task, cells: DownsampledTrack) -> str:
    seen = cells.state >= 0
    silent = float(np.mean(cells.label[seen] < 0)) if seen.any() else 1.0
    width = f" Each point is a mean over {cells.width:.1f} s." if cells.width else ""
    return _figure(who, "expression", "Expression",
                   f"Probability of each class, stacked.{width} Below: the most frequent label, and whether the face "
                   "was seen.",
                   formatting.chart_description(f"Person {who.id}", task.classes, list(who.expression), silent),
                   page.class_keys(task) + page.keys([(state, state, "") for state in STATES]),
                   _table(cells, task))


def _figure(who: Person, chart: str, heading: str, caption: str, alt: str, legend: str = "", table: str = "",
            opened: bool = False) -> str:
    more = ""
    if table:
        tag = "<details open>" if opened else "<details>"
        more = f"{tag}<summary>Show as a table</summary>{table}</details>"
    return f"""<figure aria-labelledby="{chart}-{who.id}"><h3 id="{chart}-{who.id}">{heading}</h3>
<figcaption>{caption}</figcaption>{legend}
<div class="plot" data-chart="{chart}" data-person="{{index}}" role="group" aria-label="{escape(alt)}"></div>
{more}</figure>
"""


def _pulse(who: Person, name: str, planted: bool) -> str:
    if who.pulse is None:
        return (f'<figure aria-labelledby="wave-{who.id}"><h3 id="wave-{who.id}">Pulse</h3><p class="empty">No pulse '
                f"wave was found. {formatting.missing_value_text(who.heart_rate, 'heart rate')}</p></figure>\n")
    wave = _figure(who, "wave", "Pulse wave",
                   "The part with the best signal: the change of the skin&rsquo;s colour by the blood. "
                   '<span class="mouse">Drag to scroll.</span>',
                   f"{name}: the pulse wave.", _both() if planted else "")
    return wave + _figure(who, "image", "Pulse in time and frequency",
                          "Strength of the colour change at each rate. A clear band is a pulse; a fainter band at "
                          "twice its rate is its harmonic. The line is the estimated heart rate.",
                          f"{name}: wavelet transform of the pulse from 42 to 240 a minute.",
                          '<p class="small tight">weak<span class="ramp"></span>strong</p>')


def _picture(who: Person, images: bool, blur: bool) -> str:
    if not images or who.picture is None:
        return f'<div class="blank" aria-hidden="true">{who.id}</div>'
    rgb = np.ascontiguousarray(face_blur.pixelate(who.picture) if blur else who.picture)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=85)
    alt = f"Person {who.id}, unrecognisable" if blur else f"The face of person {who.id}"
    return f'<img alt="{alt}" src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode("ascii")}">'


def _heart(rate: Measurement) -> str:
    if rate.value is None:
        return f'<p class="none">{formatting.missing_value_text(rate, "heart rate")}</p>{_quality(rate)}'
    return f'<p class="big">{rate.value:.0f} <small>{escape(rate.unit)}</small></p>{_quality(rate)}'


def _quality(rate: Measurement) -> str:
    share = f"{100 * rate.quality:.0f}"
    method = listed_after(", ", escape(rate.method))
    return (f'<p class="hint"><span class="meter" aria-hidden="true"><i style="width:{share}%"></i></span>'
            f"quality {rate.quality:.2f}{method}</p>")


def _measures(who: Person) -> list[tuple[str, str]]:
    """Name and value of each measurement, as HTML."""
    names = {"rmssd": ("HRV, RMSSD", " ms", 0), "sdnn": ("HRV, SDNN", " ms", 0), "pnn50": ("HRV, pNN50", " %", 0),
             "sd1": ("HRV, SD1", " ms", 0), "sd2": ("HRV, SD2", " ms", 0),
             "lf_hf": ("HRV, LF/HF", " (weak evidence from video)", 1)}
    hrv = [(names.get(key, (escape(key), f" {escape(reading.unit)}", 1)), reading) for key, reading in who.hrv.items()]
    affect = ", ".join(formatting.number(value, 2, True) for value in (who.valence, who.arousal))
    return [
        ("Respiration", _value(who.respiration, f" {escape(who.respiration.unit)}", 1)),
        *((name, _value(reading, unit, digits)) for (name, unit, digits), reading in hrv),
        ("Blinks", _value(who.blink_rate, " a minute", 0)),
        ("Valence, arousal", affect),
    ]


def _value(reading: Measurement, unit: str, digits: int) -> str:
    if reading.value is None:
        return f'<span class="none">{formatting.missing_value_text(reading, "reading")}</span>'
    return formatting.number(reading.value, digits) + unit


def _expression(who: Person, task: Task) -> str:
    order = sorted(zip(who.expression, task.classes, strict=True), reverse=True)
    if not order or not math.isfinite(order[0][0]):
        return "No expression was recognised"
    (p, label), (next_p, next_label) = order[:2]
    text = f"Mostly {label} {formatting.percent(p)}"
    if next_p >= 0.1:
        text += f", {next_label} {formatting.percent(next_p)}"
    return text


def _bar(who: Person, task: Task) -> str:
    parts = "".join(f'<i style="width:{100 * p:.1f}%;background:var(--{name})"></i>'
                    for name, p in zip(task.classes, who.expression, strict=True) if math.isfinite(p))
    if not parts:
        return ""
    return f'<div class="bar" aria-hidden="true">{parts}</div>'


def _heart_alt(name: str, cells: DownsampledTrack) -> str:
    known = cells.rate[np.isfinite(cells.rate)]
    share = 1 - len(known) / max(int((cells.state >= 0).sum()), 1)
    values = "unknown at all times"
    if len(known):
        values = f"from {known.min():.0f} to {known.max():.0f} bpm"
    return f"{name}: heart rate {values}; abstained {share:.0%} of the time."


def _unit_alt(name: str, who: Person) -> str:
    order = np.argsort(-np.nan_to_num(who.aus, nan=-1))[:3]
    strongest = ", ".join(f"{ACTION_UNITS[i]} {ACTION_UNIT_NAMES[ACTION_UNITS[i]]} {formatting.number(who.aus[i], 1)}"
                          for i in order)
    return f"{name}: mean intensities; the strongest are {strongest}."


def _table(cells: DownsampledTrack, task: Task) -> str:
    step = max(1, math.ceil(len(cells.label) / ROWS))
    lines = []
    for i in range(0, len(cells.label), step):
        if cells.state[i] < 0:
            continue
        label, best = "no reading", math.nan
        if cells.label[i] >= 0:
            label, best = task.classes[cells.label[i]], cells.probs[i, cells.label[i]]
        numbers = (formatting.percent(best), formatting.number(cells.affect[i, 0], 2, True),
                   formatting.number(cells.affect[i, 1], 2, True), formatting.number(cells.rate[i]),
                   formatting.number(cells.quality[i], 2))
        lines.append([formatting.clock(cells.edges[i]), STATES[cells.state[i]], label, *numbers])
    return table(["time", "seen", "label", "probability", "valence", "arousal", "bpm", "quality"], lines)


def _units(cells: DownsampledTrack, units_by: str) -> str:
    lines = []
    for i, name in enumerate(ACTION_UNITS):
        known = cells.aus[:, i][np.isfinite(cells.aus[:, i])]
        mean = largest = math.nan
        if len(known):
            mean, largest = known.mean(), known.max()
        numbers = formatting.number(mean, 2), formatting.number(largest, 2)
        lines.append([name, unit_description(name, units_by), *numbers])
    return table(["unit", "name", "mean", "largest"], lines)


def _reasons(cells: DownsampledTrack) -> str:
    reasons = [reason for reason, state in zip(cells.pulse_reasons, cells.state, strict=True) if state >= 0]
    lines = [[REASONS.get(reason, reason), formatting.percent(reasons.count(reason) / len(reasons))]
             for reason in sorted(set(reasons), key=lambda reason: -reasons.count(reason))]
    return table(["heart rate", "share of the time"], lines)


def _scores(scores: list[CurveScore]) -> str:
    names = {"heart_rate": "heart rate", **{unit: f"{unit} {name}" for unit, name in ACTION_UNIT_NAMES.items()}}
    lines = [
        [
            names[score.name],
            formatting.number(score.error, 2),
            formatting.number(score.correlation, 2),
            str(score.count),
        ]
        for score in scores
    ]
    return table(["curve", "mean absolute error", "correlation", "rows"], lines)


def _planted(scores: list[CurveScore]) -> str:
    score = next((score for score in scores if score.name == "heart_rate"), None)
    if score is None:
        return ""
    error = formatting.number(score.error, 1)
    return (f'<p class="small tight">Planted and estimated: mean absolute error {error} bpm over {score.count} '
            f"rows.</p>{_both()}")


def _both() -> str:
    return page.keys([("estimated", "accent", "stroke"), ("planted", "truth", "stroke dots")])


def table(head: list[str], lines: list[list[str]]) -> str:
    """An HTML table; the first cell of each line is the row's heading."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
                   + "</tr>" for first, *rest in lines)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
