"""Shape of the head: a surface in cylinder coordinates, radius(angle, height), in mm.

The axis is vertical through the middle of the head. Angle 0 looks ahead, and positive angles are to the person's left.
Height 0 is the line of the pupils, and up is positive. In these coordinates, a turn of the head about its axis is a
shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from mien.simulation.identity import Identity

WRAP = 90.0      # mm: radius of the cylinder of the unrolled maps
TOP, BOTTOM = 150.0, -215.0
NASION = 7.0     # mm, height of the nasion above the pupils; our choice: Farkas does not give it, faces have 5-9


@dataclass(frozen=True)
class Grid:
    """Grid over the unrolled surface.

    Attributes:
        mm: size of a texel in mm.
        top: height of the first row in mm.
        bottom: height of the last row in mm.
        reach: largest angle to either side in rad.
    """

    mm: float
    top: float = TOP
    bottom: float = BOTTOM
    reach: float = np.pi

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return int((self.top - self.bottom) / self.mm), int(2 * self.reach * WRAP / self.mm)

    @property
    def heights(self) -> np.ndarray:
        """(rows,) heights in mm."""
        return (self.top - (np.arange(self.shape[0]) + 0.5) * self.mm).astype(np.float32)

    @property
    def angles(self) -> np.ndarray:
        """(columns,) angles in rad."""
        return ((np.arange(self.shape[1]) + 0.5) * self.mm / WRAP - self.reach).astype(np.float32)

    def columns(self, angle: np.ndarray) -> np.ndarray:
        """Angle in rad -> column, for cv2.remap."""
        return (angle + self.reach) * np.float32(WRAP / self.mm) - np.float32(0.5)

    def rows(self, height: np.ndarray) -> np.ndarray:
        """Height in mm -> row, for cv2.remap."""
        return (self.top - height) * np.float32(1 / self.mm) - np.float32(0.5)


@dataclass(frozen=True)
class HeadLayout:
    """Positions of the features of a face at rest, in mm in the frontal view; x is on the person's left side."""

    tr: float
    nasion: float
    prn: float
    sn: float
    sto: float
    sulcus: float
    gn: float
    brow: float
    eye_inner: float
    eye_outer: float
    tilt: float          # height of the outer corner of the eye above the inner one
    alar: float
    mouth: float         # half the width
    upper: float         # height of the upper lip's red
    lower: float

    @property
    def dome(self) -> float:
        """Height at which the forehead curves back."""
        return self.brow + 24.0

    @property
    def crown(self) -> float:
        """Height of the top of the head; our choice: 46 mm above the hairline, as v-tr in Farkas' norms."""
        return self.tr + 46.0

    @property
    def eye(self) -> float:
        """x of the centre of the eye."""
        return (self.eye_inner + self.eye_outer) / 2

    def mouth_line(self, x: np.ndarray) -> np.ndarray:
        """Height of the line between the closed lips at x in mm."""
        u = np.clip(np.abs(x) / self.mouth, 0, 1.3)
        return (self.sto + 1.0 * u**2 - 1.3 * np.exp(-((u / 0.22) ** 2)) - 1.2 * u**6).astype(np.float32)


def head_layout(person: Identity) -> HeadLayout:
    """Positions of the features of a person's face."""
    sn = NASION - person["nose_height"]
    sto = sn - person["upper_lip"]
    gn = NASION - person["face_height"]
    return HeadLayout(
        tr=NASION + person["hairline"], nasion=NASION, prn=sn + 10.0, sn=sn, sto=sto, sulcus=sto + 0.40 * (gn - sto),
        gn=gn, brow=person["brow_height"], eye_inner=person["intercanthal"] / 2, eye_outer=person["biocular"] / 2,
        tilt=1.5 + 1.0 * person.shape["tilt"], alar=person["nose_width"] / 2, mouth=person["mouth_width"] / 2,
        upper=person["vermilion_upper"], lower=person["vermilion_lower"],
    )


def bump(x: np.ndarray, y: np.ndarray, cx: float, cy: float, wx: float, wy: float) -> np.ndarray:
    """Gaussian of height 1 at (cx, cy) with standard deviations wx and wy."""
    return np.exp(-0.5 * (((x - cx) / wx) ** 2 + ((y - cy) / wy) ** 2))


def sigmoid(v: np.ndarray) -> np.ndarray:
    """Logistic function."""
    return 1 / (1 + np.exp(-np.clip(v, -40, 40)))


def both(x: np.ndarray, y: np.ndarray, cx: float, cy: float, wx: float, wy: float) -> np.ndarray:
    """The Gaussian of `bump` on both sides of the face."""
    return bump(np.abs(x), y, cx, cy, wx, wy)


