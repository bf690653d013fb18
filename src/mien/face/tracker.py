"""Who is who from frame to frame: several people, stable ids, and an honest word when a face is not there."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from mien.core.observations import Face, Frame, State
from mien.face import skin
from mien.face.association import RIGID, box_of, match, overlap, plausible, shape, shrink
from mien.face.backend import FaceBackend, OnnxFaceBackend
from mien.face.flow import FlowAnchor, steadied
from mien.face.located import Located
from mien.face.region import Detection, Region
from mien.face.tracker_settings import TICK, TrackerSettings

_RIGID = list(RIGID)
_FAR = 1e6  # a cost that no match may have


@dataclass(eq=False)
class _Track:
    id: int  # 0 on probation
    serial: int  # of all tracks, also of those that are never confirmed
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
    anchor: FlowAnchor | None = None  # of the last look of the mesh, where faces are carried on by optical flow
    looked: float = -np.inf  # the time of that look, s
    carried: bool = False  # the landmarks come from the anchor

    def __post_init__(self) -> None:
        self.box = box_of(self.landmarks)

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
        self.shape = (1 - rate) * self.shape + rate * shape(self.landmarks)


class Tracker:
    """Frames in, faces out; the only state is who was where.

    The detector runs when `TrackerSettings` say so; in between, the mesh follows each face from where it was. With a
    `mesh_interval` above 0 the mesh looks at a face only that often, and optical flow carries the landmarks on: enough
    for the colour of the skin, not for expressions. While there is a `pool`, it does what can be done side by side; the
    faces are the same with it and without. A lost person's id comes back by place and by the proportions of the face. A
    scene cut forgets everybody.
    """

    def __init__(self, backend: FaceBackend | None = None, settings: TrackerSettings | None = None) -> None:
        self.backend = backend or OnnxFaceBackend()
        self.settings = settings or TrackerSettings()
        self.pool: ThreadPoolExecutor | None = None
        self._tracks: list[_Track] = []
        self._next = self._serial = 1
        self._time: float | None = None  # of the newest frame, s
        self._patience = self.settings.patience
        self._detected = -np.inf  # when the detector looked last, s
        self._thumbnail: np.ndarray | None = None
        self._size: np.ndarray | None = None

    def update(self, frame: Frame) -> list[Face]:
        """Track the faces of the next frame, and return all known people in the order of their ids."""
        return [face for face in self.describe(frame, self.locate(frame)) if face.id > 0]

    def locate(self, frame: Frame) -> Located:
        """Find the faces of the next frame, without the colours of their skin."""
        self._rescale(frame.rgb)
        if self._cut(frame.rgb):
            self._tracks.clear()
            self._detected = -np.inf
        self._pace(frame.time)
        self._tracks = [track for track in self._tracks if frame.time - track.seen <= self.settings.memory]
        detections = self._detect(frame) if self._due(frame.time) else None
        self._follow_all(frame)
        if detections is None and self._missed() and self._passed(frame.time, self.settings.check_interval):
            detections = self._detect(frame)
        if detections is not None:
            self._associate(frame, detections.result())
            self._detected = frame.time
        self._settle(frame.time)
        return self._report(frame.time, self._admit(frame.time))

    def finish(self) -> tuple[tuple[int, int], ...]:
        """End of the frames: a person on probation who was never missed counts.

        Returns:
            `Located.confirmed` of them: a clip may be shorter than the probation, and a picture is.
        """
        return () if self._time is None else self._admit(self._time, ended=True)

    @staticmethod
    def describe(frame: Frame, located: Located) -> list[Face]:
        """Return the faces of a frame, which `locate` found, with the mean colours of their skin.

        It has no state: another thread may call it while `locate` processes the next frame.
        """
        if not any(face.state == "tracked" for face in located.faces):
            return list(located.faces)
        behind = skin.background_colour(frame.rgb, list(located.present))
        return [face if marks is None else replace(face, skin=skin.mean_skin_colours(frame.rgb, marks, behind))
                for face, marks in zip(located.faces, located.landmarks, strict=True)]

    def close(self) -> None:
        """Release the models of the face backend."""
        self.backend.close()

    def _present(self) -> list[_Track]:
        return [track for track in self._tracks if track.state != "lost"]

    def _detect(self, frame: Frame) -> Future[list[Detection]]:
        """Look for faces, in the pool, or here and now where there is none."""
        if self.pool is not None:
            return self.pool.submit(self.backend.detect, frame.rgb)
        done: Future[list[Detection]] = Future()
        done.set_result(self.backend.detect(frame.rgb))
        return done

    def _pace(self, time: float) -> None:
        """A missed face is waited for at least `patience_frames` frame intervals."""
        interval = 0.0 if self._time is None else time - self._time
        self._patience = max(self.settings.patience, self.settings.patience_frames * interval)
        self._time = time

    def _passed(self, time: float, interval: float) -> bool:
        """Whether the last detection is so many s ago."""
        return time - self._detected >= interval - TICK

    def _missed(self) -> bool:
        return any(track.state == "predicted" for track in self._present())

    def _due(self, time: float) -> bool:
        """Whether the detector must look at this frame, whatever the mesh finds in it."""
        present = self._present()
        if not present:
            return self._passed(time, self.settings.search_interval)
        if any(not track.id for track in present):
            return self._passed(time, self.settings.check_interval)
        if any(track.confirmed < self._detected for track in present):
            return self._passed(time, self.settings.retry_interval)
        return self._passed(time, self.settings.detection_interval)

    def _follow_all(self, frame: Frame) -> None:
        tracks = self._present()
        waiting = [self.pool.submit(self._follow, track, frame) for track in tracks[1:]] if self.pool else []
        for track in tracks[:1] if waiting else tracks:
            self._follow(track, frame)
        for done in waiting:
            done.result()

    def _rescale(self, rgb: np.ndarray) -> None:
        """A stream may change the size of its pictures; what they show stays where it was."""
        size = np.array([rgb.shape[1], rgb.shape[0]], dtype=float)
        if self._size is not None and (size != self._size).any():
            ratio = size / self._size
            for track in self._tracks:
                track.landmarks = track.landmarks * np.append(ratio, ratio[0])
                track.box = box_of(track.landmarks)
                track.anchor = None
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
        moved = None if track.anchor is None else track.anchor.follow(frame.rgb)
        carried = moved is not None and frame.time - track.looked < self.settings.mesh_interval - 1e-6
        landmarks = moved if carried else steadied(self._again(track, frame), moved)
        box = None if landmarks is None else box_of(landmarks)
        if landmarks is not None and box is not None and plausible(track.box, box):
            track.see(frame.time, landmarks, box)
            track.carried = carried
            if self.settings.mesh_interval and not track.carried:
                track.anchor, track.looked = FlowAnchor(frame.rgb, landmarks, _RIGID), frame.time
        else:
            track.state, track.anchor = "predicted", None

    def _again(self, track: _Track, frame: Frame) -> np.ndarray | None:
        """The mesh, where the face should be by now."""
        ahead = np.append(track.velocity * min(frame.time - track.seen, 0.1), 0.0)
        return self.backend.mesh(frame.rgb, Region.of_landmarks(track.landmarks + ahead))

    def _associate(self, frame: Frame, detections: list[Detection]) -> None:
        """Give each detection to the person it is, by overlap with where they should be; the rest are newcomers."""
        known = self._present()
        cost = [[1 - overlap(track.box_at(frame.time), detection.box) for detection in detections] for track in known]
        pairs = match(cost, len(detections), 0.8)
        for row, track in enumerate(known):
            if row not in pairs:
                track.misses += 1
                continue
            detection = detections[pairs[row]]
            if track.state == "predicted":
                again = self._look(frame, detection)
                if again is not None:
                    track.see(frame.time, again, box_of(again))
            track.confirm(frame.time, detection.score)
        for column in set(range(len(detections))) - set(pairs.values()):
            detection = detections[column]
            landmarks = self._look(frame, detection)
            if landmarks is not None and all(overlap(track.box, box_of(landmarks)) < 0.4 for track in known):
                self._tracks.append(_Track(0, self._serial, frame.time, frame.time, frame.time, landmarks,
                                           detection.score, shape(landmarks)))
                self._serial += 1

    def _look(self, frame: Frame, detection: Detection) -> np.ndarray | None:
        """The mesh at a detection, twice: the second look starts from the first's landmarks and is centred."""
        first = self.backend.mesh(frame.rgb, Region.of_detection(detection))
        return None if first is None else self.backend.mesh(frame.rgb, Region.of_landmarks(first))

    def _settle(self, time: float) -> None:
        """Who was missed too long, or not confirmed by the detector, or sits on another's face, is lost."""
        tracked: list[_Track] = []
        for track in sorted(self._present(), key=lambda other: other.first):
            unseen, unsure = time - track.seen > self._patience, time - track.confirmed > 4 * self._patience
            double = track.state == "tracked" and any(overlap(track.box, other.box) > 0.6 for other in tracked)
            failed = not track.id and track.misses > 1
            if unseen or unsure or double or failed:
                track.state = "lost"
            elif track.state == "tracked":
                tracked.append(track)
        self._tracks = [track for track in self._tracks if track.id or track.state != "lost"]

    def _admit(self, time: float, ended: bool = False) -> tuple[tuple[int, int], ...]:
        """Newcomers who stood their probation: who was lost gets the old id back, the others a new one."""
        ready = [track for track in self._present() if not track.id and (self._stood(track) or (
            ended and not track.misses and track.state == "tracked"))]
        lost = [track for track in self._tracks if track.state == "lost"]
        returned = match([[_unlikeness(old, new, time) for old in lost] for new in ready], len(lost), 1.0)
        for row, new in enumerate(ready):
            if row in returned:
                old = lost[returned[row]]
                new.id, new.first = old.id, old.first
                self._tracks.remove(old)
            elif sum(track.id > 0 for track in self._present()) < self.settings.faces:
                new.id, self._next = self._next, self._next + 1
        return tuple((-track.serial, track.id) for track in ready if track.id)

    def _stood(self, track: _Track) -> bool:
        """Whether the detector has found a newcomer often enough and for long enough."""
        detection = track.confirmed - track.first >= self.settings.probation - TICK
        return detection and track.hits >= self.settings.confirmations

    def _report(self, time: float, confirmed: tuple[tuple[int, int], ...]) -> Located:
        tracks = sorted((track for track in self._tracks if track.id), key=lambda each: each.id)
        tracks += [track for track in self._tracks if not track.id]
        marks = tuple(track.landmarks if track.state == "tracked" else None for track in tracks)
        faces = tuple(Face(track.id or -track.serial, track.box if seen is not None else track.box_at(time),
                           track.score, track.state, seen, carried=seen is not None and track.carried)
                      for track, seen in zip(tracks, marks, strict=True))
        return Located(faces, marks, tuple(track.box_at(time) for track in self._present()), confirmed)


def _unlikeness(old: _Track, new: _Track, time: float) -> float:
    """0 the same person .. above 1 another: how far the face has come, and how differently it is built."""
    size = max(old.box[2] - old.box[0], new.box[2] - new.box[0])
    distance = float(np.hypot(*((old.box[:2] + old.box[2:]) / 2 - (new.box[:2] + new.box[2:]) / 2))) / size
    built = float(np.sqrt(np.mean((old.shape - new.shape) ** 2)))
    # our choice: a person may come back two face widths away at once, and anywhere after some seconds
    place = distance / (2 + 1.5 * (time - old.seen))
    return 0.4 * place + built / 0.06 if place < 2 else _FAR
