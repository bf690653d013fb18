"""Everybody in a trial, seen frame by frame: their rows and their pictures; at the end one of them is the trial's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import cv2
import numpy as np

from mien import face
from mien.core.observations import STATES, Frame
from mien.face import AUEstimator
from mien.face.observer import Observer
from mien.face.track_buffer import FaceCropBuffer, Observation, TrackBuffer
from mien.preprocessing.cache import MEASURED, ROW_DTYPE

QUALITIES = (95, 90, 85, 80, 70, 60, 50)
"""Of JPEG, the first that fits into `ROOM`. Our choice: 95 keeps real faces at 46 dB or better in 8 to 14 kB, and
decodes as fast as less."""

ROOM = 20_000
"""Bytes a picture of 224 px may take; in proportion to its area."""

SPACING = 0.9
"""Of the time between pictures at the wanted rate, so that uneven times lose none: 30 Hz of 30.5 is all of them."""


@dataclass(frozen=True)
class FaceCrop:
    """Where the picture of the frame at `time` s lies in the spool."""

    time: float
    offset: int
    length: int


@dataclass(eq=False)
class Spool(FaceCropBuffer):
    """An album that keeps nothing in memory: pictures go to a file as JPEGs; `kept`: where they lie."""

    file: BinaryIO | None = None
    kept: list[FaceCrop] = field(default_factory=list)

    def wants(self, time: float) -> bool:
        """Whether the next picture is due."""
        return not self.kept or time - self.kept[-1].time >= self.gap

    def push(self, time: float, picture: np.ndarray) -> None:
        """picture uint8 (side, side, 3) of the face; one that is not due is left out."""
        if self.file is not None and self.wants(time):
            data = encode_jpeg(picture)
            self.kept.append(FaceCrop(time, self.file.tell(), len(data)))
            self.file.write(data)


class FaceExtractor:
    """Push frames, then take the `table` of the main person. JPEGs go to `spool`, so that no picture waits in memory.

    `crops`: the frames are pictures of one face already and are taken whole, with or without a face that is found.
    """

    def __init__(self, tracker: face.Tracker, spool: BinaryIO, size: int, rate: float, crops: bool) -> None:
        self._areas: dict[int, float] = {}  # px of face, summed over frames
        self._spool, self._size, self._gap = spool, size, SPACING / rate
        self._whole: Spool | None = None
        side: int | None = size
        if crops:
            self._whole, side = self._new_spool(), None
        self._observer = Observer(tracker, self._buffer, side, border=crops)
        self._times: list[float] = []

    def push(self, frame: Frame) -> None:
        """The next frame."""
        self._times.append(frame.time)
        self._note(self._observer.observe(frame))
        if self._whole is not None and self._whole.wants(frame.time):
            self._whole.push(frame.time, face.fit(frame.rgb, self._size))

    def _buffer(self, _: int) -> TrackBuffer:
        if self._whole is not None:
            return TrackBuffer(AUEstimator())
        return TrackBuffer(AUEstimator(), album=self._new_spool())

    def _new_spool(self) -> Spool:
        return Spool(self._size, np.inf, self._gap, file=self._spool)

    def _note(self, seen: Sequence[Observation]) -> None:
        for observation in seen:
            self._areas.setdefault(observation.face.id, 0.0)
            if observation.face.landmarks is not None:
                self._areas[observation.face.id] += float(np.prod(observation.face.box[2:] - observation.face.box[:2]))

    def table(self, faces: BinaryIO, spool: BinaryIO) -> tuple[np.ndarray, float]:
        """-> a row (`ROW_DTYPE`) for each frame, of the main person; coverage. `faces` gets the pictures in `spool`.

        The main person is the one whose face is seen largest for longest (our choice: area summed over frames).
        """
        self._note(self._observer.finish())
        table = np.zeros(len(self._times), ROW_DTYPE)
        for part in MEASURED:
            table[part] = np.nan
        table["time"], table["state"] = self._times, -1
        pictures: Sequence[FaceCrop] = [] if self._whole is None else self._whole.kept
        if self._areas:
            main = self._observer.people[max(self._areas, key=lambda id_: self._areas[id_])]
            main.measure()
            main.measure_again()
            window = main.window(-np.inf, np.inf)
            rows = np.searchsorted(table["time"], window.times)
            for part in MEASURED:
                table[part][rows] = getattr(window, part)
            table["state"][rows] = [STATES.index(state) for state in main.states(-np.inf, np.inf)]
            if isinstance(main.album, Spool):
                pictures = main.album.kept
        _copy(pictures, spool, faces, table)
        tracked = np.count_nonzero(table["state"] == STATES.index("tracked")) / max(len(table), 1)
        return table, tracked

    @property
    def count(self) -> int:
        """How many people were seen."""
        return len(self._areas)


def _copy(pictures: Sequence[FaceCrop], spool: BinaryIO, faces: BinaryIO, table: np.ndarray) -> None:
    for picture in pictures:
        spool.seek(picture.offset)
        row = np.searchsorted(table["time"], picture.time)
        table["offset"][row], table["length"][row] = faces.tell(), picture.length
        faces.write(spool.read(picture.length))


def encode_jpeg(picture: np.ndarray) -> bytes:
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
