"""Cohen's kappa: a metric in one function."""

from __future__ import annotations

import numpy as np

from mien.metrics.classification import Metric


def kappa(counts: np.ndarray) -> np.ndarray:
    """Compute the agreement of predictions and truth beyond chance.

    Args:
        counts: confusion matrices (..., K, K), rows the truth.

    Returns:
        (...) values in -1..1; NaN where chance alone agrees always.

    References:
        Cohen 1960, A coefficient of agreement for nominal scales, 10.1177/001316446002000104.
    """
    shares = counts / counts.sum(axis=(-2, -1), keepdims=True)
    observed = np.trace(shares, axis1=-2, axis2=-1)
    chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)


METRIC = Metric(kappa, "Cohen's kappa")
