"""The population of neutral faces: mean and full covariance of the measures of real people.

The shipped statistics come from 142 adults: the Face Research Lab London Set (DeBruine & Jones 2017,
10.6084/m9.figshare.5047666) and 40 young adults by the same authors (10.6084/m9.figshare.4220517),
both CC BY 4.0. `mien train expression/simulated --data FOLDER` computes them; no picture is in the package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Population:
    """Neutral faces of a population.

    Attributes:
        mean: (M,) mm, in the order of `MEASURES`.
        covariance: (M, M) mm².
        count: Number of people behind it.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @classmethod
    def of(cls, measures: np.ndarray) -> Population:
        """The statistics of measures (N, M) in mm of N people, with the covariance of Ledoit & Wolf 2004
        (10.1016/S0047-259X(03)00096-4) on standardised measures."""
        mean, scale = measures.mean(axis=0), measures.std(axis=0, ddof=1)
        correlation = _shrunk((measures - mean) / scale)
        return cls(mean, correlation * scale[:, None] * scale[None, :], len(measures))


def _shrunk(rows: np.ndarray) -> np.ndarray:
    """rows (N, M), standardised -> their covariance (M, M), shrunk to the identity."""
    count, width = rows.shape
    sample = rows.T @ rows / count
    target = np.trace(sample) / width
    distance = ((sample - target * np.eye(width)) ** 2).sum()
    noise = min(((rows[:, :, None] * rows[:, None, :] - sample) ** 2).sum() / count**2, distance)
    return (noise * target * np.eye(width) + (distance - noise) * sample) / distance
