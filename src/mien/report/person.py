"""One person in the report: the card and the section of charts, each with words and a table of the same."""

from __future__ import annotations

import base64
import io
import math
from html import escape

import numpy as np
from PIL import Image

from mien import privacy
from mien.report import page, words
from mien.report.cells import Cells
from mien.report.truth import Score
from mien.tasks import ACTION_UNIT_NAMES, ACTION_UNITS, Task
from mien.types import REASONS, STATES, Person, Reading

ROWS = 24
"""Rows of the table beside the charts, at most."""


def card(who: Person, task: Task, images: bool, blur: bool, basis: str = words.BASELINE) -> str:
    """A person at a glance, as HTML."""
    others = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _measures(who))
    when = f"{words.clock(who.first)}\N{EN DASH}{words.clock(who.last)}"
    return f"""<article class="card" aria-labelledby="card-{who.id}">
{_picture(who, images, blur)}
<div class="who"><h3 id="card-{who.id}"><a href="#person-{who.id}">Person {who.id}</a></h3>
<p class="hint">seen {words.percent(who.coverage)} of the time, {when}</p>
{_heart(who.heart_rate)}</div>
<dl class="wide">{others}</dl>
<div class="wide"><p class="small tight"><b>{_expression(who, task)}</b></p>
{_bar(who, task)}
<p class="small tight">{basis}</p></div>
</article>
"""


def section(who: Person, task: Task, cells: Cells | None, scores: list[Score]) -> str:
    """A person's charts, as HTML."""
    name = f"Person {who.id}"
    head = f'<section aria-labelledby="person-{who.id}"><h2 id="person-{who.id}">{name}</h2>'
    if cells is None:
        return f'{head}<div class="panel"><p class="empty">There are no rows of this person.</p></div></section>'
    silent = float(np.mean(cells.label[cells.state >= 0] < 0)) if (cells.state >= 0).any() else 1.0
    width = f" Each point is a mean over {cells.width:.1f} s." if cells.width else ""
    parts = [
        _figure(who, "expression", "Expression",
                f"Probability of each class, stacked.{width} Below it the most probable class, and whether the face "
                "was seen.",
                words.course(name, task.classes, list(who.expression), silent),
                page.class_keys(task) + page.keys([(state, state, "") for state in STATES]),
                _table(cells, task)),
        _figure(who, "affect", "Valence and arousal",
                "What the words for these expressions are rated as; not a feeling.",
                f"{name}: mean valence {words.number(who.valence, 2, True)}, arousal "
                f"{words.number(who.arousal, 2, True)}.",
                page.keys([("valence", "accent", "stroke"), ("arousal", "warn", "stroke dots")])),
        _figure(who, "heart", "Heart rate",
                "Each value covers the seconds before it. Grey: abstained; the reason appears under the pointer. "
                "Dashed: the rate of the whole recording.",
                _heart_alt(name, cells), _planted(scores), _reasons(cells)),
        _pulse(who, name, bool(scores)),
        _figure(who, "aus", "Action units", "How strongly each movement of the face is made.", _unit_alt(name, who),
                '<p class="small tight">0, absent<span class="ramp"></span>5, strongest</p>', _units(cells)),
    ]
    if any(score.name in ACTION_UNITS for score in scores):
        parts.append(_figure(who, "truth", "Planted and estimated action units",
                             "What was planted in this made-up recording, and what was read from it.",
                             f"{name}: planted and estimated curves; the table holds their agreement.",
                             _both(), _scores(scores), opened=True))
    return head + "".join(parts) + "</section>\n"


def _figure(who: Person, chart: str, heading: str, caption: str, alt: str, legend: str = "", table: str = "",
            opened: bool = False) -> str:
    more = f"<details{' open' * opened}><summary>The same as a table</summary>{table}</details>" if table else ""
    return f"""<figure aria-labelledby="{chart}-{who.id}"><h3 id="{chart}-{who.id}">{heading}</h3>
<figcaption>{caption}</figcaption>{legend}
<div class="plot" data-chart="{chart}" data-person="{{index}}" role="img" aria-label="{escape(alt)}"></div>
{more}</figure>
"""


def _pulse(who: Person, name: str, planted: bool) -> str:
    if who.pulse is None:
        return (f'<figure aria-labelledby="wave-{who.id}"><h3 id="wave-{who.id}">Pulse</h3><p class="empty">No pulse '
                f"wave was found. {words.why(who.heart_rate, 'heart rate')}</p></figure>\n")
    wave = _figure(who, "wave", "Pulse wave",
                   "An excerpt where the pulse is best: how the blood changes the skin&rsquo;s colour. "
                   '<span class="mouse">Drag to move along.</span>',
                   f"{name}: the pulse wave.", _both() if planted else "")
    return wave + _figure(who, "image", "Pulse in time and frequency",
                          "How strongly the colour changes at each rate; a clear band is a pulse, a fainter one at "
                          "twice its rate is the same pulse. The line is the heart rate that was read.",
                          f"{name}: wavelet transform of the pulse from 42 to 240 a minute.",
                          '<p class="small tight">weak<span class="ramp"></span>strong</p>')


def _picture(who: Person, images: bool, blur: bool) -> str:
    if not images or who.picture is None:
        return f'<div class="blank" aria-hidden="true">{who.id}</div>'
    rgb = np.ascontiguousarray(privacy.blurred(who.picture) if blur else who.picture)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=85)
    alt = f"Person {who.id}, made unrecognisable" if blur else f"The face of person {who.id}"
    return f'<img alt="{alt}" src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode("ascii")}">'


