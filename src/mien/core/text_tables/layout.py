"""Find the separator and the header of a text table below titles, comments and a `sep=` line."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

HeaderScore = Callable[[Sequence[str]], int]
"""Takes the cells of a line; returns how many of them are names that the caller looks for, 0 for no header."""

DELIMITERS = (",", ";", "\t", "|", " ", "  ")
"""Separators that are tried; of equally good ones the first. Two blanks mean two or more, where names hold blanks."""

FITTING = 0.5
"""Least share of the rows below a header with as many cells as it, for a header that is preferred to others. Our
choice: more than half."""

SEARCHED = 200
"""Lines in which the header is searched. Our choice: the longest preambles of devices have some dozens."""

PROBED = 20
"""Rows below a header whose numbers of cells are compared with it. Our choice: enough to outvote a title."""

OTHER_QUOTES = frozenset((("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u2018", "\u2019"),
                          ("\u00ab", "\u00bb")))
"""Quotes around cells that programs for text write instead of straight ones."""

COMMENT = re.compile(r"\s*(?:#|%|//)")
_BLANKS = re.compile(r"[ \t]{2,}")
_QUOTED_LINE = re.compile(r'"(?:[^"]|"")*[,;\t](?:[^"]|"")*"')
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.?)\"?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where a table begins.

    Attributes:
        delimiter: the separator of the cells, " " for any number of blanks, "  " for two and more.
        header: index of the header's line, from 0.
        columns: the stripped names in the header, without empty ones at the end.
        score: how many names of the header the caller looks for.
        quote: the mark around cells that hold the separator.
        row_names: whether each row begins with a name that the header lacks, as R writes it.
    """

    delimiter: str
    header: int
    columns: tuple[str, ...]
    score: int
    quote: str = '"'
    row_names: bool = False


def find_layout(lines: Sequence[str], score: HeaderScore) -> Layout | None:
    """Find the header that has most of the wanted names and fits the rows below it.

    A header in a comment (`# time,ppg`) counts if no other line is one.

    Args:
        lines: the lines of the file.
        score: see `HeaderScore`.

    Returns:
        The layout; for a file without a header that of its first line with text, None for a blank file.
    """
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return None
    separator_line = _SEPARATOR_LINE.fullmatch(lines[first])
    delimiters: tuple[str, ...] = DELIMITERS
    if separator_line is not None:
        delimiters = (separator_line[1] or "\t",)
        first = next((i for i in range(first + 1, len(lines)) if lines[i].strip()), first)
    best: tuple[tuple[bool, int, float, bool], Layout] | None = None
    for delimiter in delimiters:
        for at in range(first, min(first + SEARCHED, len(lines))):
            is_comment = COMMENT.match(lines[at]) is not None
            cells = split(COMMENT.sub("", lines[at], count=1), delimiter)
            columns = names(cells)
            known = score(columns) if columns else 0
            if not known:
                continue
            agreement = _agreement(lines[at + 1 :], {len(columns), len(cells)}, delimiter)
            rank = len(columns) > 1 and agreement > FITTING, known, agreement, not is_comment
            if best is None or rank > best[0]:
                best = rank, Layout(delimiter, at, columns, known)
    if best is not None:
        return best[1]
    start = next((i for i in range(first, len(lines)) if lines[i].strip() and not COMMENT.match(lines[i])), first)
    delimiter = delimiters[0]
    if len(delimiters) > 1:
        delimiter = max(",;\t|", key=lines[start].count)
    return Layout(delimiter, start, names(split(lines[start], delimiter)), 0)


def fitted_layout(layout: Layout, lines: Sequence[str]) -> Layout:
    """The layout with the quotes and the row names that the rows below its header have."""
    below = [line for line in lines[layout.header + 1 : layout.header + 1 + 4 * PROBED]
             if line.strip() and not COMMENT.match(line)][:PROBED]
    width = len(layout.columns)
    if not below:
        return layout
    for quote in ('"', "'", "`"):
        rows = [split(line, layout.delimiter, quote) for line in below]
        if quote != '"' and all(len(row) == width for row in rows) and quote in below[0]:
            return replace(layout, quote=quote, columns=names(split(lines[layout.header], layout.delimiter, quote)))
        if quote == '"' and _have_row_names(rows, below, layout):
            return replace(layout, columns=("", *layout.columns), row_names=True)
        if all(len(row) == width for row in rows):
            return layout
    return layout


def _have_row_names(rows: Sequence[Sequence[str]], below: Sequence[str], layout: Layout) -> bool:
    """Whether each row begins with a name or a number of its own, and the header has one cell less."""
    if any(len(row) != len(layout.columns) + 1 or not row[-1] for row in rows):
        return False
    first = [row[0] for row in rows]
    if len(set(first)) < len(first):
        return False
    if layout.delimiter == "," and not all(line.lstrip().startswith('"') for line in below):
        return False  # a decimal comma makes a cell more as well
    numbers = [int(cell) for cell in first if cell.isdecimal()]
    return not numbers or (len(numbers) == len(first) and numbers == sorted(numbers))


def without_outer_quotes(lines: Sequence[str]) -> list[str]:
    """The lines without quotes around each whole line, as a spreadsheet writes a table that it holds in one column."""
    filled = [line for line in lines if line.strip()][:PROBED]
    if len(filled) < 2 or not all(_QUOTED_LINE.fullmatch(line.strip()) for line in filled):
        return [*lines]
    return [line.strip()[1:-1].replace('""', '"') if _QUOTED_LINE.fullmatch(line.strip()) else line for line in lines]


def split(line: str, delimiter: str, quote: str = '"') -> list[str]:
    """The stripped cells of one line."""
    return next(read_cells([line], delimiter, quote))[1]


def read_cells(lines: Sequence[str], delimiter: str, quote: str = '"') -> Iterator[tuple[int, list[str]]]:
    """Yield the line, from 1, and the stripped cells of each row. A quoted cell may go on in the next line.

    Raises:
        csv.Error: a row is no CSV.
    """
    text: Iterator[str] = iter(lines)
    if delimiter == " ":
        text = (line.replace("\t", " ").strip() for line in lines)
    elif delimiter == "  ":
        text = (_BLANKS.sub("\t", line.strip()) for line in lines)
        delimiter = "\t"
    reader = csv.reader((f"{line}\n" for line in text), delimiter=delimiter, skipinitialspace=True,
                        quotechar=quote)
    for row in reader:
        yield reader.line_num, [_unquoted(cell.strip()) for cell in row]


def _unquoted(cell: str) -> str:
    """A cell without quotes around it that are no quotes of CSV."""
    if len(cell) > 1 and (cell[0], cell[-1]) in OTHER_QUOTES:
        return cell[1:-1].strip()
    return cell


def names(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells without empty ones at the end, which a separator at the end of each line makes."""
    count = max((i + 1 for i, cell in enumerate(cells) if cell), default=0)
    return tuple(cells[:count])


def _agreement(below: Sequence[str], counts: set[int], delimiter: str) -> float:
    """Share of the rows below a header that have as many cells as it; a separator at the end may add one."""
    rows = [line for line in below[: 4 * PROBED] if line.strip() and not COMMENT.match(line)][:PROBED]
    widths = Counter(len(split(line, delimiter)) for line in rows)
    if not rows:
        return 0.0
    longer = {count + 1 for count in counts} - counts
    return (sum(widths[count] for count in counts) + sum(widths[count] for count in longer) / 2) / len(rows)
