"""Recognise the columns of an events file by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mien.core.text_tables import TableError, TextTable, listed
from mien.datasets.readers.clock_columns import UNITS, words_in_order
from mien.reporting.event_layouts import are_changes

REQUIRED_COLUMNS = ("start", "end", "condition")
NAMES: dict[str, tuple[str, ...]] = {
    "start": ("start", "onset", "begin", "from", "tmin", "beginn", "anfang", "début", "debut", "inicio"),
    "end": ("end", "offset", "stop", "until", "to", "tmax", "finish", "ende", "fin"),
    "duration": ("duration", "length", "dauer", "durée"),
    "condition": ("condition", "trial type", "behavior", "behaviour", "annotation", "label", "text", "event",
                  "bedingung", "event type", "stimulus", "task", "block", "phase", "segment", "category", "name",
                  "code", "value", "description"),
    "video": ("video", "file", "filename", "video file", "media file", "media file name", "media file path"),
    "baseline": ("baseline",),
    "moment": ("", "moment"),
    "change": ("behavior type", "behaviour type", "status", "start stop", "event type", "type"),
    "subject": ("subject", "participant", "tier"),
}
"""Role of a column -> its names in lower case, without the unit and the word time, best first."""

TIME_WORDS = frozenset((*UNITS, "time", "t", "timestamp", "tc"))
"""Words in the names of columns of times that do not say which time it is."""

NO_ROLES = frozenset(("time offset",))
"""Names that only look like one of `NAMES`: BORIS calls the shift of a whole observation so."""

ELAN_FORMS = ("ss.msec", "msec", "hh:mm:ss.ms", "hh:mm:ss:ff")
"""How ELAN writes a time, as its columns say behind the name, best first."""


def header_score(cells: Sequence[str]) -> int:
    """How many roles of an events file the cells of a line name."""
    return len({role_of(cell)[0] for cell in cells} - {"", "moment", "change", "subject"})


def role_of(column: str) -> tuple[str, str]:
    """Which key of `NAMES` a column is and by which name, "" for another one: `Start (ms)` and `start_ms` -> start."""
    plain = re.sub(r"\s*(?:[(\[]| - ).*", "", column)
    words = words_in_order(plain)
    short = " ".join(word for word in words if word not in TIME_WORDS)
    if " ".join(words) in NO_ROLES or (not short and "time" not in words):
        return "", ""
    return next(((role, name) for name in (" ".join(words), short) for role, names in NAMES.items() if name in names),
                ("", ""))


def _rank(column: str, role: str) -> tuple[bool, int, int, int]:
    """How well a column fits a role, less is better: by its name, its other words, and how its times are written."""
    name = role_of(column)[1]
    words = words_in_order(re.sub(r"[(\[].*| - .*", "", column))
    form = column.partition(" - ")[2]
    form_rank = ELAN_FORMS.index(form) if form in ELAN_FORMS else 0
    return column.lower() != role, len(words) - len(name.split()), NAMES[role].index(name), form_rank


def event_columns(table: TextTable) -> dict[str, str]:
    """The column of each role. Of several columns of a role, the one whose name fits best counts."""
    columns: dict[str, str] = {}
    for role in NAMES:
        named = [name for name in table.columns if role_of(name)[0] == role]
        if role == "change":
            named = [name for name in table.columns
                     if role_of(name)[1] in NAMES["change"] and are_changes(table.cells[name])]
        ranks = sorted((_rank(name, role), name) for name in named)
        if len(ranks) > 1 and ranks[0][0] == ranks[1][0]:
            raise TableError(f"expected each column once, got {role} twice; rename one", table.path, table.header_line)
        columns.update((role, name) for _, name in ranks[:1])
    if {"moment", "change", "condition"} <= set(columns) and not {"start", "end", "duration"} & set(columns):
        return columns
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if "duration" in columns and missing == ["end"]:
        return columns
    if missing:
        raise TableError(f"expected the columns {', '.join(REQUIRED_COLUMNS)}, got {listed(table.columns)}; add "
                         f"{', '.join(missing)}", table.path, table.header_line)
    return columns
