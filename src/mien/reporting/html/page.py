"""The frame of the HTML report: header, overview, explanations and provenance."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

from mien.core import atomic_files
from mien.core.tasks import ACTION_UNITS, Task, unit_description
from mien.reporting.html import charts, formatting
from mien.reporting.html.annotate import annotation_section
from mien.reporting.timeline import Timeline

# With this policy the browser refuses every request: the page can neither load nor send anything.
POLICY = ("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
          "base-uri 'none'; form-action 'none'")
BESIDE = POLICY.replace("'unsafe-inline'", "'unsafe-inline' 'self' file:", 1)
"""The same, for a page that loads the chart library from a file beside it."""


def page(timeline: Timeline, cards: list[str], sections: list[str], data: list[dict[str, Any]],
         session: dict[str, Any] | None = None, script: str = "") -> str:
    """Assemble the page.

    Args:
        timeline: The recording's analysis.
        cards: HTML of each person's card.
        sections: HTML of the sections.
        data: JSON data of each person.
        session: JSON data of the section on the whole recording; None without one.
        script: URL of the chart library, relative to the page; "" puts the library into the page.

    Returns:
        The complete HTML text.
    """
    name = escape(timeline.source.name)
    units_by = str(timeline.settings.get("units_by", ""))
    people = len(timeline.faces)
    overview = _glance(timeline.task) if people > 1 and timeline.source.frames != 1 else ""
    content = {"video": timeline.source.name, "classes": timeline.task.classes, "duration": timeline.source.end,
               "people": data, "reasons": list(charts.REASON_TEXTS.values()),
               "units": [[unit, unit_description(unit, units_by)] for unit in ACTION_UNITS],
               "session": session, "gaps": charts.gaps(timeline.source)}
    return f"""{head(f"{name}: expression and pulse", stylesheet(), BESIDE if script else POLICY)}
<body>
{_header(timeline, name)}
<main>
{_people(people, cards)}
{overview}
{"".join(sections)}
{_annotate(timeline)}
{_howto(formatting.expression_model(timeline.settings), units_by)}
{_provenance(timeline)}
</main>
<footer><p>Made by mien. Its documentation explains every column (page Columns and fields) and lists every measured
error (page Results). This page loads nothing from the network.</p></footer>
<noscript><p class="notice warn">The charts need JavaScript, which is switched off here. The numbers above and the
tables work without it.</p></noscript>
<script type="application/json" id="data">{script_safe(atomic_files.json_line(content))}</script>
{_scripts(script) if _PLOT in overview or any(_PLOT in section for section in sections) else ""}
</body>
</html>
"""


_PLOT = 'class="plot"'


def _scripts(url: str) -> str:
    """The chart library and the page's own script."""
    library = f"<script>{chart_library()}</script>"
    if url:
        name = escape(url.rpartition("/")[2])
        library = (f'<p class="notice warn" id="nocharts" hidden>The charts need the file {name}, which lies in the '
                   'folder of all results: keep both together. The numbers and tables work without it.</p>\n'
                   f'<script src="{escape(url)}"></script>')
    return f"{library}\n<script>\n{_asset('script.js')}</script>\n<script>\n{_asset('annotate.js')}</script>"


def chart_library() -> str:
    """The text of plotly.js."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def head(title: str, style: str, policy: str = POLICY) -> str:
    """The beginning of a page, up to the end of its head.

    Args:
        title: Title as HTML, escaped.
        style: The style sheet.
        policy: What the page may load.

    Returns:
        The HTML text.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>"""


def stylesheet() -> str:
    """The style of all pages that mien writes."""
    return _asset("style.css")


def script_safe(json: str) -> str:
    """Escape JSON so that no file name in it can end the script element."""
    return json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def keys(names: list[tuple[str, str, str]]) -> str:
    """A legend as HTML.

    Args:
        names: For each entry its name, the CSS variable of its colour, and the class of its mark: "", "stroke" or
            "stroke dots".

    Returns:
        An HTML list.
    """
    return f'<ul class="keys">{"".join(_key(*entry) for entry in names)}</ul>'


def _key(name: str, colour: str, mark: str) -> str:
    style = "border-color" if mark else "background"
    return f'<li><i class="{mark}" style="{style}:var(--{colour})"></i>{escape(name)}</li>'


def class_keys(task: Task) -> str:
    """The legend of a task's classes as HTML."""
    return keys([*((name, name, "") for name in task.classes), ("no reading", "none", "")])


