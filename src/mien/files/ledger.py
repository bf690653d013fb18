"""What became of all files, at the root of DIR: `manifest.json` and `people.csv` (and `segments.csv`).

Both tell of everything in DIR, not only of the last command: files of earlier runs stay in, as long as their results
(or, where they had failed, their videos) are still there. Of two commands that end in one DIR at the same moment one
may lose the rows of the other; a command that names those files again (they are skipped) brings the rows back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mien import summary, writing
from mien.files.find import MANIFEST, PEOPLE, SEGMENTS
from mien.work import Status, version

SCHEMA = "mien.manifest/1"


@dataclass(frozen=True)
class Entry:
    """A row of the manifest: the video's whole path, its `folder` under DIR, what became of it, and why."""

    source: str
    folder: str
    status: Status
    reason: str = ""
    people: int = 0
    seconds: float = 0.0
    note: str = ""


def write(out: Path, entries: Sequence[Entry], settings: Mapping[str, object]) -> None:
    """Write `manifest.json`, `people.csv` and, where any file has one, `segments.csv`.

    Raises `OSError` where the disk refuses.
    """
    kept = {entry.source: entry for entry in _earlier(out)}
    kept.update((entry.source, entry) for entry in entries)
    rows = sorted(kept.values(), key=lambda entry: (entry.folder, entry.source))
    counts = {status: sum(entry.status == status for entry in rows) for status in ("ok", "failed", "skipped")}
    manifest = {
        "schema": SCHEMA,
        "version": version(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(settings),
        "counts": counts,
        "files": [asdict(entry) for entry in rows],
    }
    writing.text(out / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    folders = list(dict.fromkeys(entry.folder for entry in rows if entry.status != "failed"))
    _tables(out, folders)


def _earlier(out: Path) -> Iterator[Entry]:
    """The rows of the manifest that is there, as far as they still hold."""
    try:
        rows = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
        entries = [Entry(**row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or none of ours: then there are no earlier rows
        return
    for entry in entries:
        if os.path.exists(entry.source if entry.status == "failed" else out / entry.folder / "summary.json"):
            yield entry


def _tables(out: Path, folders: Sequence[str]) -> None:
    import pandas as pd

    rows = [row for folder in folders for row in _people(out, folder)]
    people = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["video", "folder", "face_id"])
    writing.table(out / PEOPLE, people)
    parts = {folder: out / folder / SEGMENTS for folder in folders if (out / folder / SEGMENTS).exists()}
    if parts:
        kinds: dict[Hashable, type[str]] = {"video": str, "condition": str}
        tables = [pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""]) for path in parts.values()]
        for folder, table in zip(parts, tables, strict=True):
            table.insert(1, "folder", folder)
        full = [table for table in tables if len(table)]  # a video without events has no rows and no kinds of columns
        writing.table(out / SEGMENTS, pd.concat(full, ignore_index=True) if full else tables[0])


def _people(out: Path, folder: str) -> Iterator[dict[str, Any]]:
    """The rows of one video: the columns of docs/columns.md, and behind the video's name its folder under DIR."""
    for row in summary.read(out / folder / "summary.json").rows():
        yield {"video": row.pop("video"), "folder": folder, **row}
