"""A prepared dataset on disk, read at random: rows of what was seen, pictures of faces, signals, trial by trial.

    cache = Cache("prepared/deap")
    for trial in cache.trials:
        index = video.pick_frames(len(cache.pictured(trial.id)), 16)
        window = cache.window(trial.id, 0.0, 60.0, pictures=index)   # types.Window with 16 faces
        signals = cache.signals(trial.id, 0.0, 60.0)                 # types.Signal or None

On disk (written by `data.build`): `cache.json` tells of all trials, and each has a folder of its own with `rows.npy`, a
row a frame of the video (`ROW`), `faces.mjpeg`, the pictures as JPEGs end to end (players show it as a film), and
`signals.npy` (C, N). All times are of the trial: 0 is `span[0]` of its video.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.tasks import ACTION_UNITS
from mien.types import OWN_AUS, REGIONS, Signal, Trial, Window

SCHEMA = "mien.cache/1"
INDEX = "cache.json"
ROWS, FACES, SIGNALS, QUALITY = "rows.npy", "faces.mjpeg", "signals.npy", "quality.npy"

ROW = np.dtype([
    ("time", "<f8"), ("skin", "<f4", (len(REGIONS), 3)), ("position", "<f4", 3), ("aus", "<f4", len(ACTION_UNITS)),
    ("pose", "<f4", 3), ("gaze", "<f4", 2), ("state", "i1"), ("offset", "<i8"), ("length", "<i4"),
])  # fmt: skip
"""A frame: its time in s of the trial, what `types.Window` holds of it, the index of `types.STATES` (-1: nobody known
yet), and where in `faces.mjpeg` its picture lies (length 0: it has none)."""

OPEN = 16
"""Tables of rows kept in memory. Our choice: a trial of two minutes at 60 Hz has 1.4 MB."""


@dataclass(frozen=True)
class Entry:
    """What the cache holds of one trial, in `folder` below it: `frames` seen, `pictures` of them kept, up to `end` s.

    `coverage` 0..1: share of the frames in which the main person's face was tracked; `signals`: rate, names, units and
    start of the signals, None where the trial has none; `note`: what is odd though it went well; `aus`: of another
    program's action units which file, which units are `absent` and the share of frames that is `known`, None for ours.
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
    """The prepared dataset at `path`; read only, safe to send to other processes, and nothing in it stays open.

    `dataset`: its name; `settings`: how it was made; `size`: the side of its pictures in px; `entries`: by trial's id;
    `aus`: of another program's action units what `imported.Folder.told` says, None for ours.
    Raises ValueError where `path` holds no finished cache, or one of another version.
    """

    path: Path
    dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    aus: Mapping[str, Any] | None = None

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        found = read_index(self.path)
        if found is None:
            raise ValueError(f"cache: expected a prepared dataset with {INDEX}, got none at {self.path}; "
                             "run: mien data prepare DATASET ROOT --out CACHE (it goes on where it was stopped)")
        self.dataset, self.settings, self.aus = found["dataset"], found["settings"], found.get("aus")
        entries = [_entry(self.dataset, row) for row in found["trials"]]
        self.entries = {entry.trial.id: entry for entry in entries}

    @property
    def aus_by(self) -> str:
        """The program that read the action units."""
        return OWN_AUS if self.aus is None else str(self.aus["by"])

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return int(self.settings["size"])

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial that was prepared, in the dataset's order; their paths are relative to the dataset's root."""
        return tuple(entry.trial for entry in self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)

    def times(self, id: str) -> np.ndarray:
        """(T,) s of every frame of the trial's video."""
        return self._rows(id)["time"]

    def pictured(self, id: str) -> np.ndarray:
        """(P,) s of every picture that is kept of the trial."""
        rows = self._rows(id)
        return rows["time"][rows["length"] > 0]

    def window(self, id: str, start: float = 0.0, end: float = np.inf,
               pictures: Sequence[int] | np.ndarray | None = None) -> Window:
        """The trial's rows with start <= time < end s; with `pictures`, faces too, those of these indices (0..P-1).

        The indices are of `pictured(id)`, whatever `start` and `end`; they may repeat, and give the order of the faces.
        An infinite `end` is the trial's. Raises KeyError for an unknown id, IndexError for an unknown picture.
        """
        table = self._rows(id)
        end = self._entry(id).end if np.isinf(end) else end
        first, last = np.searchsorted(table["time"], [start, end])
        rows = table[first:last]
        seen: dict[str, Any] = {name: rows[name] for name in ("skin", "position", "aus", "pose", "gaze")}
        window = Window(start=start, end=end, times=rows["time"], **seen,
                        aus_by=self.aus_by)
        if pictures is None:
            return window
        kept = table[table["length"] > 0][np.asarray(pictures, dtype=np.intp)]
        return replace(window, faces=self._decode(id, kept), pictured=kept["time"])

    def clip(self, trial: Trial, pick: Callable[[int], np.ndarray] | None = None) -> Window:
        """The whole trial with the pictures that `pick` chooses (their number -> indices), None: all of them."""
        count = len(self.pictured(trial.id))
        return self.window(trial.id, pictures=np.arange(count) if pick is None else pick(count))

    def signals(self, id: str, start: float = -np.inf, end: float = np.inf) -> Signal | None:
        """The trial's signals, samples with start <= time < end s; None where it has none. A baseline is before 0."""
        entry = self._entry(id)
        if entry.signals is None:
            return None
        folder, about = self.path / entry.folder, entry.signals
        values = np.load(folder / SIGNALS, mmap_mode="r")
        quality = np.load(folder / QUALITY, mmap_mode="r") if about["quality"] else None
        times = about["start"] + np.arange(values.shape[1]) / about["rate"]
        first, last = np.searchsorted(times, [start, end])
        return Signal(values=np.array(values[:, first:last]), rate=about["rate"], names=tuple(about["names"]),
                      units=tuple(about["units"]), start=about["start"] + first / about["rate"],
                      quality=None if quality is None else np.array(quality[first:last]))

    def _entry(self, id: str) -> Entry:
        if id not in self.entries:
            raise KeyError(f"cache: expected the id of a prepared trial, got {id!r}; manifest.csv lists why one is not")
        return self.entries[id]

    def _rows(self, id: str) -> np.ndarray:
        return _table(str(self.path / self._entry(id).folder / ROWS))

    def _decode(self, id: str, rows: np.ndarray) -> np.ndarray:
        """rows (N,) of the table -> uint8 (N, S, S, 3) RGB, each decoded to where it belongs."""
        faces = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        with open(self.path / self._entry(id).folder / FACES, "rb", buffering=0) as file:
            for face, offset, length in zip(faces, rows["offset"].tolist(), rows["length"].tolist(), strict=True):
                file.seek(offset)
                data = np.frombuffer(file.read(length), np.uint8)
                decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) == length else None
                if decoded is None or decoded.shape != face.shape:
                    raise ValueError(f"cache: expected a picture at byte {offset} of {file.name}, got none; "
                                     "remove this folder and run mien data prepare again")
                cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, face)
        return faces