def radius(person: Identity, place: HeadLayout, grid: Grid) -> np.ndarray:
    """Radius of the head with ears, (rows, columns) in mm."""
    angle, height = np.meshgrid(grid.angles, grid.heights)
    skull = _skull(person, place, angle, height)
    ahead = np.cos(angle) > 0
    x = skull * np.sin(angle)
    relief = _relief(person, place, x, height) * ahead * np.clip(3 * np.cos(angle), 0, 1)
    r = skull + relief + _ears(person, angle, height)
    r = np.maximum(r, 1.0)
    return cv2.GaussianBlur(r.astype(np.float32), (0, 0), 1.0 / grid.mm)


def _curve(points: list[tuple[float, float]], y: np.ndarray) -> np.ndarray:
    points = sorted(points)
    spline = PchipInterpolator([p[0] for p in points], [p[1] for p in points], extrapolate=False)
    low, high = points[0], points[-1]
    return np.where(y <= low[0], low[1], np.where(y >= high[0], high[1], np.nan_to_num(spline(y))))


def _skull(person: Identity, place: HeadLayout, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
    y = np.minimum(height[:, 0], place.dome)
    wide, face, jaw = person["head_width"] / 2, person["face_width"] / 2, person["jaw_width"] / 2
    front, sto, chin = person["head_length"] * 0.5, place.sto, place.gn
    boss = 2.0 * person.shape["chin"]
    width = _curve([
        (place.dome, wide), (32, wide - 2), (10, (wide + face) / 2 - 2), (-14, face - 0.5),
        (-38, face * 0.60 + jaw * 0.42), (sto, jaw * 1.13), (0.55 * sto + 0.45 * chin, jaw * 1.05),
        (0.25 * sto + 0.75 * chin, jaw * 0.84), (chin + 4, jaw * 0.60), (chin - 2, jaw * 0.40), (chin - 9, 8)], y)
    ahead = _curve([
        (place.dome, front - 1.0), (place.brow + 16, front), (place.brow + 1, front + 1.5),
        (place.nasion, front - 3.5), (-8, front - 4.5), (-26, front - 6), (place.sn, front - 5.0), (sto, front - 6.5),
        (place.sulcus, front - 9.5), (0.3 * place.sulcus + 0.7 * chin, front - 7.5 + boss),
        (chin + 3, front - 11 + boss), (chin - 1, front - 19), (chin - 7, front - 42), (chin - 14, 20),
        (chin - 22, 8)], y)
    behind = _curve([(place.dome, front + 1), (20, front), (-20, front - 6), (-50, front - 20), (-75, 64),
                     (chin, 40)], y)
    power = _curve([(50, 2.2), (0, 2.35), (place.sn, 2.25), (chin, 2.15), (chin - 20, 2.0)], y)
    depth = np.where(np.cos(angle) > 0, ahead[:, None], behind[:, None])
    n = power[:, None]
    head = ((np.abs(np.sin(angle)) / width[:, None]) ** n + (np.abs(np.cos(angle)) / depth) ** n) ** (-1 / n)
    return _join(head * dome(place, height, 0.0), _neck(person, place, angle, height), 7.0)


def dome(place: HeadLayout, height: np.ndarray, lift: float) -> np.ndarray:
    """Factor on the radius towards the crown: 1 below the dome, 0 at the crown; `lift` is the hair in mm."""
    up = np.clip((height - place.dome) / (place.crown - place.dome + lift), 0, 1)
    return (1 - up**2.3) ** (1 / 2.5) - 40 * np.clip(height - place.crown - lift, 0, 1)


def _neck(person: Identity, place: HeadLayout, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Radius of the neck: a column that leans back and widens towards the shoulders."""
    thick = 0.78 * person["jaw_width"] / 2 + {"male": 9.0, "female": 5.0}[person.sex]
    y = height[:, 0]
    width = _curve([(place.gn, thick), (place.gn - 40, thick + 1), (place.gn - 75, thick + 9), (BOTTOM, thick + 30)], y)
    front = _curve([(place.sto, 30), (place.gn, 36), (place.gn - 40, 42), (BOTTOM, 62)], y)
    depth = np.where(np.cos(angle) > 0, front[:, None], 64.0)
    column = ((np.sin(angle) / width[:, None]) ** 2 + (np.cos(angle) / depth) ** 2) ** -0.5
    return column - np.clip(height - place.sto - 15, 0, 300) * 0.8


def _join(a: np.ndarray, b: np.ndarray, soft: float) -> np.ndarray:
    """Smooth maximum of two radii, rounded over `soft` mm."""
    return np.logaddexp(a / soft, b / soft) * soft


def _relief(person: Identity, place: HeadLayout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shape, eye = person.shape, place.eye
    out = (2.2 + 1.2 * shape["ridge"]) * both(x, y, 24, place.brow - 1, 16, 5.5)
    out -= 7.0 * both(x, y, eye, 4, 12, 8.5) + 3.0 * both(x, y, place.eye_inner - 1, 3, 5, 6)
    out += 4.6 * both(x, y, eye, -0.5, 10.5, 8.0)
    out += (3.4 + 1.6 * shape["cheeks"]) * both(x, y, 44, -24, 13, 11)
    out -= 1.2 * both(x, y, 24, -17, 8, 7)
    out += 1.5 * both(x, y, 36, place.sto + 4, 12, 14)
    out -= 1.4 * fold(x, y, place, 2.6)
    out += 3.0 * bump(x, y, 0, place.sto + 2, 22, 14)
    out += (2.6 + 0.6 * shape["lips"]) * bump(x, y, 0, place.sto + 0.55 * place.upper, place.mouth * 0.62, 3.4)
    out += (3.4 + 0.6 * shape["lips"]) * bump(x, y, 0, place.sto - 0.55 * place.lower, place.mouth * 0.52, 4.0)
    out -= 2.0 * np.exp(-0.5 * ((y - place.mouth_line(x)) / 1.3) ** 2) * (np.abs(x) < place.mouth + 2)
    out -= 1.6 * both(x, y, place.mouth + 1.5, place.sto + 0.5, 3.0, 3.5)
    out -= 0.9 * bump(x, y, 0, (place.sn + place.sto + place.upper) / 2, 2.6, 5)
    out -= 2.4 * bump(x, y, 0, place.sulcus, 15, 4.0)
    out += (3.0 + 1.2 * shape["chin"]) * bump(x, y, 0, place.sulcus + 0.58 * (place.gn - place.sulcus), 13, 8)
    return out + _nose(person, place, x, y)


def fold(x: np.ndarray, y: np.ndarray, place: HeadLayout, width: float) -> np.ndarray:
    """1 along the nasolabial fold, from the wing of the nose to the side of the corner of the mouth; 0 far from it."""
    top, low = place.sn + 9, place.sto - 3
    u = np.clip((top - y) / (top - low), 0, 1)
    line = place.alar + 4.5 + (place.mouth + 7 - place.alar - 4.5) * u**0.8
    ends = sigmoid((top - y) / 2) * sigmoid((y - low) / 3)
    return np.exp(-0.5 * ((np.abs(x) - line) / width) ** 2) * ends


def _nose(person: Identity, place: HeadLayout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    tip = person["nose_protrusion"] + 2.5
    bridge = 1.0 + 0.18 * person.shape["bridge"]
    top, sn = place.nasion, place.sn
    long = top - sn
    down = (top - y) / long
    ridge = _curve([(-0.22, 0.0), (-0.08, 0.06), (0.02, 0.12 * bridge), (0.25, 0.34 * bridge), (0.5, 0.62 * bridge),
                    (0.72, 0.93), (0.81, 1.0), (0.89, 0.86), (0.955, 0.52), (1.01, 0.18), (1.07, 0.03), (1.13, 0.0)],
                   down[:, 0])
    wide = _curve([(-0.2, 9.0), (0.05, 7.5), (0.4, 8.8), (0.7, 9.4), (0.85, place.alar * 0.58),
                   (1.1, place.alar * 0.62)], down[:, 0])
    out = tip * ridge[:, None] * np.exp(-0.693 * (np.abs(x) / wide[:, None]) ** 2.2)
    wing = both(x, y, place.alar - 5.2, sn + 7.0, 4.2, 4.4)
    out += 8.5 * wing + 1.5 * bump(x, y, 0, place.prn, 6, 5)
    crease = both(x, y, place.alar + 1.5, sn + 7, 2.2, 5.5)
    groove = both(x, y, place.alar * 0.56, sn + 13.5, 2.6, 3.0)
    return out - 1.2 * crease - 0.8 * groove


def _ears(person: Identity, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
    long = person["ear_length"]
    middle, half = -10.0 + 0.06 * long, long / 2
    if person.hair_style in ("long", "fringe"):
        return np.zeros_like(height)
    arc = (np.degrees(np.abs(angle)) - 99.0) * WRAP * np.pi / 180 * 0.8  # mm behind the ear's front edge
    u = (height - middle) / half
    lean = arc - 4.0 * u
    inside = sigmoid((1 - np.hypot(u, (lean - 4) / 13)) * 9)
    bowl = bump(lean, height, 0.5, middle - 1, 5, 12)
    return inside * (15.0 - 9.0 * bowl)