def _asset(name: str) -> str:
    return (files("mien.reporting.html") / name).read_text(encoding="utf-8")


def _header(timeline: Timeline, name: str) -> str:
    source = timeline.source
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in formatting.facts(source, timeline.seconds))
    rated = timeline.session is not None
    settings = timeline.settings
    what, how = formatting.basis(formatting.expression_model(settings), rated, str(settings.get("doubt", "")))
    subject = "Classes are" if rated else "Expressions are what faces show,"
    lost = ""
    if source.lost:
        lost = f'<div class="notice warn"><p><b>About the recording:</b> {escape(source.lost)}.</p></div>'
    return f"""<header>
<p class="kicker">Expression and pulse from video</p>
<h1>{name}</h1>
<ul class="facts">{facts}</ul>
<div class="notice"><p><b>{what}</b> {subject} {how}. Heart rates come from the colour of the
skin and are given only if the signal is good enough. <a href="#how">How to read this</a></p></div>
{lost}
</header>"""


def _people(people: int, cards: list[str]) -> str:
    if not people:
        return """<section aria-labelledby="people"><h2 id="people">No people</h2>
<div class="panel"><p>No face was found in this recording, so there is nothing to show. The detector does not find
faces that are very small, covered, dark or turned further than a profile. If the recording shows a person, try a larger
or brighter picture.</p></div></section>"""
    heading, single = f"{people} people", ""
    if people == 1:
        heading, single = "One person", " single"
    return (f'<section aria-labelledby="people"><h2 id="people">{heading}</h2>\n<div class="cards{single}">'
            f'{"".join(cards)}</div></section>')


def _glance(task: Task) -> str:
    return f"""<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>
<figure><figcaption>The most probable expression of each person over the whole recording.</figcaption>{class_keys(task)}
<div class="plot" data-chart="glance" role="group" aria-label="A strip for each person, coloured by the most probable
expression. The tables below contain the same data."></div></figure></section>"""


def _annotate(timeline: Timeline) -> str:
    if not timeline.faces or timeline.source.frames == 1:
        return ""
    return annotation_section(timeline.faces, timeline.task)


def _howto(model: str, units_by: str) -> str:
    blocks = "".join(f"<div><h3>{heading}</h3><p>{text}</p></div>"
                     for heading, text in formatting.how_to_read(model, units_by))
    return f"""<section aria-labelledby="how"><h2 id="how">How to read this</h2>
<div class="panel"><div class="howto">{blocks}</div></div></section>"""


def _provenance(timeline: Timeline) -> str:
    source = timeline.source
    file = {"name": source.name, "SHA-256": source.sha256, "picture": f"{source.width} \u00d7 {source.height} px",
            "frames": source.frames, "first picture": f"{source.start:.3f} s of the player's clock",
            "duration": f"{source.duration:.3f} s",
            "mean frame rate": f"{formatting.number(source.fps_mean, 3)} Hz",
            "variable frame rate": "yes" if source.variable_frame_rate else "no", "lost": source.lost or "nothing"}
    if source.timeline is not None:
        line = source.timeline
        file |= {"gaps": f"{len(line.gaps)}, {line.missing:.2f} s in all", "jumps of the clock": len(line.jumps),
                 **{name.replace("_", " "): count for name, count in line.counts.by_name().items() if count}}
    spent = {name: f"{formatting.number(value, 2)} s" for name, value in timeline.seconds.items()}
    parts = (("File", file), ("Settings", timeline.settings), ("Versions", timeline.versions),
             ("Processing time", spent))
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
