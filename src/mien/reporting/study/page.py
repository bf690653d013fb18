"""The page of a study: what differs, the charts, all tables, and the methods. It needs neither scripts nor network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from mien.core.plain_text import counted
from mien.reporting.html.page import head, stylesheet
from mien.reporting.study.charts import MAX_LINES, chart
from mien.reporting.study.compute import Study
from mien.reporting.study.measure_names import digits, measure_name, measure_unit, number, p_value
from mien.reporting.study.methods_text import methods_text

LEVEL = 0.05
"""Largest adjusted p of a difference that the page calls found."""

MOST_SENTENCES = 10
"""Differences that the page says in a sentence; the table has all."""

_LINK = '<a href="#tests">comparisons in pairs</a>'

STYLE = """
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.charts figure { margin: 0; break-inside: avoid; }
.charts svg { width: 100%; height: auto; display: block; font-size: 11px; fill: var(--soft); }
svg .grid { stroke: var(--grid); }
svg .one { fill: none; stroke: var(--soft); stroke-opacity: .35; }
svg .dot { fill: var(--soft); fill-opacity: .5; }
svg .mean { fill: none; stroke: var(--accent); stroke-width: 2.2; }
svg .big { fill: var(--accent); }
.wide { font-size: .8rem; }
.wide td, .wide th { min-width: 0; padding-right: .7rem; white-space: nowrap; }
tr.found th, tr.found td { color: var(--ink); font-weight: 600; }
.notice ul { margin: 0; padding-left: 1.2rem; }
.quote { white-space: pre-wrap; max-width: 92ch; }
@media print {
  body details { display: block; }
  body summary { display: none; }
  ::details-content { content-visibility: visible; block-size: auto; }
  .scroll { overflow: visible; }
  .wide { font-size: 7pt; }
  .wide td, .wide th { padding-right: .45rem; }
}
"""


def study_page(study: Study, files: Sequence[tuple[str, str]]) -> str:
    """Assemble the page.

    Args:
        study: The study.
        files: Name and description of each file beside the page.

    Returns:
        The complete HTML text.
    """
    people, recordings = len(study.participants), len(study.recordings)
    title = f"{counted(people, 'participant')}, {counted(len(study.conditions), 'condition')}"
    facts = [counted(recordings, "recording"), f"conditions: {', '.join(study.conditions)}",
             f"baseline: {', '.join(study.baseline) or 'none'}", counted(len(study.measures), "measure")]
    return f"""{head(f"Study: {escape(title)}", stylesheet() + STYLE)}
