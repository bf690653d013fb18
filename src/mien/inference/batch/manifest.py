"""The lists of all files at the root of DIR: `manifest.json`, `people.csv` and `segments.csv`.

They list everything in DIR, not only the files of the last command. Files of earlier runs stay listed while their
results exist, or their videos if they had failed. When two commands end in the same DIR at the same moment, the rows of
one may be lost. A command that names those files again skips them and restores the rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mien.core import atomic_files
from mien.core.file_names import to_path
from mien.core.hashing import version
from mien.core.parallel.outcome import Status
from mien.core.read_json import read_json
from mien.inference.batch.inputs import MANIFEST, PEOPLE, SEGMENTS
from mien.reporting import summary

SCHEMA = "mien.manifest/1"


@dataclass(frozen=True)
class ManifestEntry:
    """A row of the manifest.

    Args:
        source: Absolute path of the video, as `file_names.to_text`.
        folder: Its folder under DIR, as `file_names.to_text`.
        status: "ok", "failed" or "skipped".
        reason: Why it failed or was skipped.
        people: Number of people.
        seconds: Wall time in s.
        note: Remarks, in words.
    """

    source: str
    folder: str
    status: Status
    reason: str = ""
    people: int = 0
    seconds: float = 0.0
    note: str = ""


def write_manifest(out: Path, entries: Sequence[ManifestEntry], settings: Mapping[str, object]) -> None:
    """Write `manifest.json`, `people.csv` and, if any file has segments, `segments.csv`.

    Args:
        out: The folder DIR.
        entries: The files of this run.
        settings: The settings of this run.

    Raises:
        OSError: A file cannot be written.
    """
    kept = {entry.source: entry for entry in read_manifest(out)}
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
    atomic_files.text(out / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    folders = list(dict.fromkeys(entry.folder for entry in rows if entry.status != "failed"))
    _tables(out, folders)


def read_manifest(out: Path) -> list[ManifestEntry]:
    """Read the rows of the manifest in `out` that are still valid; none if there is no manifest."""
    return list(_valid(out))


def _valid(out: Path) -> Iterator[ManifestEntry]:
    try:
        rows = read_json(out / MANIFEST)["files"]
        entries = [ManifestEntry(**row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):  # there is no manifest, or another program wrote it
        return
    for entry in entries:
        evidence = Path(to_path(entry.source))
        if entry.status != "failed":
            evidence = out / to_path(entry.folder) / "summary.json"
        if os.path.exists(evidence):
            yield entry


def _tables(out: Path, folders: Sequence[str]) -> None:
    import pandas as pd

    rows = [row for folder in folders for row in _people(out, folder)]
    people = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["video", "folder", "face_id"])
    atomic_files.table(out / PEOPLE, people)
    parts = {folder: out / to_path(folder) / SEGMENTS for folder in folders
             if (out / to_path(folder) / SEGMENTS).exists()}
    if parts:
        kinds: dict[Hashable, type[str]] = {"video": str, "condition": str}
        tables = [pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""]) for path in parts.values()]
        tables = [pd.concat([each["video"], pd.Series(folder, each.index, name="folder"), each.drop(columns="video")],
                            axis=1) for folder, each in zip(parts, tables, strict=True)]
        # the table of a video without events has no rows, and its columns have no types
        filled = [table for table in tables if len(table)] or tables[:1]
        atomic_files.table(out / SEGMENTS, pd.concat(filled, ignore_index=True))


def _people(out: Path, folder: str) -> Iterator[dict[str, Any]]:
    """The rows of one video: the columns of docs/columns.md, with the folder under DIR after the video's name."""
    for row in summary.read_summary(out / to_path(folder) / "summary.json").rows():
        yield {"video": row.pop("video"), "folder": folder, **row}
