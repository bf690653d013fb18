"""Read the action units of all faces from tables of OpenFace 2 or py-feat, which differ by their columns.

Baltrusaitis et al. 2018, OpenFace 2.0, 10.1109/FG.2018.00019; Cheong et al. 2023, Py-Feat, 10.1007/s42761-023-00191-4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mien.core.tasks import ACTION_UNITS
from mien.core.text_tables import TextTable, is_missing
from mien.datasets.readers.au_tables import FEX, INTENSITY, PLAIN, columns, header, program

PROGRAMS = {"openface": "OpenFace 2", "py-feat": "py-feat"}
"""A program's name in settings and cards -> its name in messages."""

_MARKS = ("x_0", "x_16", "x_30", "y_30")  # of the 68 landmarks: both ends of the jaw, the tip of the nose
SLACK = 0.01
"""Share of the scale by which a value may exceed it, because of rounding."""


@dataclass(frozen=True, eq=False)
class AUTracks:
    """The action units of all faces in a file: one row (R,) per face and frame.

    Attributes:
        path: The file.
        program: Key of `PROGRAMS`.
        times: (R,) s.
        frames: (R,) from 0; -1 if the file has none.
        names: (R,) of the faces; "" if the program names none.
        values: (R, A) in the order of `tasks.ACTION_UNITS`, 0..`top`; NaN for units that the program does not estimate
            and rows without a face.
        confidence: (R,) 0..1.
        where: (R, 3) x, y and width of the face in px, or NaN.
        lines: (R,) of the file.
        top: Largest value of the program's scale.
        absent: Our units that the file lacks.
        unused: Units of the file that we do not use.
    """

    path: Path
    program: str
    times: np.ndarray
    frames: np.ndarray
    names: np.ndarray
    values: np.ndarray
    confidence: np.ndarray
    where: np.ndarray
    lines: np.ndarray
    top: float
    absent: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def faces(self) -> tuple[str, ...]:
        """The names of all faces."""
        return tuple(sorted(set(self.names.tolist()) - {""}))

    @property
    def stride(self) -> int:
        """Median number of frames from one row to the next."""
        gaps = np.diff(np.unique(self.frames))
        if not len(gaps):
            return 1
        return int(np.median(gaps))

    @property
    def step(self) -> float:
        """Median time in s from one row to the next."""
        gaps = np.diff(np.unique(self.times))
        if not len(gaps):
            return 0.0
        return float(np.median(gaps))

    def on(self, times: np.ndarray, start: float = 0.0, count: int = 0, rate: float = 0.0) -> AUTracks:
        """Convert the times to the clock of a trial.

        If the file has as many frames as the trial or the whole video, each row gets the time of its frame: both
        programs count frames and assume a constant rate. Otherwise the times of the file are used.

        Args:
            times: (N,) s of the trial's frames.
            start: Start of the trial in s of the video.
            count: Number of frames of the whole video.
            rate: Frame rate of the video in Hz.
        """
        if self._counts(len(times)) or (self._counts(count) and not start):
            step = 1.0
            if len(times) > 1:
                step = float(np.median(np.diff(times)))
            later = np.maximum(self.frames - (len(times) - 1), 0)  # after the trial's last frame
            moved = times[np.minimum(self.frames, len(times) - 1)] + later * step
        elif self._counts(count) and rate:
            moved = self.frames / rate - start
        else:
            moved = self.times - start
        return replace(self, times=moved)

    def _counts(self, frames: int) -> bool:
        """Whether the file ends with the last of so many frames."""
        last = int(self.frames.max(initial=-1))
        return frames - self.stride <= last < frames and int(self.frames.min(initial=0)) >= 0

    def nearest(self, times: np.ndarray, position: np.ndarray) -> str:
        """Find the face that is most often at the position of a person.

        Without a known position: the face that is largest for longest, as mien chooses among its own tracks.

        Args:
            times: (N,) s.
            position: (N, 3) x, y, width in px, NaN where unknown.

        Raises:
            ValueError: The file has no positions of faces, or no face is at that position.
        """
        if not np.isfinite(self.where).all(axis=1).any():
            raise ValueError(f"{self.path}: expected one face, or columns that say where each is (FaceRectX .., or x_0 "
                             f".. of OpenFace's -2Dfp), got the faces {', '.join(self.faces)} alone")
        seen = np.isfinite(position).all(axis=1)
        worth = np.nan_to_num(self.where[:, 2]) ** 2
        if seen.any():
            at, positions = times[seen], position[seen]
            place = np.searchsorted((at[:-1] + at[1:]) / 2, self.times)
            away = np.hypot(*(self.where[:, :2] - positions[place, :2]).T)
            worth = ((away < positions[place, 2]) & (np.abs(at[place] - self.times) < 0.1)).astype(float)
        total = {name: float(worth[self.names == name].sum()) for name in self.faces}
        best = max(total, key=lambda name: total[name])
        if not total[best]:
            raise ValueError(f"{self.path}: expected a face where the main person of the video is, got "
                             f"{', '.join(self.faces)} elsewhere: is it the file of this video?")
        return best

    def rows(self, face: str | None = None) -> np.ndarray:
        """The rows of a face, or of the only one for None. ValueError if there are others, or its times go back."""
        faces = self.faces
        if face is None and len(faces) > 1:
            raise ValueError(f"{self.path}: expected one face, got {', '.join(faces)}: choose with face=")
        if face is not None and faces and face not in faces:
            raise ValueError(f"{self.path}: expected face to be one of {', '.join(faces)}, got {face}")
        rows = np.arange(len(self.names))
        if faces:
            rows = np.flatnonzero(self.names == (faces[0] if face is None else face))
        times = self.times[rows]
        bad = np.flatnonzero(~(np.diff(times) > 0)) + 1
        if not len(bad):
            bad = np.flatnonzero(~np.isfinite(times))
        if len(bad):
            hint = ""
            if self.program == "py-feat" and not faces:
                hint = ": several faces need a column Identity"
            raise ValueError(f"{self.path}, line {self.lines[rows[bad[0]]]}: expected times that increase, got "
                             f"{times[bad[0]]:g} s after {times[max(bad[0] - 1, 0)]:g} s{hint}")
        return rows


