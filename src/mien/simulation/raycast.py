"""Ray casting: the point of the head that each pixel of the camera sees.

The camera has a long lens (scaled orthographic projection). A yaw of the head shifts the maps of the surface; pitch and
roll turn the ray. Positive pitch looks up; positive yaw and roll go to the person's left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mien.simulation.head import Grid

PIVOT = np.array([0.0, -95.0, -25.0])  # mm: centre of rotation for pitch and roll; our choice: mid cervical spine
NEAR, FAR, STEPS = 128.0, -62.0, 20    # mm: range and number of depths in the search


@dataclass(frozen=True)
class View:
    """Pose of a head in a picture.

    Attributes:
        pitch: degrees, up.
        yaw: degrees, to the person's left.
        roll: degrees, to the person's left shoulder.
        x: px of the head's axis at the height of the pupils, for a head that looks ahead.
        y: see `x`.
        scale: px for each mm.
    """

    pitch: float
    yaw: float
    roll: float
    x: float
    y: float
    scale: float

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) rotation from head coordinates (left, up, ahead) to camera coordinates (right, up, towards it)."""
        p, y, r = np.radians([self.pitch, self.yaw, self.roll])
        turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
        tilt = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
        return tilt @ nod @ turn

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points (..., 3) in mm to the picture (..., 2) in px."""
        p, y, r = self.pitch, self.yaw, self.roll
        around = View(p, 0, r, 0, 0, 1).rotation
        turned = points @ View(0, y, 0, 0, 0, 1).rotation.T
        rotated = (turned - PIVOT) @ around.T + PIVOT
        return np.stack([self.x + self.scale * rotated[..., 0], self.y - self.scale * rotated[..., 1]], -1)


@dataclass(frozen=True, eq=False)
class Hits:
    """Points of the head that the pixels of a part of the picture see. All arrays are float32 (rows, columns).

    Attributes:
        left: position of the part in px.
        top: position of the part in px.
        angle: rad on the head.
        height: mm on the head.
        x: frontal coordinate in mm.
        alpha: share of the pixel that the head covers, 0..1.
    """

    left: int
    top: int
    angle: np.ndarray
    height: np.ndarray
    x: np.ndarray
    alpha: np.ndarray


def trace(radius: np.ndarray, grid: Grid, view: View, box: tuple[int, int, int, int]) -> Hits | None:
    """Cast the rays of a part of the picture.

    Args:
        radius: (rows, columns) radius of the head over `grid` in mm.
        grid: grid of the surface.
        view: pose of the head.
        box: x0, y0, x1, y1 in integer px inside the picture.

    Returns:
        The hits, or None if the box is smaller than 8 px.
    """
    x0, y0, x1, y1 = box
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None
    coarse = _Rays(radius, grid, view, box, 4)
    depth, gap = coarse.search()
    fine = _Rays(radius, grid, view, box, 2)
    size = fine.a.shape[::-1]
    twice = (2 * depth.shape[1], 2 * depth.shape[0])
    depth = cv2.resize(depth, twice, interpolation=cv2.INTER_NEAREST)[:size[1], :size[0]]
    angle, height, x = fine.refine(depth)
    full = (2 * size[0], 2 * size[1])
    rows, columns = y1 - y0, x1 - x0

    def grow(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values, full, interpolation=cv2.INTER_LINEAR)[:rows, :columns]

    gap = cv2.resize(gap, (4 * gap.shape[1], 4 * gap.shape[0]), interpolation=cv2.INTER_CUBIC)[:rows, :columns]
    alpha = np.clip(0.5 - gap * np.float32(0.8 * view.scale), 0, 1)
    return Hits(x0, y0, grow(angle), grow(height), grow(x), alpha)


class _Rays:
    """The rays of every `step`-th pixel of a box, in head coordinates without pitch and roll."""

    def __init__(self, radius: np.ndarray, grid: Grid, view: View, box: tuple[int, int, int, int], step: int):
        x0, y0, x1, y1 = box
        u = np.arange(-(-(x1 - x0) // step), dtype=np.float32) * step + x0 + (step - 1) / 2
        v = np.arange(-(-(y1 - y0) // step), dtype=np.float32) * step + y0 + (step - 1) / 2
        right = (u - view.x)[None, :] / np.float32(view.scale) - np.float32(PIVOT[0])
        up = -(v - view.y)[:, None] / np.float32(view.scale) - np.float32(PIVOT[1])
        r, p = np.radians([view.roll, view.pitch])
        self.a = (right * np.cos(r) - up * np.sin(r)).astype(np.float32)
        b = right * np.sin(r) + up * np.cos(r)
        self.cos, self.sin = np.float32(np.cos(p)), np.float32(np.sin(p))
        self.y0 = (b * self.cos + PIVOT[1]).astype(np.float32)
        self.z0 = (b * self.sin + PIVOT[2] - PIVOT[2] * self.cos).astype(np.float32)
        self.lift = np.float32(PIVOT[2] * self.sin)
        self.radius, self.grid, self.yaw = radius, grid, np.float32(np.radians(view.yaw))

    def at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cylinder coordinates at depth t in mm: angle in rad, height in mm, distance from the axis in mm."""
        z = self.z0 + t * self.cos
        height = self.y0 - t * self.sin + self.lift
        return np.arctan2(self.a, z) - self.yaw, height, np.sqrt(self.a**2 + z**2)

    def outside(self, t: np.ndarray) -> np.ndarray:
        """Distance in mm of the point at depth t outside the surface."""
        angle, height, away = self.at(t)
        return away - cv2.remap(self.radius, self.grid.columns(angle), self.grid.rows(height), cv2.INTER_LINEAR,
                                borderMode=cv2.BORDER_REPLICATE)

    def search(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth of the first hit, or of the nearest approach, and the smallest distance, in mm."""
        depths = np.linspace(NEAR, FAR, STEPS, dtype=np.float32)
        gaps = np.stack([self.outside(t) for t in depths])
        inside = gaps < 0
        first = np.argmax(inside, 0)
        nearest = np.argmin(gaps, 0)
        second = np.where(inside.any(0), np.maximum(first, 1), np.maximum(nearest, 1))[None]
        g0, g1 = np.take_along_axis(gaps, second - 1, 0)[0], np.take_along_axis(gaps, second, 0)[0]
        share = np.where(inside.any(0), np.clip(g0 / np.maximum(g0 - g1, 1e-3), 0, 1), 1)
        step = np.float32((FAR - NEAR) / (STEPS - 1))
        middle = np.clip(nearest, 1, STEPS - 2)[None]
        g0, g1, g2 = (np.take_along_axis(gaps, middle + k, 0)[0] for k in (-1, 0, 1))
        bend = np.maximum(g0 - 2 * g1 + g2, 1e-3)
        least = np.minimum(g1 - np.clip((g0 - g2) ** 2 / (8 * bend), 0, 2), gaps.min(0))
        return (depths[second[0] - 1] + share * step).astype(np.float32), least

    def refine(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Refine a depth near the hit -> angle in rad, height in mm, frontal x in mm."""
        before, g0 = t + 2, self.outside(t + 2)
        for _ in range(2):
            g1 = self.outside(t)
            move = t - before
            move = np.where(np.abs(move) < 0.02, np.float32(0.02), move)
            slope = np.clip(np.abs((g1 - g0) / move), 0.25, 2)
            before, g0, t = t, g1, t - np.clip(g1 / slope, -5, 5)
        angle, height, away = self.at(t)
        return angle, height, away * np.sin(angle)
