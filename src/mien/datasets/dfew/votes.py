"""Read the votes of ten annotators on each clip of DFEW from annotation.xlsx."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mien.datasets.dfew.lists import CLASSES
from mien.datasets.index import DatasetProblem

LARGEST = 200 * 2**20
"""Largest unpacked size of the table in bytes. Our choice: the real one has 16,372 rows; a larger file is no such
table."""

AGREE = 0.9
"""Least share of the listed clips with the same label in the table. Our choice: a wrong column agrees only by
chance."""

_VOTES = {f"{n}{name}": name for n, name in enumerate(CLASSES, 1)}


@dataclass(frozen=True)
class Votes:
    """By clip: `about`, the votes of each class; `labels`, 1..7, or 0 for a clip without a single label."""

    about: dict[int, dict[str, str]]
    labels: dict[int, int]


def read_votes(path: Path, labels: dict[int, int], problems: list[DatasetProblem]) -> Votes:
    """Read the votes. An unreadable table, or one that contradicts the lists (`labels` 1..7 by clip), is a problem.

    The column of clip names is the one for which the labels of table and lists agree best.
    """
    try:
        header, rows = _sheet(path)
    except _Unreadable as error:
        problems.append(DatasetProblem("unreadable", path.name, str(error), path))
        return Votes({}, {})
    columns = {re.sub(r"[^a-z0-9]", "", str(name).lower()): n for n, name in enumerate(header) if name is not None}
    at = columns.get("annotation")
    votes = {name: columns[column] for column, name in _VOTES.items() if column in columns}
    names = [n for name, n in columns.items() if name not in _VOTES and name != "annotation"]
    if at is None or len(votes) < len(CLASSES) or not names:
        reason = f"expected columns annotation and 1happy .. 7fear and a clip's name, got {', '.join(columns)[:200]}"
        problems.append(DatasetProblem("unreadable", path.name, reason, path))
        return Votes({}, {})
    best: tuple[float, dict[int, tuple[object, ...]]] = (-1.0, {})
    for column in names:
        by_clip = {clip: row for row in rows if (clip := _clip(row, column))}
        same = [_cell_number(by_clip[clip][at]) == label for clip, label in labels.items() if clip in by_clip]
        best = max(best, (sum(same) / max(len(labels), 1), by_clip), key=lambda pair: pair[0])
    agreement, by_clip = best
    if labels and agreement < AGREE:
        reason = f"its labels agree with the lists for {agreement:.0%} of the clips, expected {AGREE:.0%}: not used"
        problems.append(DatasetProblem("doubtful", path.name, reason, path))
        return Votes({}, {})
    about = {clip: {f"votes_{name}": _vote_text(row[n]) for name, n in votes.items()} for clip, row in by_clip.items()}
    return Votes(about, {clip: _cell_number(row[at]) for clip, row in by_clip.items()})


BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, TypeError, AttributeError,
          IndexError, SyntaxError, OverflowError, MemoryError, NotImplementedError, RuntimeError)
"""The exceptions of zipfile and openpyxl for a damaged workbook."""


class _Unreadable(ValueError):
    """Why a workbook could not be read."""


def _sheet(path: Path) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
    """Header and rows of the first sheet; all rows have the length of the header."""
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
    except BROKEN as error:
        if isinstance(error, _Unreadable):
            raise
        raise _Unreadable(f"expected an Excel workbook, got: {error}; copy it again") from error
    return header, rows


def _clip(row: tuple[object, ...], column: int) -> int:
    """The clip number in a cell such as 17, "17", "00017" or "17.mp4"; 0 for none."""
    hit = re.fullmatch(r"0*(\d{1,9})(?:\.0+|\.[A-Za-z]\w*)?", str(row[column]).strip())
    if hit is None:
        return 0
    return int(hit[1])


def _cell_number(cell: object) -> int:
    hit = re.fullmatch(r"(\d{1,9})(?:\.0+)?", str(cell).strip())
    if hit is None:
        return -1
    return int(hit[1])


def _vote_text(cell: object) -> str:
    number = _cell_number(cell)
    return str(number) if number >= 0 else ""


def votes_missing(votes: Votes, listed: Iterable[int]) -> list[int]:
    """Clips with a single label that are in no list."""
    return sorted({clip for clip, label in votes.labels.items() if 1 <= label <= len(CLASSES)} - set(listed))
