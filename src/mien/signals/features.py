"""Named features of many trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Features:
    """`values` (B, F), a row a trial, a column a feature of this name and unit; NaN where it could not be read.

    Raises:
        ValueError: the columns are not as many as the names and units.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        wide = self.values.shape[1] if self.values.ndim == 2 else -1
        if not wide == len(self.names) == len(self.units):
            raise ValueError(f"Features.values: expected (B, F), a column for each of {len(self.names)} names "
                             f"and {len(self.units)} units, got {self.values.shape}")

    def __getitem__(self, name: str) -> np.ndarray:
        """(B,)"""
        if name not in self.names:
            raise KeyError(f"expected one of {', '.join(self.names)}, got {name!r}")
        return self.values[:, self.names.index(name)]

    def __add__(self, other: Features) -> Features:
        """The columns of both."""
        return Features(self.names + other.names, self.units + other.units, np.hstack([self.values, other.values]))

    def named(self, prefix: str) -> Features:
        """The same, each name after the prefix."""
        return Features(tuple(f"{prefix}_{name}" for name in self.names), self.units, self.values)
