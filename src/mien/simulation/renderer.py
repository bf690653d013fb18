"""Renderer of one head: deformation by the muscles, camera, colours and light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from mien.simulation import eyes, hair, mouth
from mien.simulation.action_units import ACTION_UNITS, JAW
from mien.simulation.blendshapes import blendshapes
from mien.simulation.head import WRAP, Grid, head_layout, radius
from mien.simulation.identity import Identity
from mien.simulation.raycast import Hits, View, trace
from mien.simulation.skin import texture

SHAPE = Grid(1.25)                                        # grid of the geometry
PAINT = Grid(0.6)                                         # grid of the colours
FACE = Grid(1.25, top=100.0, bottom=-165.0, reach=1.25)   # grid of the part that the muscles move


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        direction: direction to the lamp (right, up, towards the camera).
        sky: share of diffuse light.
        colour: relative red, green and blue.
        gloss: strength of the specular reflection.
    """

    direction: tuple[float, float, float] = (-0.35, 0.55, 0.76)
    sky: float = 0.56
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.05


@dataclass(frozen=True, eq=False)
class RenderLayer:
    """Rendered head, to blend into a picture. All arrays are float32.

    Attributes:
        left: position in the picture in px.
        top: position in the picture in px.
        colour: (rows, columns, 3), 0..255.
        alpha: (rows, columns) share of the pixel that the head covers, 0..1.
        skin: (rows, columns) share of the pixel with a pulse, 0..1.
    """

    left: int
    top: int
    colour: np.ndarray
    alpha: np.ndarray
    skin: np.ndarray


class Figure:
    """Renderer of the head of one identity. It builds its maps once; call `draw` for every frame.

    Args:
        person: the identity.
        coarse: factor on the size of the texels; 1 is fine enough for pictures of any size.
    """

    def __init__(self, person: Identity, coarse: float = 1.0):
        self.person, self.place = person, head_layout(person)
        self.shape, self.face, self.fine = (replace(grid, mm=coarse * grid.mm) for grid in (SHAPE, FACE, PAINT))
        skin = radius(person, self.place, self.shape)
        cover = hair.cover(person, self.place, self.shape)
        self.radius = skin + hair.thickness(person, self.place, skin, cover, self.shape)
        self.radius[self.shape.heights > self.place.crown + hair.LIFT[person.hair_style] + 3] = -20
        self.normals = _normals(self.radius, self.shape)
        depth = cv2.resize(skin, self.fine.shape[::-1], interpolation=cv2.INTER_CUBIC)
        over = hair.cover(person, self.place, self.fine)
        self.paint = texture(person, self.place, self.fine, depth, over).colour
        self._face = _Face(self)

    def draw(self, view: View, aus: np.ndarray, gaze: tuple[float, float], pulse: np.ndarray, light: Light,
             size: tuple[int, int]) -> RenderLayer | None:
        """Render the head.

        Args:
            view: pose of the head.
            aus: (18,) intensities.
            gaze: yaw and pitch of the eyes in degrees.
            pulse: (3,) relative change of the colour of the skin.
            light: the light.
            size: (width, height) of the picture in px.

        Returns:
            The layer, or None if the head is outside the picture.
        """
        state = self._face.state(aus)
        hits = trace(state.radius, self.shape, view, self._box(view, size))
        if hits is None:
            return None
        colour, glint = self._colour(hits, state, aus, gaze, view.scale)
        skin = colour[..., 3]
        lit = _shade(state.normals, self.shape, hits, view, light)
        rgb = colour[..., :3] * lit[0][..., None] * np.asarray(light.colour, np.float32)
        rgb += (lit[1] * (0.35 + 0.65 * skin) + glint)[..., None]
        for channel in range(3):
            rgb[..., channel] *= 1 + np.float32(pulse[channel]) * skin
        return RenderLayer(hits.left, hits.top, rgb, hits.alpha, skin * hits.alpha)

    def _box(self, view: View, size: tuple[int, int]) -> tuple[int, int, int, int]:
        angles = np.linspace(-np.pi, np.pi, 25)
        heights = np.array([-175.0, -100.0, 0.0, 80.0, self.place.crown + 18])
        wide = np.array([95.0, 92.0, 105.0, 100.0, 40.0])
        ring = np.stack([np.outer(wide, np.sin(angles)), np.repeat(heights[:, None], 25, 1),
                         np.outer(wide + 22, np.cos(angles))], -1).reshape(-1, 3)
        spots = view.project(ring)
        x0, y0 = np.floor(spots.min(0)).astype(int)
        x1, y1 = np.ceil(spots.max(0)).astype(int)
        return max(x0, 0), max(y0, 0), min(x1, size[0]), min(y1, size[1])

    def _colour(self, hits: Hits, state: _State, aus: np.ndarray, gaze: tuple[float, float],
                scale: float) -> tuple[np.ndarray, np.ndarray]:
        column, row = self.face.columns(hits.angle), self.face.rows(hits.height)
        shift = _look(state.shift, column, row)
        angle, height = hits.angle + shift[..., 0], hits.height + shift[..., 1]
        colour = _look(self.paint, self.fine.columns(angle), self.fine.rows(height), cv2.BORDER_REPLICATE)
        glint = np.zeros(hits.alpha.shape, np.float32)
        at = self.place
        part = _part(hits, at.eye_outer + 6, -16.0, 20.0)
        if part is not None:
            lid = eyes.lids(self.person, aus, gaze)
            x, height = hits.x[part], hits.height[part]
            glint[part] = eyes.paint(self.person, at, lid, gaze, x, height, colour[part], 1 / scale)
        part = _part(hits, 90.0, -26.0, 22.0)
        if self.person.glasses and part is not None:
            eyes.glasses(at, hits.x[part], hits.height[part], colour[part], 1 / scale)
        jaw = JAW * float(aus[_JAW]) / 5
        part = _part(hits, at.mouth + 14, at.sto - at.lower - 26, at.sto + at.upper + 12)
        if part is not None and state.open > 0.05:
            self._mouth(hits, state, part, colour, jaw, 1 / scale)
        return colour, glint

    def _mouth(self, hits: Hits, state: _State, part: tuple[slice, slice], colour: np.ndarray, jaw: float,
               pixel: float) -> None:
        """Paint the lips again, the upper and the lower lip with separate maps, and the opening between them."""
        angle, height, x = hits.angle[part], hits.height[part], hits.x[part]
        column, row = self.face.columns(angle), self.face.rows(height)
        both = _look(state.lips, column, row)
        over, under = both[..., 0], both[..., 1]
        upper = over < under
        shift = np.where(upper[..., None], _look(state.shift_upper, column, row), _look(state.shift_lower, column, row))
        angle, resting_height = angle + shift[..., 0], height + shift[..., 1]
        lips = _look(self.paint, self.fine.columns(angle), self.fine.rows(resting_height), cv2.BORDER_REPLICATE)
        colour[part] = lips
        mouth.paint(self.place, jaw, x, height, np.minimum(over, under), over, colour[part], pixel)


