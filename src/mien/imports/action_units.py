"""Action units of one face that another program read: OpenFace 2 and py-feat, as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.tasks import ACTION_UNITS

from .tracks import Tracks, openface_tracks, pyfeat_tracks, tracks

NEAR = 0.1
"""s from a frame to the row that stands for it, at most. Our choice: half a step of the 5 Hz that models look at, so
that nothing is told of a step near which nothing was measured."""

ROUNDED = 0.6
"""Steps of the file likewise: half of one, and what rounding adds. A frame without the face stays without."""


@dataclass(frozen=True, eq=False)
class ActionUnits:
    """`times` (T,) s; `values` (T, A) in the order of `tasks.ACTION_UNITS`, 0..`top`, NaN for a unit that the program
    does not read and in frames without the face; `confidence` (T,) 0..1; `face`: which of `faces`; `unused`: units of
    the file that have no place here, `absent`: units that it lacks; `step`: s from row to row; `program`: whose."""

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
        """(T, A) stretched to 0..5. Our choice for a program that tells how sure it is that a unit is there: it is no
        intensity, but rises with it."""
        return self.values * (5.0 / self.top)

    def at(self, times: np.ndarray) -> np.ndarray:
        """`intensities` (N, A) of the row nearest to each of `times` (N,) s; NaN where none is near."""
        out = np.full((len(times), len(ACTION_UNITS)), np.nan, np.float32)
        if len(self.times):
            place = np.searchsorted((self.times[:-1] + self.times[1:]) / 2, times)
            near = np.abs(self.times[place] - times) <= min(NEAR, ROUNDED * self.step or NEAR) + 1e-6
            out[near] = self.intensities[place[near]]
        return out


def main_face(path: str | Path, rate: float, times: np.ndarray, seen: tuple[np.ndarray, np.ndarray],
              start: float = 0.0, count: int = 0) -> ActionUnits:
    """The main person's in a file of either program, on the clock of a trial (`Tracks.on`) with frames at `times` s.

    `rate` Hz and `count` of frames of the whole video; `seen`: times (N,) s and positions (N, 3) x, y, width in px of
    the main person, by which one of several faces is chosen. ValueError where the file cannot be used, or has no such
    face.
    """
    own = tracks(path, rate)
    found = own.on(times, start, count, rate)
    face = found.nearest(*seen) if len(found.faces) > 1 else None
    own.rows(face)  # times that go back are no times, though frames be counted
    return _one(found, face)


def _one(found: Tracks, face: str | None = None) -> ActionUnits:
    """One face of a file, the only one for None. ValueError where there are several, or its times go back."""
    rows = found.rows(face)
    name = str(found.names[rows[0]]) if len(rows) else face or ""
    return ActionUnits(found.times[rows], found.values[rows], found.confidence[rows], found.top, name, found.faces,
                       found.unused, found.absent, found.step, found.program)


def openface(path: str | Path, face: int | None = None, least: float = 0.0, rate: float | None = None) -> ActionUnits:
    """A CSV of OpenFace's FeatureExtraction or FaceLandmarkVidMulti -> intensities 0..5 (`AU01_r`).

    `face`: the face_id, where there are several; `least`: confidence below which a frame counts as without a face, as
    one whose `success` is 0 does; `rate` Hz: time is (frame - 1) / rate, for sequences of pictures without time stamps.

    Raises:
        ValueError: a column is missing, a cell is no number or off the scale, times do not increase, or a face has to
            be chosen.
    """
    return _one(openface_tracks(Path(path), least, rate), None if face is None else str(face))


def pyfeat(path: str | Path, rate: float, face: str | None = None) -> ActionUnits:
    """A CSV of py-feat (`Fex`, version 1 or 2) -> how sure it is of each unit, 0..1 (`AU01`).

    `rate`: frames a second of the video; its `frame` counts from 0, its `approx_time` only whole seconds. `face`: the
    Identity, where there are several. AU43, closed eyes, is no blink and is left out.

    Raises:
        ValueError: a column is missing, a cell is no number or off the scale, frames do not increase, or a face has to
            be chosen.
    """
    return _one(pyfeat_tracks(Path(path), rate), face)
