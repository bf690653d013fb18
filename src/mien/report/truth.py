"""Planted curves beside estimated ones: what `make demo` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.tasks import ACTION_UNITS
from mien.timeline import Track


@dataclass(frozen=True, eq=False)
class Curve:
    """A planted curve: `values` (N,) at `times` (N,) s, in order."""

    times: np.ndarray
    values: np.ndarray


Curves = dict[str, Curve]
"""By name: `heart_rate` in bpm, `pulse` in any unit, an action unit in 0..5."""

STEADY = 1.0
"""bpm; a heart rate that varies less has no correlation to speak of. Our choice: a good estimate errs by as much."""

NAMES = ("heart_rate", "pulse", *ACTION_UNITS)


@dataclass(frozen=True)
class Score:
    """How an estimate compares with its truth: mean absolute error in the curve's unit, and Pearson's r."""

    name: str
    error: float
    correlation: float
    count: int


def curves(truth: Mapping[str, tuple[object, object]] | None, limit: int = 1500) -> Curves:
    """(times, values) by name -> checked curves, thinned to about `limit` points (the pulse is not)."""
    found: Curves = {}
    for name, (times, values) in (truth or {}).items():
        if name not in NAMES:
            raise ValueError(f"report: expected truth of heart_rate, pulse or an action unit (AU12), got {name!r}")
        x, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        if x.ndim != 1 or x.shape != y.shape or not len(x) or not (np.diff(x) >= 0).all():
            raise ValueError(f"report: expected for {name} times in order and as many values, got {x.shape} and "
                             f"{y.shape}")
        step = 1 if name == "pulse" else max(1, len(x) // limit)
        found[name] = Curve(x[::step], y[::step])
    return found


def scores(truth: Curves, track: Track, window: float) -> list[Score]:
    """Truth against one person's rows. A row's heart rate is over the `window` s before its end, so is its truth."""
    found = []
    for name, curve in truth.items():
        if name == "pulse":
            continue
        if name == "heart_rate":
            got = np.array([np.nan if row.heart_rate.value is None else row.heart_rate.value for row in track.rows])
            wanted = np.array([_mean(curve, row.end - window, row.end) for row in track.rows])
        else:
            got = np.array([row.aus[ACTION_UNITS.index(name)] for row in track.rows])
            wanted = np.array([_mean(curve, row.start, row.end) for row in track.rows])
        both = np.isfinite(got) & np.isfinite(wanted)
        got, wanted = got[both], wanted[both]
        varied = len(got) > 2 and got.std() > 0 and wanted.std() > (STEADY if name == "heart_rate" else 0)
        found.append(Score(name, float(np.abs(got - wanted).mean()) if len(got) else float("nan"),
                           float(np.corrcoef(got, wanted)[0, 1]) if varied else float("nan"), len(got)))
    return found


def _mean(curve: Curve, start: float, end: float) -> float:
    inside = (curve.times >= start) & (curve.times <= end)
    if inside.any():
        return float(curve.values[inside].mean())
    return float(np.interp((start + end) / 2, curve.times, curve.values, left=np.nan, right=np.nan))
