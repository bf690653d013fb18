"""The participants of a study: their recordings, faces and measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mien.core.plain_text import counted
from mien.core.tasks import ACTION_UNIT_NAMES
from mien.reporting.condition_statistics import ConditionStatistics, condition_statistics
from mien.reporting.events import Event, PersonRows, numeric_columns
from mien.reporting.study.participants import Assignment


@dataclass(frozen=True, eq=False)
class StudyRecording:
    """An analysed recording.

    Args:
        video: Path of the video, which events and participants name.
        name: Name to show.
        table: Its rows, as in timeline.parquet.
        settings: Settings of its analysis.
        versions: Versions of the software that analysed it.
    """

    video: str
    name: str
    table: pd.DataFrame
    settings: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class StudyPerson:
    """The recordings of one participant: for each the face's rows and the events."""

    parts: list[tuple[PersonRows, list[Event]]] = field(default_factory=list)

    def statistics(self, condition: str) -> ConditionStatistics | None:
        """Statistics of the measures over all recordings with this condition; None without any."""
        parts, planned = [], 0.0
        for rows, events in self.parts:
            spans = [event for event in events if event.condition == condition]
            if spans:
                weights, length = rows.weights(spans)
                planned += length
                parts.append((weights, rows.values, rows.tracked))
        if not parts:
            return None
        weights, values, tracked = (np.concatenate(part) for part in zip(*parts, strict=True))
        return condition_statistics(weights, values, tracked, planned)


def find_people(recordings: Sequence[StudyRecording], events: Sequence[Event], participants: Sequence[Assignment],
                measures: Sequence[str], notices: list[str]) -> dict[str, StudyPerson]:
    """Find the participants and the rows of their faces.

    Args:
        recordings: The analysed recordings.
        events: The conditions.
        participants: Which recordings and faces belong to which participant; empty if each recording is one.
        measures: Columns to keep.
        notices: Gets a sentence about everything that is left out.

    Returns:
        The participants by name.

    Raises:
        ValueError: A participant's face is not in the recording.
    """
    people: dict[str, StudyPerson] = {}
    others, unnamed, empty, without = 0, [], [], []
    for recording in recordings:
        concerned = [event for event in events if event.concerns(recording.video)]
        named = [each for each in participants if each.concerns(recording.video)]
        if not concerned:
            without.append(recording.name)
            continue
        if participants and not named:
            unnamed.append(recording.name)
            continue
        if recording.table.empty:
            empty.append(recording.name)
            continue
        faces = dict(tuple(recording.table.groupby("face_id", sort=True)))
        main = max(faces, key=lambda face: float((faces[face]["state"] == "tracked").sum()))
        used = [(each.participant, main if each.face is None else each.face) for each in named]
        for who, face in used or [(recording.name, main)]:
            if face not in faces:
                raise ValueError(f"study: expected one of the faces {', '.join(map(str, faces))} for {who!s} in "
                                 f"{recording.name}, got {face!r}; correct face_id")
            people.setdefault(who, StudyPerson()).parts.append(
                (PersonRows.of(faces[face], measures), concerned))
        others += len(faces) - len({face for _, face in used} or {main})
    lost = [each.video for each in participants if not any(each.concerns(item.video) for item in recordings)]
    notices += [text for text in (
        _listed("no face was found in", empty), _listed("no event names", without),
        _listed("no participant is named for", unnamed), _listed("there is no recording of", lost)) if text]
    if others:
        notices.append(f"{counted(others, 'more face')} in these recordings, not in the study; a participants file "
                       "with face_id brings them in")
    return people


def find_measures(tables: Sequence[pd.DataFrame], selected: Sequence[str]) -> tuple[str, ...]:
    """Find the columns to compare.

    Args:
        tables: The timelines; only columns that all of them have count.
        wanted: The columns that the user names; empty for the expressions, action units and the heart rate.

    Returns:
        The columns.

    Raises:
        ValueError: A wanted column is missing, or no timeline has rows.
    """
    filled = [table for table in tables if not table.empty]
    if not filled:
        raise ValueError("study: expected a recording with a face, got none; look at the reports of the recordings")
    columns = [[str(name) for name in numeric_columns(table)] for table in filled]
    common = [name for name in columns[0] if all(name in each for each in columns)]
    if unknown := [name for name in selected if name not in common]:
        raise ValueError(f"--measures: expected columns of the timelines, {', '.join(common)}, got {unknown[0]!r}")
    if selected:
        return tuple(dict.fromkeys(selected))
    first = ["valence", "arousal", "heart_rate"]
    rest = [name for name in common if name.startswith("p_") or name in ACTION_UNIT_NAMES]
    return tuple(name for name in (*first, *rest) if name in common)


def _listed(text: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{text} {shown}" if names else ""
