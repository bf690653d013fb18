"""Everybody in a table of action units that another program wrote: OpenFace 2 or py-feat, told apart by their columns.

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

from mien.tasks import ACTION_UNITS

from .text import MISSING, Columns, columns, header

PROGRAMS = {"openface": "OpenFace 2", "py-feat": "py-feat"}
"""What a program is called in settings and cards, and in words."""

INTENSITY, PRESENCE, PLAIN = r"AU\d\d_r", r"AU\d\d_c", r"AU\d\d"
_FEX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
_MARKS = ("x_0", "x_16", "x_30", "y_30")  # of the 68: both ends of the jaw, the tip of the nose
SLACK = 0.01
"""Share of the scale by which a value may leave it, for what was rounded."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """A row a face and frame (R,): `times` s, `frames` from 0, `names` of the faces ("" where the program names none),
    `values` (R, A) in the order of `tasks.ACTION_UNITS`, 0..`top`, NaN for a unit that it does not read and where it
    saw no face, `confidence` 0..1, `where` (R, 3) x, y and width of the face in px or NaN, `lines` of the file.
    `absent`: units that the file lacks; `unused`: its units that have no place here."""

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
        """Frames from one row to the next, as most are."""
        gaps = np.diff(np.unique(self.frames))
        return int(np.median(gaps)) if len(gaps) else 1

    @property
    def step(self) -> float:
        """s from one row to the next, as most are."""
        gaps = np.diff(np.unique(self.times))
        return float(np.median(gaps)) if len(gaps) else 0.0

    def on(self, times: np.ndarray, start: float = 0.0, count: int = 0, rate: float = 0.0) -> Tracks:
        """On the clock of a trial that begins at `start` s of the video, and whose frames were at `times` (N,) s.

        Where the file counts as many frames as there were, or as the whole video has (`count`, `rate` Hz), each row
        gets its frame's time: both programs count frames, and take an even rate for granted. Otherwise the file's own
        times are believed.
        """
        if self._counts(len(times)) or (self._counts(count) and not start):
            step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
            later = np.maximum(self.frames - (len(times) - 1), 0)  # behind the trial's last frame
            own = times[np.minimum(self.frames, len(times) - 1)] + later * step
        elif self._counts(count) and rate:
            own = self.frames / rate - start
        else:
            own = self.times - start
        return replace(self, times=own)

    def _counts(self, frames: int) -> bool:
        """Whether the file goes to the last of so many frames."""
        last = int(self.frames.max(initial=-1))
        return frames - self.stride <= last < frames and int(self.frames.min(initial=0)) >= 0

    def nearest(self, times: np.ndarray, position: np.ndarray) -> str:
        """The face that most often lies where somebody was seen: `times` (N,) s, `position` (N, 3) x, y, width in px.

        Where nobody was: the one that is seen largest for longest, as with mien's own faces. ValueError where the file
        does not say where faces are, or none lies there.
        """
        if not np.isfinite(self.where).all(axis=1).any():
            raise ValueError(f"{self.path}: expected one face, or columns that say where each is (FaceRectX .., or x_0 "
                             f".. of OpenFace's -2Dfp), got the faces {', '.join(self.faces)} alone")
        seen = np.isfinite(position).all(axis=1)
        worth = np.nan_to_num(self.where[:, 2]) ** 2
        if seen.any():
            at, there = times[seen], position[seen]
            place = np.searchsorted((at[:-1] + at[1:]) / 2, self.times)
            away = np.hypot(*(self.where[:, :2] - there[place, :2]).T)
            worth = ((away < there[place, 2]) & (np.abs(at[place] - self.times) < 0.1)).astype(float)
        total = {name: float(worth[self.names == name].sum()) for name in self.faces}
        best = max(total, key=lambda name: total[name])
        if not total[best]:
            raise ValueError(f"{self.path}: expected a face where the main person of the video is, got "
                             f"{', '.join(self.faces)} elsewhere: is it the file of this video?")
        return best

    def rows(self, face: str | None = None) -> np.ndarray:
        """The rows of a face, of the only one for None. ValueError where there are others, or its times go back."""
        faces = self.faces
        if face is None and len(faces) > 1:
            raise ValueError(f"{self.path}: expected one face, got {', '.join(faces)}: choose with face=")
        if face is not None and faces and face not in faces:
            raise ValueError(f"{self.path}: expected face to be one of {', '.join(faces)}, got {face}")
        chosen = face if face is not None else faces[0] if faces else ""
        rows = np.flatnonzero(self.names == chosen) if faces else np.arange(len(self.names))
        times = self.times[rows]
        back = np.flatnonzero(~(np.diff(times) > 0)) + 1
        bad = back if len(back) else np.flatnonzero(~np.isfinite(times))
        if len(bad):
            told = "" if faces or self.program != "py-feat" else ": several faces need a column Identity"
            raise ValueError(f"{self.path}, line {self.lines[rows[bad[0]]]}: expected times that increase, got "
                             f"{times[bad[0]]:g} s after {times[max(bad[0] - 1, 0)]:g} s{told}")
        return rows


def program(path: str | Path) -> str:
    """Which of `PROGRAMS` wrote a table, by its columns. ValueError where none did, or it holds no intensities."""
    known = header(Path(path))
    if any(re.fullmatch(INTENSITY, name) for name in known):
        return "openface"
    fex = any(name in known for name in (*_FEX, "Identity"))
    if fex and any(re.fullmatch(PLAIN, name) for name in known):
        return "py-feat"
    if fex or any(re.fullmatch(PRESENCE, name) for name in known):
        wanted = "AU01 of py-feat: run it with a model of action units" if fex else (
            "AU01_r of OpenFace, got presence (AU01_c) alone: run it with its models of intensity")
        raise ValueError(f"{path}, line 1: expected intensities of action units, such as {wanted}")
    told = ", ".join(known[:6]) + (" .." if len(known) > 6 else "")
    raise ValueError(f"{path}, line 1: expected a table of OpenFace 2 (AU01_r) or py-feat (AU01, FaceScore), got "
                     f"{told or 'no columns'}")


def tracks(path: str | Path, rate: float | None = None) -> Tracks:
    """Everybody in a file of either program. `rate` Hz of the video, by which frames become times: of py-feat, and of
    OpenFace where it saw pictures, whose time stamps are all 0.

    Raises ValueError where it is of neither, lacks a column, or a cell is no number or off the scale.
    """
    path = Path(path)
    if program(path) == "openface":
        found = openface_tracks(path)
        return openface_tracks(path, rate=rate) if rate and len(found.times) > 1 and not found.times.any() else found
    if rate is None:
        raise ValueError(f"{path}: expected the video's frames a second with a file of py-feat, got none")
    stat = os.stat(path)
    return _pyfeat(path, rate, (stat.st_size, stat.st_mtime_ns))


def openface_tracks(path: Path, least: float = 0.0, rate: float | None = None) -> Tracks:
    """As `action_units.openface` reads it."""
    stat = os.stat(path)
    return _openface(path, least, rate, (stat.st_size, stat.st_mtime_ns))


def pyfeat_tracks(path: Path, rate: float) -> Tracks:
    """As `action_units.pyfeat` reads it."""
    stat = os.stat(path)
    return _pyfeat(path, rate, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=2)  # one file may hold many trials
def _openface(path: Path, least: float, rate: float | None, stamp: tuple[int, int]) -> Tracks:
    known = header(path)
    units = {name: name[:-2] for name in known if re.fullmatch(INTENSITY, name)}
    clock = "timestamp" if rate is None else "frame"
    extra = [name for name in ("face_id", "frame", *_MARKS) if name in known and name != clock]
    table = columns(path, [clock, "confidence", "success", *extra, *(units or {"AU01_r": ""})])
    times = table.numbers(clock) if rate is None else (table.numbers(clock) - 1) / rate
    counted = table.numbers("frame") if "frame" in table.cells else np.full(len(table), np.nan)
    confidence = np.nan_to_num(table.numbers("confidence"))
    seen = (table.numbers("success") == 1) & (confidence >= least)
    where = np.full((len(table), 3), np.nan)
    if all(name in known for name in _MARKS):
        left, right, x, y = (table.numbers(name) for name in _MARKS)
        where = np.stack([x, y, np.abs(right - left)], axis=1)
    return _tracks(table, "openface", times, counted - 1, "face_id", units, seen, confidence, where, 5.0)


@lru_cache(maxsize=2)
def _pyfeat(path: Path, rate: float, stamp: tuple[int, int]) -> Tracks:
    if not rate > 0:
        raise ValueError(f"pyfeat: expected the video's frames a second as rate, got {rate}")
    known = header(path)
    units = {name: name for name in known if re.fullmatch(PLAIN, name)}
    table = columns(path, ["frame", *(name for name in ("Identity", *_FEX) if name in known),
                           *(units or {"AU01": ""})])
    confidence = table.numbers("FaceScore") if "FaceScore" in known else np.ones(len(table))
    where = np.full((len(table), 3), np.nan)
    if all(name in known for name in _FEX):
        x, y, width, height = (table.numbers(name) for name in _FEX[:4])
        where = np.stack([x + width / 2, y + height / 2, width], axis=1)
    frames = table.numbers("frame")
    return _tracks(table, "py-feat", frames / rate, frames, "Identity", units, confidence > 0,
                   np.nan_to_num(confidence), where, 1.0)


def _tracks(table: Columns, program: str, times: np.ndarray, frames: np.ndarray, named: str, units: Mapping[str, str],
            seen: np.ndarray, confidence: np.ndarray, where: np.ndarray, top: float) -> Tracks:
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
    return Tracks(table.path, program, times, counted, _names(table, named), np.clip(values, 0, top), confidence, where,
                  np.array(table.lines), top, tuple(unit for unit in ACTION_UNITS if unit not in units.values()),
                  tuple(unit for unit in units.values() if unit not in ACTION_UNITS))


def _names(table: Columns, column: str) -> np.ndarray:
    cells: Sequence[str] = table.cells.get(column, [""] * len(table))
    plain = [re.sub(r"^(\d+)\.0+$", r"\1", cell.strip()) for cell in cells]  # `0.0` and ` 0` are face 0
    return np.array(["" if cell.lower() in MISSING else cell for cell in plain], dtype=object)
