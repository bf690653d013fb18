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
    finite = np.asarray(values[np.isfinite(values)], np.float64)
    if name in TO_MICROSIEMENS:
        scale = TO_MICROSIEMENS[name]
        micro = finite * scale
    elif name in FROM_OHM and not (finite < 0).any():
        scale = -FROM_OHM[name]
        micro = np.divide(-scale, finite, out=np.zeros_like(finite), where=finite > 0)
    else:
        return None
    plausible = (micro >= PLAUSIBLE[0]) & (micro <= PLAUSIBLE[1])
    if not len(micro):
        return None
    return scale if plausible.mean() > 0.5 or _electrode_off(micro, plausible) else None


def _electrode_off(micro: np.ndarray, plausible: np.ndarray) -> bool:
    """Whether the implausible values (N,), uS, are a constant, as an electrode that is off gives, and the others vary.

    The limits are our choice: a fifth of the values is plausible, and the constant stays within a hundredth of their
    range.
    """
    return plausible.mean() >= 0.2 and bool(np.ptp(micro[~plausible]) <= 0.01 * np.ptp(micro[plausible]))


def to_conductance(values: np.ndarray, unit: str, scale: float | None) -> tuple[np.ndarray, str]:
    """Convert values by the `scale` from `factor`, computed on these or all values of the person: values and unit."""
    if scale is None:
        return values, f"{unit}?"
    if scale > 0:
        return values * scale, "uS"
    return np.divide(-scale, values, out=np.full_like(values, np.nan), where=values > 0), "uS"
