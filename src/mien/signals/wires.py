"""Standard features of the signals of many trials, by channel name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import ecg, eda, ppg, respiration
from .features import Features

KINDS: dict[str, Callable[[np.ndarray, float], Features]] = {
    "ecg": ecg.features, "ppg": ppg.features, "eda": eda.features, "respiration": respiration.features,
}
"""First word of a channel's name -> what reads its features: `ecg_left` is an ECG."""


def features(values: np.ndarray, rate: float, names: Sequence[str]) -> Features:
    """values (B, C, N) at `rate` Hz, C names of channels -> the features of all, each after its channel's name.

    Raises:
        ValueError: the channels do not fit the names, or one is of no known kind.
    """
    values = np.asarray(values)
    if values.ndim != 3 or values.shape[1] != len(names) or not names:
        raise ValueError(f"features: expected (B, {len(names)}, N), a channel a name, got {values.shape}")
    strange = [name for name in names if name.split("_")[0] not in KINDS]
    if strange:
        raise ValueError(f"features: expected channels named {', '.join(KINDS)}, alone or before _, "
                         f"got {', '.join(strange)}")
    parts = [KINDS[name.split("_")[0]](values[:, i], rate).named(name) for i, name in enumerate(names)]
    return sum(parts[1:], parts[0])
