"""One trial: seen frame by frame, written into a folder of its own all or nothing, whatever happens told as an outcome.

The folder's name below the trial's own is a hash of what it was made from and how: where it is there, it is whole and
up to date. Nothing in it depends on when, where or how often it was made.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien import face
from mien.data import imported
from mien.data.cache import FACES, QUALITY, ROWS, SCHEMA, SIGNALS
from mien.data.people import EVERY, PATIENCE, QUALITIES, ROOM, People
from mien.data.sources import Frames, key, pace, prints
from mien.face.crop import MARGIN
from mien.types import Signal, Trial
from mien.work import Outcome, Tick, explain, staging, version

ABOUT = "trial.json"

@dataclass(frozen=True)
class Preparation:
    """How trials are prepared: `size` px of the pictures, at most about `rate` of them a second, `faces` followed, and
    which of `imports.PROGRAMS` read the action units, "" for mien.

    rate: our choice; it keeps every frame of 24 to 30 Hz and every other one of 50 and 60 Hz, which a model that looks
    at 16 frames cannot tell. The rows, and with them the skin, keep every frame. faces: our choice; the main person is
    the one whose face fills most of the picture for most of the time, and a group of AMIGOS has four.
    """

    size: int = 224
    rate: float = 30.0
    faces: int = 4
    aus: str = ""

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 1024:
            raise ValueError(f"size: expected 16 to 1024 px, got {self.size}")
        if not self.rate > 0:
            raise ValueError(f"rate: expected a positive number of pictures a second, got {self.rate}")
        if self.faces < 1:
            raise ValueError(f"faces: expected 1 or more, got {self.faces}")

    @property
    def settings(self) -> dict[str, object]:
        """What makes another cache; what was made with other settings is made again."""
        own = {name: value for name, value in asdict(self).items() if name != "aus" or value}
        return {**own, "margin": MARGIN, "every": EVERY, "patience": PATIENCE, "qualities": list(QUALITIES),
                "room": ROOM, **_versions()}


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """What else may change a face, a landmark or a JPEG."""
    return {"schema": SCHEMA, "mien": version(), "mediapipe": importlib.metadata.version("mediapipe"),
            "opencv": cv2.__version__}


@dataclass(frozen=True, eq=False)
class Job:
    """One trial to prepare, into a folder in `folder` (whole path); `aus`: its file of action units, None for ours."""

    trial: Trial
    folder: str
    how: Preparation
    aus: imported.Match | None = None


def name(trial: Trial) -> str:
    """A folder's name for a trial, whatever its id is made of, and another one for every id."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", trial.id).strip("._")[-60:]
    return f"{plain}-{hashlib.sha256(trial.id.encode()).hexdigest()[:8]}"


def perform(job: Job, tick: Tick | None = None) -> Outcome:
    """Prepare one trial where that is not done yet; `made` of the outcome is the name of its folder.

    Never raises for what the data or the disk does: that is an outcome. `tick` hears the share that is done, 0..1.
    """
    start = time.perf_counter()
    try:
        sources = _sources(job)
        made = Path(job.folder) / key(job.trial.dataset, job.trial.id, job.trial.span, job.trial.frame_rate,
                                      job.trial.entry, sources, job.how.settings)
        done = read_about(made) is not None
        if not done:
            made.parent.mkdir(parents=True, exist_ok=True)
            with staging(made.parent) as making:
                whole = making / "whole"
                whole.mkdir()
                _write(job, making, whole, sources, tick)
                _publish(whole, made)
    except Exception as error:  # whatever one trial does, the others go on; the manifest and --debug tell it
        return Outcome("failed", explain(error), seconds=time.perf_counter() - start, trace=traceback.format_exc())
    return Outcome("skipped" if done else "ok", seconds=time.perf_counter() - start, made=made.name)


def _sources(job: Job) -> dict[str, Any]:
    """What the trial is made from. ValueError where its action units are to be another program's and there are none."""
    if job.aus is None:
        return prints(job.trial)
    if job.aus.path is None:
        raise ValueError(job.aus.reason)
    return {**prints(job.trial, job.aus.path), "clock": "trial" if job.aus.own else "video"}


