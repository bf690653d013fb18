"""Rendering of the eyes: lids, eyeball with iris and pupil, lashes, fold of the lid, and glasses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.simulation.action_units import ACTION_UNITS
from mien.simulation.head import HeadLayout
from mien.simulation.identity import Identity

BALL = 12.0   # mm, radius of the eyeball
IRIS = 5.9    # mm, radius of the iris
SEAT = 1.9    # mm, height of the resting pupil above the corners; our choice: the upper lid covers 1-2 mm of the iris


@dataclass(frozen=True)
class Lids:
    """Distance in mm of the edges of the upper and lower lid from the line of the corners; `rest`: upper at rest."""

    upper: float
    lower: float
    rest: float


def lids(person: Identity, aus: np.ndarray, gaze: tuple[float, float]) -> Lids:
    """Position of the lids for intensities (18,) and gaze (yaw, pitch) in degrees.

    AU5 raises the upper lid, AU7 tightens both, AU6 and AU9 push the lower up, AU4 lowers the brow onto the upper,
    AU45 closes; the upper lid follows the gaze up and down (FACS).
    """
    a = dict(zip(ACTION_UNITS, np.asarray(aus, float) / 5, strict=True))
    rest_up, rest_low = 0.60 * person["fissure"], 0.40 * person["fissure"]
    up = rest_up + 3.2 * a["AU05"] - 1.5 * a["AU07"] - 0.9 * a["AU06"] - 0.8 * a["AU04"] - 0.9 * a["AU09"]
    up += 0.09 * float(np.clip(gaze[1], -30, 20))
    low = rest_low - 2.4 * a["AU07"] - 1.5 * a["AU06"] - 0.9 * a["AU09"] - 0.5 * a["AU12"] + 0.3 * a["AU05"]
    up = max(up, 0.8 - low)
    shut = float(np.clip(a["AU45"], 0, 1))
    low = low - 0.6 * shut * (low > 0.4)
    return Lids(up + (-low - up) * shut, low, rest_up)


def edges(person: Identity, place: HeadLayout, lid: Lids, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position along the fissure, 0..1, and heights of the upper and lower edge in mm, at frontal |x| in mm."""
    u = (x - place.eye_inner) / (place.eye_outer - place.eye_inner)
    v = np.clip(u, 0, 1)
    line = place.tilt * (v - 0.5) + 0.3
    upper = line + lid.upper * np.clip(4 * v**0.88 * (1 - v) / 1.05, 0, 2) ** 0.66
    lower = line - lid.lower * np.clip(4 * v * (1 - v), 0, 1) ** 0.75
    return u, upper, lower


def paint(person: Identity, place: HeadLayout, lid: Lids, gaze: tuple[float, float], x: np.ndarray, y: np.ndarray,
          colour: np.ndarray, pixel: float) -> np.ndarray:
    """Paint both eyes.

    Args:
        person: the identity.
        place: layout of the face.
        lid: position of the lids.
        gaze: yaw and pitch in degrees.
        x: frontal coordinate of the pixels in mm.
        y: see `x`.
        colour: (rows, columns, 4), changed in place.
        pixel: size of a pixel in mm.

    Returns:
        Brightness 0..255 of the reflection on the eyeball, (rows, columns).
    """
    side = np.sign(x)
    away = np.abs(x)
    u, upper, lower = edges(person, place, lid, away)
    soft = np.float32(1 / (0.9 * pixel))
    inside = np.clip(np.minimum(upper - y, y - lower) * soft + 0.5, 0, 1) * ((u > 0) & (u < 1))
    yaw, pitch = np.radians(gaze)
    cx = place.eye + BALL * np.sin(yaw) * side
    cy = SEAT + BALL * np.sin(pitch)
    dx, dy = (away - cx) / max(np.cos(yaw), 0.5), y - cy
    r = np.sqrt(dx**2 + dy**2)
    ball, glint = _ball(person, place, away, y, r, dx, dy, upper, pixel)
    colour[..., :3] += (ball - colour[..., :3]) * inside[..., None]
    colour[..., 3] *= 1 - inside
    _margins(person, lid, u, y, upper, lower, colour, soft)
    return glint * inside


