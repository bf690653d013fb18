"""Small tables of datasets: manifests, lists and ratings, whose bad rows become problems of the index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.text_tables import TableError, TextTable, has_columns, is_missing, numbered_lines
from mien.core.text_tables import read_table as read_text_table
from mien.datasets.index import DatasetProblem


@dataclass(frozen=True, eq=False)
class DatasetTable:
    """A table of a dataset: `columns` with corrected case, and `problems`: unreadable rows and doubts."""

    table: TextTable
    columns: tuple[str, ...]
    problems: tuple[DatasetProblem, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    @property
    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and cells by column of each row."""
        for line, cells in self.table.rows:
            yield line, dict(zip(self.columns, cells.values(), strict=True))

    def number(self, cell: str) -> float | None:
        """The number in a cell; None if it is none."""
        return self.table.number(cell)


def read_lines(path: Path) -> list[tuple[int, str]]:
    """(line from 1, stripped text) of every line that is not blank. Raises TableError."""
    return numbered_lines(path)


def read_table(path: Path, needed: Iterable[str], known: Iterable[str] = (), units: bool = False) -> DatasetTable:
    """Read a table with a header; see `mien.core.text_tables.read_table`.

    A row with too few or too many cells is a problem and left out; blank rows are skipped.

    Args:
        path: the file.
        needed: columns that must be present; their case is corrected.
        known: other columns to correct the case of.
        units: whether a row of units may stand below the header.

    Raises:
        TableError: the file is no table, a needed column is missing, or two columns have the same name.
    """
    needed, known = tuple(needed), tuple(known)
    try:
        table = read_text_table(path, has_columns(*needed, *known), units=units)
    except FileNotFoundError as error:
        raise TableError(f"expected a file that can be read, got: {error.strerror}", path) from error
    exact = {name.lower(): name for name in (*needed, *known)}
    columns = [exact.get(name.lower(), name) for name in table.columns]
    missing = [name for name in needed if name not in columns]
    if missing:
        got = ", ".join(table.columns[:12])
        raise TableError(f"expected a header with {', '.join(needed)}, got {got}: add {', '.join(missing)}", path,
                         table.header_line)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise TableError(f"expected each column once, got {', '.join(twice)} twice: rename one", path,
                         table.header_line)
    problems = [DatasetProblem("doubtful", path.name, note, path, table.header_line) for note in table.notes]
    problems += [DatasetProblem("unreadable", f"line {line}", reason, path, line) for line, reason in table.bad_rows]
    return DatasetTable(table, tuple(columns), tuple(problems))


def read_named(path: Path, names: Mapping[str, Sequence[str]], problems: list[DatasetProblem]
               ) -> list[tuple[int, dict[str, str]]]:
    """Read some columns of a table that goes by different names in different places.

    Args:
        path: the file.
        names: our name of a column -> the names that it may have, in lower case, best first.
        problems: gets the rows that were left out.

    Returns:
        Line and cells, by our names, of each row.

    Raises:
        TableError: the file is no table, or a column is missing.
    """
    def score(cells: Sequence[str]) -> int:
        return sum(any(cell.lower() in known for cell in cells) for known in names.values())

    table = read_text_table(path, score)
    lower = {name.lower(): name for name in reversed(table.columns)}
    chosen = {ours: next((lower[name] for name in known if name in lower), None) for ours, known in names.items()}
    missing = [ours for ours, name in chosen.items() if name is None]
    if missing:
        raise TableError(f"expected a header with {', '.join(names)}, got {', '.join(table.columns[:12])}: add "
                         f"{', '.join(missing)}", path, table.header_line)
    problems += [DatasetProblem("unreadable", f"line {line}", reason, path, line) for line, reason in table.bad_rows]
    return [(line, {ours: cells[name] for ours, name in chosen.items() if name}) for line, cells in table.rows]


def known(cell: str) -> bool:
    """Whether a cell holds a value."""
    return not is_missing(cell)


def as_problem(error: TableError, path: Path, item: str = "") -> DatasetProblem:
    """The error as a problem of a survey."""
    return DatasetProblem("unreadable", item or path.name, error.reason, path, error.line)
