"""Who is who from frame to frame: several people, stable ids, and an honest word when a face is not there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..types import Face, Frame, State
from . import skin
from .finder import Detection, Finder, MediapipeFinder, Region, shrink

# Points of the mesh that no expression moves far: forehead, temples, eye corners, bridge and base of the nose, ears.
RIGID = (10, 67, 297, 21, 251, 127, 356, 234, 454, 33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 2, 98, 327, 93, 323)

_FAR = 1e6  # a cost that no match may have


@dataclass(eq=False)
class _Track:
    id: int  # 0 on probation
    first: float
    seen: float  # the last time its landmarks were found, s
    confirmed: float  # the last time the detector found it, s
    landmarks: np.ndarray
    score: float
    shape: np.ndarray
    state: State = "tracked"
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # px/s
    hits: int = 1  # times the detector found it, and missed it
    misses: int = 0

    def __post_init__(self) -> None:
        self.box = _box(self.landmarks)

    def box_at(self, time: float) -> np.ndarray:
        """Where it should be by now, moving on for at most half a second."""
        ahead = self.velocity * min(time - self.seen, 0.5)
        return self.box + np.concatenate([ahead, ahead])

    def see(self, time: float, landmarks: np.ndarray, box: np.ndarray) -> None:
        passed = time - self.seen
        if passed > 0 and self.state == "tracked":
            moved = (landmarks[:, :2].mean(0) - self.landmarks[:, :2].mean(0)) / passed
            self.velocity = 0.5 * self.velocity + 0.5 * moved
        else:
            self.velocity = np.zeros(2)
        self.landmarks, self.box, self.seen, self.state = landmarks, box, time, "tracked"

    def confirm(self, time: float, score: float) -> None:
        """The detector found it too; a good moment to note how the face is built."""
        self.confirmed, self.score, self.hits = time, score, self.hits + 1
        rate = max(1 / self.hits, 0.05)
        self.shape = (1 - rate) * self.shape + rate * _shape(self.landmarks)


class Tracker:
    """Frames in, faces out; the only state is who was where.

    Detection runs every `every` frames, and whenever somebody was missed or is on probation; in between, the mesh
    follows each face from where it was. A newcomer is on probation until the detector has found it `probation` times
    with at most one miss: a pattern on a wall is a face for a frame or two. A face missed is `predicted` for `patience`
    s, then `lost`; it keeps its id for `memory` s and gets it back by place and by the proportions of its face. A scene
    cut forgets everybody. At most `faces` people.
    """

    def __init__(self, finder: Finder | None = None, faces: int = 8, every: int = 10, probation: int = 4,
                 patience: float = 0.5, memory: float = 30.0) -> None:
        # our choice: 10 frames are a third of a second at 30 fps, the time a newcomer waits to be seen
        for name, value in (("faces", faces), ("every", every), ("probation", probation)):
            if value < 1:
                raise ValueError(f"Tracker: expected {name} of 1 or more, got {value}")
        self.finder = finder or MediapipeFinder()
        self.faces, self.every, self.probation = faces, every, probation
        self.patience, self.memory = patience, memory
        self._tracks: list[_Track] = []
        self._next = 1
        self._since = every
        self._thumbnail: np.ndarray | None = None
        self._size: np.ndarray | None = None

    def update(self, frame: Frame) -> list[Face]:
        """One frame -> everybody known: tracked, predicted or lost, in the order of their ids."""
        self._rescale(frame.rgb)
        if self._cut(frame.rgb):
            self._tracks.clear()
            self._since = self.every
        self._tracks = [track for track in self._tracks if frame.time - track.seen <= self.memory]
        for track in self._present():
            self._follow(track, frame)
        self._since += 1
        if self._due():
            self._associate(frame, self.finder.detect(frame.rgb))
            self._since = 0
        self._settle(frame.time)
        self._admit(frame.time)
        return self._report(frame)

    def close(self) -> None:
        self.finder.close()

    def _present(self) -> list[_Track]:
        return [track for track in self._tracks if track.state != "lost"]

    def _due(self) -> bool:
        waiting = any(track.state == "predicted" or not track.id for track in self._present())
        return self._since >= self.every or waiting or (not self._present() and self._since >= 3)

    def _rescale(self, rgb: np.ndarray) -> None:
        """A stream may change the size of its pictures; what they show stays where it was."""
        size = np.array([rgb.shape[1], rgb.shape[0]], dtype=float)
        if self._size is not None and (size != self._size).any():
            ratio = size / self._size
            for track in self._tracks:
                track.landmarks = track.landmarks * np.append(ratio, ratio[0])
                track.box = _box(track.landmarks)
                track.velocity = track.velocity * ratio
        self._size = size

    def _cut(self, rgb: np.ndarray) -> bool:
        """A cut: the new picture is not the old one changed, it is another. Light changes keep the pattern."""
        new, old = shrink(rgb, 32, 24), self._thumbnail
        self._thumbnail = new
        if old is None or np.abs(new - old).mean() < 12:
            return False
        spread = new.std() * old.std()
        likeness = ((new - new.mean()) * (old - old.mean())).mean() / spread if spread > 1 else 0.0
        return bool(likeness < 0.5)

    def _follow(self, track: _Track, frame: Frame) -> None:
        ahead = np.append(track.velocity * min(frame.time - track.seen, 0.1), 0.0)
        found = self.finder.mesh(frame.rgb, Region.of_landmarks(track.landmarks + ahead))
        box = None if found is None else _box(found)
        if found is not None and box is not None and _plausible(track.box, box):
            track.see(frame.time, found, box)
        else:
            track.state = "predicted"

    def _associate(self, frame: Frame, detections: list[Detection]) -> None:
        """Give each detection to the person it is, by overlap with where they should be; the rest are newcomers."""
        known = self._present()
        cost = [[1 - _overlap(track.box_at(frame.time), found.box) for found in detections] for track in known]
        pairs = _match(cost, len(detections), 0.8)
        for row, track in enumerate(known):
            if row not in pairs:
                track.misses += 1
                continue
            found = detections[pairs[row]]
            if track.state == "predicted":
                again = self._look(frame, found)
                if again is not None:
                    track.see(frame.time, again, _box(again))
            track.confirm(frame.time, found.score)
        for column in set(range(len(detections))) - set(pairs.values()):
            found = detections[column]
            landmarks = self._look(frame, found)
            if landmarks is not None and all(_overlap(track.box, _box(landmarks)) < 0.4 for track in known):
                self._tracks.append(_Track(0, frame.time, frame.time, frame.time, landmarks, found.score,
                                           _shape(landmarks)))

    def _look(self, frame: Frame, found: Detection) -> np.ndarray | None:
        """The mesh at a detection, twice: the second look starts from the first's landmarks and is centred."""
        first = self.finder.mesh(frame.rgb, Region.of_detection(found))
        return None if first is None else self.finder.mesh(frame.rgb, Region.of_landmarks(first))

    def _settle(self, time: float) -> None:
        """Who was missed too long, or not confirmed by the detector, or sits on another's face, is lost."""
        tracked: list[_Track] = []
        for track in sorted(self._present(), key=lambda one: one.first):
            unseen, unsure = time - track.seen > self.patience, time - track.confirmed > 4 * self.patience
            double = track.state == "tracked" and any(_overlap(track.box, one.box) > 0.6 for one in tracked)
            failed = not track.id and track.misses > 1
            if unseen or unsure or double or failed:
                track.state = "lost"
            elif track.state == "tracked":
                tracked.append(track)
        self._tracks = [track for track in self._tracks if track.id or track.state != "lost"]

    def _admit(self, time: float) -> None:
        """Newcomers who stood their probation: who was lost gets the old id back, the others a new one."""
        ready = [track for track in self._present() if not track.id and track.hits >= self.probation]
        lost = [track for track in self._tracks if track.state == "lost"]
        returned = _match([[_unlikeness(old, new, time) for old in lost] for new in ready], len(lost), 1.0)
        for row, new in enumerate(ready):
            if row in returned:
                old = lost[returned[row]]
                new.id, new.first = old.id, old.first
                self._tracks.remove(old)
            elif sum(track.id > 0 for track in self._present()) < self.faces:
                new.id, self._next = self._next, self._next + 1

    def _report(self, frame: Frame) -> list[Face]:
        known = sorted((track for track in self._tracks if track.id), key=lambda one: one.id)
        boxes = [track.box_at(frame.time) for track in self._present()]
        behind = skin.background(frame.rgb, boxes) if any(track.state == "tracked" for track in known) else None
        faces = []
        for track in known:
            if track.state == "tracked" and behind is not None:
                faces.append(Face(track.id, track.box, track.score, "tracked", track.landmarks,
                                  skin.colours(frame.rgb, track.landmarks, behind)))
            else:
                faces.append(Face(track.id, track.box_at(frame.time), track.score, track.state))
        return faces


