"""Movement of the skin by each action unit, after the Facial Action Coding System.

Every movement follows the text of the manual and the anatomy of the muscle: its attachment, the skin that it pulls,
and the direction. It does not depend on the landmarks of any tracker. A pull is a smooth field over the resting face,
in mm at intensity 5. Intensities 0..5 scale it linearly (our choice: FACS grades A-E are ordinal and state no mm).
Between the corners of the mouth, the upper and the lower lip have separate fields.

References:
    Ekman & Friesen 1978; Ekman, Friesen & Hager 2002, Facial Action Coding System: The Manual.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mien.simulation.action_units import ACTION_UNITS, JAW
from mien.simulation.head import HeadLayout, both, bump, fold, sigmoid


class Skin:
    """Sum of the pulls of one action unit over frontal coordinates x, y (rows, columns) in mm."""

    def __init__(self, x: np.ndarray, y: np.ndarray, place: HeadLayout):
        self.x, self.y, self.at = x, y, place
        self.upper = np.zeros((3, *x.shape))
        self.lower = np.zeros((3, *x.shape))
        self.outward = x / np.sqrt(x**2 + 60.0)
        u = np.clip(np.abs(x) / place.mouth, 0, 1)
        self.between = (1 - u**2) ** 0.8        # 1 in the middle of the mouth, 0 from the corners on
        self.above = y - place.mouth_line(x)    # mm above the line between the lips

    def pull(self, where: np.ndarray, out: float = 0, up: float = 0, fore: float = 0, lip: str = "both") -> None:
        """Move the skin outward, upward and forward in mm, weighted by `where` (rows, columns)."""
        move = np.stack([out * self.outward * where, up * where, fore * where])
        if lip != "lower":
            self.upper += move
        if lip != "upper":
            self.lower += move

    def pair(self, cx: float, cy: float, wx: float, wy: float, **move) -> None:
        """A pull on both sides of the face."""
        self.pull(both(self.x, self.y, cx, cy, wx, wy), **move)

    def middle(self, cy: float, wx: float, wy: float, **move) -> None:
        """A pull in the middle of the face."""
        self.pull(bump(self.x, self.y, 0, cy, wx, wy), **move)

    def furrow(self, where: np.ndarray, mm: float) -> None:
        """Push the skin in (mm > 0) along a line, which gives a wrinkle."""
        self.pull(where, fore=-mm)


def _au01(s: Skin) -> None:
    """Frontalis, medial part: the inner corners of the brows go up; short furrows in the middle of the forehead."""
    s.pair(11, s.at.brow + 1, 13, 12, up=7.5)
    s.pair(10, s.at.brow + 22, 15, 13, up=3.0)
    s.furrow(_lines(s, s.at.brow + 15, 8.0) * bump(s.x, s.y, 0, s.at.brow + 24, 19, 11), 0.9)


def _au02(s: Skin) -> None:
    """Frontalis, lateral part: the outer part of the brows goes up in an arch; furrows over the outer brows."""
    s.pair(42, s.at.brow + 2, 14, 12, up=7.5)
    s.pair(42, s.at.brow + 21, 14, 13, up=3.0)
    s.pair(s.at.eye + 8, 9, 9, 5, up=1.5)
    s.furrow(_lines(s, s.at.brow + 15, 8.0) * both(s.x, s.y, 38, s.at.brow + 23, 15, 10), 0.8)


def _au04(s: Skin) -> None:
    """Corrugator and depressor supercilii: the brows come down and together; upright furrows between them."""
    s.pair(12, s.at.brow, 12, 10, up=-5.0, out=-4.4)
    s.pair(28, s.at.brow, 11, 9, up=-3.6, out=-1.2)
    s.pair(s.at.eye - 3, 11, 10, 4.5, up=-1.5)
    s.middle(s.at.brow + 4, 4, 7, fore=1.0)
    s.furrow(both(s.x, s.y, 5.5, s.at.brow + 1, 1.5, 8), 1.7)


def _au05(s: Skin) -> None:
    """Levator palpebrae: the upper lid goes up (see `eyes.lids`); its skin disappears into the fold."""
    s.pair(s.at.eye, 7, 10, 4, up=1.2)


def _au06(s: Skin) -> None:
    """Orbicularis oculi, outer ring: skin is drawn to the eye from cheek and temple; crow's feet, a fold below."""
    s.pair(36, -19, 15, 11, up=5.0, out=-1.0, fore=2.0)
    s.pair(55, 1, 9, 11, out=-2.8)
    s.pair(s.at.eye, -9, 12, 5, up=1.6)
    s.furrow(both(s.x, s.y, s.at.eye, -11.5, 12, 1.6), 1.1)
    angle = np.arctan2(s.y - 1, np.abs(s.x) - s.at.eye_outer + 4)
    s.furrow(np.cos(angle * 11) * both(s.x, s.y, s.at.eye_outer + 10, 0, 5, 9), 0.6)


