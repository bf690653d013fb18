"""Features of all physiological channels of many trials, by channel name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mien.signals import ecg, eda, ppg, respiration
from mien.signals.feature_table import SignalFeatures

KINDS: dict[str, Callable[[np.ndarray, float], SignalFeatures]] = {
    "ecg": ecg.features, "ppg": ppg.features, "eda": eda.features, "respiration": respiration.features,
}
"""First word of a channel's name -> its feature function: `ecg_left` is an ECG."""


def features(values: np.ndarray, rate: float, names: Sequence[str]) -> SignalFeatures:
    """Compute the features of all channels; each name begins with that of its channel.

    Args:
        values: (B, C, N).
        rate: Hz.
        names: (C,) channel names.

    Raises:
        ValueError: the numbers of channels and names differ, or a channel is of an unknown kind.
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