def _match(cost: list[list[float]], columns: int, limit: float) -> dict[int, int]:
    """The cheapest pairing (Hungarian), row -> column, without the pairs that cost more than `limit`."""
    table = np.array(cost, dtype=float).reshape(len(cost), columns)
    rows, picks = linear_sum_assignment(table)
    return {int(row): int(pick) for row, pick in zip(rows, picks, strict=True) if table[row, pick] <= limit}


def _box(landmarks: np.ndarray) -> np.ndarray:
    return np.concatenate([landmarks.min(0)[:2], landmarks.max(0)[:2]])


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    whole = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / whole if whole > 0 else 0.0


def _plausible(old: np.ndarray, new: np.ndarray) -> bool:
    """From one frame to the next a face's box (4,) neither doubles in size nor leaps by its own width."""
    widths = old[2] - old[0], new[2] - new[0]
    leap = np.hypot(*((old[:2] + old[2:]) / 2 - (new[:2] + new[2:]) / 2))
    return 0.6 < widths[1] / max(widths[0], 1e-9) < 1.7 and leap < 0.7 * max(widths)


def _shape(landmarks: np.ndarray) -> np.ndarray:
    """Proportions of a face free of place, size and pose: the distances between its rigid points, mean 1."""
    points = landmarks[list(RIGID)]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(len(RIGID), 1)]
    return apart / apart.mean()


def _unlikeness(old: _Track, new: _Track, time: float) -> float:
    """0 the same person .. above 1 another: how far the face has come, and how differently it is built."""
    size = max(old.box[2] - old.box[0], new.box[2] - new.box[0])
    apart = float(np.hypot(*((old.box[:2] + old.box[2:]) / 2 - (new.box[:2] + new.box[2:]) / 2))) / size
    built = float(np.sqrt(np.mean((old.shape - new.shape) ** 2)))
    # our choice: a person may come back two face widths away at once, and anywhere after some seconds
    place = apart / (2 + 1.5 * (time - old.seen))
    return 0.4 * place + built / 0.06 if place < 2 else _FAR