def _au07(s: Skin) -> None:
    """Orbicularis oculi, inner ring: both lids tighten, the lower one rises (see `eyes.lids`) and bulges."""
    s.pair(s.at.eye, -8, 11, 4.5, up=1.4, fore=0.8)
    s.furrow(both(s.x, s.y, s.at.eye, -10.5, 11, 1.4), 0.6)


def _au09(s: Skin) -> None:
    """Levator labii superioris alaeque nasi: the nose's sides and wings go up, wrinkles across its root and sides;
    the middle of the upper lip is drawn up with them and the inner brows are drawn down."""
    s.pair(9, -14, 8, 12, up=4.5)
    s.pair(s.at.alar, s.at.sn + 7, 7, 6, up=3.4, out=0.8)
    s.pair(23, -17, 10, 9, up=3.0, fore=1.2)
    s.pair(9, s.at.brow - 2, 11, 9, up=-4.2, out=-1.2)
    _lip_up(s, 12, 10, 2.8)
    s.furrow(_lines(s, 0, 5.5) * both(s.x, s.y, 7, -3, 6, 8), 1.0)
    s.furrow(fold(s.x, s.y, s.at, 2.0) * sigmoid((s.y - s.at.sn + 6) / 2.5), 1.2)


def _au10(s: Skin) -> None:
    """Levator labii superioris: the upper lip goes up, most beside the middle; the nasolabial furrow deepens."""
    _lip_up(s, 13, 12, 5.5)
    s.pair(24, -24, 10, 10, up=2.6, fore=1.8)
    s.pair(s.at.alar, s.at.sn + 6, 7, 6, up=1.4, out=1.0)
    s.furrow(fold(s.x, s.y, s.at, 2.2), 1.9)


def _au12(s: Skin) -> None:
    """Zygomaticus major: the corners of the lips go back and up, the cheeks rise, the nasolabial furrow deepens."""
    s.pair(s.at.mouth + 1, s.at.sto, 14, 13, out=7.5, up=6.5, fore=-3.0)
    s.pair(37, -32, 15, 12, up=3.6, out=1.5, fore=2.8)
    s.pair(s.at.alar, s.at.sn + 6, 6, 6, out=1.2)
    s.furrow(fold(s.x, s.y, s.at, 2.4), 2.2)


def _au14(s: Skin) -> None:
    """Buccinator: the corners are drawn in and tighten; a dimple beside them, the skin beyond drawn towards them."""
    s.pair(s.at.mouth + 2, s.at.sto, 6, 7, fore=-3.0, up=0.8)
    s.pair(s.at.mouth - 1, s.at.sto, 7, 6, out=0.8)
    s.pair(s.at.mouth + 17, s.at.sto, 8, 11, out=-3.0)
    s.furrow(both(s.x, s.y, s.at.mouth + 6, s.at.sto + 1, 2.0, 6), 2.2)
    thin = both(s.x, s.y, s.at.mouth * 0.75, s.at.sto, 7, 99)
    s.pull(thin * _rim(s, s.at.upper), up=-1.4, lip="upper")
    s.pull(thin * _rim(s, s.at.lower), up=1.4, lip="lower")


def _au15(s: Skin) -> None:
    """Depressor anguli oris: the corners go down, the lower lip stretches, pouches below the corners."""
    s.pair(s.at.mouth - 1, s.at.sto - 1, 11, 11, up=-6.5, out=1.2)
    s.furrow(both(s.x, s.y, s.at.mouth + 5, s.at.sto - 9, 2.2, 7), 1.5)


def _au17(s: Skin) -> None:
    """Mentalis: the chin boss goes up, dimples, and pushes the lower lip up and out; the mouth's line arches."""
    s.middle(s.at.sulcus - 11, 17, 11, up=6.0, fore=1.0)
    s.middle(s.at.sto - 1, 16, 9, up=3.0)
    s.middle(s.at.sto - 6, 17, 6, up=0.8, fore=2.2, lip="lower")
    s.furrow(bump(s.x, s.y, 0, s.at.sulcus + 1, 14, 2.5), 1.2)
    pits = np.cos(s.x * 1.15 + 0.6) * np.cos(s.y * 1.0)
    s.furrow(pits * bump(s.x, s.y, 0, s.at.sulcus - 13, 10, 7), 0.8)


def _au20(s: Skin) -> None:
    """Risorius: the lips are stretched sideways and flattened, the skin beside them drawn back to the ears."""
    s.pair(s.at.mouth + 1, s.at.sto - 2, 15, 13, out=8.5, up=-1.2, fore=-2.5)
    s.pair(s.at.mouth - 4, s.at.sulcus - 8, 13, 11, out=3.0)
    _thin(s, 0.22)


def _au23(s: Skin) -> None:
    """Orbicularis oris: the lips tighten and narrow, their red rolls in, the mouth gets a little smaller."""
    _thin(s, 0.46)
    s.pair(s.at.mouth - 1, s.at.sto, 9, 8, out=-2.8, fore=0.8)
    s.furrow(np.cos(s.x * 1.3) * both(s.x, s.y, 9, s.at.sto + s.at.upper + 2, 9, 3), 0.5)


