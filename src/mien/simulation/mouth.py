"""Rendering of the open mouth: teeth, tongue and the dark background."""

from __future__ import annotations

import numpy as np

from mien.simulation.head import HeadLayout

ENAMEL = np.array([226, 218, 200], np.float32)
DARK = np.array([46, 16, 16], np.float32)
TONGUE = np.array([150, 72, 72], np.float32)
TOOTH = 8.2  # mm, width of an upper front tooth


def paint(place: HeadLayout, jaw: float, x: np.ndarray, y: np.ndarray, gap: np.ndarray, roof: np.ndarray,
          colour: np.ndarray, pixel: float) -> None:
    """Paint the opening of the mouth.

    Args:
        place: layout of the face.
        jaw: drop of the lower teeth in mm.
        x: frontal coordinate of the pixels in mm.
        y: see `x`.
        gap: distance inside the opening in mm; negative on a lip.
        roof: distance below the edge of the upper lip in mm.
        colour: (rows, columns, 4), changed in place.
        pixel: size of a pixel in mm.
    """
    soft = np.float32(1 / (0.9 * pixel))
    inside = np.clip((gap - 0.1) * soft, 0, 1)
    if not inside.any():
        return
    u = np.abs(x) / place.mouth
    bite = place.sto + 0.4
    upper = np.clip((y - (bite - 1.3 + 1.2 * u**2)) * soft + 0.5, 0, 1) * (u < 0.98)
    lower_edge = bite - 4.4 - 0.85 * jaw - 0.6 * u**2
    lower = np.clip((lower_edge - y) * soft + 0.5, 0, 1) * np.clip((y - lower_edge + 7.5) / 1.5, 0, 1) * (u < 0.8)
    gaps = 1 - 0.22 * np.exp(-(((np.abs(x) % TOOTH) - TOOTH * 0.995) / 0.35) ** 2) - 0.22 * np.exp(-((x / 0.35) ** 2))
    side = np.clip(1.05 - 0.75 * u**2, 0.1, 1)
    tongue = np.clip((lower_edge + 1 - y) / 5 + 0.3, 0, 1) * np.exp(-((x / 20) ** 4)) * min(jaw / 8, 1)
    inner = DARK + (TONGUE - DARK) * (0.55 * tongue)[..., None]
    inner = inner + (ENAMEL * 0.78 - inner) * (lower * side)[..., None]
    inner = inner + (ENAMEL - inner) * (upper * side)[..., None]
    shade = (1 - 0.70 * np.exp(-np.clip(roof, 0, None) / 1.6)) * gaps
    colour[..., :3] += (inner * shade[..., None] - colour[..., :3]) * inside[..., None]
    colour[..., 3] *= 1 - inside