def read_about(folder: Path) -> dict[str, Any] | None:
    """What `trial.json` of a trial's folder says, None where it is not there, or a file that it names is not whole."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        sizes = {name: os.path.getsize(folder / name) for name in about["files"]}
    except (OSError, ValueError, TypeError, KeyError):  # nothing, or nothing of ours: then it is made again
        return None
    return about if sizes == about["files"] else None


def _publish(whole: Path, made: Path) -> None:
    """Give the finished folder its name; one of that name that is not whole goes, one that is stays."""
    try:
        os.rename(whole, made)
    except OSError:
        if read_about(made) is None:
            shutil.rmtree(made)
            os.rename(whole, made)


def _write(job: Job, making: Path, folder: Path, sources: Mapping[str, object], tick: Tick | None) -> None:
    """Everything of one trial into `folder`; what is only needed on the way into `making`."""
    trial = job.trial
    signals = _signals(trial)
    table, coverage, notes = _see(job, making / "spool", folder / FACES, tick)
    told: dict[str, Any] | None = None
    if job.aus is not None and trial.video is not None:
        told, odd = imported.join(trial, job.aus, table, *pace(trial))
        notes += odd
    pictures = int((table["length"] > 0).sum())
    if not pictures and signals is None:
        raise ValueError(f"expected a face or a signal, got no face in {len(table)} frames and no signal; look at "
                         "the video, or leave the trial out")
    np.save(folder / ROWS, table)
    if signals is not None:
        np.save(folder / SIGNALS, signals.values)
        if signals.quality is not None:
            np.save(folder / QUALITY, signals.quality)
    about = {
        "schema": SCHEMA, "trial": trial.id, "sources": sources, "settings": job.how.settings,
        "held": {"frames": len(table), "pictures": pictures, "end": _end(table, signals),
                 "coverage": round(coverage, 4), "signals": None if signals is None else _wires(signals),
                 "note": "; ".join(notes), **({"aus": told} if told else {})},
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8", newline="\n")


def _signals(trial: Trial) -> Signal | None:
    if trial.signals is None:
        return None
    from mien.datasets import DATASETS

    return DATASETS[trial.dataset].signals(trial)


def _see(job: Job, spool: Path, faces: Path, tick: Tick | None) -> tuple[np.ndarray, float, list[str]]:
    """Look at every frame once -> table of rows, coverage 0..1, what is odd in words."""
    how, frames = job.how, Frames(job.trial)
    # one look is enough to be somebody: the main person is chosen at the end, and clips are short
    most = 1 if frames.crops else how.faces
    tracker = face.Tracker(_finder(), faces=most, every=EVERY, probation=1, patience=PATIENCE)
    with open(spool, "wb") as out:
        people = People(tracker, out, how.size, how.rate, frames.crops)
        for frame in frames:
            people.push(frame)
            if tick is not None and frames.seconds:
                tick(min(frame.time / frames.seconds, 1.0))
    with open(spool, "rb") as kept, open(faces, "wb") as out:
        table, coverage = people.table(out, kept)
    notes = [frames.lost] if frames.lost else []
    if len(table) and not people.count:
        notes.append("no face was found")
    if people.count > 1:
        notes.append(f"{people.count} people were seen, the one seen largest for longest is kept")
    return table, coverage, notes


def _end(table: np.ndarray, signals: Signal | None) -> float:
    """s: just after the last frame, or, of a trial without video, the last sample."""
    if len(table):
        return float(np.nextafter(table["time"][-1], np.inf))
    return float(np.nextafter(signals.times[-1], np.inf)) if signals is not None and signals.values.size else 0.0


def _wires(signals: Signal) -> dict[str, Any]:
    return {"rate": float(signals.rate), "start": float(signals.start), "names": list(signals.names),
            "units": list(signals.units), "quality": signals.quality is not None}


@lru_cache(maxsize=1)
def _finder() -> face.MediapipeFinder:
    """One for all trials of this process: it is a pure function, and takes half a second to build."""
    return face.MediapipeFinder()
