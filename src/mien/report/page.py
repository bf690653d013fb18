"""The report's page: header, glance, people, how to read it, settings."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

from mien import writing
from mien.report import words
from mien.tasks import ACTION_UNIT_NAMES, Task
from mien.timeline import Timeline

# The browser itself refuses every request: nothing is loaded from, or sent to, anywhere.
POLICY = ("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
          "base-uri 'none'; form-action 'none'")


def page(timeline: Timeline, cards: list[str], sections: list[str], data: list[dict[str, Any]],
         session: dict[str, Any] | None = None) -> str:
    """The whole page as HTML."""
    from plotly.offline import get_plotlyjs

    name = escape(timeline.source.name)
    people = len(timeline.faces)
    content = {"classes": timeline.task.classes, "duration": timeline.source.duration, "people": data,
               "units": list(ACTION_UNIT_NAMES.items()), "session": session}
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}: expression and pulse</title>
<style>
{_asset("style.css")}</style>
</head>
<body>
{_header(timeline, name)}
<main>
{_people(people, cards)}
{_glance(timeline.task) if people > 1 else ""}
{"".join(sections)}
{_howto(str(timeline.settings.get("model", "")))}
{_provenance(timeline)}
</main>
<footer><p>Made by mien. Every column and field is explained in docs/columns.md, every measured figure in
docs/results.md. This page is complete in itself: it asks nothing of any server.</p></footer>
<noscript><p class="notice warn">The charts need JavaScript, which is switched off here. The numbers above and the
tables do not.</p></noscript>
<script type="application/json" id="data">{script_safe(writing.json_line(content))}</script>
<script>{get_plotlyjs()}</script>
<script>
{_asset("script.js")}</script>
</body>
</html>
"""


def script_safe(json: str) -> str:
    """JSON that cannot end the script element it stands in, whatever a file's name may hold."""
    return json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def keys(names: list[tuple[str, str, str]]) -> str:
    """A legend in words and colours: (name, CSS variable, class of the mark: '', 'stroke' or 'stroke dots')."""
    items = "".join(f'<li><i class="{mark}" style="{"border-color" if mark else "background"}:var(--{colour})"></i>'
                    f"{escape(name)}</li>" for name, colour, mark in names)
    return f'<ul class="keys">{items}</ul>'


def class_keys(task: Task) -> str:
    """The legend of a task's classes."""
    return keys([*((name, name, "") for name in task.classes), ("no reading", "none", "")])


def _asset(name: str) -> str:
    return (files("mien.report") / name).read_text(encoding="utf-8")


def _header(timeline: Timeline, name: str) -> str:
    source = timeline.source
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in words.facts(source, timeline.seconds))
    rated = timeline.session is not None
    told = timeline.settings
    what, how = words.basis(str(told.get("model", "")), rated, str(told.get("doubt", "")))
    subject = "Classes are" if rated else "Expressions are what faces show,"
    lost = f'<div class="notice warn"><p><b>Not all of the file could be read.</b> {escape(source.lost)}</p></div>'
    return f"""<header>
<p class="kicker">Expression and pulse from video</p>
<h1>{name}</h1>
<ul class="facts">{facts}</ul>
<div class="notice"><p><b>{what}</b> {subject} {how}. Heart rates come from the colour of the
skin and are given only where the signal carries them. <a href="#how">How to read this</a></p></div>
{lost if source.lost else ""}
</header>"""


def _people(people: int, cards: list[str]) -> str:
    if not people:
        return """<section aria-labelledby="people"><h2 id="people">Nobody was found</h2>
<div class="panel"><p>No face was found in this recording, so there is nothing to show. Faces that are very
small, covered, in the dark or turned further than a profile are not found. If there is a person to be seen, try a
larger or brighter picture.</p></div></section>"""
    heading = "One person" if people == 1 else f"{people} people"
    single = " single" if people == 1 else ""
    return (f'<section aria-labelledby="people"><h2 id="people">{heading}</h2>\n<div class="cards{single}">'
            f'{"".join(cards)}</div></section>')


def _glance(task: Task) -> str:
    return f"""<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>
<figure><figcaption>The most probable expression of everyone over the whole recording.</figcaption>{class_keys(task)}
<div class="plot" data-chart="glance" role="img" aria-label="A strip for each person, coloured by the most probable
expression. Each person's table below holds the same."></div></figure></section>"""


def _howto(model: str) -> str:
    blocks = "".join(f"<div><h3>{heading}</h3><p>{text}</p></div>" for heading, text in words.reading(model))
    return f"""<section aria-labelledby="how"><h2 id="how">How to read this</h2>
<div class="panel"><div class="howto">{blocks}</div></div></section>"""


def _provenance(timeline: Timeline) -> str:
    source = timeline.source
    file = {"name": source.name, "SHA-256": source.sha256, "picture": f"{source.width} \u00d7 {source.height} px",
            "frames": source.frames, "duration": f"{source.duration:.3f} s",
            "mean frame rate": f"{words.number(source.fps_mean, 3)} Hz",
            "variable frame rate": "yes" if source.variable_frame_rate else "no", "lost": source.lost or "nothing"}
    spent = {name: f"{words.number(value, 2)} s" for name, value in timeline.seconds.items()}
    parts = (("File", file), ("Settings", timeline.settings), ("Versions", timeline.versions), ("Time spent", spent))
    panels = "".join(f"<div><h3>{heading}</h3>{_pairs(heading, pairs)}</div>" for heading, pairs in parts if pairs)
    return f"""<section aria-labelledby="made"><h2 id="made">How this was made</h2>
<div class="panel"><div class="columns made">{panels}</div></div></section>"""


def _pairs(heading: str, pairs: dict[str, Any]) -> str:
    rows = "".join(f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(_shown(value))}</td></tr>'
                   for name, value in pairs.items())
    return f'<div class="scroll"><table aria-label="{escape(heading)}"><tbody>{rows}</tbody></table></div>'


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\N{EN DASH}" if value is None or value == "" else str(value)
