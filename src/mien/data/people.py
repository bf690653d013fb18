"""Everybody in a trial, seen frame by frame: their rows and their pictures; at the end one of them is the trial's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import cv2
import numpy as np

from mien import face, facs
from mien.data.cache import ROW
from mien.face import skin
from mien.types import STATES, Face, Frame
from mien.windower import Windower

QUALITIES = (95, 90, 85, 80, 70, 60, 50)
"""Of JPEG, the first that fits into `ROOM`. Our choice: 95 keeps real faces at 46 dB or better in 8 to 14 kB, and
decodes as fast as less."""

ROOM = 20_000
"""Bytes a picture of 224 px may take; in proportion to its area."""

EVERY, PATIENCE = 30, 1.0
"""Frames between two looks for faces, and s that a face may be missed. Our choice: about a second; the mesh follows who
is known in every frame, and who was missed is looked for at once. Whom four times that long no look has found is lost,
which at 7.5 Hz is as long as 30 frames."""

READ = 64
"""Frames whose landmarks wait to be read as action units, 11 kB each."""

SPACING = 0.9
"""Of the time between pictures at the wanted rate, so that uneven times lose none: 30 Hz of 30.5 is all of them."""


@dataclass(frozen=True)
class Picture:
    """Where the picture of a frame lies in the spool."""

    frame: int
    offset: int
    length: int


@dataclass(eq=False)
class Person:
    """One of them: a row for each of the `frames` they were known in, `area` px of face, summed over them."""

    seen: Windower
    frames: list[int] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    area: float = 0.0
    pictured: float = -np.inf


class People:
    """Push frames, then take the `table` of the main person. JPEGs go to `spool`, so that no picture waits in memory.

    `crops`: the frames are pictures of one face already and are taken whole, with or without a face that is found.
    """

    def __init__(self, tracker: face.Tracker, spool: BinaryIO, size: int, rate: float, crops: bool) -> None:
        self._tracker, self._spool, self._size, self._gap, self._crops = tracker, spool, size, SPACING / rate, crops
        self._people: dict[int, Person] = {}
        self._whole: list[Picture] = []
        self._last = -np.inf
        self._times: list[float] = []

    def push(self, frame: Frame) -> None:
        """The next frame."""
        number = len(self._times)
        self._times.append(frame.time)
        for found in _within(self._tracker, frame) if self._crops else self._tracker.update(frame):
            if found.id not in self._people:
                self._people[found.id] = Person(Windower(facs.Reader()))
            self._see(self._people[found.id], found, frame, number)
        if self._crops and frame.time - self._last >= self._gap:
            self._last = frame.time
            self._whole.append(self._keep(number, face.fit(frame.rgb, self._size)))

    def _see(self, person: Person, found: Face, frame: Frame, number: int) -> None:
        person.seen.push(frame.time, found, (frame.rgb.shape[1], frame.rgb.shape[0]))
        person.frames.append(number)
        if len(person.frames) % READ == 0:
            person.seen.read()
        if found.landmarks is None:
            return
        person.area += float(np.prod(found.box[2:] - found.box[:2]))
        if not self._crops and frame.time - person.pictured >= self._gap:
            person.pictured = frame.time
            person.pictures.append(self._keep(number, face.crop(frame.rgb, found.landmarks, self._size)))

    def _keep(self, number: int, picture: np.ndarray) -> Picture:
        data = jpeg(picture)
        offset = self._spool.tell()
        self._spool.write(data)
        return Picture(number, offset, len(data))

    def table(self, faces: BinaryIO, spool: BinaryIO) -> tuple[np.ndarray, float]:
        """-> rows `ROW` of every frame, the main person in them, pictures copied from `spool` to `faces`; coverage.

        The main person is the one whose face is seen largest for longest (our choice: area summed over frames).
        """
        table = np.zeros(len(self._times), ROW)
        for part in ("skin", "position", "aus", "pose", "gaze"):
            table[part] = np.nan
        table["time"], table["state"] = self._times, -1
        main = max(self._people.values(), key=lambda person: person.area, default=None)
        if main is not None:
            main.seen.read()
            window = main.seen.window(-np.inf, np.inf)
            for part in ("skin", "position", "aus", "pose", "gaze"):
                table[part][main.frames] = getattr(window, part)
            table["state"][main.frames] = [STATES.index(state) for state in main.seen.states(-np.inf, np.inf)]
        _copy(self._whole if self._crops else main.pictures if main else (), spool, faces, table)
        tracked = float((table["state"] == STATES.index("tracked")).mean()) if len(table) else 0.0
        return table, tracked

    @property
    def count(self) -> int:
        """How many people were seen."""
        return len(self._people)


def _within(tracker: face.Tracker, frame: Frame) -> list[Face]:
    """Who is in a picture that is one face, seen with a black border: without, the detector misses what fills it."""
    border = max(frame.rgb.shape[:2]) // 2
    wide = cv2.copyMakeBorder(frame.rgb, *(border,) * 4, cv2.BORDER_CONSTANT)
    faces = []
    for found in tracker.update(Frame(frame.time, wide)):
        box, landmarks, colours = found.box - border, found.landmarks, None
        if landmarks is not None:
            landmarks = landmarks - np.array([border, border, 0], np.float32)
            colours = skin.colours(frame.rgb, landmarks, skin.background(frame.rgb, [box]))
        faces.append(replace(found, box=box, landmarks=landmarks, skin=colours))
    return faces


def _copy(pictures: Sequence[Picture], spool: BinaryIO, faces: BinaryIO, table: np.ndarray) -> None:
    for picture in pictures:
        spool.seek(picture.offset)
        table["offset"][picture.frame], table["length"][picture.frame] = faces.tell(), picture.length
        faces.write(spool.read(picture.length))


def jpeg(picture: np.ndarray) -> bytes:
    """picture uint8 (S, S, 3) RGB -> JPEG in at most `ROOM` bytes for 224 px, as well as that allows."""
    room = ROOM * picture.shape[0] * picture.shape[1] / 224**2
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for quality in QUALITIES:
        done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise ValueError(f"jpeg: expected a picture that can be encoded, got {picture.shape}")
        if len(data) <= room:
            break
    return data.tobytes()
