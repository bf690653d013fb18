"""What has been seen of one person so far, a row a frame, and the windows that are cut from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mien.core.observations import REGIONS, STATES, Face, State, Window
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.face import FURTHEST_PITCH, FURTHEST_YAW, AUEstimator, PoseReader
from mien.face.association import RIGID
from mien.face.distances import MEASURES
from mien.face.expression_head import FEATURES

# The columns of a row, in order, and how many each takes.
_WIDTHS = {"skin": 3 * len(REGIONS), "position": 3, "aus": len(ACTION_UNITS), "pose": 3, "gaze": 2,
           "expression": len(EXPRESSION.classes), "features": FEATURES, "measured": len(MEASURES)}
_EDGES = np.cumsum([0, *_WIDTHS.values()])
_BOX = slice(_EDGES[-1], _EDGES[-1] + 4)
_COLUMNS = {name: slice(_EDGES[i], _EDGES[i + 1]) for i, name in enumerate(_WIDTHS)}

_ROOM = 64  # rows to begin with
_SPARE = 512  # rows: that many old ones are dropped at a time
_LEFT_EAR, _RIGHT_EAR = 454, 234  # of the mesh: their distance is the width of the face
_RIGID = list(RIGID)

READ = 64
"""Frames whose landmarks wait to be read as action units at most, 11 kB each."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One person in one frame: `time` s, the `face` under the person's id, `size` (width, height) px of the frame, and
    the `picture` uint8 (S, S, 3) of the face, where one is wanted."""

    time: float
    face: Face
    size: tuple[int, int]
    picture: np.ndarray | None = None


@dataclass(eq=False)
class _Pending:
    """Frames whose landmarks wait to be read as action units."""

    rows: list[int]
    landmarks: list[np.ndarray]
    size: tuple[int, int]


@dataclass(eq=False)
class FaceCropBuffer:
    """Pictures of one face for models that look at pixels: `side` px, at most one every `gap` s, the last `seconds`."""

    side: int
    seconds: float
    gap: float
    _times: list[float] = field(default_factory=list)
    _pictures: list[np.ndarray] = field(default_factory=list)

    def wants(self, time: float) -> bool:
        """Whether it takes a picture of that time, s."""
        return not self._times or time - self._times[-1] >= self.gap

    def push(self, time: float, picture: np.ndarray) -> None:
        """picture uint8 (side, side, 3) of the face; one that it does not want is left out."""
        if self.wants(time):
            self._times.append(time)
            self._pictures.append(picture)

    def into(self, window: Window) -> Window:
        """The window with its pictures."""
        first, last = np.searchsorted(self._times, [window.start, window.end])
        none = np.empty((0, self.side, self.side, 3), np.uint8)
        faces = np.stack(self._pictures[first:last]) if last > first else none
        return replace(window, faces=faces, pictured=np.array(self._times[first:last]))

    def forget(self, time: float) -> None:
        """Drop what is older than `seconds` before `time`."""
        first = int(np.searchsorted(self._times, time - self.seconds))
        del self._times[:first], self._pictures[:first]


@dataclass(frozen=True)
class AlbumRequest:
    """Which pictures of each person are to be kept: `side` px, in what `make` makes, one for each person."""

    side: int
    make: Callable[[], FaceCropBuffer]


class TrackBuffer:
    """Rows of one person in, windows out; action units are read from landmarks once a step.

    `neutral` s: the person's face over that long from its first sight is its neutral one, and nothing is read before;
    0: the reader estimates it on line. `keep` s of the past, None: all of it (390 bytes a frame). `album`: of pictures,
    where a model wants some.
    """

    def __init__(self, reader: AUEstimator | PoseReader, neutral: float = 0.0, keep: float | None = None,
                 album: FaceCropBuffer | None = None) -> None:
        self._reader = reader
        self._neutral = neutral
        self._keep = keep
        self.album = album
        self._times = np.empty(_ROOM)
        self._rows = np.empty((_ROOM, _BOX.stop), np.float32)
        self._states = np.empty(_ROOM, np.int8)
        self._count = 0
        self._pending: list[_Pending] = []
        self.frames_tracked = 0
        self.first = self.last = float("nan")  # of being tracked, s

    def wants(self, time: float) -> bool:
        """Whether the album takes a picture of that time, s."""
        return self.album is not None and self.album.wants(time)

    def push(self, seen: Observation) -> None:
        """One frame of this person: the next, or one in which the person was lost and, as is known now, was there."""
        time, face, size = seen.time, seen.face, seen.size
        row = self._row(time, face.state)
        self._rows[row, _BOX] = face.box
        if face.landmarks is None or face.skin is None:
            return
        self.frames_tracked += 1
        self.first = time if np.isnan(self.first) else self.first
        self.last = time
        marks = face.landmarks
        width = float(np.linalg.norm(marks[_LEFT_EAR] - marks[_RIGHT_EAR]))
        self._rows[row, _COLUMNS["skin"]] = face.skin.ravel()
        self._rows[row, _COLUMNS["position"]] = (*marks[_RIGID, :2].mean(axis=0), width)
        if face.carried:
            return  # where the face is is known, what it expresses is not
        if not self._pending or self._pending[-1].size != size:
            self._pending.append(_Pending([], [], size))
        self._pending[-1].rows.append(row)
        self._pending[-1].landmarks.append(marks)
        if self.album is not None and seen.picture is not None:
            self.album.push(time, seen.picture)
        if len(self._pending[-1].rows) >= READ and not self._neutral:
            self.measure()

    @property
    def unread(self) -> bool:
        """Whether landmarks wait to be read as action units."""
        return bool(self._pending)

    def ready(self, time: float) -> bool:
        """Whether action units up to `time` can be read: always, but for those that wait for their neutral face."""
        return not self._neutral or (not np.isnan(self.first) and time - self.first >= self._neutral)

    @property
    def neutral_known(self) -> float:
        """How much of the person's neutral face is known, 0..1; NaN where none is asked for."""
        if isinstance(self._reader, AUEstimator):
            return self._reader.neutral.known
        return float("nan")

    def measure(self) -> None:
        """Read what is pending; a neutral face still waited for is taken from what there is."""
        if self._neutral and self._pending:
            self._reader = AUEstimator(neutral=self._calm())
            self._neutral = 0.0
        for pending in self._pending:
            rows = np.array(pending.rows)
            readings = self._reader.measure(self._times[rows], np.stack(pending.landmarks), pending.size)
            for name in ("aus", "pose", "gaze", "expression", "features", "measured"):
                self._rows[rows, _COLUMNS[name]] = getattr(readings, name)
        self._pending.clear()

    def measure_again(self, spans: Sequence[tuple[float, float]] = ()) -> None:
        """No more frames: read all rows again, relative to the neutral face of the whole recording, or of the `spans`
        (start, end) s in which it is known to be neutral. A given neutral face stays, and the rows with it."""
        if not isinstance(self._reader, AUEstimator) or self._reader.neutral.fixed:
            return
        rows, times = self._rows[: self._count], self._times[: self._count]
        resting = np.zeros(len(times), bool)
        for start, end in spans:
            resting |= (times >= start) & (times < end)
        measured, pose = (rows[:, _COLUMNS[name]].astype(np.float64) for name in ("measured", "pose"))
        readings = self._reader.measure_again(times, measured, pose, resting if spans else None)
        for name, values in zip(("aus", "expression", "features"), readings, strict=True):
            rows[:, _COLUMNS[name]] = values

    def _calm(self) -> np.ndarray:
        """The pending landmarks of the first `neutral` s."""
        return np.stack([marks for pending in self._pending
                         for row, marks in zip(pending.rows, pending.landmarks, strict=True)
                         if self._times[row] - self.first <= self._neutral])

    def window(self, start: float, end: float) -> Window:
        """The rows with start <= time < end, as views; read() first."""
        first, last = np.searchsorted(self._times[: self._count], [start, end])
        rows = self._rows[first:last]
        columns = {name: rows[:, part] for name, part in _COLUMNS.items()}
        return Window(start=start, end=end, times=self._times[first:last],
                      skin=columns["skin"].reshape(-1, len(REGIONS), 3), position=columns["position"],
                      aus=columns["aus"], pose=columns["pose"], gaze=columns["gaze"], expression=columns["expression"],
                      features=columns["features"])

    def pictured(self, start: float, end: float) -> Window:
        """The same with the pictures that the album holds of that time."""
        window = self.window(start, end)
        return window if self.album is None else self.album.into(window)

    def box(self, end: float) -> np.ndarray:
        """(4,) px: where the face was in the last frame before `end`."""
        row = max(int(np.searchsorted(self._times[: self._count], end)) - 1, 0)
        return self._rows[row, _BOX].astype(float)

    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) s and boxes (N, 4) px of every frame kept in which the face was not lost."""
        visible = self._states[: self._count] != STATES.index("lost")
        return self._times[: self._count][visible], self._rows[: self._count, _BOX][visible]

    def trim(self) -> None:
        """Release the space for further rows, when no more will come."""
        self.album = None
        for name in ("_times", "_rows", "_states"):
            setattr(self, name, getattr(self, name)[: self._count].copy())

    def states(self, start: float, end: float) -> list[State]:
        """The state of every frame with start <= time < end."""
        first, last = np.searchsorted(self._times[: self._count], [start, end])
        return [STATES[code] for code in self._states[first:last]]

    def forget(self, time: float) -> None:
        """Drop what is older than `keep` s before `time`. Not while landmarks are pending."""
        if self.album is not None and not self._pending:
            self.album.forget(time)
        if self._keep is None or self._pending:
            return
        first = int(np.searchsorted(self._times[: self._count], time - self._keep))
        if first >= _SPARE:
            for name in ("_times", "_rows", "_states"):
                array = getattr(self, name)
                array[: self._count - first] = array[first : self._count]
            self._count -= first

    def _row(self, time: float, state: State) -> int:
        """The row of that time, s, which is a new one unless the person was lost then."""
        row = self._count
        if row and time <= self._times[row - 1]:
            row = int(np.searchsorted(self._times[:row], time))
            self._rows[row], self._states[row] = np.nan, STATES.index(state)
            return row
        if row == len(self._times):
            for name in ("_times", "_rows", "_states"):
                array = getattr(self, name)
                more = np.empty((max(len(array), _ROOM), *array.shape[1:]), array.dtype)
                setattr(self, name, np.concatenate([array, more]))
        self._times[row], self._rows[row], self._states[row] = time, np.nan, STATES.index(state)
        self._count += 1
        return row


def abstention(step: Window, states: Iterable[str]) -> str:
    """Why no expression can be read from this step's frames; '' when it can."""
    states = list(states)
    if not states or states.count("tracked") < 0.5 * len(states):
        return "no_face"
    # our choice: below 16 of 255 an 8-bit picture has too few levels for a mesh to lie on anything
    levels = step.skin[:, :3][np.isfinite(step.skin[:, :3])]
    if len(levels) and levels.mean() < 16:
        return "too_dark"
    if np.isfinite(step.aus).all(axis=1).any():
        return ""
    pitch, yaw, _ = np.abs(mean(step.pose))
    return "cut_off" if yaw <= FURTHEST_YAW and pitch <= FURTHEST_PITCH else "turned_away"


def mean(rows: np.ndarray) -> np.ndarray:
    """(T, C) with NaN rows -> (C,), NaN where there is no row at all."""
    seen = rows[np.isfinite(rows).all(axis=1)]
    return seen.mean(axis=0) if len(seen) else np.full(rows.shape[1], np.nan)
