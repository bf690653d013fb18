"""How a pulse, and how light or movement, show in the regions and colours of the skin."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BLOOD = np.array([0.45, 1.0, 0.70])
"""Amplitude of red, green and blue: de Haan & van Leest 2014 with green at 1, rounded."""

COLOURS = np.outer([1.0, 0.0, 0.7], [1.0, 0.0, 0.7]) + np.outer([-0.25, 0.0, 0.5], [-0.25, 0.0, 0.5])
"""Directions (3, 3) in which a pulse's colour may differ: red and blue together, and blue against red (our choice)."""

FREEDOMS = ((0.08, 0.12), (0.1, 0.3))
"""Relative spread of a pulse's colour, and of its strength over the regions: that of most people, and a wider one that
counts as much (our choice). Where the pulse is strong, small differences are plain to see."""

GREEN_SHARE = 0.12
"""Relative spread over the regions of a pulse of green alone. Our choice: a coarse codec keeps only the brightness of a
pulse, mostly green, and in dim light red and blue are noise."""

LINE_FREEDOMS = (0.1, 0.4)
"""Relative spread of a line's colour: that of white light, and that of anything (our choice)."""

GREEN_LIGHT = 0.002
"""Amplitude, relative to a pulse of green alone, of other light that comes with it. Our choice: too little to count as
evidence. Without it, the eigenvectors of the channels without green are arbitrary, and rounding errors choose them."""


@lru_cache(maxsize=8)
def shapes(channels: int, grey: bool) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Signature (C,) of a pulse, and covariances (C, C), of amplitude 1, of pulses and of lines."""
    signature, spread, white = BLOOD, COLOURS, np.ones((3, 3))
    if grey:
        signature, spread, white = np.ones(1), np.zeros((1, 1)), np.ones((1, 1))
    regions = channels // len(signature)
    alike, identity = np.ones((regions, regions)), np.eye(regions)
    pulses = [np.kron(alike + share**2 * identity, np.outer(signature, signature) + colour**2 * spread)
              for colour, share in FREEDOMS]
    lines = [np.kron((alike + identity) / 2, white + free**2 * np.eye(len(signature))) for free in LINE_FREEDOMS]
    if not grey:
        pulses.append(np.kron(alike + GREEN_SHARE**2 * identity, np.diag([0.0, 1.0, 0.0])) + GREEN_LIGHT**2 * lines[-1])
        lines.append(np.kron(identity, np.outer(signature, signature) + FREEDOMS[0][0] ** 2 * spread))
    return np.tile(signature, regions), pulses, lines
