"""Use another program's action units: match files to trials and align their rows with a trial's frames."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien.core.plain_text import what_is_at
from mien.core.tasks import ACTION_UNITS
from mien.core.trials import Trial
from mien.datasets import readers
from mien.datasets.readers.au_tracks import PROGRAMS
from mien.datasets.readers.physiology_sync import SHORT


@dataclass(frozen=True)
class AUFileMatch:
    """The action unit file of a trial, or the `reason` why there is none.

    `on_trial_clock`: the file is named after the trial and its times start with the trial. Otherwise they start with
    the video.
    """

    path: Path | None = None
    on_trial_clock: bool = False
    reason: str = ""


@dataclass(frozen=True, eq=False)
class AUFolder:
    """The action unit files of one `program` in a folder.

    `matches`: the file of each filmed trial, by id; `others`: files that belong to no trial.
    """

    path: Path
    program: str
    matches: Mapping[str, AUFileMatch]
    others: tuple[Path, ...]

    def summary(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Summarise the files of prepared trials for the cache and for model cards.

        Args:
            entries: index entries of the prepared trials.

        Returns:
            Program, number of files and of filmed trials, and for each missing unit the number of files without it.
        """
        files = [entry["aus"] for entry in entries if entry.get("aus")]
        missing = Counter(unit for file in files for unit in file["absent"])
        return {"by": self.program, "files": len(files), "trials": len(self.matches),
                "absent": {unit: missing[unit] for unit in ACTION_UNITS if unit in missing}}


def format_summary(summary: Mapping[str, Any]) -> str:
    """Format the result of `AUFolder.summary` as a line of text."""
    files = summary["files"]
    text = f"action units: {PROGRAMS[summary['by']]}, files for {files} of {summary['trials']} filmed trials"
    if not summary["absent"]:
        return text
    missing = ", ".join(unit if count == files else f"{unit} ({count} of {files} files)"
                        for unit, count in summary["absent"].items())
    return f"{text}; it lacks {missing}: masked"


def find_au_files(trials: Iterable[Trial], folder: str | os.PathLike) -> AUFolder:
    """Match filmed trials with action unit files by trial id or video name.

    The name of a file is a trial id as a path (`s01/7.csv`) or with underscores (`s01_7.csv`), or the name of a video
    with or without its suffix. Names of parent folders resolve ambiguous names.

    Args:
        trials: the trials of a dataset.
        folder: searched with its subfolders.

    Raises:
        ValueError: there is no such folder, no file belongs to a trial, or files of two programs do.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise ValueError(f"--aus: expected a folder with a file of OpenFace 2 or py-feat for each trial, got "
                         f"{what_is_at(folder)} at {folder}")
    filmed = [trial for trial in trials if trial.video is not None]
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".csv" and path.is_file()
                   and not any(part.startswith(".") for part in path.relative_to(folder).parts))
    by: dict[Path, str] = {}
    wrong: dict[Path, str] = {}
    for path in files:
        try:
            by[path] = readers.program(path)
        except ValueError as error:
            wrong[path] = str(error)
    matches = _matched(filmed, folder, list(by), {})
    unmatched = [trial for trial in filmed if matches[trial.id].path is None and not matches[trial.id].reason]
    bad = _matched(unmatched, folder, list(wrong), wrong)
    for trial in unmatched:
        expected = f"{trial.id}.csv or {trial.video.stem if trial.video else ''}.csv"
        matches[trial.id] = AUFileMatch(
            reason=bad[trial.id].reason
            or f"expected a file of action units, {expected}, in "
            f"{folder}, got none: mien's own are on another scale and are not mixed in"
        )
    used = {match.path for match in matches.values() if match.path}
    counts = Counter(by[path] for path in used)
    if not counts:
        reasons = [match.reason for match in matches.values()] or ["no trial was filmed"]
        raise ValueError(f"--aus: expected files of OpenFace 2 or py-feat for the trials, got none of {len(files)} csv "
                         f"files in {folder}: {reasons[0]}")
    if len(counts) > 1:
        programs = " and ".join(f"{count} of {PROGRAMS[name]}" for name, count in sorted(counts.items()))
        raise ValueError(f"--aus: expected files of one program, got {programs} in {folder}: their scales differ; use "
                         "a separate folder and cache for each")
    return AUFolder(folder, next(iter(counts)), matches, tuple(path for path in by if path not in used))


def _matched(trials: Sequence[Trial], folder: Path, files: Sequence[Path], wrong: Mapping[Path, str]
             ) -> dict[str, AUFileMatch]:
    """Match each trial with a file. A `wrong` file gives the reason why the trial has none."""
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        stems[path.stem.casefold()].append(path)
    by_id = {trial.id: _named(trial, folder, stems) for trial in trials}
    by_video = {trial.id: _shown(trial, folder, stems) for trial in trials}
    videos: dict[Path, dict[Path, int]] = defaultdict(dict)  # file -> video -> length of the common path
    owners: dict[Path, set[str]] = defaultdict(set)
    for trial in trials:
        for path, score in by_video[trial.id].items():
            videos[path][trial.video or Path()] = score
        for path in by_id[trial.id]:
            owners[path].add(trial.id)
    out = {}
    for trial in trials:
        best = max(by_video[trial.id].values(), default=0)
        unique = {path for path in by_id[trial.id] if len(owners[path]) == 1}
        of_video = {path for path, score in by_video[trial.id].items() if score == best == max(videos[path].values())}
        rivals = sorted({str(video) for path in of_video for video, score in videos[path].items() if score == best}
                        - {str(trial.video)})
        both = unique | of_video
        if len(both) > 1:
            names = ", ".join(path.relative_to(folder).as_posix() for path in sorted(both))
            out[trial.id] = AUFileMatch(reason=f"expected one file of action units, got {names}: keep the right one")
        elif both and rivals and not unique:
            out[trial.id] = AUFileMatch(reason=f"{next(iter(both))}: expected the file of one video, got the name of "
                                  f"{1 + len(rivals)}, of {rivals[0]} too: put files into folders as the videos are")
        elif by_id[trial.id] and not both:
            out[trial.id] = AUFileMatch(
                reason=f"{next(iter(by_id[trial.id]))}: expected the file of one trial, got the name "
                "of several: name it by the video"
            )
        elif both and next(iter(both)) in wrong:
            out[trial.id] = AUFileMatch(reason=wrong[next(iter(both))])
        else:
            out[trial.id] = AUFileMatch(next(iter(both), None), bool(unique - of_video))
    return out


def _named(trial: Trial, folder: Path, stems: Mapping[str, Sequence[Path]]) -> set[Path]:
    """Files with the name of the trial's id."""
    parts = [part.casefold() for part in PurePosixPath(trial.id).parts]
    flat = re.sub(r"[^\w.-]+", "_", trial.id).casefold()
    return {path for path in stems.get(flat, ())} | {
        path for path in stems.get(parts[-1], ()) if _common(path, folder, parts) == len(parts)}


