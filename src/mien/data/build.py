"""A dataset -> its cache: every trial prepared once, on as many processes as wanted, and every item accounted for.

`build` may be killed at any moment and goes on from there; however often that happens, and with however many workers,
what it leaves is the same, byte for byte: `trials/`, a folder a trial (`making`), `cache.json` for `Cache`, and
`manifest.csv` for people, a row for every trial and for everything that the survey of the dataset found wrong.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien import writing
from mien.data import imported
from mien.data.cache import INDEX, SCHEMA, read_index, trial_fields
from mien.data.making import Job, Preparation, name, perform, read_about
from mien.datasets.survey import Problem, Survey
from mien.imports import PROGRAMS
from mien.types import Trial
from mien.work import Outcome, Tick, Work, leftovers, run

MANIFEST = "manifest.csv"
TRIALS = "trials"
LOCK = ".lock"
COLUMNS = ("item", "status", "reason", "frames", "pictures", "coverage", "signals", "aus", "note", "folder", "path",
           "line")


@dataclass(frozen=True, eq=False)
class Built:
    """What became of a dataset: of `expected` trials `prepared` are in the cache, `failed` are not: (id, why). `aus`:
    in words, which program's action units they have, "" for mien's."""

    dataset: str
    expected: int
    prepared: int
    failed: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    aus: str = ""

    @property
    def complete(self) -> bool:
        """Every trial of the survey is in the cache."""
        return self.prepared == self.expected


def build(
    survey: Survey,
    out: str | os.PathLike,
    how: Preparation | None = None,
    *,
    aus: str | os.PathLike | None = None,
    workers: int = 1,
    cluster: str | None = None,
    tick: Tick | None = None,
    told: Callable[[Trial, Outcome], None] | None = None,
    work: Work[Job] = perform,
) -> Built:
    """Prepare every trial of `survey` into the cache at `out`; trials that are there, made in the same way, are kept.

    What the cache held of trials that the survey no longer has, or that changed, is removed at the end. `aus`: a folder
    with another program's action units of every filmed trial (`imported.find`), which take the place of ours; a trial
    without them fails. `tick` hears how many trials are done (with the share of those under way), `told` each outcome
    as it comes. `workers` and `cluster` as in `work.run`.

    Raises:
        ValueError: the survey has no trials or two of one id; `out` is a file, holds something else, or the cache of
            another dataset or of another program's action units, or is being written by another process; `aus` has
            files of no trial, or of two programs; the cluster's package or scheduler is missing.
        OSError: `out` cannot be made or written to.
    """
    out, how = Path(out).absolute(), how or Preparation()
    _check(survey, out)
    units = None if aus is None else imported.find(survey.trials, aus)
    how = replace(how, aus="" if units is None else units.program)
    _expect_same_units(out, how.aus)
    found = {} if units is None else units.found
    jobs = [Job(trial, str(out / TRIALS / name(trial)), how, found.get(trial.id)) for trial in survey.trials]
    outcomes: dict[str, Outcome] = {}
    with _alone(out):
        _sweep(out)
        for job, outcome in run(jobs, work, workers, cluster, tick):
            outcomes[job.trial.id] = outcome
            if told is not None:
                told(job.trial, outcome)
        return _conclude(survey, out, how, jobs, outcomes, units)


def _expect_same_units(out: Path, given: str) -> None:
    """All trials of a cache have their action units from one program: scales differ."""
    index = read_index(out)
    held = given if index is None else index["settings"].get("aus", "")
    if held != given:
        names = {"": "mien's own action units", **{key: f"those of {name}" for key, name in PROGRAMS.items()}}
        remedy = "say --aus FOLDER again, or choose" if held and not given else "choose"
        raise ValueError(f"--aus: expected {names[held]}, with which {out} was prepared, got {names[given]}: their "
                         f"scales differ; {remedy} another --out")


def _check(survey: Survey, out: Path) -> None:
    if not survey.usable:
        raise ValueError(f"{survey.dataset}: expected trials in {survey.root}, got none; run: mien data check "
                         f"{survey.dataset} {survey.root}")
    ids = [trial.id for trial in survey.trials]
    if len(set(ids)) < len(ids):
        twice = sorted({id for id in ids if ids.count(id) > 1})[:5]
        raise ValueError(f"{survey.dataset}: expected one trial an id, got several of {', '.join(twice)}")
    if out.is_file():
        raise ValueError(f"--out: expected a folder, got the file {out}; choose another name")
    found = read_index(out)
    if found is not None and found["dataset"] != survey.dataset:
        raise ValueError(f"--out: expected a new folder or a cache of {survey.dataset}, got one of "
                         f"{found['dataset']} in {out}; choose another folder")
    others = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if found is None and (strange := [name for name in others if name not in (TRIALS, LOCK) and name[0] != "."]):
        raise ValueError(f"--out: expected a new folder or a cache, got {out} with {strange[0]} in it; choose another")


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Make `out` and keep other processes from it while this lasts; the lock ends with the process, however that dies.

    Where the system has no such locks (Windows, some network disks) nobody is kept out.
    """
    out.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with open(out / LOCK, "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"--out: expected a cache that nobody writes to, got {out}, which another mien data "
                             "prepare is writing; wait for it, or choose another folder") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        yield


