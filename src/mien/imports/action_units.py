"""Action units that other programs read: OpenFace 2 and py-feat, as CSV.

Baltrusaitis et al. 2018, OpenFace 2.0, 10.1109/FG.2018.00019; Cheong et al. 2023, Py-Feat, 10.1007/s42761-023-00191-4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.tasks import ACTION_UNITS

from .text import Columns, columns, header


@dataclass(frozen=True, eq=False)
class ActionUnits:
    """`times` (T,) s; `values` (T, A) in the order of `tasks.ACTION_UNITS`, 0..`top`, NaN for a unit that the program
    does not read and in frames without the face; `confidence` (T,) 0..1; `face`: which of `faces`; `unused`: units of
    the file that have no place here."""

    times: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    top: float
    face: str
    faces: tuple[str, ...]
    unused: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(ACTION_UNITS)):
            raise ValueError(f"ActionUnits.values: expected ({len(self.times)}, {len(ACTION_UNITS)}), "
                             f"got {self.values.shape}")

    @property
    def intensities(self) -> np.ndarray:
        """(T, A) stretched to 0..5. Our choice for a program that tells how sure it is that a unit is there: it is no
        intensity, but rises with it."""
        return self.values * (5.0 / self.top)


def openface(path: str | Path, face: int | None = None, least: float = 0.0, rate: float | None = None) -> ActionUnits:
    """A CSV of OpenFace's FeatureExtraction or FaceLandmarkVidMulti -> intensities 0..5 (`AU01_r`).

    `face`: the face_id, where there are several; `least`: confidence below which a frame counts as without a face, as
    one whose `success` is 0 does; `rate` Hz: time is (frame - 1) / rate, for sequences of pictures without time stamps.

    Raises:
        ValueError: a column is missing, a cell is no number, times do not increase, or a face has to be chosen.
    """
    path = Path(path)
    known = header(path)
    units = {name: name[:-2] for name in known if re.fullmatch(r"AU\d\d_r", name)}
    clock = "timestamp" if rate is None else "frame"
    many = [name for name in ("face_id",) if name in known]
    table = columns(path, [clock, "confidence", "success", *many, *(units or {"AU01_r": ""})])
    rows, face_name, faces = _one_face(table, many, None if face is None else str(face))
    times = table.numbers(clock)[rows] if rate is None else (table.numbers(clock)[rows] - 1) / rate
    confidence = np.nan_to_num(table.numbers("confidence")[rows])
    seen = (table.numbers("success")[rows] == 1) & (confidence >= least)
    return _gather(table, rows, times, units, seen, confidence, 5.0, face_name, faces)


def pyfeat(path: str | Path, rate: float, face: str | None = None) -> ActionUnits:
    """A CSV of py-feat (`Fex`, version 1 or 2) -> how sure it is of each unit, 0..1 (`AU01`).

    `rate`: frames a second of the video; its `frame` counts from 0, its `approx_time` only whole seconds. `face`: the
    Identity, where there are several. AU43, closed eyes, is no blink and is left out.

    Raises:
        ValueError: a column is missing, a cell is no number, frames do not increase, or a face has to be chosen.
    """
    path = Path(path)
    if not rate > 0:
        raise ValueError(f"pyfeat: expected the video's frames a second as rate, got {rate}")
    known = header(path)
    units = {name: name for name in known if re.fullmatch(r"AU\d\d", name)}
    extra = [name for name in ("Identity", "FaceScore") if name in known]
    table = columns(path, ["frame", *extra, *(units or {"AU01": ""})])
    rows, face_name, faces = _one_face(table, [name for name in extra if name == "Identity"], face)
    confidence = table.numbers("FaceScore")[rows] if "FaceScore" in extra else np.ones(len(rows))
    seen = np.isfinite(confidence)
    times = table.numbers("frame")[rows] / rate
    return _gather(table, rows, times, units, seen, np.nan_to_num(confidence), 1.0, face_name, faces)


def _one_face(table: Columns, column: list[str], face: str | None) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """The rows of the face that is asked for, its name, and all names; the only one where there is one."""
    if not column:
        return np.arange(len(table)), "", ()
    names = [_plain(cell) for cell in table.cells[column[0]]]
    faces = tuple(sorted(set(names) - {""}))
    if face is None and len(faces) > 1:
        raise ValueError(f"{table.path}: expected one face, got {', '.join(faces)}: choose with face=")
    chosen = face if face is not None else faces[0] if faces else ""
    if faces and chosen not in faces:
        raise ValueError(f"{table.path}: expected face to be one of {', '.join(faces)}, got {chosen}")
    return np.flatnonzero([name == chosen for name in names]), chosen, faces


def _plain(cell: str) -> str:
    """`0.0` and ` 0` are face 0."""
    return re.sub(r"^(\d+)\.0+$", r"\1", cell.strip())


def _gather(table: Columns, rows: np.ndarray, times: np.ndarray, units: dict[str, str], seen: np.ndarray,
            confidence: np.ndarray, top: float, face: str, faces: tuple[str, ...]) -> ActionUnits:
    back = np.flatnonzero(~(np.diff(times) > 0))
    if len(back) or not np.isfinite(times).all():
        bad = int(back[0]) + 1 if len(back) else int(np.flatnonzero(~np.isfinite(times))[0])
        raise ValueError(f"{table.path}, line {table.lines[rows[bad]]}: expected times that increase, got "
                         f"{times[bad]:g} s after {times[max(bad - 1, 0)]:g} s")
    values = np.full((len(rows), len(ACTION_UNITS)), np.nan, dtype=np.float32)
    for name, unit in units.items():
        if unit in ACTION_UNITS:
            values[:, ACTION_UNITS.index(unit)] = table.numbers(name)[rows]
    values[~seen] = np.nan
    unused = tuple(unit for unit in units.values() if unit not in ACTION_UNITS)
    return ActionUnits(times, values, confidence, top, face, faces, unused)