def _shown(trial: Trial, folder: Path, stems: Mapping[str, Sequence[Path]]) -> dict[Path, int]:
    """Files with the name of the trial's video, and the length of the common path."""
    video = trial.video or Path()
    names = dict.fromkeys((video.name.casefold(), video.stem.casefold()))
    return {path: _common(path, folder, [*(part.casefold() for part in video.parts[:-1]), name])
            for name in names for path in stems.get(name, ())}


def _common(path: Path, folder: Path, parts: Sequence[str]) -> int:
    """Count the matching path components of a file below `folder`, from the last one."""
    components = [part.casefold() for part in (*path.relative_to(folder).parts[:-1], path.stem)]
    count = 0
    while count < min(len(components), len(parts)) and components[-1 - count] == parts[-1 - count]:
        count += 1
    return count


def merge_aus(
    trial: Trial, match: AUFileMatch, table: np.ndarray, rate: float, count: int
) -> tuple[dict[str, Any], list[str]]:
    """Write the intensities of a file into the rows of a trial.

    Args:
        trial: the trial.
        match: its file.
        table: rows of the trial (`cache.ROW_DTYPE`), changed in place.
        rate: frame rate of the full video in Hz.
        count: number of frames of the full video.

    Returns:
        The record for the index, and warnings.

    Raises:
        ValueError: the file cannot be used, or does not cover the trial.
    """
    if match.path is None:
        raise ValueError(match.reason)
    start, stop = trial.span
    part = start > 0 or (np.isfinite(stop) and len(table) < count)
    if match.on_trial_clock:
        start, count = 0.0, 0
    offset = table["time"][0] if start == 0 and len(table) else 0.0  # both programs count from the first picture
    times = table["time"] - offset
    read = readers.main_face(match.path, rate, times, (times, table["position"]), start, count)
    end = float(max(times[-1:], default=0.0))
    first, last = np.inf, -np.inf
    if len(read.times):
        first, last = float(read.times[0]), float(read.times[-1])
    if first > end + SHORT or last < -SHORT:
        raise ValueError(f"{match.path}: expected action units from 0 to {end:.1f} s of the trial, got some from "
                         f"{first:.1f} to {last:.1f} s: is it the file of this video?")
    if match.on_trial_clock and part and last > end + SHORT:
        raise ValueError(f"{match.path}: expected the {end:.1f} s of the trial with this id, got {last:.1f} s: give "
                         "the file of a full video the name of the video")
    table["aus"] = read.at(times)
    known = np.isfinite(table["aus"]).any(axis=1)
    if not known.any():
        raise ValueError(f"{match.path}: expected a face in some frame of the trial, got none in {len(read.times)} "
                         "rows: look at the file and the video")
    notes = []
    if len(read.faces) > 1:
        notes.append(f"action units of face {read.face} of {', '.join(read.faces)}, where the main person is")
    if first > SHORT or last < end - SHORT:
        notes.append(f"action units from {max(first, 0):.1f} to {last:.1f} s of {end:.1f} s")
    elif last > end + SHORT and not part:
        notes.append(f"action units go on to {last:.1f} s, the video to {end:.1f} s")
    if np.isin(read.values[np.isfinite(read.values)], (0.0, read.top)).all():
        notes.append("the action units are binary (present or absent)")
    return {"program": read.program, "file": match.path.name, "absent": list(read.absent),
            "unused": list(read.unused), "known": round(float(known.mean()), 4)}, notes
