"""Random access to a prepared dataset on disk: per-frame features, face crops and signals of each trial.

    cache = Cache("prepared/deap")
    for trial in cache.trials:
        index = video.pick_frames(len(cache.pictured(trial.id)), 16)
        window = cache.window(trial.id, 0.0, 60.0, pictures=index)   # a Window with 16 faces
        signals = cache.signals(trial.id, 0.0, 60.0)                 # a Signal or None

On disk (written by `build_cache`): `cache.json` lists all trials, and each trial has a folder. It contains `rows.npy`
with a row per video frame (`ROW_DTYPE`), `faces.mjpeg` with the pictures as concatenated JPEGs (a playable video), and
`signals.npy` (C, N). Times are relative to the trial: 0 is `span[0]` of its video.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.core.observations import MIEN_AUS, REGIONS, Signal, Window
from mien.core.read_json import read_json
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.core.trials import Trial

SCHEMA = "mien.cache/3"
INDEX = "cache.json"
ROWS, FACES, SIGNALS, QUALITY = "rows.npy", "faces.mjpeg", "signals.npy", "quality.npy"

MEASURED = "skin", "position", "aus", "pose", "gaze", "expression"
"""Fields of `Window` that a row holds."""

ROW_DTYPE = np.dtype([
    ("time", "<f8"), ("skin", "<f4", (len(REGIONS), 3)), ("position", "<f4", 3), ("aus", "<f4", len(ACTION_UNITS)),
    ("pose", "<f4", 3), ("gaze", "<f4", 2), ("expression", "<f4", len(EXPRESSION.classes)), ("state", "i1"),
    ("offset", "<i8"), ("length", "<i4"),
])  # fmt: skip
"""A frame: its time in s of the trial, the fields of `Window`, the index of `STATES` (-1: no face yet), and
the position of its picture in `faces.mjpeg` (length 0: no picture)."""

CACHED_TABLES = 16
"""Row tables kept in memory. Our choice: a trial of two minutes at 60 Hz has 1.4 MB."""


@dataclass(frozen=True)
class CacheEntry:
    """The index entry of one trial.

    Attributes:
        trial: the trial.
        folder: its folder, relative to the cache.
        frames: number of video frames.
        pictures: number of face crops.
        end: end of the trial in s.
        coverage: 0..1, share of frames in which the main face was tracked.
        signals: rate, names, units and start of the signals, None without signals.
        note: a warning about a trial that was prepared.
        aus: file, `absent` units and share of `known` frames of imported action units, None for ours.
    """

    trial: Trial
    folder: str
    frames: int = 0
    pictures: int = 0
    end: float = 0.0
    coverage: float = 0.0
    signals: Mapping[str, Any] | None = None
    note: str = ""
    aus: Mapping[str, Any] | None = None


@dataclass(eq=False)
class Cache:
    """The prepared dataset at `path`. It is read-only, can be pickled, and keeps no file open.

    Attributes:
        path: folder of the cache.
        dataset: its name.
        settings: settings of the preparation.
        entries: entries by trial id.
        aus: summary of imported action units (`AUFolder.summary`), None for ours.

    Raises:
        ValueError: `path` has no finished cache, or one of another version.
    """

    path: Path
    dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: dict[str, CacheEntry] = field(default_factory=dict)
    aus: Mapping[str, Any] | None = None

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        index = read_index(self.path)
        if index is None:
            raise ValueError(f"cache: expected a prepared dataset with {INDEX}, got none at {self.path}; "
                             "run: mien data prepare DATASET ROOT --out CACHE (an interrupted run resumes)")
        self.dataset, self.settings, self.aus = index["dataset"], index["settings"], index.get("aus")
        entries = [_entry(self.dataset, row) for row in index["trials"]]
        self.entries = {entry.trial.id: entry for entry in entries}

    @property
    def aus_by(self) -> str:
        """The program that computed the action units."""
        if self.aus is None:
            return MIEN_AUS
        return str(self.aus["by"])

    @property
    def size(self) -> int:
        """Side length of the pictures in px."""
        return int(self.settings["size"])

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All prepared trials in the dataset's order; their paths are relative to the dataset's root."""
        return tuple(entry.trial for entry in self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)

    def times(self, id: str) -> np.ndarray:
        """Times (T,) in s of the trial's video frames."""
        return self._rows(id)["time"]

    def pictured(self, id: str) -> np.ndarray:
        """Times (P,) in s of the trial's pictures."""
        rows = self._rows(id)
        return rows["time"][rows["length"] > 0]

    def window(self, id: str, start: float = 0.0, end: float = np.inf,
               pictures: Sequence[int] | np.ndarray | None = None) -> Window:
        """Read the rows with start <= time < end.

        Args:
            id: the trial.
            start, end: limits in s; an infinite `end` is the end of the trial.
            pictures: indices 0..P-1 into `pictured(id)`, independent of `start` and `end`; they may repeat, and define
                the order of the faces. None reads no pictures.

        Raises:
            KeyError: the trial is unknown.
            IndexError: there is no such picture.
        """
        table = self._rows(id)
        if np.isinf(end):
            end = self._entry(id).end
        first, last = np.searchsorted(table["time"], [start, end])
        rows = table[first:last]
        features: dict[str, Any] = {name: rows[name] for name in MEASURED}
        window = Window(start=start, end=end, times=rows["time"], **features, aus_by=self.aus_by)
        if pictures is None:
            return window
        kept = table[table["length"] > 0][np.asarray(pictures, dtype=np.intp)]
        return replace(window, faces=self._decode(id, kept), pictured=kept["time"])

    def clip(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        """Read the full trial with the pictures that `pick` selects (number -> indices); None selects all."""
        count = len(self.pictured(trial.id))
        return self.window(trial.id, pictures=(pick or np.arange)(count))

    def signals(self, id: str, start: float = -np.inf, end: float = np.inf) -> Signal | None:
        """Read the signal samples with start <= time < end s; None without signals. A baseline has times below 0."""
        entry = self._entry(id)
        if entry.signals is None:
            return None
        folder, about = self.path / entry.folder, entry.signals
        values = np.load(folder / SIGNALS, mmap_mode="r")
        times = about["start"] + np.arange(values.shape[1]) / about["rate"]
        first, last = np.searchsorted(times, [start, end])
        quality = None
        if about["quality"]:
            quality = np.array(np.load(folder / QUALITY, mmap_mode="r")[first:last])
        return Signal(values=np.array(values[:, first:last]), rate=about["rate"], names=tuple(about["names"]),
                      units=tuple(about["units"]), start=about["start"] + first / about["rate"], quality=quality)

    def _entry(self, id: str) -> CacheEntry:
        if id not in self.entries:
            raise KeyError(f"cache: expected the id of a prepared trial, got {id!r}; manifest.csv has the reasons")
        return self.entries[id]

    def _rows(self, id: str) -> np.ndarray:
        return _table(str(self.path / self._entry(id).folder / ROWS))

    def _decode(self, id: str, rows: np.ndarray) -> np.ndarray:
        """Decode the pictures of rows (N,) of the table -> uint8 (N, S, S, 3) RGB."""
        faces = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        with open(self.path / self._entry(id).folder / FACES, "rb", buffering=0) as file:
            for face, offset, length in zip(faces, rows["offset"].tolist(), rows["length"].tolist(), strict=True):
                file.seek(offset)
                data = np.frombuffer(file.read(length), np.uint8)
                decoded = None
                if len(data) == length:
                    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
                if decoded is None or decoded.shape != face.shape:
                    raise ValueError(f"cache: expected a picture at byte {offset} of {file.name}, got none; "
                                     "remove this folder and run mien data prepare again")
                cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, face)
        return faces


