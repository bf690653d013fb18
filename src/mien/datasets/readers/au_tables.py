"""Recognise the tables of OpenFace 2 and py-feat by their columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mien.core.text_tables import TableError, TextTable, listed, read_table

INTENSITY, PRESENCE, PLAIN = r"AU\d\d_r", r"AU\d\d_c", r"AU\d\d"
FEX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")


def program(path: str | Path) -> str:
    """Detect by its columns which of `PROGRAMS` wrote a table.

    Raises:
        ValueError: none of them did, or the table has no intensities.
    """
    known = header(Path(path))
    if any(re.fullmatch(INTENSITY, name) for name in known):
        return "openface"
    fex = any(name in known for name in (*FEX, "Identity"))
    if fex and any(re.fullmatch(PLAIN, name) for name in known):
        return "py-feat"
    if fex or any(re.fullmatch(PRESENCE, name) for name in known):
        expected = "AU01_r of OpenFace, got presence (AU01_c) alone: run it with its models of intensity"
        if fex:
            expected = "AU01 of py-feat: run it with a model of action units"
        raise ValueError(f"{path}, line 1: expected intensities of action units, such as {expected}")
    listed = ", ".join(known[:6])
    if len(known) > 6:
        listed += " .."
    raise ValueError(f"{path}, line 1: expected a table of OpenFace 2 (AU01_r) or py-feat (AU01, FaceScore), got "
                     f"{listed or 'no columns'}")


def _is_unit_table(cells: Sequence[str]) -> int:
    """How many names in a header belong to the tables of either program."""
    known = (*FEX, "Identity", "frame", "timestamp", "confidence", "success", "face_id")
    return sum(bool(re.fullmatch(rf"{PLAIN}(?:_[rc])?", cell)) or cell in known for cell in cells)


def header(path: Path) -> tuple[str, ...]:
    """The column names of a table. Raises FileNotFoundError or TableError."""
    return read_table(path, _is_unit_table, needed=(), only=()).columns


def columns(path: Path, names: Sequence[str]) -> TextTable:
    """Some columns of a table. Raises TableError if one is missing, a row is bad, or there is none."""
    table = read_table(path, _is_unit_table, needed=names, only=names, units=True)
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise TableError(f"expected the columns {', '.join(missing)}, got {listed(table.columns)}", path,
                         table.header_line)
    return table.expect_complete()
