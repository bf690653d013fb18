"""Rows with times of their own on a regular grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien import signals
from mien.core.text_tables import TableError
from mien.datasets.readers.clocks import FASTEST, SLOWEST

GAP = 0.5
"""s between two rows that count as a gap, in a table with shorter steps."""

EVEN = 0.02
"""Largest deviation from a regular grid, as a share of a step, without resampling. Our choice: the rounding of times
with three digits or more."""


def to_regular_grid(path: Path, values: np.ndarray, times: np.ndarray, rate: float | None
                    ) -> tuple[np.ndarray, float, float]:
    """Put rows of a table on a regular grid.

    Args:
        path: The table, for messages.
        values: (N, C).
        times: (N,) s, rising.
        rate: Of the grid in Hz; None for the mean rate of the rows.

    Returns:
        The values on the grid, its rate in Hz and its start in s.

    Raises:
        TableError: There are fewer than two times, or the rate is not possible.
    """
    if len(times) < 2 or times[-1] <= times[0]:
        raise TableError(f"expected two samples or more at different times, got {len(times)} rows", path)
    steps = np.diff(times)
    steady = steps[steps <= max(GAP, 3 * float(np.median(steps)))]  # missing rows do not lower the rate
    mean = 0.0
    if steady.sum() > 0:
        mean = len(steady) / float(steady.sum())
    if not SLOWEST < mean <= FASTEST:
        expected, other = f"more than {SLOWEST:g} sample a second", "ms"
        if mean > FASTEST:
            expected, other = f"at most {FASTEST:g} samples a second", "us"
        raise TableError(f"expected {expected}, got {mean:.3g}: are the times in {other}? Say so with "
                         "--physio-time-unit, in Python time_unit=", path)
    if rate is None or abs(rate - mean) < 1e-6 * rate:
        grid = times[0] + np.arange(len(times)) / mean
        if np.abs(times - grid).max() <= EVEN / mean:
            return values, rate or mean, float(times[0])
    parts = [signals.resample(times, column, rate or mean) for column in values.T]
    return np.stack([part.values for part in parts], axis=1), rate or mean, float(times[0])
