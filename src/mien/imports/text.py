"""Tables in text, read by line: byte order marks, CR LF, blanks around names, semicolons, decimal commas."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MISSING = frozenset(("", "nan", "na", "n/a", "null", "none", "-nan", "-nan(ind)"))
"""Cells that say that there is no number."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Some columns of a table: cells as they are written, and the line from 1 that each row stands on."""

    path: Path
    cells: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    comma: bool = False

    def __len__(self) -> int:
        """Rows."""
        return len(self.lines)

    def numbers(self, name: str, told: list[str] | None = None) -> np.ndarray:
        """(N,) float64, NaN where a cell is empty or says so, and, where `told` takes a phrase on them, for any word.

        Raises:
            ValueError: a cell is no number, without `told`; it names the file and the line.
        """
        cells = self.cells[name]
        if self.comma:
            cells = [cell.replace(",", ".") for cell in cells]
        out = np.empty(len(cells))
        words = []
        for i, cell in enumerate(cells):
            try:
                out[i] = float(cell)
            except ValueError:
                if cell.strip().lower() not in MISSING:
                    words.append(i)
                if words and told is None:
                    raise ValueError(f"{self.path}, line {self.lines[i]}: expected a number under {name}, "
                                     f"got {cell!r}") from None
                out[i] = np.nan
        if told is not None and words:
            told.append(f"{name}: {len(words)} of {len(cells)} cells are no numbers, first {cells[words[0]]!r} in line "
                        f"{self.lines[words[0]]}: taken as missing")
        return out


def header(path: Path) -> list[str]:
    """The names of a table's columns, blanks and quotes taken off.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is empty, or it is no text.
    """
    return [name.strip() for name in next(_rows(path))[1]]


def columns(path: Path, names: Sequence[str]) -> Columns:
    """These columns of the table; the first where a name comes twice.

    Raises:
        ValueError: a column is missing, a line has fewer cells than it needs or more than the header, or there is no
            line below the header.
    """
    rows = _rows(path)
    known = [name.strip() for name in next(rows)[1]]
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{path}, line 1: expected the columns {', '.join(missing)}, got {_some(known)}")
    places = [known.index(name) for name in names]
    need = max(places, default=0)
    cells: list[list[str]] = [[] for _ in names]
    lines = []
    for line, row in rows:
        if len(row) <= need:
            raise ValueError(f"{path}, line {line}: expected {len(known)} cells, got {len(row)}: is the file whole?")
        if any(cell.strip() for cell in row[len(known):]):
            raise ValueError(f"{path}, line {line}: expected {len(known)} cells, got {len(row)}: where commas are "
                             "decimal, columns are parted by semicolons or tabs")
        for column, place in zip(cells, places, strict=True):
            column.append(row[place])
        lines.append(line)
    if not lines:
        raise ValueError(f"{path}: expected rows below the header, got none")
    return Columns(path, dict(zip(names, cells, strict=True)), lines, _delimiter(path) != ",")


def plain(path: Path) -> list[tuple[int, list[str]]]:
    """Line from 1 and cells of every line that is not blank, for files without a header.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is empty, or it is no text.
    """
    return list(_rows(path))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"


def _delimiter(path: Path) -> str:
    """Of comma, semicolon and tab the most frequent in the first line; a comma where there is none."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    return max(",;\t", key=first.count)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    empty = True
    try:
        delimiter = _delimiter(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            for row in reader:
                if any(cell.strip() for cell in row):
                    empty = False
                    yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a table in text, UTF-8, got {error}") from error
    if empty:
        raise ValueError(f"{path}: expected a table, got an empty file")