def tracks(path: str | Path, rate: float | None = None) -> AUTracks:
    """Read the action units of all faces from a file of either program.

    Args:
        path: The CSV file.
        rate: Frame rate of the video in Hz. It is needed for py-feat, and for OpenFace on image sequences, where all
            time stamps are 0.

    Raises:
        ValueError: The file is of neither program, lacks a column, or a cell is no number or off the scale.
    """
    path = Path(path)
    if program(path) == "openface":
        table = openface_tracks(path)
        if rate and len(table.times) > 1 and not table.times.any():
            return openface_tracks(path, rate=rate)
        return table
    if rate is None:
        raise ValueError(f"{path}: expected the video's frames a second with a file of py-feat, got none")
    stat = os.stat(path)
    return _pyfeat(path, rate, (stat.st_size, stat.st_mtime_ns))


def openface_tracks(path: Path, least: float = 0.0, rate: float | None = None) -> AUTracks:
    """Read a file of OpenFace; see `action_units.openface`."""
    stat = os.stat(path)
    return _openface(path, least, rate, (stat.st_size, stat.st_mtime_ns))


def pyfeat_tracks(path: Path, rate: float) -> AUTracks:
    """Read a file of py-feat; see `action_units.pyfeat`."""
    stat = os.stat(path)
    return _pyfeat(path, rate, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=2)  # one file may hold many trials
def _openface(path: Path, least: float, rate: float | None, stamp: tuple[int, int]) -> AUTracks:
    known = header(path)
    units = {name: name[:-2] for name in known if re.fullmatch(INTENSITY, name)}
    clock = "timestamp" if rate is None else "frame"
    extra = [name for name in ("face_id", "frame", *_MARKS) if name in known and name != clock]
    table = columns(path, [clock, "confidence", "success", *extra, *(units or {"AU01_r": ""})])
    times = table.numbers(clock)
    if rate is not None:
        times = (times - 1) / rate
    counted = np.full(len(table), np.nan)
    if "frame" in table.cells:
        counted = table.numbers("frame")
    confidence = np.nan_to_num(table.numbers("confidence"))
    seen = (table.numbers("success") == 1) & (confidence >= least)
    where = np.full((len(table), 3), np.nan)
    if all(name in known for name in _MARKS):
        left, right, x, y = (table.numbers(name) for name in _MARKS)
        where = np.stack([x, y, np.abs(right - left)], axis=1)
    return _tracks(table, "openface", times, counted - 1, "face_id", units, seen, confidence, where, 5.0)


@lru_cache(maxsize=2)
def _pyfeat(path: Path, rate: float, stamp: tuple[int, int]) -> AUTracks:
    if not rate > 0:
        raise ValueError(f"pyfeat: expected the video's frames a second as rate, got {rate}")
    known = header(path)
    units = {name: name for name in known if re.fullmatch(PLAIN, name)}
    table = columns(path, ["frame", *(name for name in ("Identity", *FEX) if name in known),
                           *(units or {"AU01": ""})])
    confidence = np.ones(len(table))
    if "FaceScore" in known:
        confidence = table.numbers("FaceScore")
    where = np.full((len(table), 3), np.nan)
    if all(name in known for name in FEX):
        x, y, width, height = (table.numbers(name) for name in FEX[:4])
        where = np.stack([x + width / 2, y + height / 2, width], axis=1)
    frames = table.numbers("frame")
    return _tracks(table, "py-feat", frames / rate, frames, "Identity", units, confidence > 0,
                   np.nan_to_num(confidence), where, 1.0)


def _tracks(table: TextTable, program: str, times: np.ndarray, frames: np.ndarray, named: str,
            units: Mapping[str, str], seen: np.ndarray, confidence: np.ndarray, where: np.ndarray,
            top: float) -> AUTracks:
    values = np.full((len(table), len(ACTION_UNITS)), np.nan, dtype=np.float32)
    for name, unit in units.items():
        if unit in ACTION_UNITS:
            values[:, ACTION_UNITS.index(unit)] = table.numbers(name)
    values[~seen] = np.nan
    off = np.flatnonzero(((values < -SLACK * top) | (values > (1 + SLACK) * top)).any(axis=1))
    if len(off):
        row = values[off[0]]
        got = float(row[np.nanargmax(np.abs(row - top / 2))])
        raise ValueError(f"{table.path}, line {table.lines[off[0]]}: expected action units of {PROGRAMS[program]} from "
                         f"0 to {top:g}, got {got:g}")
    counted = np.where(np.isfinite(frames), frames, -1).astype(np.int64)
    return AUTracks(table.path, program, times, counted, _names(table, named), np.clip(values, 0, top), confidence,
                    where, np.array(table.lines), top,
                    tuple(unit for unit in ACTION_UNITS if unit not in units.values()),
                    tuple(unit for unit in units.values() if unit not in ACTION_UNITS))


def _names(table: TextTable, column: str) -> np.ndarray:
    cells: Sequence[str] = table.cells.get(column, [""] * len(table))
    plain = [re.sub(r"^(\d+)\.0+$", r"\1", cell.strip()) for cell in cells]  # `0.0` and ` 0` are face 0
    return np.array(["" if is_missing(cell) else cell for cell in plain], dtype=object)
