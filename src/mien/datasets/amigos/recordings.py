"""Read a participant's preprocessed .mat file: peripheral channels and labels by VideoID."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from mien.datasets import eda_units
from mien.datasets.readers import mat
from mien.datasets.readers.cached_file import RecordingError, file_stamp

RATE, BASELINE = 128.0, 640
"""Hz, and samples before the video."""

CHANNELS = {"ecg": 14, "ecg_left": 15, "eda": 16}
"""`ecg` is the right arm's."""
WIDTH = 17
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
VARIABLES = ("joined_data", "labels_selfassessment", "labels_ext_annotation", "VideoIDs")
GSR_UNIT = "Ohm"
"""Not documented (a single source states that 1/x gives siemens), so we check it against the values."""

MOST_NAN = 0.05
"""Largest missing share of a channel; smaller gaps are interpolated linearly. Our choice: 3 s of a minute."""

KEPT = 4
"""Participants kept in memory, about 10 MB each. Our choice: a loop over trials needs one at a time."""


@dataclass(frozen=True, eq=False)
class Cell:
    """The recording of a video.

    Attributes:
        values: (3, N) in the order of `CHANNELS`, gaps interpolated.
        gaps: (3,) share of missing samples.
        labels: self-assessment without missing values.
        outside: (S, 3) segment, valence and arousal by observers.
    """

    values: np.ndarray
    gaps: np.ndarray
    labels: dict[str, float]
    outside: np.ndarray

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return (self.values.shape[1] - BASELINE) / RATE


@dataclass(frozen=True, eq=False)
class AmigosRecording:
    """`cells` by VideoID; `broken`: why others are unusable; `gsr`: see `eda_units.unit_factor`."""

    cells: dict[str, Cell] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    gsr: float | None = None


def load_recording(path: Path) -> AmigosRecording:
    """Read a participant's file, cached for the next call. Raises RecordingError."""
    return _load(path, *file_stamp(path))


@lru_cache(maxsize=KEPT)
def _load(path: Path, changed: int, size: int) -> AmigosRecording:
    try:
        variables = mat.load(path, VARIABLES)
    except mat.MatError as error:
        raise RecordingError(str(error)) from error
    missing = [name for name in VARIABLES if name not in variables and name != "labels_ext_annotation"]
    if missing:
        raise RecordingError(f"expected {', '.join(VARIABLES)} in {path}, got no {', '.join(missing)}: this is not the "
                             "preprocessed file")
    count = variables["VideoIDs"].size
    for name in VARIABLES:
        if name not in variables:
            continue
        array = variables[name]
        if array.size != count or (name != "VideoIDs" and array.dtype != object):
            raise RecordingError(f"expected {count} cells of {name} in {path}, got {array.dtype} {array.shape}")
    names = [str(mat.cell(variables["VideoIDs"], place)).strip() for place in range(count)]
    cells, broken = {}, {}
    for place, name in enumerate(names):
        if names.count(name) > 1:
            broken[name] = f"expected each VideoID once, got it {names.count(name)} times: the right one is unknown"
            continue
        data = mat.cell(variables["joined_data"], place)
        why = _wrong(data)
        if why:
            broken[name] = why
            continue
        outside = np.zeros((0, 3))
        if "labels_ext_annotation" in variables:
            outside = mat.cell(variables["labels_ext_annotation"], place)
        cells[name] = _cell(data, mat.cell(variables["labels_selfassessment"], place), outside)
    if not cells:
        return AmigosRecording(cells, broken, None)
    gsr = np.concatenate([cell.values[2] for cell in cells.values()])
    return AmigosRecording(cells, broken, eda_units.unit_factor(gsr, GSR_UNIT))


def _wrong(data: np.ndarray) -> str:
    """Why the signals of a cell are unusable; "" if they are usable."""
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
    for row, finite in zip(values, known, strict=True):
        if not finite.all():
            row[~finite] = np.interp(at[~finite], at[finite], row[finite])
    rated = np.asarray(rated, np.float64).ravel()
    labels = {}
    if len(rated) == len(RATINGS) + len(EMOTIONS):
        labels = {name: float(value) for name, value in zip((*RATINGS, *EMOTIONS), rated, strict=True)
                  if np.isfinite(value)}
    outside = np.asarray(outside, np.float64)
    if outside.ndim != 2 or outside.shape[1] != 3:
        outside = np.zeros((0, 3))
    return Cell(values.astype(np.float32), 1 - known.mean(axis=1), labels, outside)
