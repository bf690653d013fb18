"""A table of named signal features: one row per trial, one column per feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SignalFeatures:
    """Features of many trials.

    Attributes:
        names: (F,) name of each column.
        units: (F,) unit of each column.
        values: (B, F) one row per trial; NaN where a feature could not be computed.

    Raises:
        ValueError: the number of columns differs from that of the names or units.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not self.values.shape[1] == len(self.names) == len(self.units):
            raise ValueError(f"SignalFeatures.values: expected (B, F), a column for each of {len(self.names)} names "
                             f"and {len(self.units)} units, got {self.values.shape}")

    def __getitem__(self, name: str) -> np.ndarray:
        """One column (B,) by its name."""
        if name not in self.names:
            raise KeyError(f"expected one of {', '.join(self.names)}, got {name!r}")
        return self.values[:, self.names.index(name)]

    def __add__(self, other: SignalFeatures) -> SignalFeatures:
        """The columns of both."""
        return SignalFeatures(self.names + other.names, self.units + other.units, np.hstack([self.values,
                                                                                             other.values]))

    def named(self, prefix: str) -> SignalFeatures:
        """The same features with `prefix_` before each name."""
        return SignalFeatures(tuple(f"{prefix}_{name}" for name in self.names), self.units, self.values)
