"""The report's section on one face of a single picture: tables instead of charts over time."""

from __future__ import annotations

import math

from mien.core.results import Person, Prediction
from mien.core.tasks import ACTION_UNITS, Task, unit_description
from mien.reporting.html import formatting
from mien.reporting.html.person import table


def section(who: Person, task: Task, row: Prediction | None, units_by: str = "") -> str:
    """The section of one face, as HTML.

    Args:
        who: The person.
        task: Label space of the probabilities.
        row: The person's only row; None without one.
        units_by: The model that predicted the action units; "" for mien.

    Returns:
        Probabilities, valence and arousal, head and gaze, and action units.
    """
    name = f"Person {who.id}"
    head = f'<section aria-labelledby="person-{who.id}"><h2 id="person-{who.id}">{name}</h2>'
    if row is None:
        return f'{head}<div class="panel"><p class="empty">There is no row for this person.</p></div></section>'
    if row.abstained:
        expression = f'<p class="empty">No expression was recognised: {formatting.meaning(row.reason)}.</p>'
    else:
        order = sorted(zip(row.probs.tolist(), task.classes, strict=True), reverse=True)
        expression = table(["expression", "probability"], [[label, formatting.percent(p)] for p, label in order])
    pitch, yaw, roll = row.pose.tolist()
    gaze_yaw, gaze_pitch = row.gaze.tolist()
    measures = table(["measure", "value"], [
        ["valence, -1 to 1", formatting.number(row.valence, 2, True)],
        ["arousal, -1 to 1", formatting.number(row.arousal, 2, True)],
        ["head up", _degrees(pitch)], ["head to the person's left", _degrees(yaw)],
        ["head to the person's left shoulder", _degrees(roll)],
        ["gaze up", _degrees(gaze_pitch)], ["gaze to the person's left", _degrees(gaze_yaw)]])
    units = table(["unit", "name", "intensity, 0 to 5"],
                  [[unit, unit_description(unit, units_by), formatting.number(value, 2)]
                   for unit, value in zip(ACTION_UNITS, row.aus.tolist(), strict=True)])
    parts = (("expression", "Expression", expression), ("measures", "Affect, head and gaze", measures),
             ("aus", "Action units", units))
    figures = "".join(f'<figure aria-labelledby="{key}-{who.id}"><h3 id="{key}-{who.id}">{heading}</h3>{body}</figure>'
                      for key, heading, body in parts)
    return f"{head}{figures}</section>\n"


def _degrees(value: float) -> str:
    return formatting.number(value, 1, True) + ("\N{DEGREE SIGN}" if math.isfinite(value) else "")