def _sweep(out: Path) -> None:
    """Remove what killed processes left half done."""
    for folder in (out / TRIALS).glob("*"):
        for partial in leftovers(folder):
            shutil.rmtree(partial)
    for partial in out.glob(".*.part.*"):
        partial.unlink()


def _conclude(survey: Survey, out: Path, how: Preparation, jobs: Sequence[Job], outcomes: Mapping[str, Outcome],
              units: imported.Folder | None) -> Built:
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
        held, place = about["held"], folder.relative_to(out).as_posix()
        entries.append({"trial": trial_fields(trial, survey.root), "folder": place, **held})
        signals = " ".join(held["signals"]["names"]) if held["signals"] else ""
        rows.append({"item": trial.id, "status": "ok", **held, "signals": signals, "folder": place,
                     "aus": _source(held.get("aus"))})
    told = None if units is None else units.told(entries)
    if units is not None and told is not None:
        left = len(units.others)
        rows.append({"item": units.path.name, "status": "imported", "reason": imported.words(told),
                     "note": f"{left} files of action units belong to no trial: "
                             f"{', '.join(path.name for path in units.others[:3])}" * (left > 0)})
    rows += [_problem(problem, survey.root) for problem in survey.problems]
    index = {"schema": SCHEMA, "dataset": survey.dataset, "layout": survey.layout, "settings": how.settings,
             "expected": len(jobs), **({"aus": told} if told else {}), "trials": entries}
    writing.text(out / INDEX, json.dumps(index, indent=1, allow_nan=False) + "\n")
    writing.text(out / MANIFEST, _csv(rows))
    lost = {id for id, _ in failed}
    _forget(out, {entry["folder"] for entry in entries}, {name(job.trial) for job in jobs if job.trial.id in lost})
    return Built(survey.dataset, len(jobs), len(entries), tuple(failed), survey.problems,
                 "" if told is None else imported.words(told))


def _source(aus: Mapping[str, Any] | None) -> str:
    """Where a trial's action units are from, "" for mien."""
    if aus is None:
        return ""
    lacking = f" without {' '.join(aus['absent'])}" if aus["absent"] else ""
    return f"{PROGRAMS[aus['program']]}: {aus['file']}, {100 * aus['known']:.0f} % of frames{lacking}"


def _problem(problem: Problem, root: Path) -> dict[str, Any]:
    path = "" if problem.path is None else Path(os.path.relpath(problem.path, root)).as_posix()
    return {"item": problem.item, "status": problem.kind, "reason": problem.reason, "path": path, "line": problem.line}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _forget(out: Path, kept: set[str], failed: set[str]) -> None:
    """Remove the trials that the cache does not name: of other content, of other settings, or gone from the dataset.

    Of a trial that failed nothing is removed: the reason may be a lost cluster or disk, and tomorrow it is kept again.
    """
    _sweep(out)
    for folder in (out / TRIALS).glob("*"):
        for made in folder.iterdir() if folder.name not in failed else ():
            if made.relative_to(out).as_posix() not in kept:
                shutil.rmtree(made)
        if not any(folder.iterdir()):
            folder.rmdir()