def _ball(person: Identity, place: HeadLayout, away: np.ndarray, y: np.ndarray, r: np.ndarray, dx: np.ndarray,
          dy: np.ndarray, upper: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    white = np.array([222, 214, 208]) * (0.92 if person.skin_tone >= 5 else 1.0)
    round_off = 1 - 0.30 * np.clip(np.abs(away - place.eye) / (place.eye_outer - place.eye) - 0.15, 0, 1) ** 1.5
    ball = white * round_off[..., None]
    caruncle = np.clip(1 - (away - place.eye_inner) / 4.0, 0, 1)[..., None]
    ball = ball + (np.array([190, 120, 110]) - ball) * 0.75 * caruncle
    soft = 1 / (0.9 * pixel)
    in_iris = np.clip((IRIS - r) * soft + 0.5, 0, 1)
    streak = 1 + 0.10 * np.cos(np.arctan2(dy, dx) * 23) * np.clip(r / IRIS, 0, 1)
    bright = (0.80 + 0.35 * np.clip((r - 2) / 3, 0, 1)) * (1 - 0.45 * np.clip(r - 4.9, 0, 1))
    iris = np.asarray(person.iris) * (bright * streak * (1 - 0.12 * dy / IRIS))[..., None]
    pupil = np.clip((2.0 - r) * soft + 0.5, 0, 1)[..., None]
    iris = iris + (np.array([10, 9, 9]) - iris) * pupil
    ball = ball + (iris - ball) * in_iris[..., None]
    shadow = 1 - 0.50 * np.exp(-np.clip(upper - y, 0, None) / 1.7)
    glint = 190 * np.exp(-(((dx + 1.6) / 0.8) ** 2 + ((dy - 2.0) / 0.8) ** 2))
    return ball * shadow[..., None], glint


def _margins(person: Identity, lid: Lids, u: np.ndarray, y: np.ndarray, upper: np.ndarray, lower: np.ndarray,
             colour: np.ndarray, soft: np.float32) -> None:
    """Paint the lash line, the lower lashes and the fold of the upper lid."""
    along = np.clip(u * 9, 0, 1) * np.clip((1.06 - u) * 9, 0, 1)
    wide = {"female": 0.75, "male": 0.55}[person.sex]
    lash = np.exp(-(((y - upper - 0.15) / wide) ** 2)) * along * (0.35 + 0.55 * np.clip(u, 0, 1))
    below = np.exp(-(((y - lower + 0.35) / 0.5) ** 2)) * along * 0.38
    dark = np.asarray(person.brows) * 0.45
    alpha = np.clip(lash * 1.25 + below, 0, 0.93)[..., None]
    colour[..., :3] += (dark - colour[..., :3]) * alpha
    open_share = float(np.clip((lid.upper + lid.lower) / 6, 0, 1))
    fold_at = upper + (1.6 + 1.4 * (1 - open_share)) + (0.6 if person.ancestry == "asian" else 1.2) * np.clip(u, 0, 1)
    fold = np.exp(-(((y - fold_at) / 0.65) ** 2)) * along * (0.12 + 0.26 * open_share)
    colour[..., :3] *= 1 - fold[..., None] * np.array([0.8, 1.0, 1.0])
    bag = np.exp(-(((y - lower + 4.6) / 1.1) ** 2)) * along * 0.07
    colour[..., :3] *= 1 - bag[..., None]


def glasses(place: HeadLayout, x: np.ndarray, y: np.ndarray, colour: np.ndarray, pixel: float) -> None:
    """Paint glasses with a dark frame and clear lenses into colour (rows, columns, 4) in place."""
    away = np.abs(x)
    u, v = (away - place.eye) / 24.5, (y + 2.5) / 19.5
    inside = 1 - (np.abs(u) ** 3.2 + np.abs(v) ** 3.2) ** (1 / 3.2)     # 0 on the rim, in units of 22 mm
    soft = 1 / (0.9 * pixel)
    rim = np.clip((1.3 - np.abs(inside) * 22) * soft + 0.5, 0, 1)
    bridge = np.clip((1.2 - np.abs(y - 4 + 0.08 * away**2)) * soft + 0.5, 0, 1) * (away < place.eye - 23)
    arm = np.clip((1.8 - np.abs(y - 6)) * soft + 0.5, 0, 1) * (away > place.eye + 23) * colour[..., 3]
    frame = np.maximum(np.maximum(rim, bridge), arm)
    glare = 0.10 * np.clip(inside * 22 * soft, 0, 1) * np.clip(1 - np.abs(u + 0.4 * v + 0.35) / 0.18, 0, 1)
    colour[..., :3] += (np.array([235, 238, 242]) - colour[..., :3]) * glare[..., None]
    colour[..., :3] += (np.array([34, 30, 30]) - colour[..., :3]) * frame[..., None]
    colour[..., 3] *= 1 - frame