<body>
<header>
<p class="kicker">Study of expression and pulse from video</p>
<h1>{escape(title)}</h1>
<ul class="facts">{"".join(f"<li>{escape(fact)}</li>" for fact in facts)}</ul>
{_notices(study)}
</header>
<main>
{_findings(study)}
{_charts(study)}
{_conditions(study)}
{_comparisons(study)}
{_models(study)}
{_people(study)}
{_methods(study)}
{_files(files)}
</main>
<footer><p>Made by mien. An expression is what a face shows, not what a person feels. This page loads nothing from the
network.</p></footer>
</body>
</html>
"""


def _notices(study: Study) -> str:
    if not study.notices:
        return ""
    items = "".join(f"<li>{escape(text[0].upper() + text[1:])}.</li>" for text in study.notices)
    return f'<div class="notice warn"><p><b>About the data</b></p><ul>{items}</ul></div>'


def _section(name: str, heading: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>\n{content}</section>'


def _findings(study: Study) -> str:
    table = study.comparisons
    tests = int(table["p"].notna().sum())
    significant = table[table["p_holm"] < LEVEL].sort_values("p")
    if not tests:
        text = "<p>There are too few participants or conditions for a test.</p>"
    elif significant.empty:
        text = (f"<p>After the correction for {counted(tests, 'test')}, no difference remains. This does not show that "
                "there is none: look at the intervals below.</p>")
    else:
        items = "".join(f"<li>{_sentence(row)}</li>" for row in significant.head(MOST_SENTENCES).to_dict("records"))
        more = f"<p>The others are in bold below: {_LINK}.</p>" if len(significant) > MOST_SENTENCES else ""
        verb = "differ" if len(significant) > 1 else "differs"
        text = (f"<p>{len(significant)} of {counted(tests, 'comparison')} {verb} after "
                f"the correction for all of them. The smallest p first:</p><ul>{items}</ul>{more}")
    return _section("found", "What differs", f'<div class="panel">{text}</div>')


def _sentence(row: dict) -> str:
    measure, places = row["measure"], digits(row["measure"])
    way = "higher" if row["difference"] > 0 else "lower"
    size = (f"95\u00a0% interval of the difference {number(row['low'], places)} to {number(row['high'], places)}; "
            f"dz\u00a0=\u00a0{number(row['dz'])}, n\u00a0=\u00a0{row['n']}, p\u00a0{_equals(row['p_holm'])}")
    more = escape(f"{_unit(measure)}; {size}")
    name = measure_name(measure)
    return (f"<b>{escape(name[0].upper() + name[1:])}</b> is {way} during {escape(row['second'])} than during "
            f"{escape(row['first'])} by {number(abs(row['difference']), places)} ({more}).")


def _unit(measure: str) -> str:
    return measure_unit(measure).replace("-", "\N{MINUS SIGN}")


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"=\u00a0{text}"


def _charts(study: Study) -> str:
    lines = ""
    if len(study.participants) > MAX_LINES:
        lines = f" Of {len(study.participants)} participants, {MAX_LINES} are drawn as lines; the mean is of all."
    figures = []
    for measure in study.measures:
        figures.append(f'<figure aria-labelledby="chart-{escape(measure)}"><h3 id="chart-{escape(measure)}">'
                       f"{escape(measure_name(measure))}</h3><figcaption>{escape(_unit(measure))}</figcaption>"
                       f"{chart(measure, study.means(measure))}</figure>")
    return _section("charts", "Charts", '<p class="hint">A thin line is a participant. Points are means over '
                    f"participants with 95\u00a0% intervals.{lines}</p>"
                    f'<div class="charts">{"".join(figures)}</div>')


def _conditions(study: Study) -> str:
    tables = study.descriptives.groupby("measure", sort=False)
    groups = {str(measure): here.to_dict("records") for measure, here in tables}
    lines = []
    for measure, rows in groups.items():
        cells = [text for row in rows for text in (
            str(row["n"]), _spread(row["mean"], row["sd"], digits(measure)), _percent(row["coverage"]),
            _percent(row["abstention"]))]
        lines.append([measure_name(measure), *cells])
    hint = ('<p class="hint">n: participants with a mean that counts. Mean \N{PLUS-MINUS SIGN} SD over these '
            "participants. Coverage: share of the condition with a value. Abstention: share of the time with a visible "
            "face and without a value.</p>")
    head = ["measure", *["n", "mean \N{PLUS-MINUS SIGN} SD", "coverage", "abstention"] * len(study.conditions)]
    names = "".join(f'<th colspan="4" scope="colgroup">{escape(name)}</th>' for name in study.conditions)
    above = f"<tr><td></td>{names}</tr>"
    return _section("conditions", "Conditions",
                    f'<div class="panel">{hint}{_table(head, lines, above=above)}</div>')


def _spread(mean: float, sd: float, places: int) -> str:
    return f"{number(mean, places)} \N{PLUS-MINUS SIGN} {number(sd, places)}"


def _comparisons(study: Study) -> str:
    rows, significant = [], []
    for row in study.comparisons.sort_values("p", kind="stable").to_dict("records"):
        places = digits(row["measure"])
        rows.append([measure_name(row["measure"]), f"{row['second']} \N{MINUS SIGN} {row['first']}", str(row["n"]),
                     _interval(row["difference"], row["low"], row["high"], places),
                     _interval(row["dz"], row["dz_low"], row["dz_high"], 2),
                     f"{number(row['t'])} ({row['df']})", p_value(row["p"]), p_value(row["p_holm"]),
                     p_value(row["wilcoxon_p"])])
        significant.append(row["p_holm"] < LEVEL)
    head = ["measure", "difference of", "n", "mean [95 %]", "dz [95 %]", "t (df)", "p", "p, corrected", "p, Wilcoxon"]
    hint = ('<p class="hint">Paired t tests, the smallest p first. The corrected p (Holm) allows for all tests of this '
            "table. The signed-rank test of Wilcoxon does not need normal differences; its p is not corrected.</p>")
    return _section("tests", "Comparisons in pairs", f'<div class="panel">{hint}'
                    f'{_table(head, rows, significant)}</div>')


def _interval(value: float, low: float, high: float, places: int) -> str:
    return f"{number(value, places)} [{number(low, places)}, {number(high, places)}]"


def _models(study: Study) -> str:
    rows = [[measure_name(row["measure"]), str(row["people"]), str(row["values"]), number(row["f"]),
             f"{row['df1']}, {row['df2']}" if row["df1"] else "\N{EN DASH}", p_value(row["p"]), p_value(row["p_holm"]),
             number(row["icc"])] for row in study.models.to_dict("records")]
    significant = [value < LEVEL for value in study.models["p_holm"]]
    head = ["measure", "participants", "means", "F", "df", "p", "p, corrected", "ICC"]
    hint = ('<p class="hint">Mixed model: do the conditions differ at all? Participants without some of the conditions '
            "count with the others. ICC: share of the variance that belongs to the participant.</p>")
    return _section("model", "All conditions at once", f'<div class="panel">{hint}'
                    f'{_table(head, rows, significant)}</div>')


def _people(study: Study) -> str:
    blocks = []
    for measure in study.measures:
        here = study.long[study.long["measure"] == measure]
        cells = {(row["participant"], row["condition"]): row for row in here.to_dict("records")}
        rows = [[who, *(_cell(cells.get((who, name)), digits(measure)) for name in study.conditions)]
                for who in study.participants]
        opened = ' open=""' if measure == study.measures[0] else ""
        blocks.append(f"<details{opened}><summary>{escape(measure_name(measure))}</summary>"
                      f"{_table(['participant', *study.conditions], rows)}</details>")
    hint = ('<p class="hint">Mean \N{PLUS-MINUS SIGN} SD over time, and the share of the condition with a value. A '
            "mean in brackets covers too little and does not count.</p>")
    return _section("people", "Participants by conditions", f'<div class="panel">{hint}{"".join(blocks)}</div>')


def _cell(row: dict | None, places: int) -> str:
    if row is None or row["n"] == 0:
        return "\N{EN DASH}"
    text = f"{_spread(row['mean'], row['sd'], places)}, {_percent(row['coverage'])}"
    return text if row["counts"] else f"({text})"


def _methods(study: Study) -> str:
    text = escape(methods_text(study))
    return _section("methods", "Methods, to quote", f'<div class="panel"><p class="quote">{text}</p></div>')


def _files(files: Sequence[tuple[str, str]]) -> str:
    rows = [[name, text] for name, text in files]
    return _section("files", "Files beside this page", f'<div class="panel">{_table(["file", "content"], rows)}</div>')


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], significant: Sequence[bool] = (),
           above: str = "") -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = []
    for i, (first, *rest) in enumerate(rows):
        mark = ' class="found"' if significant and significant[i] else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr{mark}><th scope="row">{escape(first)}</th>{cells}</tr>')
    return (f'<div class="scroll" tabindex="0"><table class="wide"><thead>{above}<tr>{top}</tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def _percent(share: float) -> str:
    return "\N{EN DASH}" if pd.isna(share) else f"{share:.0%}".replace("%", "\u202f%")
