"""Background of a scene: a room, and the shoulders and clothes of a person."""

from __future__ import annotations

import cv2
import numpy as np

from mien.simulation.head import HeadLayout
from mien.simulation.identity import Identity


def room(size: tuple[int, int], seed: int) -> np.ndarray:
    """Render a blurred wall with objects.

    Args:
        size: (width, height) in px.
        seed: seed of the room.

    Returns:
        float32 (H, W, 3), 0..255.
    """
    width, height = size
    rng = np.random.default_rng([seed, 1001])
    base = rng.uniform(95, 185) + rng.uniform(-14, 14, 3)
    down, along = np.mgrid[0:height, 0:width].astype(np.float32)
    fall = 1.08 - 0.16 * along / width - 0.10 * down / height
    out = (base[None, None] * fall[..., None]).astype(np.float32)
    for _ in range(int(rng.integers(4, 8))):
        w, h = rng.uniform(0.05, 0.28) * width, rng.uniform(0.08, 0.6) * height
        x = rng.choice([rng.uniform(-0.05, 0.25), rng.uniform(0.65, 0.95)]) * width
        y = rng.uniform(-0.05, 0.8) * height
        colour = np.clip(base * rng.uniform(0.45, 1.15) + rng.uniform(-30, 30, 3), 20, 230)
        cv2.rectangle(out, (int(x), int(y)), (int(x + w), int(y + h)), colour.tolist(), -1)
    out = cv2.GaussianBlur(out, (0, 0), 0.006 * height + 0.5)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.2)
    return np.clip(out * (1 + 0.02 * grain / grain.std())[..., None], 0, 250).astype(np.float32)


class Body:
    """Shoulders and clothes of a person, rendered once and then moved.

    Args:
        person: the identity.
        place: layout of the face.
        scale: px for each mm.
    """

    def __init__(self, person: Identity, place: HeadLayout, scale: float):
        self.person, self.scale = person, scale
        self.left, self.top = round(-260 * scale), round(-90 * scale)  # px, corner relative to the head's centre
        wide, tall = round(520 * scale), round(560 * scale)
        down, across = np.mgrid[0:tall, 0:wide].astype(np.float32)
        x, y = (across + self.left + 0.5) / scale, -(down + self.top + 0.5) / scale
        neck = place.gn - 24.0
        half = 0.78 * person["jaw_width"] / 2 + {"male": 20.0, "female": 15.0}[person.sex]
        back, front = self._cloth(x, y, neck, half)
        rows = slice(round((-neck - 12) * scale) - self.top, round((-neck + 110) * scale) - self.top)
        columns = slice(round(-(half + 45) * scale) - self.left, round((half + 45) * scale) - self.left)
        self.back, self.front = _Sheet(back), _Sheet(front, rows, columns)

    def _cloth(self, x: np.ndarray, y: np.ndarray, neck: float, half: float) -> tuple[np.ndarray, np.ndarray]:
        person = self.person
        broad = {"male": 205.0, "female": 180.0}[person.sex]
        away = np.abs(x)
        slope = neck - 14 - 30 * np.clip((away - half) / (broad - half), 0, 1) ** 1.3
        fall = np.clip((away - broad + 26) / 30, 0, None)
        shoulder = np.clip((slope - 30 * fall**2 - y) * self.scale + 0.5, 0, 1)
        rng = np.random.default_rng([person.seed, 9])
        weave = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), 1.0)
        folds = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), 22 * self.scale)
        shade = 1.0 - 0.28 * (away / broad) ** 2 - 0.06 * x / broad
        shade += 0.03 * weave / weave.std() + 0.05 * folds / folds.std()
        shade *= 1 - 0.35 * np.exp(-np.clip(slope - y, 0, None) / 14) * np.exp(-((x / (half + 14)) ** 4))
        cloth = np.asarray(person.shirt) * shade[..., None]
        back = np.dstack([cloth, shoulder])
        if person.hair_style == "long":
            back = self._fall(x, y, back, rng)
        collar = neck - 24 - 16 * np.sqrt(np.clip(1 - (x / (half + 9)) ** 2, 0, 1))
        collar += 1.1 * np.clip(away - half - 5, 0, 20)
        rim = np.exp(-(((y - collar + 3.5) / 2.2) ** 2))
        cover = np.clip((collar - y) * self.scale + 0.5, 0, 1) * shoulder
        front = np.dstack([cloth * (1 - 0.16 * rim)[..., None], cover])
        return back.astype(np.float32), front.astype(np.float32)

    def _fall(self, x: np.ndarray, y: np.ndarray, back: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add long hair behind the neck, down to the shoulder blades."""
        strands = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), 0.9, sigmaY=25)
        tone = np.asarray(self.person.hair) * (0.60 * (1 + 0.16 * strands / strands.std()))[..., None]
        reach = 0.5 * self.person["head_width"] - 3 - 0.10 * np.clip(-y - 40, 0, 200)
        cover = np.clip((reach - np.abs(x)) * 0.5 * self.scale + 0.5, 0, 1) * np.clip((y + 225) / 12, 0, 1)
        cover = cover * np.clip((-20 - y) / 10, 0, 1)
        rgb = np.where(back[..., 3:] > 0.5, back[..., :3] + (tone - back[..., :3]) * cover[..., None], tone)
        return np.dstack([rgb, np.maximum(back[..., 3], cover)])

    def draw(self, picture: np.ndarray, at: tuple[float, float], front: bool = False) -> None:
        """Paint the body into a picture.

        Args:
            picture: float32 (H, W, 3), changed in place.
            at: (x, y) of the centre of the head in px.
            front: paint only the collar, which is in front of the neck.
        """
        sheet = self.front if front else self.back
        sheet.draw(picture, at[0] + self.left, at[1] + self.top)


class _Sheet:
    """A picture with alpha (rows, columns, 4), cropped to its visible part, that can be drawn at subpixel positions."""

    def __init__(self, layer: np.ndarray, rows: slice = slice(None), columns: slice = slice(None)):
        visible = np.zeros(layer.shape[:2], bool)
        visible[rows, columns] = layer[rows, columns, 3] > 0
        down, across = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
        self.y, self.x = max(int(down[0]) - 1, 0), max(int(across[0]) - 1, 0)
        self.layer = np.ascontiguousarray(layer[self.y:down[-1] + 2, self.x:across[-1] + 2])

    def draw(self, picture: np.ndarray, left: float, top: float) -> None:
        """Draw into a picture (H, W, 3) in place, with the corner at `left`, `top` px; parts outside are cut off."""
        x, y = left + self.x, top + self.y
        x0, y0 = max(int(np.floor(x)), 0), max(int(np.floor(y)), 0)
        x1 = min(int(np.floor(x)) + self.layer.shape[1] + 1, picture.shape[1])
        y1 = min(int(np.floor(y)) + self.layer.shape[0] + 1, picture.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        move = np.array([[1, 0, x - x0], [0, 1, y - y0]], np.float32)
        moved = cv2.warpAffine(self.layer, move, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
        paste(picture, moved[..., :3], moved[..., 3], x0, y0)


def paste(picture: np.ndarray, colour: np.ndarray, alpha: np.ndarray, left: int, top: int) -> None:
    """Blend colour (h, w, 3) with alpha (h, w) into picture (H, W, 3) in place, all float32. It must fit inside."""
    part = picture[top:top + alpha.shape[0], left:left + alpha.shape[1]]
    part[:] = cv2.blendLinear(np.ascontiguousarray(colour), np.ascontiguousarray(part), np.ascontiguousarray(alpha),
                              np.float32(1) - alpha)
