"""Action units of a single face from CSV files of OpenFace 2 and py-feat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.tasks import ACTION_UNITS
from mien.datasets.readers.au_tracks import AUTracks, openface_tracks, pyfeat_tracks, tracks

NEAR = 0.1
"""Largest distance in s from a frame to its row. Our choice: half a step of the models' 5 Hz, so that a step without a
nearby measurement stays empty."""

ROUNDED = 0.6
"""The same limit in steps of the file: half a step plus rounding. A frame without the face stays empty."""


@dataclass(frozen=True, eq=False)
class ActionUnits:
    """Action units of a face.

    Attributes:
        times: (T,) s.
        values: (T, A) in the order of `tasks.ACTION_UNITS`, 0..`top`; NaN for a unit that the program does not estimate
            and in frames without the face.
        confidence: (T,) 0..1.
        top: largest value of the program's scale.
        face: which of `faces`.
        faces: names of all faces in the file.
        unused: units of the file that we do not use.
        absent: our units that the file lacks.
        step: s from row to row.
        program: key of `PROGRAMS`.
    """

    times: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    top: float
    face: str
    faces: tuple[str, ...]
    unused: tuple[str, ...]
    absent: tuple[str, ...] = ()
    step: float = 0.0
    program: str = ""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(ACTION_UNITS)):
            raise ValueError(f"ActionUnits.values: expected ({len(self.times)}, {len(ACTION_UNITS)}), "
                             f"got {self.values.shape}")

    @property
    def intensities(self) -> np.ndarray:
        """`values` (T, A) scaled to 0..5.

        Our choice for a program that estimates the probability of a unit: it is no intensity, but rises with it.
        """
        return self.values * (5.0 / self.top)

    def at(self, times: np.ndarray) -> np.ndarray:
        """`intensities` (N, A) of the row nearest to each of `times` (N,) s; NaN without a near row."""
        out = np.full((len(times), len(ACTION_UNITS)), np.nan, np.float32)
        if len(self.times):
            place = np.searchsorted((self.times[:-1] + self.times[1:]) / 2, times)
            near = np.abs(self.times[place] - times) <= min(NEAR, ROUNDED * self.step or NEAR) + 1e-6
            out[near] = self.intensities[place[near]]
        return out


def main_face(path: str | Path, rate: float, times: np.ndarray, seen: tuple[np.ndarray, np.ndarray],
              start: float = 0.0, count: int = 0) -> ActionUnits:
    """Read the action units of the main person from a file of either program, on the clock of a trial (`AUTracks.on`).

    Args:
        path: the file.
        rate: frame rate of the video in Hz.
        times: (T,) s of the trial's frames.
        seen: times (N,) s and positions (N, 3) x, y, width in px of the main person, to choose among several faces.
        start: start of the trial in s of the video.
        count: number of frames of the whole video.

    Raises:
        ValueError: the file cannot be used, or has no such face.
    """
    table = tracks(path, rate)
    on_clock = table.on(times, start, count, rate)
    face = None
    if len(on_clock.faces) > 1:
        face = on_clock.nearest(*seen)
    table.rows(face)  # reject a file with times that go back, even if we count its frames
    return _face_of(on_clock, face)


def _face_of(table: AUTracks, face: str | None = None) -> ActionUnits:
    """The action units of a face, the only one for None. ValueError if there are several, or its times go back."""
    rows = table.rows(face)
    name = face or ""
    if len(rows):
        name = str(table.names[rows[0]])
    return ActionUnits(table.times[rows], table.values[rows], table.confidence[rows], table.top, name, table.faces,
                       table.unused, table.absent, table.step, table.program)


def openface(path: str | Path, face: int | None = None, least: float = 0.0, rate: float | None = None) -> ActionUnits:
    """Read action unit intensities 0..5 (`AU01_r`) from a CSV of OpenFace's FeatureExtraction or FaceLandmarkVidMulti.

    Args:
        path: the CSV file.
        face: the face_id, needed for several faces.
        least: least confidence; a frame below it counts as without a face, as does one with `success` 0.
        rate: Hz for image sequences without time stamps: time is (frame - 1) / rate.

    Raises:
        ValueError: a column is missing, a cell is no number or off the scale, times do not increase, or `face` is
            needed.
    """
    name = None if face is None else str(face)
    return _face_of(openface_tracks(Path(path), least, rate), name)


def pyfeat(path: str | Path, rate: float, face: str | None = None) -> ActionUnits:
    """Read action unit probabilities 0..1 (`AU01`) from a CSV of py-feat (`Fex`, version 1 or 2).

    AU43, closed eyes, is no blink and is left out.

    Args:
        path: the CSV file.
        rate: frame rate of the video in Hz; `frame` counts from 0, and `approx_time` has whole seconds only.
        face: the Identity, needed for several faces.

    Raises:
        ValueError: a column is missing, a cell is no number or off the scale, frames do not increase, or `face` is
            needed.
    """
    return _face_of(pyfeat_tracks(Path(path), rate), face)
