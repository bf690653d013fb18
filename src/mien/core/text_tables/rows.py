"""Collect the rows of a text table below its header, and the units that stand among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from mien.core.text_tables.layout import COMMENT, Layout, read_cells
from mien.core.text_tables.numbers import is_missing

UNITS = re.compile(
    r"[\[(]?(?:s|secs?|seconds?|m?secs|ms|msecs?|milliseconds?|[uµμ]s|[uµμ]secs?|microseconds?|ns|nanoseconds?|min|minutes?"
    r"|h|hours?|hz|bpm|[mnuµμ]?v|m?volts?|[mnuµμ]?a|[mnuµμ]?s/?cm|[mnuµμ]?siemens|[kmuµμ]?ohms?|[kM]?Ω|°c|deg "
    r"?c|c|celsius"
    r"|a\.?u\.?|arb\.? ?units?|n\.?u\.?|adc|counts?|%|g|m/s\^?2|mmhg|no ?units?|unitless|cal|raw|iso|dd?\.mm\.yyyy.*"
    r"|yyyy.*|hh?:?mm.*)[\])]?", re.IGNORECASE)
"""Cells of a row of units below a header, in any case."""

_WITH_UNIT = re.compile(r"([-+]?[\d.,]+)\s*([^\d\s:.,/+-][^\d:]*)")


class TableRows:
    """Collects the rows below a header.

    Args:
        layout: the layout.
        needed: columns that a row must reach; None for all.
        only: columns to keep; None for all.
        may_have_units: whether rows of units may stand below the header.
    """

    def __init__(self, layout: Layout, needed: Iterable[str] | None, only: Iterable[str] | None,
                 may_have_units: bool) -> None:
        self.layout = layout
        self.may_have_units = may_have_units
        places = {name: place for place, name in reversed(list(enumerate(layout.columns))) if name}
        self.least = len(layout.columns)
        if needed is not None:
            self.least = max((places[name] + 1 for name in needed if name in places), default=1)
        kept = set(places if only is None else only)
        self.places = {name: place for name, place in reversed(places.items()) if name in kept}
        self.cells: dict[str, list[str]] = {name: [] for name in self.places}
        self.lines: list[int] = []
        self.bad: list[tuple[int, str]] = []
        self.units: dict[str, str] = {}
        self.row_names: list[str] = []
        self.unclosed: list[int] = []

    def read(self, lines: Sequence[str]) -> None:
        """Read all rows. Raises csv.Error."""
        begin = self.layout.header + 1
        columns = list(zip(self.cells.values(), self.places.values(), strict=True))
        width = len(self.layout.columns)
        unnamed = width > 0 and not self.layout.columns[0]
        for number, row in self._numbered_rows(lines[begin:]):
            if not any(row):
                continue
            line = begin + number
            if self.may_have_units and not self.lines and self._take_units(row):
                continue
            if len(row) != width:
                fitted = self._fitted(line, row, lines[line - 1])
                if fitted is None:
                    continue
                row = fitted
            for column, place in columns:
                column.append(row[place])
            if unnamed:
                self.row_names.append(row[0])
            self.lines.append(line)

    def _numbered_rows(self, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield the line, from 1, and the cells of each row. A quote that is not closed swallows no complete rows."""
        before = 0
        for number, row in read_cells(lines, self.layout.delimiter, self.layout.quote):
            inner = [line.split(self.layout.delimiter) for line in lines[before:number]]
            if number - before > 1 and all(len(cells) == len(self.layout.columns) for cells in inner):
                self.unclosed.append(self.layout.header + 2 + before)
                for i, cells in enumerate(inner, before + 1):
                    yield i, [cell.strip().strip(self.layout.quote) for cell in cells]
            else:
                yield number, row
            before = number

    def take_units_of_cells(self) -> None:
        """Move a unit that stands in every cell of a column, as in `0.52 mV`, to the units."""
        for name, column in self.cells.items():
            match = _WITH_UNIT.fullmatch(next((cell for cell in column if not is_missing(cell)), ""))
            if match is None or not UNITS.fullmatch(match[2]):
                continue
            end = match[2]
            if all(cell.endswith(end) or is_missing(cell) for cell in column):
                column[:] = [cell.removesuffix(end).strip() for cell in column]
                self.units.setdefault(name, end)

    def _take_units(self, row: Sequence[str]) -> bool:
        """Whether a row is one of units (or of the words CAL and RAW); its units are kept."""
        filled = [cell for cell in row if not is_missing(cell)]
        if not filled or not all(UNITS.fullmatch(cell) for cell in filled):
            return False
        for name, place in self.places.items():
            if place < len(row) and not is_missing(row[place]) and row[place].lower() not in ("cal", "raw"):
                self.units[name] = row[place].strip("[]()")
        return True

    def _fitted(self, line: int, row: list[str], text: str) -> list[str] | None:
        """The row with as many cells as the header; None for a comment and for a bad row, which is noted."""
        width = len(self.layout.columns)
        if COMMENT.match(text):
            return None
        if len(row) > width and not any(row[width:]):
            return row[:width]
        reason = f"expected {width} cells, got {len(row)}"
        if len(row) > width:
            self.bad.append((line, f"{reason}: where commas are decimal, columns are parted by semicolons or tabs; "
                             "a cell that holds the separator needs quotes"))
            return None
        if len(row) >= self.least:
            return row + [""] * (width - len(row))
        self.bad.append((line, f"{reason}: is the file whole?"))
        return None
