"""Scores of heart rates against the truth: errors with standard errors, agreement, and intervals by person."""

from __future__ import annotations

import numpy as np
import pandas as pd

DRAWS = 2000
"""Bootstrap samples of people."""

MARGINS = (3.0, 5.0)
"""bpm within which an estimate counts as near (our choice: both are common in the field)."""


def scores(truth: np.ndarray, guess: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """Score estimates (N,) bpm against the truth (N,) bpm.

    Args:
        truth: bpm.
        guess: bpm, without NaN.
        person: (N,) names of the people, who are drawn with replacement for the interval of the mean absolute error.

    Returns:
        MAE, RMSE, MAPE and Pearson's r, each with a standard error; bias and the limits of agreement (Bland & Altman
        1986, 10.1016/S0140-6736(86)90837-8); shares within `MARGINS`; NaN where undefined.
    """
    count = len(truth)
    if not count:
        return {"windows": 0}
    error = guess - truth
    size, share = np.abs(error), 100 * np.abs(error) / truth
    result = {"windows": count, "mae": size.mean(), "mae_se": _standard_error(size),
             "rmse": np.sqrt((error**2).mean()), "rmse_se": np.nan,
             "mape": share.mean(), "mape_se": _standard_error(share), "bias": error.mean()}
    spread = r = r_se = np.nan
    if count > 1:
        spread, result["rmse_se"] = error.std(ddof=1), np.sqrt(_standard_error(error**2))
    if count > 2 and np.std(truth) > 0 and np.std(guess) > 0:
        r = np.corrcoef(truth, guess)[0, 1]
        r_se = np.sqrt((1 - r**2) / (count - 2))
    result |= {"lower": error.mean() - 1.96 * spread, "upper": error.mean() + 1.96 * spread, "r": r, "r_se": r_se}
    result |= {f"within_{margin:g}": 100 * np.mean(size <= margin) for margin in MARGINS}
    low, high = _interval(size, person)
    return {name: float(value) for name, value in {**result, "mae_low": low, "mae_high": high}.items()}


def risk_coverage(windows: pd.DataFrame) -> np.ndarray:
    """Coverage 0..1 and MAE bpm (2, N) of the forced estimates when the windows of least quality are left out first."""
    known = windows[np.isfinite(windows.forced)].sort_values("quality", ascending=False, kind="stable")
    error = (known.forced - known.truth).abs().to_numpy()
    count = np.arange(1, len(error) + 1)
    return np.stack([count / max(len(windows), 1), np.cumsum(error) / count])


def of_somebody_else(windows: pd.DataFrame) -> np.ndarray:
    """The mean truth (N,) bpm of the next person for each window; NaN where there is only one."""
    people = list(dict.fromkeys(windows.person))
    mean = windows.groupby("person").truth.mean()
    following = dict(zip(people, people[1:] + people[:1], strict=True))
    if len(people) < 2:
        return np.full(len(windows), np.nan)
    return windows.person.map(lambda name: mean[following[name]]).to_numpy(float)


def _standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _interval(size: np.ndarray, person: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean absolute error, by people."""
    names, index = np.unique(person.astype(str), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    total = np.bincount(index, size)
    count = np.bincount(index)
    drawn = np.random.default_rng(0).integers(0, len(names), (DRAWS, len(names)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
