"""Read a text table: find its encoding, separator, header and units, and tell what is odd with its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from mien.core.text_tables.encoding import read_text
from mien.core.text_tables.errors import TableError
from mien.core.text_tables.layout import (
    HeaderScore,
    find_layout,
    fitted_layout,
    names,
    read_cells,
    without_outer_quotes,
)
from mien.core.text_tables.numbers import MISSING, NumberFormat, number_format
from mien.core.text_tables.rows import TableRows

OTHER_TEXTS = (
    (re.compile(r'\s*(?:\{\s*"|\[\s*[\[{])'), "JSON: export it as CSV"),
    (re.compile(r"\s*<(?:!doctype )?html", re.IGNORECASE), "a web page: download the file itself"),
    (re.compile(r"\s*<\?xml"), "XML: export it as CSV, in ELAN by File > Export As > Tab-delimited Text"),
    (re.compile(r'File type = "ooTextFile'), "a file of Praat: write it as a table by Down to Table"),
    (re.compile(r"\d+\s*\n[\d:,.]+ --> [\d:,.]+"), "subtitles: write a table such as start,end,condition"),
)
"""How texts begin that are no tables, and what they are."""


Needed = Iterable[str] | Callable[[Sequence[str]], Iterable[str]] | None

SHORT_NAMES = 12
"""Names of a header that a message lists."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """A text table.

    Attributes:
        path: the file.
        columns: names in the header; those of columns without a name are left out.
        cells: stripped text of each cell, by column; of two columns of the same name the first.
        lines: line of each row, from 1.
        bad_rows: line and reason of each row that was left out.
        units: unit by column, from a row of units below the header.
        notes: what is odd about the file and was read all the same, one phrase each.
        header_line: line of the header, from 1.
        row_names: text of a first column without a name, such as the index of a data frame; empty without one.
    """

    path: Path
    columns: tuple[str, ...]
    cells: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    bad_rows: tuple[tuple[int, str], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    header_line: int = 1
    row_names: Sequence[str] = ()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    @property
    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and cells by column of each row."""
        for i, line in enumerate(self.lines):
            yield line, {name: column[i] for name, column in self.cells.items()}

    @cached_property
    def number_format(self) -> NumberFormat:
        """How the numbers of the table are written."""
        columns = [column for column in self.cells.values() if any("," in cell for cell in column)]
        if not columns:
            return NumberFormat()
        return number_format(chain.from_iterable(self.cells.values()))

    def number(self, cell: str) -> float | None:
        """The number in a cell; None if it is none."""
        return self.number_format.number(cell)

    def numbers(self, name: str, notes: list[str] | None = None) -> np.ndarray:
        """The numbers of a column, (N,) float64, NaN for missing cells.

        Args:
            name: the column.
            notes: gets a phrase about cells that are no numbers, which then become NaN.

        Raises:
            TableError: a cell is no number, without `notes`; it names the file, the line and the column.
        """
        cells = self.cells[name]
        out, others = self.number_format.numbers(cells)
        if others and notes is None:
            raise TableError(f"expected a number under {name}, got {cells[others[0]]!r}", self.path,
                             self.lines[others[0]])
        if others and notes is not None:
            notes.append(f"{name}: {len(others)} of {len(cells)} cells are no numbers, first {cells[others[0]]!r} in "
                         f"line {self.lines[others[0]]}: taken as missing")
        return out

    def picked(self, rows: Sequence[int]) -> TextTable:
        """The table with some of its rows, by their indices."""
        cells = {name: [column[i] for i in rows] for name, column in self.cells.items()}
        row_names = [self.row_names[i] for i in rows] if self.row_names else ()
        return replace(self, cells=cells, lines=[self.lines[i] for i in rows], row_names=row_names)

    def expect_complete(self) -> TextTable:
        """The table itself. Raises TableError if a row was left out, or none is there."""
        if self.bad_rows:
            line, reason = self.bad_rows[0]
            raise TableError(reason, self.path, line)
        if not len(self):
            raise TableError("expected rows below the header, got none", self.path)
        return self


