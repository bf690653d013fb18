"""Build the cache of a dataset: preprocess every trial once, in parallel, and report every item.

`build` may be killed at any time; the next run resumes. The result is byte for byte the same for any number of
interruptions and workers. It contains `trials/` with a folder per trial (`preprocess_trial`), `cache.json` for `Cache`,
and `manifest.csv` for users, with a row for every trial and for every problem of the dataset.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.core import atomic_files
from mien.core.atomic_folders import leftovers
from mien.core.folder_lock import folder_lock
from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.core.parallel.pool import Work, run
from mien.core.plain_text import cell
from mien.core.trials import Trial
from mien.datasets.index import DatasetIndex, DatasetProblem
from mien.datasets.readers.au_tracks import PROGRAMS
from mien.preprocessing import external_aus
from mien.preprocessing.cache import INDEX, SCHEMA, read_index, trial_fields
from mien.preprocessing.preprocess_trial import Preparation, PreprocessingJob, folder_name, preprocess_trial, read_about

MANIFEST = "manifest.csv"
TRIALS = "trials"
COLUMNS = ("item", "status", "reason", "frames", "pictures", "coverage", "signals", "aus", "note", "folder", "path",
           "line")


@dataclass(frozen=True, eq=False)
class CacheBuildReport:
    """The result of `build`.

    Attributes:
        dataset: its name.
        expected: number of trials in the survey.
        prepared: number of trials in the cache.
        failed: (id, reason) of the other trials.
        problems: problems that the survey reported.
        aus: description of imported action units, "" for mien's.
    """

    dataset: str
    expected: int
    prepared: int
    failed: tuple[tuple[str, str], ...]
    problems: tuple[DatasetProblem, ...]
    aus: str = ""

    @property
    def complete(self) -> bool:
        """Whether every trial of the survey is in the cache."""
        return self.prepared == self.expected


def build_cache(
    survey: DatasetIndex,
    out: str | os.PathLike,
    how: Preparation | None = None,
    *,
    aus: str | os.PathLike | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: ProgressCallback | None = None,
    on_result: Callable[[Trial, Outcome], None] | None = None,
    work: Work[PreprocessingJob] = preprocess_trial,
    wait: bool = False,
    log: Callable[[str], None] | None = None,
) -> CacheBuildReport:
    """Prepare every trial of `survey` into the cache at `out`.

    Trials that are already prepared with the same settings are kept. At the end, trials that changed or that the survey
    no longer has are removed from the cache.

    Args:
        survey: the trials of the dataset.
        out: folder of the cache.
        how: settings of the preparation.
        aus: folder with another program's action units of every filmed trial (`find_au_files`), which replace ours; a
            trial without a file fails.
        workers, cluster: as in `parallel.run`.
        progress: called with the number of trials done, including the fractions in progress.
        on_result: called with each trial and its outcome.
        work: the job that prepares a trial.
        wait: whether to wait for another process that prepares the same cache, instead of refusing.
        log: gets a line about a lock that is waited for or taken over.

    Raises:
        FolderLockedError: another process writes to the cache.
        ValueError: the survey has no trials or duplicate ids; `out` is a file, contains something else, is the cache of
            another dataset or of another program's action units; `aus` has
            files of no trial, or of two programs; the cluster's package or scheduler is missing.
        OSError: `out` cannot be created or written.
    """
    out, how = Path(out).absolute(), how or Preparation()
    _check(survey, out)
    units: external_aus.AUFolder | None = None
    matches: Mapping[str, external_aus.AUFileMatch] = {}
    program = ""
    if aus is not None:
        units = external_aus.find_au_files(survey.trials, aus)
        matches, program = units.matches, units.program
    how = replace(how, aus=program)
    _expect_same_units(out, program)
    jobs = [PreprocessingJob(trial, str(out / TRIALS / folder_name(trial)), how, matches.get(trial.id))
            for trial in survey.trials]
    outcomes: dict[str, Outcome] = {}
    with folder_lock(out, "preparing a dataset", wait=wait, log=log):
        _sweep(out)
        for job, outcome in run(jobs, work, workers, cluster, progress):
            outcomes[job.trial.id] = outcome
            if on_result is not None:
                on_result(job.trial, outcome)
        return _conclude(survey, out, how, jobs, outcomes, units)


def _expect_same_units(out: Path, given: str) -> None:
    """Raise ValueError if the cache has action units of another program: their scales differ."""
    index = read_index(out)
    if index is None:
        return
    cached = index["settings"].get("aus", "")
    if cached != given:
        names = {"": "mien's own action units", **{key: f"those of {name}" for key, name in PROGRAMS.items()}}
        remedy = "choose"
        if cached and not given:
            remedy = "give --aus FOLDER again, or choose"
        raise ValueError(f"--aus: expected {names[cached]}, with which {out} was prepared, got {names[given]}: their "
                         f"scales differ; {remedy} another --out")


def _check(survey: DatasetIndex, out: Path) -> None:
    if not survey.usable:
        raise ValueError(f"{survey.dataset}: expected trials in {survey.root}, got none; run: mien data check "
                         f"{survey.dataset} {survey.root}")
    ids = [trial.id for trial in survey.trials]
    if len(set(ids)) < len(ids):
        duplicates = sorted({id for id in ids if ids.count(id) > 1})[:5]
        raise ValueError(f"{survey.dataset}: expected one trial an id, got several of {', '.join(duplicates)}")
    if out.is_file():
        raise ValueError(f"--out: expected a folder, got the file {out}; choose another name")
    index = read_index(out)
    if index is not None and index["dataset"] != survey.dataset:
        raise ValueError(f"--out: expected a new folder or a cache of {survey.dataset}, got one of "
                         f"{index['dataset']} in {out}; choose another folder")
    if index is None and out.is_dir():
        names = sorted(path.name for path in out.iterdir())
        if foreign := [name for name in names if name not in (TRIALS,) and name[0] != "."]:
            raise ValueError(f"--out: expected a new folder or a cache, got {out} with {foreign[0]} in it; choose "
                             "another")


def _sweep(out: Path) -> None:
    """Remove unfinished files of killed processes."""
    for folder in (out / TRIALS).glob("*"):
        for partial in leftovers(folder):
            shutil.rmtree(partial)
    for partial in out.glob(".*.part.*"):
        partial.unlink()


def _conclude(survey: DatasetIndex, out: Path, how: Preparation, jobs: Sequence[PreprocessingJob],
              outcomes: Mapping[str, Outcome], units: external_aus.AUFolder | None) -> CacheBuildReport:
    """Write the index and the manifest, and remove outdated trials."""
    entries, rows, failed = [], [], []
    for job in jobs:
        trial, outcome = job.trial, outcomes[job.trial.id]
        folder = Path(job.folder) / outcome.made
        about = read_about(folder) if outcome.made else None
        if about is None:
            reason = outcome.reason or "expected the prepared trial on the disk, got nothing; run the command again"
            failed.append((trial.id, reason))
            rows.append({"item": trial.id, "status": "failed", "reason": reason})
            continue
        content, place = about["held"], folder.relative_to(out).as_posix()
        entries.append({"trial": trial_fields(trial, survey.root), "folder": place, **content})
        signals = " ".join((content["signals"] or {"names": ()})["names"])
        rows.append({"item": trial.id, "status": "ok", **content, "signals": signals, "folder": place,
                     "aus": _source(content.get("aus"))})
    index = {"schema": SCHEMA, "dataset": survey.dataset, "layout": survey.layout, "settings": how.settings,
             "expected": len(jobs)}
    description = ""
    if units is not None:
        index["aus"] = summary = units.summary(entries)
        description = external_aus.format_summary(summary)
        rows.append(_units_row(units, description))
    index["trials"] = entries
    rows += [_problem(problem, survey.root) for problem in survey.problems]
    atomic_files.text(out / INDEX, json.dumps(index, indent=1, allow_nan=False) + "\n")
    atomic_files.text(out / MANIFEST, _csv(rows))
    lost = {id for id, _ in failed}
    _forget(
        out, {entry["folder"] for entry in entries}, {folder_name(job.trial) for job in jobs if job.trial.id in lost}
    )
    return CacheBuildReport(survey.dataset, len(jobs), len(entries), tuple(failed), survey.problems, description)


def _units_row(units: external_aus.AUFolder, description: str) -> dict[str, Any]:
    note = ""
    if units.others:
        note = (f"{len(units.others)} files of action units belong to no trial: "
                f"{', '.join(path.name for path in units.others[:3])}")
    return {"item": units.path.name, "status": "imported", "reason": description, "note": note}


def _source(aus: Mapping[str, Any] | None) -> str:
    """The source of a trial's action units, "" for mien."""
    if aus is None:
        return ""
    missing = ""
    if aus["absent"]:
        missing = f" without {' '.join(aus['absent'])}"
    return f"{PROGRAMS[aus['program']]}: {aus['file']}, {100 * aus['known']:.0f} % of frames{missing}"


def _problem(problem: DatasetProblem, root: Path) -> dict[str, Any]:
    path = ""
    if problem.path is not None:
        path = Path(os.path.relpath(problem.path, root)).as_posix()
    return {"item": problem.item, "status": problem.kind, "reason": problem.reason, "path": path, "line": problem.line}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({name: cell(value) if isinstance(value, str) else value for name, value in row.items()}
                    for row in rows)
    return text.getvalue()


def _forget(out: Path, kept: set[str], failed: set[str]) -> None:
    """Remove trials that the index does not list: old content, other settings, or no longer in the dataset.

    Folders of failed trials stay. The reason may be a lost cluster or disk, and the next run can reuse them.
    """
    _sweep(out)
    for folder in (out / TRIALS).glob("*"):
        if folder.name not in failed:
            outdated = [made for made in folder.iterdir() if made.relative_to(out).as_posix() not in kept]
            for made in outdated:
                shutil.rmtree(made)
        if not any(folder.iterdir()):
            folder.rmdir()