def read_index(path: Path) -> dict[str, Any] | None:
    """Read `cache.json` at `path`, None if it does not exist. Raises ValueError for another version or invalid JSON."""
    try:
        index = read_json(path / INDEX)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ValueError(f"cache: expected {SCHEMA} in {path / INDEX}, got no JSON; name another folder") from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA:
        raise ValueError(f"cache: expected {SCHEMA} in {path / INDEX}, got another; prepare into another folder")
    return index


def trial_fields(trial: Trial, root: Path) -> dict[str, Any]:
    """Convert a trial to JSON data, with paths relative to the dataset's root; `_entry` reads it."""
    def relative(path: Path | None) -> str | None:
        if path is None:
            return None
        return Path(os.path.relpath(path, root)).as_posix()

    start, end = trial.span
    return {"id": trial.id, "subject": trial.subject, "video": relative(trial.video),
            "span": [start, None if np.isinf(end) else end], "frame_rate": trial.frame_rate,
            "signals": relative(trial.signals), "entry": trial.entry, "labels": dict(trial.labels), "side": trial.side,
            "about": dict(trial.about)}


def _entry(dataset: str, row: Mapping[str, Any]) -> CacheEntry:
    known = dict(row["trial"])
    start, end = known.pop("span")
    if end is None:
        end = np.inf
    paths = {name: Path(known[name]) for name in ("video", "signals") if known[name] is not None}
    trial = Trial(dataset=dataset, span=(start, end), **{**known, **paths})
    return CacheEntry(trial=trial, **{name: value for name, value in row.items() if name != "trial"})


@lru_cache(maxsize=CACHED_TABLES)
def _table(path: str) -> np.ndarray:
    table = np.load(path)
    if table.dtype != ROW_DTYPE:
        raise ValueError(f"cache: expected rows of {SCHEMA} in {path}, got others; prepare again")
    table.flags.writeable = False
    return table
