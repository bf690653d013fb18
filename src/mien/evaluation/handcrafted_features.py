"""Hand-crafted features of a trial: statistics of action units and head pose, heart rate variability, skin conductance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien import signals
from mien.core.observations import Signal, Window
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.preprocessing.cache import Cache
from mien.signals.features import KINDS

STATISTICS = ("mean", "sd", "p10", "p90", "change")
MIN_SECONDS = 5.0
"""Shortest signal in s from which we compute features. Our choice: about five heart beats."""


def face_features(window: Window) -> dict[str, float]:
    """`STATISTICS` of each action unit and of the head angles in degrees; NaN without two frames with a face.

    The statistics are mean, standard deviation, 10th and 90th percentile, and mean absolute change per s.
    """
    columns: dict[str, float] = {}
    series = {**{name: window.aus[:, k] for k, name in enumerate(ACTION_UNITS)},
              **{name: window.pose[:, k] for k, name in enumerate(("pitch", "yaw", "roll"))}}
    for name, values in series.items():
        finite = np.isfinite(values)
        times, values = window.times[finite], values[finite]
        row = (np.nan,) * 5
        if len(values) > 1:
            pace = np.abs(np.diff(values)).sum() / max(times[-1] - times[0], 1e-6)
            row = (values.mean(), values.std(), *np.percentile(values, [10, 90]), pace)
        columns |= {f"{name}_{what}": float(value) for what, value in zip(STATISTICS, row, strict=True)}
    return columns


def physiology_features(signal: Signal | None, names: Sequence[str]) -> dict[str, float]:
    """`signals.features` of the channels `names` with a known kind; empty for a signal shorter than `LEAST` s."""
    if signal is None or signal.values.shape[1] < MIN_SECONDS * signal.rate:
        return {}
    kept = [name for name in names if name in signal.names and name.split("_")[0] in KINDS]
    if not kept:
        return {}
    values = signal.values[[signal.names.index(name) for name in kept]]
    features = signals.features(values[None].astype(np.float64), signal.rate, kept)
    return dict(zip(features.names, features.values[0].tolist(), strict=True))


def feature_table(cache: Cache, trials: Sequence[Trial], names: Sequence[str], seconds: float | None = None
          ) -> tuple[list[str], np.ndarray, list[str]]:
    """Compute the features of trials, or of their windows.

    Args:
        cache: the preprocessed dataset.
        trials: trials of the cache.
        names: signal channels to use.
        seconds: length of a window in s, a shorter rest at the end is dropped; None for one row per trial.

    Returns:
        The trial id of each row (R,), values (R, F) with NaN for missing ones, and feature names (F,).
    """
    ids: list[str] = []
    rows: list[dict[str, float]] = []
    for trial in trials:
        end = cache.entries[trial.id].end
        signal = cache.signals(trial.id, 0.0)
        if not end and signal is not None:  # a trial without video
            end = signal.values.shape[1] / signal.rate
        count = 1 if seconds is None else max(int(end / seconds), 1)
        for k in range(count):
            start, stop = 0.0, end
            if seconds is not None:
                start, stop = k * seconds, (k + 1) * seconds
            ids.append(trial.id)
            window, physiology = cache.window(trial.id, start, stop), cache.signals(trial.id, start, stop)
            rows.append({**face_features(window), **physiology_features(physiology, names)})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return ids, np.array([[row.get(name, np.nan) for name in columns] for row in rows]), columns