def _au24(s: Skin) -> None:
    """Orbicularis oris: the lips are pressed together; their red thins to a line, the skin around bulges."""
    _thin(s, 0.60)
    s.middle(s.at.sto, s.at.mouth * 0.7, 5, fore=-1.8)
    s.middle(s.at.sto + s.at.upper + 3, 17, 3.5, fore=1.2)
    s.middle(s.at.sto - s.at.lower - 3, 15, 3.5, fore=1.2, up=1.2)


def _au25(s: Skin) -> None:
    """Depressor labii or relaxed mentalis: the lips part, the lower one goes down more than the upper goes up."""
    high = np.exp(-np.clip(s.above, 0, None) / 9)
    low = np.exp(-(np.clip(-s.above, 0, None) / 16) ** 2)
    s.pull(s.between * high, up=2.0, lip="upper")
    s.pull(s.between * low, up=-5.5, lip="lower")


def _au26(s: Skin) -> None:
    """The jaw drops by relaxation: chin and lower lip go down and back, the cheeks lengthen, the lips part."""
    at = s.at
    way = np.clip((at.sto + 14 - s.y) / (at.sto + 14 - at.gn - 12), 0, 1)
    share = way**2 * (3 - 2 * way)
    neck = sigmoid((s.y - (at.gn - 32)) / 8)
    side = np.exp(-((np.abs(s.x) / 62) ** 4))
    jaw = share * neck * side
    s.pull(jaw, up=-JAW, fore=-0.25 * JAW)
    at_line = np.interp(s.y - s.above, [at.gn + 12, at.sto + 14], [1, 0])
    at_line = at_line**2 * (3 - 2 * at_line)
    high = np.exp(-np.clip(s.above, 0, None) / 7)
    low = np.exp(-np.clip(-s.above, 0, None) / 22)
    s.pull(s.between * (at_line - 0.04) * high, up=JAW, lip="upper")
    s.pull(s.between * (0.74 - at_line) * low, up=-JAW, lip="lower")


def _au45(s: Skin) -> None:
    """The lids close for a moment (see `eyes.lids`)."""
    s.pair(s.at.eye, 9, 10, 5, up=-0.6)


def _lip_up(s: Skin, cx: float, wide: float, mm: float) -> None:
    fade = np.exp(-np.clip(s.above, 0, None) / 13) * np.exp(-np.clip(-s.above, 0, None) / 4)
    where = both(s.x, s.y, cx, 0, wide * 0.62, 9e3) + 0.35 * bump(s.x, s.y, 0, 0, 8, 9e3)
    raised = where * np.clip(s.between * 1.6, 0, 1)
    s.pull(raised * fade, up=mm, lip="upper")
    s.pull(raised * np.exp(-np.clip(-s.above, 0, None) / 12) * np.exp(-np.clip(s.above, 0, None) / 4), up=0.65 * mm,
           lip="lower")


def _rim(s: Skin, tall: float) -> np.ndarray:
    """1 at the edge of the vermilion of a lip, 0 at the line between the lips and far from the mouth."""
    u = np.abs(s.above) / (1.15 * tall)
    return u * np.exp((1 - u**2) / 2)


def _thin(s: Skin, share: float) -> None:
    wide = np.exp(-((np.abs(s.x) / (s.at.mouth * 1.05)) ** 4))
    s.pull(wide * _rim(s, s.at.upper), up=-share * s.at.upper, lip="upper")
    s.pull(wide * _rim(s, s.at.lower), up=share * s.at.lower, lip="lower")


def _lines(s: Skin, first: float, spacing: float) -> np.ndarray:
    """Horizontal, slightly curved furrows every `apart` mm."""
    return np.cos(2 * np.pi * (s.y - first - 1.5 * np.cos(s.x / 22)) / spacing)


MOVES: dict[str, Callable[[Skin], None]] = {
    "AU01": _au01, "AU02": _au02, "AU04": _au04, "AU05": _au05, "AU06": _au06, "AU07": _au07, "AU09": _au09,
    "AU10": _au10, "AU12": _au12, "AU14": _au14, "AU15": _au15, "AU17": _au17, "AU20": _au20, "AU23": _au23,
    "AU24": _au24, "AU25": _au25, "AU26": _au26, "AU45": _au45,
}


def blendshapes(x: np.ndarray, y: np.ndarray, place: HeadLayout) -> np.ndarray:
    """Movement of the skin by each action unit at intensity 1.

    Args:
        x: frontal coordinate (rows, columns) in mm.
        y: see `x`.
        place: layout of the face.

    Returns:
        float32 (18, 2, 3, rows, columns): action unit, upper and lower lip, movement right, up and forward in mm.
    """
    out = np.zeros((len(ACTION_UNITS), 2, 3, *x.shape), np.float32)
    for row, name in zip(out, ACTION_UNITS, strict=True):
        skin = Skin(x, y, place)
        MOVES[name](skin)
        row[0], row[1] = skin.upper / 5, skin.lower / 5
    return out
