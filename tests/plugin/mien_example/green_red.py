"""Green minus red: an rPPG method in one function."""

from __future__ import annotations

import numpy as np


def green_red(skin: np.ndarray, rate: float) -> np.ndarray:
    """Compute a pulse waveform from the difference of two normalised channels.

    A change of the light has the same relative size in red and green, so the difference cancels it. Blood changes green
    more than red, so the pulse remains.

    Args:
        skin: (..., N, 3) mean RGB of the skin, above zero, without NaN.
        rate: frames per second, Hz.

    Returns:
        (..., N) waveform without a unit; up is systole, where the skin is darkest.
    """
    relative = skin / skin.mean(axis=-2, keepdims=True)
    return relative[..., 0] - relative[..., 1]