def has_columns(*columns: str) -> HeaderScore:
    """A score that recognises a header by the names of columns, in any case."""
    lower = {name.lower() for name in columns}
    return lambda cells: len(lower & {cell.lower() for cell in cells})


def read_table(path: Path, score: HeaderScore, *, needed: Needed = None, only: Iterable[str] | None = None,
               units: bool = False, rewrite: Callable[[list[str]], list[str]] | None = None) -> TextTable:
    """Read a text table.

    Encodings are those of `encoding.read_text`. Commas, semicolons, tabs, bars or blanks separate the cells. Above the
    header there may be titles, comments and a `sep=` line, below it a row of units. Comments begin with #, % or //.

    Args:
        path: the file.
        score: recognises the header.
        needed: columns that a row must reach, or a function that takes all columns and returns those; a shorter row is
            left out. None for all columns.
        only: columns to keep; None for all.
        units: whether rows of units may stand below the header, as in tables of numbers.
        rewrite: replaces the lines of a format with its header elsewhere by as many lines of a plain table.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: the file is no text or holds no table.
    """
    decoded = read_text(path)
    lines = without_outer_quotes(decoded.lines)
    if rewrite is not None:
        lines = rewrite(lines)
    layout = find_layout(lines, score)
    if layout is None or not layout.columns:
        raise TableError("expected a table, got an empty file: copy it again", path)
    kind = next((kind for pattern, kind in OTHER_TEXTS if pattern.match(decoded.text)), None)
    if kind is not None:
        raise TableError(f"expected a table, got {kind}", path)
    if layout.score == 0 and all(NumberFormat().number(name) is not None for name in layout.columns if name):
        raise TableError(f"expected a header with the names of the columns, got {listed(layout.columns)}: write the "
                         "names above, such as time,ppg", path, layout.header + 1)
    layout = fitted_layout(layout, lines)
    notes = []
    if layout.row_names:
        notes.append("the header has one name less than the rows have cells: the first cells are taken as row names")
    if decoded.guessed:
        line = next((n for n, line in enumerate(lines, 1) if not line.isascii()), 1)
        notes.append(f"read as {decoded.encoding}: the bytes in line {line} are no UTF-8")
    if decoded.zeros:
        notes.append(f"the file ends with {decoded.zeros} zeros, as after a loss of power: left out")
    rows = TableRows(layout, needed(layout.columns) if callable(needed) else needed, only, units)
    try:
        rows.read(lines)
    except csv.Error as error:
        raise TableError(f"expected a table, got: {error}", path, layout.header + 1) from error
    if units:
        rows.take_units_of_cells()
    if rows.unclosed:
        notes.append(f"{len(rows.unclosed)} lines have a quote that is not closed, first line {rows.unclosed[0]}: "
                     "taken as part of the cell")
    return TextTable(path, tuple(name for name in layout.columns if name), rows.cells, rows.lines, tuple(rows.bad),
                     rows.units, tuple(notes), layout.header + 1, rows.row_names)


def listed(columns: Sequence[str]) -> str:
    """Names for a message, at most `SHORT_NAMES`."""
    text = ", ".join(columns[:SHORT_NAMES])
    if len(columns) > SHORT_NAMES:
        text += f" and {len(columns) - SHORT_NAMES} more"
    return text or "none"


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Line, from 1, and stripped text of every line of a text file that is not blank. Raises TableError."""
    return [(number, line.strip()) for number, line in enumerate(read_text(path).lines, 1) if line.strip()]


def raw_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line, from 1, and cells of every line that is not blank, for files without a header.

    The separator is the most frequent of comma, semicolon and tab in the first line.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: it is empty or no text.
    """
    lines = read_text(path).lines
    first = next(line for line in lines if line.strip())
    delimiter = max(",;\t", key=first.count)
    try:
        return [(line, row) for line, row in read_cells(lines, delimiter) if any(row)]
    except csv.Error as error:
        raise TableError(f"expected a table, got: {error}", path) from error


__all__ = ["MISSING", "TextTable", "has_columns", "listed", "names", "numbered_lines", "raw_rows", "read_table"]
