"""Hair on the surface of the head: coverage, thickness and strands; and the eyebrows."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from mien.simulation.head import Grid, HeadLayout, dome, sigmoid
from mien.simulation.identity import Identity

EDGES = {  # style: (degrees from the front, height of the lower edge of the hair above the pupils, mm), from 50 degrees
    "long": [(50, 58), (58, 36), (64, 2), (69, -38), (77, -76), (90, -92), (180, -100)],
    "bun": [(50, 54), (58, 34), (66, 14), (73, 4), (80, 12), (86, 26), (98, 30), (112, 28), (124, -20), (140, -62),
            (180, -80)],
    "short": [(50, 54), (58, 34), (65, 14), (71, -2), (75, -14), (79, -12), (82, 10), (88, 29), (112, 29), (124, -20),
              (138, -60), (180, -78)],
    "fringe": [(50, 36), (58, 24), (66, 6), (72, -18), (80, -52), (92, -72), (110, -78), (180, -84)],
}
EDGES["cropped"] = EDGES["short"]
LIFT = {"cropped": 4.0, "short": 12.0, "bun": 7.0, "long": 13.0, "fringe": 12.0}  # mm, our choice by eye


def cover(person: Identity, place: HeadLayout, grid: Grid) -> np.ndarray:
    """Share of the skin that hair covers, (rows, columns) 0..1."""
    degrees = np.degrees(grid.angles)
    tr, drop = place.tr, 4.0 * abs(person.shape["temples"]) + 2.0
    if person.hair_style == "fringe":
        tr, drop = place.brow + 16, 0.0
    points = [(0, tr - 1), (20, tr + 1), (36, tr - drop), *EDGES[person.hair_style]]
    table = np.array(points)
    edge = PchipInterpolator(table[:, 0], table[:, 1])(np.abs(degrees))
    edge = edge + 5.0 * person.shape["part"] * np.exp(-(((degrees - 14 * person.shape["temples"]) / 15) ** 2))
    rng = np.random.default_rng([person.seed, 1])
    for mm, size in ((6.0, 1.2), (1.0, 1.3)):
        ragged = cv2.GaussianBlur(rng.normal(0, 1, (1, round(grid.shape[1] * grid.mm))), (0, 0), mm)
        edge = edge + size * cv2.resize(ragged / ragged.std(), (grid.shape[1], 1))[0]
    over = (grid.heights[:, None] - edge[None, :]) / 3.5
    return cv2.GaussianBlur(sigmoid(2.0 * over).astype(np.float32), (0, 0), 0.8 / grid.mm)


def thickness(person: Identity, place: HeadLayout, skin: np.ndarray, mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Thickness of the hair in mm, (rows, columns); `skin` is the radius in mm, and `mask` is the result of `cover`."""
    lift = LIFT[person.hair_style] + 2.0 * person.shape["part"]
    bend = int(np.searchsorted(-grid.heights, -place.dome))
    shell = np.where(grid.heights[:, None] > place.dome, (skin[bend] + lift) * dome(place, grid.heights[:, None], lift),
                     skin + lift)
    if person.hair_style in ("long", "fringe"):
        side = skin[int(np.searchsorted(-grid.heights, 6.0))] + {"long": 14.0, "fringe": 10.0}[person.hair_style]
        fall = 1 - 0.12 * np.clip((-40 - grid.heights[:, None]) / 120, 0, 1)
        shell = np.where(grid.heights[:, None] < 6, np.maximum(shell, side * fall), shell)
    rise = np.clip((cv2.GaussianBlur(mask, (0, 0), 5.0 / grid.mm) - 0.62) / 0.36, 0, 1)
    return np.clip(rise * (shell - skin), 0, None).astype(np.float32)


def strands(person: Identity, grid: Grid) -> np.ndarray:
    """Relative brightness of the strands, (rows, columns) around 1. The strands run down from the crown."""
    rng = np.random.default_rng([person.seed, 2])
    rows, columns = grid.shape
    noise = rng.normal(0, 1, (2, rows, columns)).astype(np.float32)
    fine = cv2.GaussianBlur(noise[0], (0, 0), 0.8 / grid.mm, sigmaY=14 / grid.mm)
    wide = cv2.GaussianBlur(noise[1], (0, 0), 3 / grid.mm, sigmaY=40 / grid.mm)
    return 1 + 0.13 * fine / fine.std() + 0.14 * wide / wide.std()


def brows(person: Identity, place: HeadLayout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coverage of the eyebrows at frontal coordinates x, y in mm, (rows, columns) 0..1."""
    inner, outer, thick = place.eye_inner - 3.5, place.eye_outer + 5.0, person.brow_thickness
    u = (np.abs(x) - inner) / (outer - inner)
    arch = 3.0 + 1.2 * person.shape["tilt"] + 1.2 * (person.sex == "female")
    middle = place.brow - 2.5 + arch * np.sin(np.clip(u, 0, 1) * np.pi * 0.80) ** 1.3 - 2.0 * np.clip(u - 0.7, 0, 1)
    half = 0.5 * thick * np.clip(1.0 - 0.75 * np.clip((u - 0.55) / 0.5, 0, 1), 0.1, 1)
    across = (y - middle) / half
    body = sigmoid((0.85 - np.abs(across)) * 7)
    ends = sigmoid((u - 0.02) * 40) * sigmoid((0.99 - u) * 30)
    rng = np.random.default_rng([person.seed, 3])
    line = np.zeros((9, 9), np.float32)
    cv2.line(line, (1, 7), (7, 1), (1.0,), 1, cv2.LINE_AA)
    noise = cv2.filter2D(rng.normal(0, 1, x.shape).astype(np.float32), -1, line)
    noise = np.where(x > 0, noise, noise[:, ::-1])
    hairs = np.clip(0.80 + 0.20 * noise / noise.std(), 0.3, 1)
    strength = {"male": 0.93, "female": 0.86}[person.sex]
    return (strength * body * ends * hairs).astype(np.float32)
