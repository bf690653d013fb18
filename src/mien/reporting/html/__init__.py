"""An HTML report of one recording, for researchers who study behaviour; it works offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mien.core import atomic_files
from mien.core.results import Person
from mien.reporting.html import charts, downsample, formatting, ground_truth, page, person, picture
from mien.reporting.html import recording as recording_section
from mien.reporting.timeline import Timeline

__all__ = ["CHART_LIBRARY", "write_chart_library", "write_report"]

CHART_LIBRARY = "plotly.min.js"
"""Name of the file with the chart library, 4.5 MB, that the reports of one folder share."""


def write_report(timeline: Timeline, path: str | Path, images: bool = True, blur: bool = False,
          truth: Mapping[int, Mapping[str, tuple[object, object]]] | None = None,
          script: str | None = None) -> None:
    """Write the report atomically.

    Args:
        timeline: The recording's analysis.
        path: The file to write.
        images: Whether to show each person's picture.
        blur: Whether to make the pictures unrecognisable.
        truth: Ground truth to draw with the estimates: by face id, then by name (`heart_rate` in bpm, `pulse`, or an
            action unit in 0..5), a pair of times in s and values.
        script: URL of the chart library relative to the report. None writes the library into the folder of the report,
            `plotly.min.js`, which all reports there share. "" puts it into the report, which is then one file, 4.5 MB
            larger.

    Raises:
        ValueError: A name in `truth` is unknown, or its times and values do not match.
    """
    url = CHART_LIBRARY if script is None else script
    text = html(timeline, images, blur, truth, url)
    if script is None and f'src="{url}"' in text:  # a report without charts needs none
        write_chart_library(Path(path).parent)
    atomic_files.text(path, text)


def write_chart_library(folder: str | Path) -> None:
    """Write the chart library into a folder, for reports in it and below, unless the same file is there."""
    path, text = Path(folder) / CHART_LIBRARY, page.chart_library()
    if not path.is_file() or path.stat().st_size != len(text.encode()):
        atomic_files.text(path, text)


def html(timeline: Timeline, images: bool = True, blur: bool = False,
         truth: Mapping[int, Mapping[str, tuple[object, object]]] | None = None, script: str = "") -> str:
    """The report as HTML text. The arguments are those of `write_report`; by default it holds the chart library."""
    people = timeline.faces
    doubt, units_by = (str(timeline.settings.get(name, "")) for name in ("doubt", "units_by"))
    cards = [person.card(who, timeline.task, images, blur, _basis(timeline, who), timeline.source.frames == 1)
             for who in people]
    sections, data = [], []
    for index, who in enumerate(people):
        track = timeline.tracks.get(who.id)
        curves = _curves((truth or {}).get(who.id))
        if timeline.source.frames == 1:
            sections.append(picture.section(who, timeline.task, track.rows[0] if track else None, units_by))
            data.append({"id": who.id})
            continue
        columns, scores = None, []
        if track:
            columns = downsample.downsample(track, charts.columns(len(people)))
            scores = _scores(curves, track, _pulse_window(timeline))
        sections.append(person.section(who, timeline.task, columns, scores, units_by).replace("{index}", str(index)))
        data.append(charts.person(who, track, columns, curves, len(people)))
    recording = timeline.session
    if recording is None:
        return page.page(timeline, cards, sections, data, script=script)
    index = next((i for i, who in enumerate(people) if who.id == recording.face), -1)
    first = recording_section.section(recording, timeline.task, doubt).replace("{index}", str(index))
    curves = recording_section.data(recording, timeline.task)
    return page.page(timeline, cards, [first, *sections], data, curves, script)


def _pulse_window(timeline: Timeline) -> float:
    """Length of the window of a heart rate in s."""
    return float(timeline.settings.get("duration", 0.0) or 0.0)  # type: ignore[arg-type]


def _basis(timeline: Timeline, who: Person) -> str:
    """What the expressions of this person are based on, in words."""
    settings = timeline.settings
    recording = timeline.session is not None
    basis, _ = formatting.basis(formatting.expression_model(settings), recording, str(settings.get("doubt", "")))
    track = timeline.tracks.get(who.id)
    rows = track.rows if track else ()
    inputs = formatting.inputs_text(rows) if recording else formatting.standalone_text(rows)
    return f"{basis} {inputs}".strip()


_curves, _scores = ground_truth.curves, ground_truth.scores  # aliases, since `truth` is also an argument of `write`