def read_index(path: Path) -> dict[str, Any] | None:
    """`cache.json` at `path`, None where there is none. ValueError where it is of another version or broken."""
    try:
        found = json.loads((path / INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ValueError(f"cache: expected {SCHEMA} in {path / INDEX}, got no JSON; name another folder") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"cache: expected {SCHEMA} in {path / INDEX}, got another; prepare into another folder")
    return found


def trial_fields(trial: Trial, root: Path) -> dict[str, Any]:
    """A trial as JSON can say it, paths relative to the dataset's root; `_entry` reads it back."""
    def below(path: Path | None) -> str | None:
        return None if path is None else Path(os.path.relpath(path, root)).as_posix()

    start, end = trial.span
    return {"id": trial.id, "subject": trial.subject, "video": below(trial.video),
            "span": [start, None if np.isinf(end) else end], "frame_rate": trial.frame_rate,
            "signals": below(trial.signals), "entry": trial.entry, "labels": dict(trial.labels), "side": trial.side,
            "about": dict(trial.about)}


def _entry(dataset: str, row: Mapping[str, Any]) -> Entry:
    known = dict(row["trial"])
    start, end = known.pop("span")
    paths = {name: None if known[name] is None else Path(known.pop(name)) for name in ("video", "signals")}
    trial = Trial(dataset=dataset, span=(start, np.inf if end is None else end), **{**known, **paths})
    return Entry(trial=trial, **{name: value for name, value in row.items() if name != "trial"})


@lru_cache(maxsize=OPEN)
def _table(path: str) -> np.ndarray:
    table = np.load(path)
    if table.dtype != ROW:
        raise ValueError(f"cache: expected rows of {SCHEMA} in {path}, got others; prepare again")
    table.flags.writeable = False
    return table
