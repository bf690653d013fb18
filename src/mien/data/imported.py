"""Action units of another program in the place of ours: which file is whose, and its rows at a trial's frames."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien import imports
from mien.imports import PROGRAMS
from mien.imports.contact import SHORT
from mien.tasks import ACTION_UNITS
from mien.types import Trial


@dataclass(frozen=True)
class Match:
    """The file of a trial, on the clock of its video or, named by the trial, on the trial's `own`; or why none is."""

    path: Path | None = None
    own: bool = False
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder of such files holds: `program` that wrote them, the file of each trial that was filmed, by id, and
    `others`: files of action units that belong to no trial."""

    path: Path
    program: str
    found: Mapping[str, Match]
    others: tuple[Path, ...]

    def told(self, held: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """For the cache and for cards, of the trials that were prepared: program, files, and units by how many files
        lack them."""
        files = [one["aus"] for one in held if one.get("aus")]
        lacking = Counter(unit for file in files for unit in file["absent"])
        return {"by": self.program, "files": len(files), "trials": len(self.found),
                "absent": {unit: lacking[unit] for unit in ACTION_UNITS if unit in lacking}}


def words(told: Mapping[str, Any]) -> str:
    """What `Folder.told` says, in a line."""
    lacking = ", ".join(unit if count == told["files"] else f"{unit} ({count} of {told['files']} files)"
                        for unit, count in told["absent"].items())
    return (f"action units: {PROGRAMS[told['by']]}, files for {told['files']} of {told['trials']} filmed trials"
            + (f"; it lacks {lacking}: masked" if lacking else ""))


def find(trials: Iterable[Trial], folder: str | os.PathLike) -> Folder:
    """Match the filmed trials with the files in `folder` and below, by the trial's id or the name of its video.

    A file is named by a trial's id as a path (`s01/7.csv`) or in one word (`s01_7.csv`), or by a video, with or without
    its suffix; where several files or videos are called alike, the folders that they lie in decide.

    Raises ValueError where `folder` is none, no file belongs to a trial, or files of both programs do.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise ValueError(f"--aus: expected a folder with a file of OpenFace 2 or py-feat for each trial, got "
                         f"{'a file' if folder.exists() else 'nothing'} at {folder}")
    filmed = [trial for trial in trials if trial.video is not None]
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".csv" and path.is_file()
                   and not any(part.startswith(".") for part in path.relative_to(folder).parts))
    by: dict[Path, str] = {}
    wrong: dict[Path, str] = {}
    for path in files:
        try:
            by[path] = imports.program(path)
        except ValueError as error:
            wrong[path] = str(error)
    found = _matched(filmed, folder, list(by), {})
    lost = [trial for trial in filmed if found[trial.id].path is None and not found[trial.id].reason]
    bad = _matched(lost, folder, list(wrong), wrong)
    for trial in lost:
        expected = f"{trial.id}.csv or {trial.video.stem if trial.video else ''}.csv"
        found[trial.id] = Match(reason=bad[trial.id].reason or f"expected a file of action units, {expected}, in "
                                f"{folder}, got none: mien's own are on another scale and are not mixed in")
    used = {match.path for match in found.values() if match.path}
    counts = Counter(by[path] for path in used)
    if not counts:
        reasons = [match.reason for match in found.values()] or ["no trial was filmed"]
        raise ValueError(f"--aus: expected files of OpenFace 2 or py-feat for the trials, got none of {len(files)} csv "
                         f"files in {folder}: {reasons[0]}")
    if len(counts) > 1:
        told = " and ".join(f"{count} of {PROGRAMS[name]}" for name, count in sorted(counts.items()))
        raise ValueError(f"--aus: expected files of one program, got {told} in {folder}: their scales differ; give "
                         "each a folder and a cache of its own")
    return Folder(folder, next(iter(counts)), found, tuple(path for path in by if path not in used))