def _heart(rate: Reading) -> str:
    if rate.value is None:
        return f'<p class="none">{words.why(rate, "heart rate")}</p>{_quality(rate)}'
    return f'<p class="big">{rate.value:.0f} <small>{escape(rate.unit)}</small></p>{_quality(rate)}'


def _quality(rate: Reading) -> str:
    share = f"{100 * rate.quality:.0f}"
    return (f'<p class="hint"><span class="meter" aria-hidden="true"><i style="width:{share}%"></i></span>'
            f"quality {rate.quality:.2f}{', ' + escape(rate.method) if rate.method else ''}</p>")


def _measures(who: Person) -> list[tuple[str, str]]:
    """Name and value, as HTML."""
    names = {"rmssd": ("HRV, RMSSD", " ms", 0), "lf_hf": ("HRV, LF/HF", " (weak evidence from video)", 1)}
    hrv = [(names.get(key, (escape(key), f" {escape(reading.unit)}", 1)), reading) for key, reading in who.hrv.items()]
    affect = ", ".join(words.number(value, 2, True) for value in (who.valence, who.arousal))
    return [
        ("Respiration", _value(who.respiration, f" {escape(who.respiration.unit)}", 1)),
        *((name, _value(reading, unit, digits)) for (name, unit, digits), reading in hrv),
        ("Blinks", _value(who.blink_rate, " a minute", 0)),
        ("Valence, arousal", affect),
    ]


def _value(reading: Reading, unit: str, digits: int) -> str:
    if reading.value is None:
        return f'<span class="none">{words.why(reading, "reading")}</span>'
    return words.number(reading.value, digits) + unit


def _expression(who: Person, task: Task) -> str:
    order = sorted(zip(who.expression, task.classes, strict=True), reverse=True)
    if not order or not math.isfinite(order[0][0]):
        return "No expression was read"
    first, second = order[0], order[1]
    rest = f", {second[1]} {words.percent(second[0])}" if second[0] >= 0.1 else ""
    return f"Mostly {first[1]} {words.percent(first[0])}{rest}"


def _bar(who: Person, task: Task) -> str:
    parts = "".join(f'<i style="width:{100 * p:.1f}%;background:var(--{name})"></i>'
                    for name, p in zip(task.classes, who.expression, strict=True) if math.isfinite(p))
    return f'<div class="bar" aria-hidden="true">{parts}</div>' if parts else ""


def _heart_alt(name: str, cells: Cells) -> str:
    known = cells.rate[np.isfinite(cells.rate)]
    share = 1 - len(known) / max(int((cells.state >= 0).sum()), 1)
    course = f"from {known.min():.0f} to {known.max():.0f} bpm" if len(known) else "never read"
    return f"{name}: heart rate {course}; abstained {share:.0%} of the time."


def _unit_alt(name: str, who: Person) -> str:
    order = np.argsort(-np.nan_to_num(who.aus, nan=-1))[:3]
    strongest = ", ".join(f"{ACTION_UNITS[i]} {ACTION_UNIT_NAMES[ACTION_UNITS[i]]} {words.number(who.aus[i], 1)}"
                          for i in order)
    return f"{name}: mean intensities; the strongest are {strongest}."


def _table(cells: Cells, task: Task) -> str:
    step = max(1, math.ceil(len(cells.label) / ROWS))
    lines = []
    for i in range(0, len(cells.label), step):
        if cells.state[i] < 0:
            continue
        label = task.classes[cells.label[i]] if cells.label[i] >= 0 else "no reading"
        best = np.nanmax(cells.probs[i]) if cells.label[i] >= 0 else math.nan
        numbers = (words.percent(best), words.number(cells.affect[i, 0], 2, True),
                   words.number(cells.affect[i, 1], 2, True), words.number(cells.rate[i]),
                   words.number(cells.quality[i], 2))
        lines.append([words.clock(cells.edges[i]), STATES[cells.state[i]], label, *numbers])
    return table(["time", "seen", "label", "probability", "valence", "arousal", "bpm", "quality"], lines)


def _units(cells: Cells) -> str:
    lines = []
    for i, name in enumerate(ACTION_UNITS):
        known = cells.aus[:, i][np.isfinite(cells.aus[:, i])]
        mean, most = (known.mean(), known.max()) if len(known) else (math.nan, math.nan)
        lines.append([name, ACTION_UNIT_NAMES[name], words.number(mean, 2), words.number(most, 2)])
    return table(["unit", "name", "mean", "largest"], lines)


def _reasons(cells: Cells) -> str:
    there = [reason for reason, state in zip(cells.pulse_reasons, cells.state, strict=True) if state >= 0]
    lines = [[REASONS.get(reason, reason), words.percent(there.count(reason) / len(there))]
             for reason in sorted(set(there), key=lambda reason: -there.count(reason))]
    return table(["heart rate", "share of the time"], lines)


def _scores(scores: list[Score]) -> str:
    lines = [["heart rate" if s.name == "heart_rate" else f"{s.name} {ACTION_UNIT_NAMES[s.name]}",
              words.number(s.error, 2), words.number(s.correlation, 2), str(s.count)] for s in scores]
    return table(["curve", "mean absolute error", "correlation", "rows"], lines)


def _planted(scores: list[Score]) -> str:
    for score in scores:
        if score.name == "heart_rate":
            error = words.number(score.error, 1)
            return (f'<p class="small tight">Planted and estimated: mean absolute error {error} bpm over {score.count} '
                    f"rows.</p>{_both()}")
    return ""


def _both() -> str:
    return page.keys([("estimated", "accent", "stroke"), ("planted", "truth", "stroke dots")])


def table(head: list[str], lines: list[list[str]]) -> str:
    """An HTML table whose first cells name their rows."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
                   + "</tr>" for first, *rest in lines)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
