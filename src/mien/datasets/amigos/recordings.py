"""One participant's preprocessed .mat: cells by VideoID, whatever their order -> peripheral channels and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from .. import mat, sweat
from ..recording import RecordingError, stamp

RATE, BASELINE = 128.0, 640
"""Hz, and samples before the video."""

CHANNELS = {"ecg": 14, "ecg_left": 15, "eda": 16}
"""`ecg` is the right arm's."""
WIDTH = 17
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
VARIABLES = ("joined_data", "labels_selfassessment", "labels_ext_annotation", "VideoIDs")
GSR_UNIT = "Ohm"
"""By hearsay (one source says that 1/x gives siemens), so held against the values."""

MOST_NAN = 0.05
"""Share of a channel that may be missing; shorter gaps are bridged by straight lines. Our choice: 3 s of a minute."""

KEPT = 4
"""Participants whose channels stay in memory, about 10 MB each. Our choice: a loop over trials has one."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One video: `values` (3, N) in the order of `CHANNELS`, gaps bridged; `gaps` (3,) share that was missing; `labels`
    without what is missing; `outside` (S, 3) segment, valence, arousal by observers."""

    values: np.ndarray
    gaps: np.ndarray
    labels: dict[str, float]
    outside: np.ndarray

    @property
    def seconds(self) -> float:
        """Of the video."""
        return (self.values.shape[1] - BASELINE) / RATE


@dataclass(frozen=True, eq=False)
class Recording:
    """`cells` by VideoID; `broken` says why others cannot be used; `gsr` as `sweat.factor`."""

    cells: dict[str, Cell] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    gsr: float | None = None


def load(path: Path) -> Recording:
    """A participant's file, kept for the next call. Raises RecordingError."""
    return _load(path, *stamp(path))


@lru_cache(maxsize=KEPT)
def _load(path: Path, changed: int, size: int) -> Recording:
    try:
        held = mat.load(path, VARIABLES)
    except mat.MatError as error:
        raise RecordingError(str(error)) from error
    missing = [name for name in VARIABLES if name not in held and name != "labels_ext_annotation"]
    if missing:
        raise RecordingError(f"expected {', '.join(VARIABLES)} in {path}, got no {', '.join(missing)}: this is not the "
                             "preprocessed file")
    count = held["VideoIDs"].size
    for name in VARIABLES:
        if name in held and (held[name].size != count or (name != "VideoIDs" and held[name].dtype != object)):
            got = f"{held[name].dtype} {held[name].shape}"
            raise RecordingError(f"expected {count} cells of {name} in {path}, got {got}")
    names = [str(mat.cell(held["VideoIDs"], place)).strip() for place in range(count)]
    cells, broken = {}, {}
    for place, name in enumerate(names):
        if names.count(name) > 1:
            broken[name] = f"expected each VideoID once, got it {names.count(name)} times: which is meant is not known"
            continue
        data = mat.cell(held["joined_data"], place)
        why = _wrong(data)
        if why:
            broken[name] = why
            continue
        rated, outside = (mat.cell(held[each], place) if each in held else np.zeros((0, 3)) for each in VARIABLES[1:3])
        cells[name] = _cell(data, rated, outside)
    gsr = [cell.values[2] for cell in cells.values()]
    return Recording(cells, broken, sweat.factor(np.concatenate(gsr), GSR_UNIT) if gsr else None)


def _wrong(data: np.ndarray) -> str:
    """Why a cell's signals cannot be used; "" where they can."""
    shape = np.shape(data)
    if not isinstance(data, np.ndarray) or not data.size:
        return f"no signals were recorded: the cell is {shape}"
    if data.ndim != 2 or data.shape[1] != WIDTH or data.dtype.kind not in "fiu":
        return f"expected (samples, {WIDTH}) numbers, got {data.dtype} {shape}"
    if len(data) <= BASELINE:
        return f"expected more than the {BASELINE} samples of the baseline, got {len(data)}"
    gaps = np.mean(~np.isfinite(data[:, list(CHANNELS.values())]), axis=0)
    if gaps.max() > MOST_NAN:
        which = ", ".join(f"{name} {gap:.0%}" for name, gap in zip(CHANNELS, gaps, strict=True) if gap > MOST_NAN)
        return f"expected at most {MOST_NAN:.0%} of a channel to be missing (NaN), got {which}"
    return ""


def _cell(data: np.ndarray, rated: np.ndarray, outside: np.ndarray) -> Cell:
    values = np.array(data[:, list(CHANNELS.values())].T, np.float64)
    known = np.isfinite(values)
    at = np.arange(values.shape[1])
    for row, there in zip(values, known, strict=True):
        if not there.all():
            row[~there] = np.interp(at[~there], at[there], row[there])
    rated = np.asarray(rated, np.float64).ravel()
    whole = len(rated) == len(RATINGS) + len(EMOTIONS)
    given = zip((*RATINGS, *EMOTIONS), map(float, rated), strict=True) if whole else ()
    outside = np.asarray(outside, np.float64)
    labels = {name: value for name, value in given if np.isfinite(value)}
    return Cell(values.astype(np.float32), 1 - known.mean(axis=1), labels,
                outside if outside.ndim == 2 and outside.shape[1] == 3 else np.zeros((0, 3)))
