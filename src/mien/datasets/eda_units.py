"""Convert skin conductance or resistance of any device to uS if its unit is certain."""

from __future__ import annotations

import numpy as np

TO_MICROSIEMENS = {"us": 1.0, "µs": 1.0, "usiemens": 1.0, "ns": 1e-3, "s": 1e6}
FROM_OHM = {"ohm": 1e6, "ohms": 1e6, "kohm": 1e3, "mohm": 1.0}
PLAUSIBLE = (0.05, 100.0)
"""uS. Our choice: wide around the 2..20 uS of Boucsein 2012, Electrodermal Activity (10.1007/978-1-4614-1126-0),
to detect a wrong unit, never an unusual person."""


def unit_factor(values: np.ndarray, unit: str) -> float | None:
    """The conversion of values (N,) in the reported `unit` to uS.

    Returns:
        A positive factor to multiply by, or minus the dividend for resistance. None for an unknown unit or implausible
        values: they stay unchanged.
    """
    name = unit.casefold().replace("Ω".casefold(), "ohm")
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    middle = float(np.median(finite))
    if name in TO_MICROSIEMENS:
        scale, micro = TO_MICROSIEMENS[name], middle * TO_MICROSIEMENS[name]
    elif name in FROM_OHM and finite.min() > 0:
        scale, micro = -FROM_OHM[name], FROM_OHM[name] / middle
    else:
        return None
    if not PLAUSIBLE[0] <= micro <= PLAUSIBLE[1]:
        return None
    return scale


def to_conductance(values: np.ndarray, unit: str, scale: float | None) -> tuple[np.ndarray, str]:
    """Convert values by the `scale` from `factor`, computed on these or all values of the person: values and unit."""
    if scale is None:
        return values, f"{unit}?"
    if scale > 0:
        return values * scale, "uS"
    return -scale / values, "uS"