@lru_cache(maxsize=4)
def figure(person: Identity, coarse: float = 1.0) -> Figure:
    """The `Figure` of an identity. A cache keeps the last four; each takes half a second and 30 MB."""
    return Figure(person, coarse)


_JAW = ACTION_UNITS.index("AU26")


def _part(hits: Hits, wide: float, low: float, high: float) -> tuple[slice, slice] | None:
    """Smallest rectangle of the hits that contains |x| < wide, low < height < high of the face, or None."""
    x, height = hits.x[::4, ::4], hits.height[::4, ::4]
    visible = (np.abs(x) < wide) & (height > low) & (height < high)
    visible &= (hits.alpha[::4, ::4] > 0) & (np.abs(hits.angle[::4, ::4]) < np.pi / 2)
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows) or len(rows) < 2 or len(columns) < 2:
        return None
    return slice(max(4 * rows[0] - 4, 0), 4 * rows[-1] + 5), slice(max(4 * columns[0] - 4, 0), 4 * columns[-1] + 5)


def _look(values: np.ndarray, column: np.ndarray, row: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    return cv2.remap(values, column, row, cv2.INTER_LINEAR, borderMode=border)


def _shade(normals: np.ndarray, grid: Grid, hits: Hits, view: View, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse light on the surface (1: a surface that faces the lamp), and specular reflection 0..255."""
    n = _look(normals, grid.columns(hits.angle), grid.rows(hits.height), cv2.BORDER_REPLICATE)
    lamp = np.asarray(light.direction) / np.linalg.norm(light.direction)
    half = lamp + [0, 0, 1]
    to_head = view.rotation.T
    toward = cv2.transform(n, np.stack([to_head @ lamp, to_head @ (half / np.linalg.norm(half)), to_head @ [0, 1, 0]]
                                       ).astype(np.float32))
    wrapped = np.clip((toward[..., 0] + 0.25) / 1.25, 0, None)
    sky = light.sky * (0.84 + 0.16 * toward[..., 2])
    shine = np.clip(toward[..., 1], 0, 1)
    shine = shine * shine
    shine = shine * shine
    shine = shine * shine * shine
    return sky + (1.02 - light.sky) * wrapped, 255 * light.gloss * shine


def _normals(radius: np.ndarray, grid: Grid) -> np.ndarray:
    """Unit normals of a surface of radius (rows, columns) in mm: float32 (rows, columns, 3), left, up, ahead."""
    around: np.ndarray = cv2.Sobel(radius, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
    around *= np.float32(WRAP / grid.mm) / np.maximum(radius, 5)
    rise = -1 / (8 * grid.mm)
    down = cv2.Sobel(radius, cv2.CV_32F, 0, 1, ksize=3, scale=rise, borderType=cv2.BORDER_REPLICATE)
    scale = 1 / np.sqrt(1 + around**2 + down**2)
    sin, cos = np.sin(grid.angles)[None], np.cos(grid.angles)[None]
    return np.dstack([(sin - around * cos) * scale, -down * scale, (cos + around * sin) * scale]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _State:
    """A deformed face.

    `radius` and `normals` are over SHAPE, the others over FACE. `shift` is added to (angle, height) to get the resting
    position of the skin; `shift_upper` and `shift_lower` are the same for the upper and the lower lip. `lips` is the
    distance in mm beyond the edges of the upper and the lower lip, negative on the lip. `open` is the widest opening of
    the lips in mm.
    """

    radius: np.ndarray
    normals: np.ndarray
    shift: np.ndarray
    shift_upper: np.ndarray
    shift_lower: np.ndarray
    lips: np.ndarray
    open: float


class _Face:
    """Computes the `_State` for intensities, and keeps the last one."""

    def __init__(self, figure: Figure):
        self.base_radius, self.base_normals = figure.radius, figure.normals
        self.face = face = figure.face
        top = round((figure.shape.top - face.top) / face.mm)
        left = (figure.shape.shape[1] - face.shape[1]) // 2
        self.window = slice(top, top + face.shape[0]), slice(left, left + face.shape[1])
        self.radius = np.ascontiguousarray(figure.radius[self.window])
        angle, height = np.meshgrid(face.angles, face.heights)
        x = self.radius * np.sin(angle)
        self.above = (height - figure.place.mouth_line(x)).astype(np.float32)
        edge = np.clip((1.2 - np.abs(angle)) / 0.25, 0, 1) * np.clip((95 - height) / 15, 0, 1)
        move = blendshapes(x, height, figure.place) * edge
        sin, cos = np.sin(angle), np.cos(angle)
        turn = (move[:, :, 0] * cos - move[:, :, 2] * sin) / self.radius
        grow = move[:, :, 0] * sin + move[:, :, 2] * cos
        self.basis = np.stack([turn, move[:, :, 1], grow], -1).astype(np.float32).reshape(len(ACTION_UNITS), -1)
        self.grid = tuple(v.astype(np.float32) for v in np.meshgrid(np.arange(face.shape[1]), np.arange(face.shape[0])))
        self.last: tuple[bytes, _State] | None = None

    def state(self, aus: np.ndarray) -> _State:
        key = np.round(np.asarray(aus, np.float64), 4).tobytes()
        last = self.last
        if last is None or last[0] != key:
            self.last = last = key, self._solve(np.asarray(aus, np.float32))
        return last[1]

    def _solve(self, aus: np.ndarray) -> _State:
        active = np.flatnonzero(aus > 1e-4)
        move = (aus[active] @ self.basis[active]).reshape(2, *self.face.shape, 3)
        maps, radii, lips = [], [], []
        for lip, sign in ((0, -1), (1, 1)):
            column, row = self._rest(move[lip])
            maps.append(np.dstack([(column - self.grid[0]) * np.float32(self.face.mm / WRAP),
                                   (self.grid[1] - row) * np.float32(self.face.mm)]))
            radii.append(_look(self.radius, column, row, cv2.BORDER_REPLICATE)
                         + _look(np.ascontiguousarray(move[lip][..., 2]), column, row, cv2.BORDER_REPLICATE))
            lips.append(sign * _look(self.above, column, row, cv2.BORDER_REPLICATE))
        upper = lips[0] < lips[1]
        shift = np.where(upper[..., None], maps[0], maps[1])
        radius, normals = self.base_radius.copy(), self.base_normals.copy()
        radius[self.window] = np.where(upper, radii[0], radii[1])
        normals[self.window] = _normals(radius[self.window], self.face)
        beyond = np.dstack(lips)
        return _State(radius, normals, shift, maps[0], maps[1], beyond, float(np.minimum(*lips).max()))

    def _rest(self, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Invert a movement over the resting face -> column and row of the resting skin that is now at each texel."""
        flow = np.ascontiguousarray(move[..., :2]) * np.array([WRAP / self.face.mm, -1 / self.face.mm], np.float32)
        column, row = self.grid
        for _ in range(4):
            step = _look(flow, column, row, cv2.BORDER_REPLICATE)
            column, row = self.grid[0] - step[..., 0], self.grid[1] - step[..., 1]
        return column, row
