"""One HTML page for a recording: complete in itself, off line, for people who study behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mien import writing
from mien.report import cells, charts, page, person, session, truth, words
from mien.timeline import Timeline

__all__ = ["write"]


def write(timeline: Timeline, path: str | Path, images: bool = True, blur: bool = False,
          truth: Mapping[int, Mapping[str, tuple[object, object]]] | None = None) -> None:
    """Write the report, whole or not at all.

    `images`: show each person's picture; `blur`: made unrecognisable. `truth`: by face id, planted curves by name
    (`heart_rate` in bpm, `pulse`, or an action unit in 0..5), each (times in s, values), drawn beside the estimates.
    Raises ValueError for curves it does not know.
    """
    writing.text(path, html(timeline, images, blur, truth))


def html(timeline: Timeline, images: bool = True, blur: bool = False,
         truth: Mapping[int, Mapping[str, tuple[object, object]]] | None = None) -> str:
    """The page as text: the same for the same timeline."""
    people = timeline.faces
    window = float(timeline.settings.get("duration", 0.0) or 0.0)  # type: ignore[arg-type]
    asked = timeline.settings
    basis, _ = words.basis(str(asked.get("model", "")), timeline.session is not None, str(asked.get("doubt", "")))
    cards, sections, data = [], [], []
    for index, who in enumerate(people):
        track = timeline.tracks.get(who.id)
        seen = cells.of(track, charts.columns(len(people))) if track else None
        planted = _curves((truth or {}).get(who.id))
        scores = _scores(planted, track, window) if track else []
        rests = words.alone if timeline.session is None else words.parts
        told = f"{basis} {rests(track.rows if track else ())}".strip()
        cards.append(person.card(who, timeline.task, images, blur, told))
        sections.append(person.section(who, timeline.task, seen, scores).replace("{index}", str(index)))
        data.append(charts.person(who, track, seen, planted, len(people)))
    whole = timeline.session
    if whole is None:
        return page.page(timeline, cards, sections, data)
    index = next((i for i, who in enumerate(people) if who.id == whole.face), -1)
    first = session.section(whole, timeline.task, str(asked.get("doubt", ""))).replace("{index}", str(index))
    return page.page(timeline, cards, [first, *sections], data, session.data(whole, timeline.task))


_curves, _scores = truth.curves, truth.scores  # `truth` is also what `write` calls its argument
