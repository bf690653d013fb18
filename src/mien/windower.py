"""What has been seen of one person so far, a row a frame, and the windows that are cut from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from . import facs
from .face import RIGID, crop
from .tasks import ACTION_UNITS
from .types import REGIONS, STATES, Face, State, Window

# The columns of a row, in order, and how many each takes.
_WIDTHS = {"skin": 3 * len(REGIONS), "position": 3, "aus": len(ACTION_UNITS), "pose": 3, "gaze": 2}
_EDGES = np.cumsum([0, *_WIDTHS.values()])
_BOX = slice(_EDGES[-1], _EDGES[-1] + 4)
_COLUMNS = {name: slice(_EDGES[i], _EDGES[i + 1]) for i, name in enumerate(_WIDTHS)}

_ROOM = 64  # rows to begin with
_SPARE = 512  # rows: that many old ones are dropped at a time
_LEFT_EAR, _RIGHT_EAR = 454, 234  # of the mesh: their distance is the width of the face
_RIGID = list(RIGID)


@dataclass(eq=False)
class _Pending:
    """Frames whose landmarks wait to be read as action units."""

    rows: list[int]
    landmarks: list[np.ndarray]
    size: tuple[int, int]


@dataclass(eq=False)
class Album:
    """Pictures of one face for models that look at pixels: `side` px, at most one every `gap` s, the last `seconds`."""

    side: int
    seconds: float
    gap: float
    _times: list[float] = field(default_factory=list)
    _pictures: list[np.ndarray] = field(default_factory=list)

    def push(self, time: float, rgb: np.ndarray, landmarks: np.ndarray) -> None:
        """rgb uint8 (H, W, 3) with a face whose landmarks (L, 3) px are known."""
        if not self._times or time - self._times[-1] >= self.gap:
            self._times.append(time)
            self._pictures.append(crop(rgb, landmarks, self.side))

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


class Windower:
    """Rows of one person in, windows out; action units are read from landmarks once a step.

    `neutral` s: the person's face over that long from its first sight is its neutral one, and nothing is read before;
    0: the reader estimates it on line. `keep` s of the past, None: all of it (180 bytes a frame). `album`: of pictures,
    where a model wants some.
    """

    def __init__(self, reader: facs.Reader, neutral: float = 0.0, keep: float | None = None,
                 album: Album | None = None) -> None:
        self._reader = reader
        self._neutral = neutral
        self._keep = keep
        self._album = album
        self._times = np.empty(_ROOM)
        self._rows = np.empty((_ROOM, _BOX.stop), np.float32)
        self._states = np.empty(_ROOM, np.int8)
        self._count = 0
        self._pending: list[_Pending] = []
        self.frames_tracked = 0
        self.first = self.last = float("nan")  # of being tracked, s

    def push(self, time: float, face: Face, size: tuple[int, int], rgb: np.ndarray | None = None) -> None:
        """One frame of this person; `size` width and height of the picture in px, `rgb` the picture for an album."""
        row = self._append(time, face.state)
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
        if not self._pending or self._pending[-1].size != size:
            self._pending.append(_Pending([], [], size))
        self._pending[-1].rows.append(row)
        self._pending[-1].landmarks.append(marks)
        if self._album is not None and rgb is not None:
            self._album.push(time, rgb, marks)

    @property
    def unread(self) -> bool:
        """Whether landmarks wait to be read as action units."""
        return bool(self._pending)

    def ready(self, time: float) -> bool:
        """Whether action units up to `time` can be read: always, but for those that wait for their neutral face."""
        return not self._neutral or (not np.isnan(self.first) and time - self.first >= self._neutral)

    def read(self) -> None:
        """Read what is pending; a neutral face still waited for is taken from what there is."""
        if self._neutral and self._pending:
            self._reader = facs.Reader(neutral=self._calm())
            self._neutral = 0.0
        for pending in self._pending:
            rows = np.array(pending.rows)
            found = self._reader.read(self._times[rows], np.stack(pending.landmarks), pending.size)
            self._rows[rows, _COLUMNS["aus"]] = found.aus
            self._rows[rows, _COLUMNS["pose"]] = found.pose
            self._rows[rows, _COLUMNS["gaze"]] = found.gaze
        self._pending.clear()

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
                      aus=columns["aus"], pose=columns["pose"], gaze=columns["gaze"])

    def pictured(self, start: float, end: float) -> Window:
        """The same with the pictures that the album holds of that time."""
        window = self.window(start, end)
        return window if self._album is None else self._album.into(window)

    def box(self, end: float) -> np.ndarray:
        """(4,) px: where the face was in the last frame before `end`."""
        row = max(int(np.searchsorted(self._times[: self._count], end)) - 1, 0)
        return self._rows[row, _BOX].astype(float)

    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) s and boxes (N, 4) px of every frame kept in which the face was not lost."""
        there = self._states[: self._count] != STATES.index("lost")
        return self._times[: self._count][there], self._rows[: self._count, _BOX][there]

    def trim(self) -> None:
        """Give back the room that was kept for more rows: nobody expects any."""
        self._album = None
        for name in ("_times", "_rows", "_states"):
            setattr(self, name, getattr(self, name)[: self._count].copy())

    def states(self, start: float, end: float) -> list[State]:
        """The state of every frame with start <= time < end."""
        first, last = np.searchsorted(self._times[: self._count], [start, end])
        return [STATES[code] for code in self._states[first:last]]

    def forget(self, time: float) -> None:
        """Drop what is older than `keep` s before `time`. Not while landmarks are pending."""
        if self._album is not None and not self._pending:
            self._album.forget(time)
        if self._keep is None or self._pending:
            return
        first = int(np.searchsorted(self._times[: self._count], time - self._keep))
        if first >= _SPARE:
            for name in ("_times", "_rows", "_states"):
                array = getattr(self, name)
                array[: self._count - first] = array[first : self._count]
            self._count -= first

    def _append(self, time: float, state: State) -> int:
        row = self._count
        if row == len(self._times):
            for name in ("_times", "_rows", "_states"):
                array = getattr(self, name)
                more = np.empty((max(len(array), _ROOM), *array.shape[1:]), array.dtype)
                setattr(self, name, np.concatenate([array, more]))
        self._times[row], self._rows[row], self._states[row] = time, np.nan, STATES.index(state)
        self._count += 1
        return row