def _matched(trials: Sequence[Trial], folder: Path, files: Sequence[Path], wrong: Mapping[Path, str]
             ) -> dict[str, Match]:
    """The file of each trial; a `wrong` one gives its reason."""
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        stems[path.stem.casefold()].append(path)
    named = {trial.id: _named(trial, folder, stems) for trial in trials}
    shown = {trial.id: _shown(trial, folder, stems) for trial in trials}
    videos: dict[Path, dict[Path, int]] = defaultdict(dict)  # of each file how well each video's name fits
    owners: dict[Path, set[str]] = defaultdict(set)
    for trial in trials:
        for path, score in shown[trial.id].items():
            videos[path][trial.video or Path()] = score
        for path in named[trial.id]:
            owners[path].add(trial.id)
    out = {}
    for trial in trials:
        best = max(shown[trial.id].values(), default=0)
        own = {path for path in named[trial.id] if len(owners[path]) == 1}
        seen = {path for path, score in shown[trial.id].items() if score == best == max(videos[path].values())}
        rivals = sorted({str(video) for path in seen for video, score in videos[path].items() if score == best}
                        - {str(trial.video)})
        both = own | seen
        if len(both) > 1:
            names = ", ".join(path.relative_to(folder).as_posix() for path in sorted(both))
            out[trial.id] = Match(reason=f"expected one file of action units, got {names}: keep the right one")
        elif both and rivals and not own:
            out[trial.id] = Match(reason=f"{next(iter(both))}: expected the file of one video, got the name of "
                                  f"{1 + len(rivals)}, of {rivals[0]} too: put files into folders as the videos are")
        elif named[trial.id] and not both:
            out[trial.id] = Match(reason=f"{next(iter(named[trial.id]))}: expected the file of one trial, got the name "
                                  "of several: name it by the video")
        else:
            file = next(iter(both), None)
            out[trial.id] = Match(reason=wrong[file]) if file and file in wrong else Match(file, bool(own - seen))
    return out


def _named(trial: Trial, folder: Path, stems: Mapping[str, Sequence[Path]]) -> set[Path]:
    """Files called by the trial's id."""
    parts = [part.casefold() for part in PurePosixPath(trial.id).parts]
    flat = re.sub(r"[^\w.-]+", "_", trial.id).casefold()
    return {path for path in stems.get(flat, ())} | {
        path for path in stems.get(parts[-1], ()) if _common(path, folder, parts) == len(parts)}


def _shown(trial: Trial, folder: Path, stems: Mapping[str, Sequence[Path]]) -> dict[Path, int]:
    """Files called by the trial's video, with how much of the path they share."""
    video = trial.video or Path()
    names = dict.fromkeys((video.name.casefold(), video.stem.casefold()))
    return {path: _common(path, folder, [*(part.casefold() for part in video.parts[:-1]), name])
            for name in names for path in stems.get(name, ())}


def _common(path: Path, folder: Path, parts: Sequence[str]) -> int:
    """How many parts of a file's path below the folder, from its end on, are these."""
    own = [part.casefold() for part in (*path.relative_to(folder).parts[:-1], path.stem)]
    count = 0
    while count < min(len(own), len(parts)) and own[-1 - count] == parts[-1 - count]:
        count += 1
    return count


def join(trial: Trial, match: Match, table: np.ndarray, rate: float, count: int) -> tuple[dict[str, Any], list[str]]:
    """Put the file's intensities into the rows of a trial (`cache.ROW`) -> what the cache says of them, what is odd.

    `rate` Hz and `count` of frames of the whole video.

    Raises ValueError where the file cannot be used, or has nothing of the trial's time.
    """
    if match.path is None:
        raise ValueError(match.reason)
    start, stop = trial.span
    part = start > 0 or (np.isfinite(stop) and len(table) < count)
    start, count = (0.0, 0) if match.own else (start, count)
    read = imports.main_face(match.path, rate, table["time"], (table["time"], table["position"]), start, count)
    end = float(table["time"][-1]) if len(table) else 0.0
    first, last = (float(read.times[0]), float(read.times[-1])) if len(read.times) else (np.inf, -np.inf)
    if first > end + SHORT or last < -SHORT:
        raise ValueError(f"{match.path}: expected action units from 0 to {end:.1f} s of the trial, got some from "
                         f"{first:.1f} to {last:.1f} s: is it the file of this video?")
    if match.own and part and last > end + SHORT:
        raise ValueError(f"{match.path}: expected the {end:.1f} s of the trial by whose id it is called, got "
                         f"{last:.1f} s: call the file of a whole video by the video")
    table["aus"] = read.at(table["time"])
    known = np.isfinite(table["aus"]).any(axis=1)
    if not known.any():
        raise ValueError(f"{match.path}: expected a face in some frame of the trial, got none in {len(read.times)} "
                         "rows: look at the file and the video")
    share = float(known.mean())
    notes = [f"action units of face {read.face} of {', '.join(read.faces)}, where the main person is"] * (
        len(read.faces) > 1)
    if first > SHORT or last < end - SHORT:
        notes.append(f"action units from {max(first, 0):.1f} to {last:.1f} s of {end:.1f} s")
    elif last > end + SHORT and not part:
        notes.append(f"action units go on to {last:.1f} s, the video to {end:.1f} s")
    if np.isin(read.values[np.isfinite(read.values)], (0.0, read.top)).all():
        notes.append("action units are there or not, without degrees")
    return {"program": read.program, "file": match.path.name, "absent": list(read.absent),
            "unused": list(read.unused), "known": round(share, 4)}, notes
