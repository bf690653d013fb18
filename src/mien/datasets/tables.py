"""Text tables as people have them: with a byte order mark, CR LF, semicolons, missing columns; errors name the line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .survey import Problem

MISSING = ("", "na", "n/a", "nan", "null", "none", "-")
"""Cells that say that a value is missing, in lower case."""


class TableError(ValueError):
    """A table that cannot be used at all: what was expected, what came; `line` from 1, None for the whole file."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Table:
    """`rows`: (line, cell by column); `problems`: rows that could not be read; `delimiter`: what parts the cells."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    problems: tuple[Problem, ...]
    delimiter: str


def text(path: Path) -> str:
    """A file's text: UTF-8, with or without byte order mark, or UTF-16 with one.

    Raises:
        TableError: it is empty, cannot be read, or is no such text; names the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TableError(f"expected a file that can be read, got: {error.strerror}") from error
    if not raw.strip():
        raise TableError("expected a table, got an empty file: copy it again")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        decoded = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        got = f"the byte {raw[error.start]:#04x}"
        raise TableError(f"expected UTF-8, got {got}: save the table as UTF-8", line) from error
    if not decoded.strip():
        raise TableError("expected a table, got blank lines: copy it again")
    if "\0" in decoded:
        line = decoded[: decoded.index("\0")].count("\n") + 1
        raise TableError("expected text, got zero bytes: this is no table, or it was damaged; copy it again", line)
    return decoded


def lines(path: Path) -> list[tuple[int, str]]:
    """(line from 1, text without blanks around it) of every line that holds anything. Raises TableError."""
    numbered = ((number, line.strip()) for number, line in enumerate(text(path).splitlines(), 1))
    return [(number, line) for number, line in numbered if line]


def read(path: Path, needed: Iterable[str], known: Iterable[str] = ()) -> Table:
    """A table with a header; `needed` columns must be there, others may. The case of these and `known` ones is mended.

    Cells are parted by whichever of comma, semicolon and tab the header has most of. A row with too few or too many
    cells is a problem and left out; blank rows are skipped.

    Raises:
        TableError: see `text`; a needed column is missing, or two have one name.
    """
    whole = text(path)
    delimiter = max(",;\t", key=next(line for line in whole.splitlines() if line.strip()).count)
    reader = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter)
    try:
        raw = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise TableError(f"expected a table, got: {error}", reader.line_num) from error
    filled = [(line, cells) for line, cells in raw if any(cells)]
    if not filled:
        raise TableError("expected a table, got blank lines: copy it again")
    first, header = filled[0]
    columns = _columns(header, tuple(needed), tuple(known), first)
    rows, problems = [], []
    for line, cells in filled[1:]:
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            reason = f"expected {len(columns)} cells as in the header, got {len(cells)}"
            problems.append(Problem("unreadable", f"line {line}", reason, path, line))
        else:
            rows.append((line, {name: cell for name, cell in zip(columns, cells, strict=False) if name}))
    return Table(path, tuple(name for name in columns if name), tuple(rows), tuple(problems), delimiter)


def _columns(header: list[str], needed: tuple[str, ...], known: tuple[str, ...], line: int) -> list[str]:
    """The header's names, those that are needed or known written so; no trailing nameless ones."""
    while header and not header[-1]:
        header = header[:-1]
    exact = {name.lower(): name for name in (*needed, *known)}
    columns = [exact.get(name.lower(), name) for name in header]
    missing = [name for name in needed if name not in columns]
    if missing:
        got = ", ".join(header[:12])
        raise TableError(f"expected a header with {', '.join(needed)}, got {got}: add {', '.join(missing)}", line)
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise TableError(f"expected each column once, got {', '.join(twice)} twice: rename one", line)
    return columns


def known(cell: str) -> bool:
    """Whether a cell holds a value."""
    return cell.strip().lower() not in MISSING


def problem(error: TableError, path: Path, item: str = "") -> Problem:
    """The error as an entry of a survey."""
    return Problem("unreadable", item or path.name, str(error), path, error.line)
