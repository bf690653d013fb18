"""Stage one of two, observe: frames in, observations of everybody in them out; no model of expressions is in it.

A live stream, a recording and a prepared dataset all observe here, with the same tracker settings. They differ in what
they collect: the pictures of the last seconds, features of clips, or JPEG files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import cv2

from mien.core.observations import Face, Frame
from mien.face.crop import crop
from mien.face.located import Located
from mien.face.track_buffer import Observation, TrackBuffer
from mien.face.tracker import Tracker

LONGEST_PROBATION = 64
"""Frames of a newcomer that are kept at most. Our choice: more than a probation at 240 frames a second has; only who
waits for one of the places that `TrackerSettings.faces` allows is on probation for longer."""


class Observer:
    """Everybody in a stream of frames: who is where, and all that is measured of each.

    Args:
        tracker: Finds and follows the faces.
        make: Makes the buffer of a person from their number; called once for each, in the order of their
            confirmation.
        side: px of the square pictures that the buffers' albums take; None where they have no album.
        border: The frames are pictures of one face each, which fills them. The face is looked for with a black border
            around the picture, without which the detector misses it.

    The observations of a newcomer's probation are delivered with the frame that ends it.
    """

    def __init__(self, tracker: Tracker, make: Callable[[int], TrackBuffer], side: int | None = None,
                 border: bool = False) -> None:
        self.tracker = tracker
        self.people: dict[int, TrackBuffer] = {}
        self.faces: list[Face] = []  # everybody known in the newest frame
        self._make, self._side, self._border = make, side, border
        self._newcomers: dict[int, deque[Observation]] = {}

    def observe(self, frame: Frame, located: Located | None = None) -> list[Observation]:
        """The next frame.

        Args:
            frame: With a time after that of the frame before.
            located: What `locate` found in it; None: it is located here.

        Returns:
            What was seen of everybody known, in the order of time for each; it is in their buffers already.
        """
        located = self.locate(frame) if located is None else located
        described, confirmed = self.tracker.describe(frame, located), dict(located.confirmed)
        self._forget_failed({face.id for face in described}, confirmed)
        seen = [observation for candidate, id_ in confirmed.items() for observation in self._deliver(candidate, id_)]
        for face in described:
            if face.id < 0:
                self._newcomers.setdefault(face.id, deque(maxlen=LONGEST_PROBATION)).append(
                    self._observation(frame, face, self._side is not None))
            else:
                seen.append(self._add(self._observation(frame, face, self._person(face.id).wants(frame.time))))
        self.faces = [face for face in described if face.id > 0]
        return seen

    def locate(self, frame: Frame) -> Located:
        """Where everybody is in the next frame; `observe` may follow later, in another thread."""
        if not self._border:
            return self.tracker.locate(frame)
        width = max(frame.rgb.shape[:2]) // 2
        wide = cv2.copyMakeBorder(frame.rgb, *(width,) * 4, cv2.BORDER_CONSTANT)
        return self.tracker.locate(Frame(frame.time, wide)).shifted(-width, -width)

    def finish(self) -> list[Observation]:
        """No more frames: who is on probation and was never missed counts, as in a clip shorter than the probation.

        Returns:
            What was seen of them.
        """
        seen: list[Observation] = []
        for candidate, id_ in self.tracker.finish():
            delivered = self._deliver(candidate, id_)
            seen += delivered
            known = [face for face in self.faces if face.id != id_]
            latest = [observation.face for observation in delivered[-1:]]
            self.faces = sorted([*known, *latest], key=lambda face: face.id)
        return seen

    def forget(self, id_: int) -> None:
        """Drop a person who does not come back."""
        del self.people[id_]

    def _person(self, id_: int) -> TrackBuffer:
        if id_ not in self.people:
            self.people[id_] = self._make(id_)
        return self.people[id_]

    def _observation(self, frame: Frame, face: Face, pictured: bool) -> Observation:
        picture = None
        if pictured and face.landmarks is not None and self._side is not None:
            picture = crop(frame.rgb, face.landmarks, self._side)
        return Observation(frame.time, face, (frame.rgb.shape[1], frame.rgb.shape[0]), picture)

    def _add(self, observation: Observation) -> Observation:
        self._person(observation.face.id).push(observation)
        return observation

    def _deliver(self, candidate: int, id_: int) -> list[Observation]:
        """What was seen of a newcomer during the probation, under the id from now on."""
        waiting = self._newcomers.pop(candidate, ())
        return [self._add(replace(observation, face=replace(observation.face, id=id_))) for observation in waiting]

    def _forget_failed(self, here: set[int], confirmed: dict[int, int]) -> None:
        for candidate in [each for each in self._newcomers if each not in here and each not in confirmed]:
            del self._newcomers[candidate]
