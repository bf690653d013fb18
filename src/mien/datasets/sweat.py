"""Skin conductance from whatever a device wrote: conductance or resistance, in one unit where the unit is certain."""

from __future__ import annotations

import numpy as np

TO_MICROSIEMENS = {"us": 1.0, "µs": 1.0, "usiemens": 1.0, "ns": 1e-3, "s": 1e6}
FROM_OHM = {"ohm": 1e6, "ohms": 1e6, "kohm": 1e3, "mohm": 1.0}
PLAUSIBLE = (0.05, 100.0)
"""uS. Our choice: wide around the 2..20 uS of Boucsein 2012, Electrodermal Activity (10.1007/978-1-4614-1126-0),
to tell a wrong unit, never a strange person."""


def factor(values: np.ndarray, unit: str) -> float | None:
    """values (N,) in `unit` by hearsay -> what makes uS of them: times it, or, where negative, its size over them.

    None where the unit is not known or the values in it would be no person's: they stay as they are then.
    """
    name = unit.casefold().replace("Ω".casefold(), "ohm")
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    if name in TO_MICROSIEMENS:
        found, micro = TO_MICROSIEMENS[name], middle * TO_MICROSIEMENS[name]
    elif name in FROM_OHM and finite.min() > 0:
        found, micro = -FROM_OHM[name], FROM_OHM[name] / middle
    else:
        return None
    return found if PLAUSIBLE[0] <= micro <= PLAUSIBLE[1] else None


def conductance(values: np.ndarray, unit: str, found: float | None) -> tuple[np.ndarray, str]:
    """values and what `factor` said of them (or of all of that person's) -> (values, their unit)."""
    if found is None:
        return values, f"{unit}?"
    return (values * found if found > 0 else -found / values), "uS"
