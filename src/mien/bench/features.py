"""What a person would compute of a trial by hand: statistics of action units, heart rate variability, skin conductance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien import signals
from mien.data.cache import Cache
from mien.signals.wires import KINDS
from mien.tasks import ACTION_UNITS
from mien.types import Signal, Trial, Window

STATISTICS = ("mean", "sd", "p10", "p90", "change")
LEAST = 5.0
"""s of signal from which beats and responses are read. Our choice: five heart beats."""


def face(window: Window) -> dict[str, float]:
    """Of each action unit its mean, standard deviation, tenth and ninetieth percentile and mean change a s; how far the
    head turns, degrees. NaN where no face was seen."""
    found: dict[str, float] = {}
    series = {**{name: window.aus[:, k] for k, name in enumerate(ACTION_UNITS)},
              **{name: window.pose[:, k] for k, name in enumerate(("pitch", "yaw", "roll"))}}
    for name, values in series.items():
        there = np.isfinite(values)
        times, values = window.times[there], values[there]
        row = (np.nan,) * 5
        if len(values) > 1:
            pace = np.abs(np.diff(values)).sum() / max(times[-1] - times[0], 1e-6)
            row = (values.mean(), values.std(), *np.percentile(values, [10, 90]), pace)
        found |= {f"{name}_{what}": float(value) for what, value in zip(STATISTICS, row, strict=True)}
    return found


def body(signal: Signal | None, names: Sequence[str]) -> dict[str, float]:
    """`signals.features` of the channels of these names that are of a known kind; nothing for less than `LEAST` s."""
    if signal is None or signal.values.shape[1] < LEAST * signal.rate:
        return {}
    kept = [name for name in names if name in signal.names and name.split("_")[0] in KINDS]
    if not kept:
        return {}
    values = signal.values[[signal.names.index(name) for name in kept]]
    found = signals.features(values[None].astype(np.float64), signal.rate, kept)
    return dict(zip(found.names, found.values[0].tolist(), strict=True))


def table(cache: Cache, trials: Sequence[Trial], names: Sequence[str], seconds: float | None = None
          ) -> tuple[list[str], np.ndarray, list[str]]:
    """Trials -> the trial of each row, values (R, F) with NaN for what is not known, names (F,).

    A row a trial; with `seconds` one a window of this length, what is left at the end being left out.
    """
    whose: list[str] = []
    rows: list[dict[str, float]] = []
    for trial in trials:
        end = cache.entries[trial.id].end
        signal = cache.signals(trial.id, 0.0)
        if not end and signal is not None:  # nobody was filmed
            end = signal.values.shape[1] / signal.rate
        count = 1 if seconds is None else max(int(end / seconds), 1)
        for k in range(count):
            start, stop = (0.0, end) if seconds is None else (k * seconds, (k + 1) * seconds)
            whose.append(trial.id)
            seen, felt = cache.window(trial.id, start, stop), cache.signals(trial.id, start, stop)
            rows.append({**face(seen), **body(felt, names)})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return whose, np.array([[row.get(name, np.nan) for name in columns] for row in rows]), columns
