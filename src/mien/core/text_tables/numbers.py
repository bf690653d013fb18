"""Read numbers as devices and offices write them: decimal points or commas, and groups of thousands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

MISSING = frozenset(("", "nan", "na", "n/a", "n.a.", "null", "none", "-", "--", ".", "-nan", "-nan(ind)", "1.#qnan",
                     "-1.#ind", "#n/a", "#na", "#null!", "#div/0!", "#value!", "#num!"))
"""Cells that mean a missing value, in lower case: words, and the errors of spreadsheets and C libraries."""

_NUMBER = re.compile(r"[-+]?(?:\d[\d.,]*|[.,]\d+)(?:[eEdD][-+]?\d+)?")
_GROUPED = {mark: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?:\{mark}\d{{3}})+") for mark in ".,"}
_THOUSANDS = {mark: re.compile(rf"[-+]?\d{{1,3}}(?:\{mark}\d{{3}})+(?:[^\d\{mark}].*)?") for mark in ".,"}
_BLANKS = str.maketrans({"\u00a0": "", "\u202f": "", "\u2009": "", "'": "", "\u2019": "", "\u2212": "-",
                         "d": "e", "D": "e"})  # Fortran writes 1.5D+03


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a table are written.

    Attributes:
        comma: whether a comma is a decimal mark.
        grouping: the mark between groups of thousands, "" for none.
    """

    comma: bool = False
    grouping: str = ""

    def number(self, cell: str) -> float | None:
        """The number in a cell; None if it is none. Infinities and `1_000` are no numbers."""
        text = cell.strip().translate(_BLANKS)
        if not _NUMBER.fullmatch(text):
            return None
        if self.grouping and self.grouping in text:
            if not _THOUSANDS[self.grouping].fullmatch(text):
                return None  # a time such as 14.00.50,000
            text = text.replace(self.grouping, "")
        if self.comma:
            text = text.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def numbers(self, cells: Sequence[str]) -> tuple[np.ndarray, list[int]]:
        """The numbers of many cells, and which cells hold something else.

        Returns:
            (N,) float64, NaN for missing values and other cells; the indices of the other cells.
        """
        if not self.comma and not self.grouping:
            with suppress(ValueError):  # some cells are no plain numbers
                plain = np.array(cells, dtype=np.float64)
                if np.isfinite(plain).all() and not any("_" in cell for cell in cells):
                    return plain, []
        out = np.full(len(cells), np.nan)
        others = []
        for i, cell in enumerate(cells):
            value = self.number(cell)
            if value is not None:
                out[i] = value
            elif not is_missing(cell):
                others.append(i)
        return out, others


def is_missing(cell: str) -> bool:
    """Whether a cell means a missing value."""
    return cell.strip().lower() in MISSING


def number_format(cells: Iterable[str]) -> NumberFormat:
    """Decide from all cells of a table how its numbers are written.

    A comma is a decimal mark if a number shows it, such as 0,25 or 1.234,5. Numbers such as 1,234 alone decide for
    decimal commas if the table has no decimal point, and for groups of thousands if it has one.
    """
    comma = point = grouped_comma = grouped_point = False
    both = {",": False, ".": False}  # the last of two marks in one cell is the decimal mark
    for cell in cells:
        text = cell.strip().translate(_BLANKS)
        if ("," not in text and "." not in text) or not _NUMBER.fullmatch(text):
            continue
        marks = [mark for mark in text if mark in ",."]
        if len(set(marks)) == 2:
            both[marks[-1]] = True
        elif marks[0] == ",":
            grouped = _GROUPED[","].fullmatch(text) is not None
            grouped_comma |= grouped
            comma |= not grouped
        else:
            grouped = _GROUPED["."].fullmatch(text) is not None
            grouped_point |= grouped
            point |= not grouped
    if both[","] or comma or (grouped_comma and not (point or grouped_point or both["."])):
        return NumberFormat(True, "." if both[","] or (grouped_point and not point) else "")
    return NumberFormat(False, "," if both["."] or grouped_comma else "")
