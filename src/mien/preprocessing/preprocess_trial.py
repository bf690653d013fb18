"""Prepare one trial: read it frame by frame, and write its folder completely or not at all. Errors become outcomes.

The folder's name, below the trial's own, is a hash of its sources and settings: a folder that exists is complete and up
to date. Nothing in it depends on when, where or how often it was made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien import face
from mien.core import telemetry
from mien.core.atomic_folders import staging
from mien.core.hashing import version
from mien.core.observations import Signal
from mien.core.parallel.outcome import Outcome, ProgressCallback, attempt
from mien.core.read_json import read_json
from mien.core.settings import Settings
from mien.core.trials import Trial
from mien.face.crop import MARGIN
from mien.face.tracker_settings import TrackerSettings
from mien.preprocessing import external_aus
from mien.preprocessing.cache import FACES, QUALITY, ROWS, SCHEMA, SIGNALS
from mien.preprocessing.face_extraction import QUALITIES, ROOM, FaceExtractor
from mien.preprocessing.trial_reader import TrialFrames, cache_key, file_fingerprints, video_rate
from mien.signals.quality import quality_table

ABOUT = "trial.json"

@dataclass(frozen=True)
class Preparation:
    """How trials are prepared: `size` px of the pictures, at most about `rate` of them a second, `faces` followed, and
    which of `au_tracks.PROGRAMS` read the action units, "" for mien.

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
        values = {name: value for name, value in asdict(self).items() if name != "aus" or value}
        return {**values, "margin": MARGIN, "tracker": asdict(TrackerSettings(self.faces)),
                "qualities": list(QUALITIES),
                "room": ROOM, **_versions()}


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """What else may change a face, a landmark or a JPEG."""
    return {"schema": SCHEMA, "mien": version(), "onnxruntime": telemetry.onnxruntime().__version__,
            "opencv": cv2.__version__}


@dataclass(frozen=True, eq=False)
class PreprocessingJob:
    """One trial to prepare, into a folder in `folder` (whole path); `aus`: its file of action units, None for ours."""

    trial: Trial
    folder: str
    how: Preparation
    aus: external_aus.AUFileMatch | None = None


def folder_name(trial: Trial) -> str:
    """A folder's name for a trial, whatever its id is made of, and another one for every id."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", trial.id).strip("._")[-60:]
    return f"{plain}-{hashlib.sha256(trial.id.encode()).hexdigest()[:8]}"


def preprocess_trial(job: PreprocessingJob, progress: ProgressCallback | None = None) -> Outcome:
    """Prepare one trial where that is not done yet; `made` of the outcome is the name of its folder.

    Never raises for what the data or the disk does: that is an outcome. `tick` hears the share that is done, 0..1.
    """
    return attempt(lambda: _perform(job, progress))


def _perform(job: PreprocessingJob, progress: ProgressCallback | None) -> Outcome:
    sources = _sources(job)
    made = Path(job.folder) / cache_key(job.trial.dataset, job.trial.id, job.trial.span, job.trial.frame_rate,
                                  job.trial.entry, sources, job.how.settings)
    if read_about(made) is not None:
        return Outcome("skipped", made=made.name)
    made.parent.mkdir(parents=True, exist_ok=True)
    with staging(made.parent) as making:
        complete = making / "whole"
        complete.mkdir()
        _write(job, making, complete, sources, progress)
        _publish(complete, made)
    return Outcome("ok", made=made.name)


def _sources(job: PreprocessingJob) -> dict[str, Any]:
    """What the trial is made from. ValueError where its action units are to be another program's and there are none."""
    if job.aus is None:
        return file_fingerprints(job.trial)
    if job.aus.path is None:
        raise ValueError(job.aus.reason)
    return {**file_fingerprints(job.trial, job.aus.path), "clock": "trial" if job.aus.on_trial_clock else "video"}


def read_about(folder: Path) -> dict[str, Any] | None:
    """What `trial.json` of a trial's folder says, None where it is not there, or a file that it names is not whole."""
    try:
        about = read_json(folder / ABOUT)
        sizes = {name: os.path.getsize(folder / name) for name in about["files"]}
    except (OSError, ValueError, TypeError, KeyError):  # nothing, or nothing of ours: then it is made again
        return None
    return about if sizes == about["files"] else None


def _publish(complete: Path, made: Path) -> None:
    """Give the finished folder its name; one of that name that is not whole goes, one that is stays."""
    try:
        os.rename(complete, made)
    except OSError:
        if read_about(made) is None:
            shutil.rmtree(made)
            os.rename(complete, made)


def _write(
    job: PreprocessingJob, making: Path, folder: Path, sources: Mapping[str, object], progress: ProgressCallback | None
) -> None:
    """Everything of one trial into `folder`; what is only needed on the way into `making`."""
    trial = job.trial
    signals = _signals(trial)
    table, coverage, notes = _see(job, making / "spool", folder / FACES, progress)
    merged: dict[str, Any] | None = None
    if job.aus is not None and trial.video is not None:
        merged, odd = external_aus.merge_aus(trial, job.aus, table, *video_rate(trial))
        notes += odd
    pictures = int((table["length"] > 0).sum())
    if not pictures and signals is None:
        raise ValueError(f"expected a face or a signal, got no face in {len(table)} frames and no signal; look at "
                         "the video, or leave the trial out")
    np.save(folder / ROWS, table)
    if signals is not None:
        notes += quality_table(signals)[1]
        np.save(folder / SIGNALS, signals.values)
        if signals.quality is not None:
            np.save(folder / QUALITY, signals.quality)
    about = {
        "schema": SCHEMA, "trial": trial.id, "sources": sources, "settings": job.how.settings,
        "held": {"frames": len(table), "pictures": pictures, "end": _end(table, signals),
                 "coverage": round(coverage, 4), "signals": None if signals is None else _wires(signals),
                 "note": "; ".join(notes), **({"aus": merged} if merged else {})},
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8", newline="\n")


def _signals(trial: Trial) -> Signal | None:
    if trial.signals is None:
        return None
    from mien.datasets import dataset

    return dataset(trial.dataset).signals(trial)


def _see(
    job: PreprocessingJob, spool: Path, faces: Path, progress: ProgressCallback | None
) -> tuple[np.ndarray, float, list[str]]:
    """Look at every frame once -> table of rows, coverage 0..1, what is odd in words."""
    how, frames = job.how, TrialFrames(job.trial)
    at_most = 1 if frames.crops else how.faces
    tracker = face.tracker(Settings(faces=at_most), _backend())
    with open(spool, "wb") as out:
        people = FaceExtractor(tracker, out, how.size, how.rate, frames.crops)
        for frame in frames:
            people.push(frame)
            if progress is not None and frames.seconds:
                progress(min(frame.time / frames.seconds, 1.0))
    with open(spool, "rb") as kept, open(faces, "wb") as out:
        table, coverage = people.table(out, kept)
    notes = [note for note in (frames.lost,) if note]
    if len(table) and not people.count:
        notes.append("no face was found")
    if people.count > 1:
        notes.append(f"{people.count} people were found; the one whose face covers the largest area over time is kept")
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
def _backend() -> face.OnnxFaceBackend:
    """One for all trials of this process: it is a pure function, and takes a moment to build."""
    return face.OnnxFaceBackend()
