"""Landmarks carried from the frame in which the mesh found them to the frames after it, by optical flow.

A face between two looks at it moves nearly as a flat, rigid thing: a turn, a scale and a shift, fitted to the flow of
points that no expression moves. That costs a fraction of a mesh, and is enough for regions of skin.

References:
    Lucas, Kanade, "An iterative image registration technique with an application to stereo vision", 1981, IJCAI.
    Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", 2000, Intel.
    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991, IEEE TPAMI 13(4),
    10.1109/34.88573.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

SIDE = 384
"""px: the longer side of the piece of the picture in which the flow is read; a larger one is shrunk to it. Our choice:
the flow of a piece half as large trembled more, and the pulse with it."""

ROOM = 0.25
"""Room around the face for what it moves until the next look, in its longer side. Our choice."""

WINDOW, LEVELS = (13, 13), 2
"""px around a point, and halvings: flows up to a fifth of the face between two looks. Our choice."""

SURROUND = (31, 31)
"""px around a pixel of which the mean is taken away. Our choice: twice the window and more."""

FEWEST, LARGEST_RESIDUAL = 10, 1.5
"""Points that must agree, and px of the piece by which they may miss the fit on average. Our choice: a blink moves four
of the points, a hand before the face most of them."""

TRUST, FAR = 0.1, 0.05
"""Share of what the mesh says anew at each look, and the mean difference, in face widths, from which on the flow is not
believed. Our choice."""

LARGEST_SCALE = 1.25
"""Our choice: a face grows or shrinks by no more between two looks; a fit that says so has lost it."""


class FlowAnchor:
    """A face as the mesh found it, and what is needed to find it again in a later frame.

    Args:
        rgb: uint8 (H, W, 3), the frame in which the mesh found it.
        landmarks: (L, 3) px, of that frame.
        rigid: Indices of landmarks that no expression moves far.
    """

    def __init__(self, rgb: np.ndarray, landmarks: np.ndarray, rigid: list[int]) -> None:
        height, width = rgb.shape[:2]
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        room = ROOM * float((high - low).max())
        left, top = max(math.floor(low[0] - room), 0), max(math.floor(low[1] - room), 0)
        right, bottom = min(math.ceil(high[0] + room), width), min(math.ceil(high[1] + room), height)
        self._box = slice(top, bottom), slice(left, right)
        self._scale = min(SIDE / max(right - left, bottom - top, 1), 1.0)
        self._corner = complex(left, top)
        self._places = landmarks[:, 0] + 1j * landmarks[:, 1] - self._corner
        self._depths = landmarks[:, 2]
        self._points = self._places[rigid] * self._scale
        self._moved = self._points
        self._grey = self._look(rgb) if bottom - top > WINDOW[1] and right - left > WINDOW[0] else None

    def follow(self, rgb: np.ndarray) -> np.ndarray | None:
        """The landmarks in a later frame.

        Args:
            rgb: uint8 (H, W, 3), of the same size as the anchor's.

        Returns:
            (L, 3) px; None where too few points agree: look with the mesh.
        """
        if self._grey is None:
            return None
        points, status, _ = cv2.calcOpticalFlowPyrLK(
            self._grey, self._look(rgb), _pairs(self._points), _pairs(self._moved), winSize=WINDOW, maxLevel=LEVELS,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
        seen = status.ravel() == 1
        fit = similarity(self._points[seen], (points[:, 0] + 1j * points[:, 1])[seen])
        if fit is None:
            return None
        factor, shift = fit
        self._moved = factor * self._points + shift
        places = factor * self._places + shift / self._scale + self._corner
        return np.stack([places.real, places.imag, abs(factor) * self._depths], axis=1)

    def _look(self, rgb: np.ndarray) -> np.ndarray:
        """The piece of the picture without its local mean: skin that brightens would be skin that moves to the flow."""
        grey = cv2.cvtColor(rgb[self._box], cv2.COLOR_RGB2GRAY)
        if self._scale < 1:
            grey = cv2.resize(grey, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA)
        return cv2.addWeighted(grey, 1.0, cv2.blur(grey, SURROUND), -1.0, 128.0)


def _pairs(places: np.ndarray) -> np.ndarray:
    """Complex (N,) -> float32 (N, 2)."""
    return np.stack([places.real, places.imag], axis=1).astype(np.float32)


def steadied(seen: np.ndarray | None, moved: np.ndarray | None) -> np.ndarray | None:
    """What the mesh sees now, and what the flow makes of what it saw before -> where the landmarks are.

    The mesh trembles by a part of a pixel and the flow drifts; between two looks the tremble would stand still and be
    a movement of its own. So the mesh corrects the flow by `TRUST` at each look.

    Args:
        seen: (L, 3) px, None where the mesh sees no face.
        moved: (L, 3) px, None where there is no flow.

    Returns:
        (L, 3) px; what the mesh sees alone, where there is no flow or it is far from it; None where it sees no face.
    """
    if seen is None or moved is None:
        return seen
    width = float(np.ptp(seen[:, 0]))
    if float(np.abs(seen - moved)[:, :2].mean()) > FAR * width:
        return seen
    return moved + TRUST * (seen - moved)


def similarity(before: np.ndarray, after: np.ndarray) -> tuple[complex, complex] | None:
    """The turn, scale and shift that carry points to points; those that miss it by most are left out, once.

    Args:
        before: Complex (N,), x + iy in px.
        after: Complex (N,), of the same points.

    Returns:
        Factor and shift: after = factor * before + shift; None where fewer than `FEWEST` points agree within
        `LARGEST_RESIDUAL`, or the scale is beyond `LARGEST_SCALE`.
    """
    if len(before) < FEWEST:
        return None
    factor, shift = _fit(before, after)
    misses = np.abs(factor * before + shift - after)
    good = misses <= max(2 * float(np.sort(misses)[len(misses) // 2]), LARGEST_RESIDUAL / 2)
    if np.count_nonzero(good) < FEWEST:
        return None
    if not good.all():
        factor, shift = _fit(before[good], after[good])
        misses = np.abs(factor * before[good] + shift - after[good])
    missed = float(misses.mean())
    if not (missed <= LARGEST_RESIDUAL and 1 / LARGEST_SCALE <= abs(factor) <= LARGEST_SCALE):
        return None
    return factor, shift


def _fit(before: np.ndarray, after: np.ndarray) -> tuple[complex, complex]:
    """Least squares: in the plane a turn and a scale are a complex factor."""
    middle, goal = complex(before.mean()), complex(after.mean())
    start = before - middle
    spread = float(np.vdot(start, start).real)
    factor = complex(np.vdot(start, after - goal)) / spread if spread > 0 else 1.0 + 0.0j
    return factor, goal - factor * middle
