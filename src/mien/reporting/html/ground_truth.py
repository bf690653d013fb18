"""Compare estimates with the ground truth of synthetic recordings, for `make demo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.core.tasks import ACTION_UNITS
from mien.reporting.timeline import Track


@dataclass(frozen=True, eq=False)
class Curve:
    """A ground truth curve: `values` (N,) at `times` (N,) s, in order."""

    times: np.ndarray
    values: np.ndarray


Curves = dict[str, Curve]
"""Curves by name: `heart_rate` in bpm, `pulse` in any unit, an action unit in 0..5."""

MIN_RATE_SPREAD = 1.0
"""Smallest standard deviation of a heart rate in bpm for which a correlation is computed. Our choice: the error of a
good estimate."""

NAMES = ("heart_rate", "pulse", *ACTION_UNITS)


@dataclass(frozen=True)
class CurveScore:
    """Agreement of an estimate with its truth: mean absolute error in the curve's unit, and Pearson's r."""

    name: str
    error: float
    correlation: float
    count: int


def curves(truth: Mapping[str, tuple[object, object]] | None, limit: int = 1500) -> Curves:
    """Check and thin curves.

    Args:
        truth: A pair of times in s and values, by name; None for none.
        limit: Most points of a curve, about; the pulse is not thinned.

    Returns:
        The curves.

    Raises:
        ValueError: A name is unknown, or times and values do not match.
    """
    checked: Curves = {}
    for name, (times, values) in (truth or {}).items():
        if name not in NAMES:
            raise ValueError(f"report: expected truth of heart_rate, pulse or an action unit (AU12), got {name!r}")
        x, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        if x.ndim != 1 or x.shape != y.shape or not len(x) or not (np.diff(x) >= 0).all():
            raise ValueError(f"report: expected for {name} times in order and as many values, got {x.shape} and "
                             f"{y.shape}")
        step = 1 if name == "pulse" else max(1, len(x) // limit)
        checked[name] = Curve(x[::step], y[::step])
    return checked


def scores(truth: Curves, track: Track, window: float) -> list[CurveScore]:
    """Compare one person's rows with the truth.

    Args:
        truth: The curves; the pulse is not compared.
        track: The person's rows.
        window: A row's heart rate, and so its truth, is that of the `window` s before its end.

    Returns:
        A score for each curve.
    """
    results = []
    for name, curve in truth.items():
        if name == "pulse":
            continue
        if name == "heart_rate":
            got = np.array([row.heart_rate.number for row in track.rows])
            expected = np.array([_mean(curve, row.end - window, row.end) for row in track.rows])
            results.append(_score(name, got, expected, MIN_RATE_SPREAD))
        else:
            got = np.array([row.aus[ACTION_UNITS.index(name)] for row in track.rows])
            expected = np.array([_mean(curve, row.start, row.end) for row in track.rows])
            results.append(_score(name, got, expected, 0.0))
    return results


def _score(name: str, got: np.ndarray, expected: np.ndarray, spread: float) -> CurveScore:
    """Without a correlation if the standard deviation of the truth is at most `spread`."""
    both = np.isfinite(got) & np.isfinite(expected)
    got, expected = got[both], expected[both]
    error = correlation = float("nan")
    if len(got):
        error = float(np.abs(got - expected).mean())
    if len(got) > 2 and got.std() > 0 and expected.std() > spread:
        correlation = float(np.corrcoef(got, expected)[0, 1])
    return CurveScore(name, error, correlation, len(got))


def _mean(curve: Curve, start: float, end: float) -> float:
    inside = (curve.times >= start) & (curve.times <= end)
    if inside.any():
        return float(curve.values[inside].mean())
    return float(np.interp((start + end) / 2, curve.times, curve.values, left=np.nan, right=np.nan))
