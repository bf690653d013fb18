"""How ten annotators voted on each clip of DFEW, from annotation.xlsx."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..survey import Problem
from .lists import CLASSES

LARGEST = 200 * 2**20
"""Bytes that the table may unpack to. Our choice: the real one has 16,372 rows; what is larger is no such table."""

AGREE = 0.9
"""Share of the listed clips whose label the table must repeat. Our choice: a wrong column agrees by chance only."""

_VOTES = {f"{n}{name}": name for n, name in enumerate(CLASSES, 1)}


@dataclass(frozen=True)
class Votes:
    """By clip: `about`, votes of each class, and `label`, 1..7 or 0 for a clip without a single label."""

    about: dict[int, dict[str, str]]
    labels: dict[int, int]


def read(path: Path, labels: dict[int, int], problems: list[Problem]) -> Votes:
    """The votes; nothing, and a problem, where they cannot be read or contradict the lists (`labels` 1..7 by clip).

    Which column names the clip is found out: the one by which the table's labels agree with the lists'.
    """
    try:
        header, rows = _sheet(path)
    except _Unreadable as error:
        problems.append(Problem("unreadable", path.name, str(error), path))
        return Votes({}, {})
    columns = {re.sub(r"[^a-z0-9]", "", str(name).lower()): n for n, name in enumerate(header) if name is not None}
    at = columns.get("annotation")
    votes = {name: columns[column] for column, name in _VOTES.items() if column in columns}
    names = [n for name, n in columns.items() if name not in _VOTES and name != "annotation"]
    if at is None or len(votes) < len(CLASSES) or not names:
        reason = f"expected columns annotation and 1happy .. 7fear and a clip's name, got {', '.join(columns)[:200]}"
        problems.append(Problem("unreadable", path.name, reason, path))
        return Votes({}, {})
    best: tuple[float, dict[int, tuple[object, ...]]] = (-1.0, {})
    for column in names:
        found = {clip: row for row in rows if (clip := _clip(row, column))}
        same = [_whole(found[clip][at]) == label for clip, label in labels.items() if clip in found]
        best = max(best, (sum(same) / max(len(labels), 1), found), key=lambda pair: pair[0])
    agreement, found = best
    if labels and agreement < AGREE:
        reason = f"its labels agree with the lists for {agreement:.0%} of the clips, expected {AGREE:.0%}: not used"
        problems.append(Problem("doubtful", path.name, reason, path))
        return Votes({}, {})
    about = {clip: {f"votes_{name}": _shown(row[n]) for name, n in votes.items()} for clip, row in found.items()}
    return Votes(about, {clip: _whole(row[at]) for clip, row in found.items()})


class _Unreadable(ValueError):
    """Why a workbook could not be read."""


def _sheet(path: Path) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
    """Header and rows, all of the header's length, of the first sheet."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise _Unreadable('expected openpyxl, got none: pip install "mien[data]"') from error
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(info.file_size for info in packed.infolist())
        if size > LARGEST:
            raise _Unreadable(f"expected a table of at most {LARGEST} bytes, got {size} unpacked: refused")
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            raw: Iterator[tuple[object, ...]] = book.worksheets[0].iter_rows(values_only=True)
            header = next(raw, ())
            rows = [tuple(row) + (None,) * (len(header) - len(row)) for row in islice(raw, 10 * 16372)]
        finally:
            book.close()
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, IndexError, SyntaxError) as error:
        if isinstance(error, _Unreadable):
            raise
        raise _Unreadable(f"expected an Excel workbook, got: {error}; copy it again") from error
    return header, rows


def _clip(row: tuple[object, ...], column: int) -> int:
    """The clip that a cell names: 17, "17", "00017" or "17.mp4"; 0 for none."""
    hit = re.fullmatch(r"0*(\d{1,9})(?:\.0+|\.[A-Za-z]\w*)?", str(row[column]).strip())
    return int(hit[1]) if hit else 0


def _whole(cell: object) -> int:
    hit = re.fullmatch(r"(\d{1,9})(?:\.0+)?", str(cell).strip())
    return int(hit[1]) if hit else -1


def _shown(cell: object) -> str:
    return str(_whole(cell)) if _whole(cell) >= 0 else ""


def unlisted(votes: Votes, listed: Iterable[int]) -> list[int]:
    """Clips with one label that no list has."""
    return sorted({clip for clip, label in votes.labels.items() if 1 <= label <= len(CLASSES)} - set(listed))
