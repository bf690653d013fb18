"""Read the file that says which recordings belong to which participant of a study."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.text_tables import TableError, TextTable, has_columns, read_table
from mien.reporting.events import same_video

REQUIRED = ("participant", "video")

OWN = re.compile(r"recordings|condition|baseline|measure|mean|sd|n|seconds|planned|coverage|abstention|counts|folder"
                 r"|sha256|first_s|last_s|label|calibrated|valence|arousal|heart_rate|rmssd|lf_hf|respiration|blink_rate"
                 r"|gaze_yaw|gaze_pitch|pitch|yaw|roll|p_.+|AU\d+|.+_(?:quality|reason)", re.IGNORECASE)
"""Columns that are not traits of a participant: those of long.csv, and those of the people.csv of `mien analyze`."""


class ParticipantsError(ValueError):
    """A participants file is invalid; the message names file and line."""


@dataclass(frozen=True)
class Assignment:
    """A recording of a participant.

    Args:
        participant: Name or code of the participant.
        video: Name of the video, as in an events file.
        face: Id of the participant's face in this video; None for the face that is seen longest.
        traits: Further columns of the file, such as group or age.
    """

    participant: str
    video: str
    face: int | None = None
    traits: dict[str, str] = field(default_factory=dict)

    def concerns(self, video: str) -> bool:
        """Whether this is the recording; folders, suffix and case may differ."""
        return same_video(self.video, video)


def read_participants(path: str | Path) -> tuple[Assignment, ...]:
    """Read a participants file: a table with the columns participant and video, and optionally face_id and others.

    The list people.csv of `mien analyze` with a new column participant is such a file; its measurements are ignored.

    Args:
        path: The file, a text table in any form that `mien.core.text_tables` reads.

    Returns:
        The recordings of each participant, in order.

    Raises:
        ParticipantsError: The file is invalid.
    """
    path = Path(path)
    try:
        table = read_table(path, has_columns(*REQUIRED, "face_id"), needed=())
        if table.bad_rows:
            table.expect_complete()
    except TableError as error:
        raise ParticipantsError(str(error)) from error
    names = [name.lower() for name in table.columns]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ParticipantsError(f"{path}, line {table.header_line}: expected the columns {', '.join(REQUIRED)}, got "
                                f"{', '.join(table.columns)}; add {', '.join(missing)}")
    out = [_assignment(dict(zip(table.columns, cells.values(), strict=True)), table, f"{path}, line {line}")
           for line, cells in table.rows]
    if not out:
        raise ParticipantsError(f"{path}: expected a header and a line for each recording, got only a header")
    _check(out, path)
    return tuple(out)


def _assignment(row: dict[str, str], table: TextTable, where: str) -> Assignment:
    lower = {name.lower(): cell for name, cell in row.items()}
    for name in REQUIRED:
        if not lower[name]:
            raise ParticipantsError(f"{where}: expected a name under {name}, got an empty cell")
    face: int | None = None
    if lower.get("face_id"):
        number = table.number(lower["face_id"])
        if number is None or number != int(number) or number < 0:
            raise ParticipantsError(f"{where}: expected the number of a face under face_id, such as 0, got "
                                    f"{lower['face_id']!r}")
        face = int(number)
    traits = {name: cell for name, cell in row.items()
              if name.lower() not in (*REQUIRED, "face_id") and not OWN.fullmatch(name)}
    return Assignment(lower["participant"], lower["video"], face, traits)


def _check(rows: Sequence[Assignment], path: Path) -> None:
    """Raise ParticipantsError if two participants share a face, or one has two values of a trait."""
    faces: dict[tuple[str, int | None], str] = {}
    traits: dict[str, dict[str, str]] = {}
    for row in rows:
        key = row.video.lower(), row.face
        other = faces.setdefault(key, row.participant)
        if other != row.participant:
            raise ParticipantsError(f"{path}: expected one participant for each face, got {other} and "
                                    f"{row.participant} for {row.video}; give the face_id of each")
        known = traits.setdefault(row.participant, row.traits)
        for name, value in row.traits.items():
            if known[name] != value:
                raise ParticipantsError(f"{path}: expected one value of {name} for {row.participant}, got "
                                        f"{known[name]!r} and {value!r}; correct one")
