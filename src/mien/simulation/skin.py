"""Texture of the head: unlit colours of skin, lips, brows and hair over the unrolled surface."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mien.simulation import hair
from mien.simulation.head import Grid, HeadLayout, both, bump, sigmoid
from mien.simulation.identity import Identity


@dataclass(frozen=True, eq=False)
class Texture:
    """Texture over a grid.

    Attributes:
        grid: the grid.
        colour: float32 (rows, columns, 4): red, green, blue 0..255, and the share of skin with a pulse, 0..1.
    """

    grid: Grid
    colour: np.ndarray


def texture(person: Identity, place: HeadLayout, grid: Grid, depth: np.ndarray, cover: np.ndarray) -> Texture:
    """Paint the texture of a head.

    Args:
        person: the identity.
        place: layout of the face.
        grid: grid of the texture.
        depth: (rows, columns) radius of the head without hair in mm.
        cover: (rows, columns) share of the skin that hair covers, 0..1.
    """
    angle, y = np.meshgrid(grid.angles, grid.heights)
    ahead = np.clip(4 * np.cos(angle), 0, 1)
    x = depth * np.sin(angle)
    rng = np.random.default_rng([person.seed, 4])
    colour = np.asarray(person.skin)[None, None] * (1 + _mottle(person, rng, grid))[..., None]
    colour = _blush(person, place, colour, x, y, ahead)
    colour = colour * _hollows(depth, grid)[..., None]
    below = sigmoid((place.gn - 1 - y) / 4) * np.exp(-np.clip(place.gn - y, 0, None) / 40)
    colour *= 1 - 0.45 * (below * np.clip(np.cos(angle) + 0.6, 0, 1))[..., None]
    colour = _beard(person, place, colour, x, y, ahead)
    colour = _freckle(person, place, colour, np.where(ahead > 0, x, 999), y, rng, grid)
    corner = both(x, y, place.mouth - 0.5, float(place.mouth_line(np.array(place.mouth))), 2.0, 1.3) * ahead
    colour *= 1 - 0.45 * corner[..., None]
    lips = _lips(place, x, y) * ahead
    lip_colour = np.asarray(person.lips) * (1 + 0.05 * _noise(rng, grid, 0.8, 2.5))[..., None]
    colour = _over(colour, lip_colour, 0.90 * lips)
    seam = np.exp(-(((y - place.mouth_line(x)) / 0.55) ** 2)) * (np.abs(x) < place.mouth) * ahead
    colour *= 1 - 0.50 * seam[..., None]
    colour = _nostrils(person, place, colour, x, y, ahead)
    brow = hair.brows(person, place, x, y) * ahead
    colour = _over(colour, np.asarray(person.brows), brow)
    strands = np.asarray(person.hair) * hair.strands(person, grid)[..., None]
    colour = _over(colour, strands, cover)
    share = (1 - cover) * (1 - 0.9 * brow)
    return Texture(grid, np.dstack([np.clip(colour, 2, 255), share]).astype(np.float32))


def _over(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return below + (above - below) * alpha[..., None]


def _noise(rng: np.random.Generator, grid: Grid, mm: float, tall: float | None = None) -> np.ndarray:
    """Smooth noise with unit standard deviation and grains of about `mm` mm."""
    rows, columns = grid.shape
    noise = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), max(mm / grid.mm, 0.4), sigmaY=max((tall or mm) / grid.mm, 0.4))
    return soft / soft.std()


def _mottle(person: Identity, rng: np.random.Generator, grid: Grid) -> np.ndarray:
    wide = 0.018 * _noise(rng, grid, 9.0) + 0.014 * _noise(rng, grid, 3.0) + 0.016 * _noise(rng, grid, 0.7)
    return person.mottle * wide


def _blush(person: Identity, place: HeadLayout, colour: np.ndarray, x: np.ndarray, y: np.ndarray, ahead: np.ndarray
           ) -> np.ndarray:
    """Redden the cheeks, the tip of the nose, the chin and the ears, and darken the lids."""
    red = 0.9 * both(x, y, 40, -30, 15, 13) + 0.8 * bump(x, y, 0, place.prn, 10, 9)
    red += 0.4 * bump(x, y, 0, place.gn + 14, 14, 9)
    red = red * ahead + 0.8 * (1 - ahead) * (np.abs(y + 8) < 34)
    strength = 0.05
    if person.skin_tone <= 3:
        strength = 0.10
    colour = colour * (1 - strength * red[..., None] * np.array([0.05, 0.95, 0.75]))
    lids = both(x, y, place.eye, 1, 13, 8) + 0.6 * both(x, y, place.eye - 4, -9, 10, 4.5)
    return colour * (1 - 0.13 * (lids * ahead)[..., None] * np.array([0.7, 1.0, 0.85]))


def _hollows(depth: np.ndarray, grid: Grid) -> np.ndarray:
    """Ambient occlusion: factor on the brightness where the surface is below its surroundings."""
    out: np.ndarray = np.ones(depth.shape)
    for width, strength in ((2.5, 0.07), (6.0, 0.034), (14.0, 0.014)):
        below = cv2.GaussianBlur(depth, (0, 0), width / grid.mm) - depth
        out = out * (1 - np.clip(strength * below, -0.02, 0.40))
    return out


def _beard(person: Identity, place: HeadLayout, colour: np.ndarray, x: np.ndarray, y: np.ndarray, ahead: np.ndarray
           ) -> np.ndarray:
    if person.beard == 0:
        return colour
    jaw = sigmoid((place.sto + 6 - y) / 5) * sigmoid((np.abs(x) - 22) / 4 + (y - place.sto) / 6)
    jaw = np.maximum(jaw, sigmoid((place.sulcus + 2 - y) / 3))
    lip = bump(x, y, 0, place.sn - 8, 20, 5)
    grown = np.clip(np.maximum(jaw, lip) * ahead * sigmoid((y - place.gn + 12) / 5), 0, 1)
    shadow = np.asarray(person.hair) * 0.6 + np.asarray(person.skin) * 0.25
    return _over(colour, shadow, 0.45 * person.beard * grown)


def _freckle(person: Identity, place: HeadLayout, colour: np.ndarray, x: np.ndarray, y: np.ndarray,
             rng: np.random.Generator, grid: Grid) -> np.ndarray:
    spots = np.clip(_noise(rng, grid, 0.9) - 2.0, 0, 1)
    where = both(x, y, 30, -22, 24, 16)
    colour = colour * (1 - 0.45 * person.freckles * (spots * where)[..., None] * np.array([0.6, 0.9, 1.0]))
    moles = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 5))):
        moles += bump(x, y, rng.uniform(-55, 55), rng.uniform(place.gn + 15, place.tr - 15), 0.9, 0.9)
    return colour * (1 - 0.45 * np.clip(moles, 0, 1))[..., None]


def _lips(place: HeadLayout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mask of the vermilion of the lips, 0..1."""
    u = np.clip(np.abs(x) / place.mouth, 0, 1.2)
    line = place.mouth_line(x)
    top = line + place.upper * (np.clip(1 - u**1.7, 0, 1) ** 0.8 - 0.20 * np.exp(-((u / 0.14) ** 2)))
    low = line - place.lower * np.clip(1 - u**2.1, 0, 1) ** 0.8
    inside = np.minimum(top - y, y - low)
    return sigmoid(inside / 0.45) * (u < 1.02)


def _nostrils(person: Identity, place: HeadLayout, colour: np.ndarray, x: np.ndarray, y: np.ndarray, ahead: np.ndarray
              ) -> np.ndarray:
    tilt = y - (place.sn + 3.8) - 0.18 * (np.abs(x) - 6)
    hole = bump(np.abs(x), tilt, place.alar * 0.45, 0.0, 2.9, 1.25) * ahead
    under = bump(x, y, 0, place.sn + 1.0, place.alar * 0.55, 2.2) * ahead
    wing = both(x, y, place.alar + 0.6, place.sn + 6.5, 1.1, 3.8) * ahead
    colour = colour * (1 - 0.06 * under - 0.14 * wing)[..., None]
    return _over(colour, np.asarray(person.skin) * 0.16, np.clip(1.25 * hole, 0, 0.92))
