"""Hair on the head's surface: where it grows, how thick it lies, its strands; and the eyebrows."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from mien.synthetic.head import BOTTOM, Grid, Layout, both, sigmoid
from mien.synthetic.identity import Identity


def cover(person: Identity, place: Layout, grid: Grid, seed: int = 1) -> np.ndarray:
    """(rows, columns) 0..1: how much hair covers the skin."""
    degrees = np.degrees(np.abs(grid.angles))
    long = person.hair_style == "long"
    points = [(0, place.tr - 2), (22, place.tr), (38, place.tr - 3), (50, place.tr - 16), (58, 34), (66, 14), (73, 2)]
    if long:
        points += [(78, -40), (86, -110), (94, -170), (105, BOTTOM - 40), (180, BOTTOM - 60)]
    elif person.hair_style == "bun":
        points += [(80, 6), (88, 20), (98, 26), (112, 22), (124, -20), (140, -62), (180, -80)]
    else:
        points += [(77, -14), (84, -18), (88, 4), (96, 26), (110, 24), (122, -20), (138, -60), (180, -78)]
    edge = PchipInterpolator(*zip(*points, strict=True))(degrees)
    rng = np.random.default_rng([person.seed, seed])
    ragged = cv2.GaussianBlur(rng.normal(0, 1, (1, grid.shape[1])), (0, 0), 1.2 / grid.mm)[0]
    edge = edge + 1.8 * ragged / ragged.std()
    soft = 3.0 if person.hair_style != "cropped" else 4.5
    over = (grid.heights[:, None] - edge[None, :]) / soft
    return sigmoid(2.0 * over).astype(np.float32)


def thickness(person: Identity, mask: np.ndarray, grid: Grid) -> np.ndarray:
    """(rows, columns) mm that the hair adds to the radius."""
    lift = {"cropped": 4.0, "short": 12.0, "bun": 7.0, "long": 15.0}[person.hair_style]
    fall = 7.0 if person.hair_style in ("short", "long") else 4.0
    depth = cv2.GaussianBlur(mask, (0, 0), fall / grid.mm)
    rise = np.clip((depth - 0.35) / 0.65, 0, 1)
    top = np.clip((grid.heights[:, None] - 20) / 80, 0, 1)
    full = lift * (0.7 + 0.3 * top)
    if person.hair_style == "long":
        full = full + 16.0 * np.clip((40 - grid.heights[:, None]) / 160, 0, 1)
    return (rise * full * (mask > 0.02)).astype(np.float32)


def strands(person: Identity, grid: Grid) -> np.ndarray:
    """(rows, columns) around 1: light and dark along the strands, which run down from the crown."""
    rng = np.random.default_rng([person.seed, 2])
    rows, columns = grid.shape
    fine = cv2.GaussianBlur(rng.normal(0, 1, (rows, columns)).astype(np.float32), (0, 0), 0.7, sigmaY=14 / grid.mm)
    wide = cv2.GaussianBlur(rng.normal(0, 1, (rows, columns)).astype(np.float32), (0, 0), 3 / grid.mm, sigmaY=40 / grid.mm)
    return 1 + 0.16 * fine / fine.std() + 0.14 * wide / wide.std()


def brows(person: Identity, place: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(rows, columns) 0..1: the eyebrows' hairs over the frontal coordinates x, y in mm."""
    inner, outer, thick = place.eye_inner - 3.5, place.eye_outer + 5.0, person.brow_thickness
    u = (np.abs(x) - inner) / (outer - inner)
    arch = 3.0 + 1.2 * person.shape["tilt"] + (1.2 if person.sex == "female" else 0.0)
    middle = place.brow - 2.5 + arch * np.sin(np.clip(u, 0, 1) * np.pi * 0.80) ** 1.3 - 2.0 * np.clip(u - 0.7, 0, 1)
    half = 0.5 * thick * np.clip(1.0 - 0.75 * np.clip((u - 0.55) / 0.5, 0, 1), 0.1, 1)
    across = (y - middle) / half
    body = sigmoid((0.85 - np.abs(across)) * 7)
    ends = sigmoid((u - 0.02) * 40) * sigmoid((0.99 - u) * 30)
    rng = np.random.default_rng([person.seed, 3])
    noise = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), 0.6)
    hairs = np.clip(0.86 + 0.22 * noise / noise.std(), 0.25, 1)
    strength = 0.93 if person.sex == "male" else 0.86
    return (strength * body * ends * hairs).astype(np.float32)


def lashes_shadow(place: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(rows, columns) 0..1: the darker, thinner skin of the lids around the eye."""
    return both(x, y, place.eye, 1.0, 13, 7).astype(np.float32)
