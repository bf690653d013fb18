"""Check the rows of a table of physiology, and leave out those whose times contradict the others."""

from __future__ import annotations

import numpy as np

from mien import signals
from mien.core.text_tables import TableError, TextTable
from mien.datasets.readers.clock_repair import without_strays
from mien.datasets.readers.clocks import Clock

BACK = 0.05
"""Largest share of rows whose time is missing or contradicts the others. Our choice: more are no single errors, but two
recordings in one file, or a column that is no time."""


def check_rows(table: TextTable, strict: bool, notes: list[str]) -> None:
    """Report rows that were left out. Raises TableError if they are too many, or any with `strict`."""
    bad = len(table.bad_rows)
    if strict or not len(table) or bad > max(1, BACK * len(table)):
        table.expect_complete()
    if bad:
        line, reason = table.bad_rows[0]
        notes.append(f"{bad} rows are left out, first line {line}: {reason}")


def ordered_rows(table: TextTable, clock: Clock, strict: bool, notes: list[str]) -> np.ndarray:
    """Indices of the rows whose times are known and do not go back. Raises TableError if too many do."""
    kept = signals.ordered(clock.times)
    bad = np.setdiff1d(np.arange(len(table)), kept)
    if not strict:
        inner = without_strays(clock.times, kept)
        notes += _stray_rows(table, clock.name, np.setdiff1d(kept, inner))
        kept = inner
    if not len(bad):
        return kept
    i = int(bad[0])
    later = np.flatnonzero(np.diff(clock.times) < 0) + 1  # the row where the times go back, not one that leapt ahead
    unknown = np.flatnonzero(~np.isfinite(clock.times))
    if len(unknown) and (not len(later) or unknown[0] <= later[0]):
        i = int(unknown[0])
    elif len(later):
        i = int(later[0])
    cell, before = table.cells[clock.name][i], table.cells[clock.name][max(i - 1, 0)]
    if clock.kind == "date" and not np.isfinite(clock.times[i]) and cell:
        reason = f"expected a date such as 2026-01-31T12:00:00.250, got {cell!r}"
    else:
        reason = f"expected a time that does not go back, got {cell!r} after {before!r}"
    if strict or len(bad) > max(1, BACK * len(table)):
        raise TableError(f"{reason}; {len(bad)} of {len(table)} rows are so" if len(bad) > 1 else reason, table.path,
                         table.lines[i])
    notes.append(f"{clock.name}: {len(bad)} of {len(table)} rows are left out, first line {table.lines[i]}: {reason}")
    return kept


def _stray_rows(table: TextTable, name: str, rows: np.ndarray) -> list[str]:
    """A phrase on rows whose stamps are of another moment; none without such rows."""
    if not len(rows):
        return []
    first = int(rows[0])
    return [f"{name}: {len(rows)} of {len(table)} rows at the start or the end are left out, first line "
            f"{table.lines[first]}: a hole parts their stamps, first {table.cells[name][first]!r}, from all others"]
