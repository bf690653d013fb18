"""Many files: found, analysed each into a folder of its own, and listed. `mien analyze` and the demo are calls of this.

`find` says which files are meant; `analyze` does what is not done yet and writes `manifest.json` and `people.csv`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from mien.files.find import SUFFIXES, Found, find
from mien.files.job import Job, perform
from mien.files.ledger import Entry, write
from mien.files.options import FORMATS, Options
from mien.work import Outcome, Tick, Work, run

__all__ = ["FORMATS", "SUFFIXES", "Entry", "Found", "Job", "Options", "Outcome", "analyze", "find", "perform", "run"]


def analyze(
    found: Sequence[Found],
    out: Path,
    options: Options,
    *,
    overwrite: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    tick: Tick | None = None,
    told: Callable[[Found, Outcome], None] | None = None,
    work: Work[Job] = perform,
) -> list[Entry]:
    """Analyse files, each into its folder under `out`; write `manifest.json` and `people.csv` -> an entry for each.

    What is done already, in the same way, is skipped unless `overwrite`. `tick` hears how many files are done (with
    the share of those under way), `told` each outcome as it comes. `workers`, `cluster` and `work` as in `work.run`.
    On Ctrl-C the lists are written of what is done so far, then KeyboardInterrupt goes on.

    Raises:
        OSError: `out` cannot be made or written to.
        ValueError: `out` is a file; the cluster's package is missing, or nobody answers there.
    """
    if out.is_file():
        raise ValueError(f"--out: expected a folder, got the file {out}; choose another name")
    out.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    outcomes = _outcomes(found, out.absolute(), options, overwrite, workers, cluster, tick, work)
    try:
        with closing(outcomes):
            for item, outcome in outcomes:
                entries.append(_entry(item, outcome))
                if told is not None:
                    told(item, outcome)
    finally:
        write(out, entries, options.settings)
    order = {str(item.path.absolute()): place for place, item in enumerate(found)}
    return sorted(entries, key=lambda entry: order[entry.source])


def _outcomes(
    found: Sequence[Found],
    out: Path,
    options: Options,
    overwrite: bool,
    workers: int,
    cluster: str | None,
    tick: Tick | None,
    work: Work[Job],
) -> Generator[tuple[Found, Outcome], None, None]:
    this = uuid.uuid4().hex
    todo: dict[str, Found] = {}
    jobs: list[Job] = []
    for item in found:
        job = Job(str(item.path), str(out / item.folder), options, this)
        if item.reason:
            yield item, Outcome("failed", item.reason)
        elif item.twin:
            yield item, Outcome("skipped", f"the same file as {item.twin}")
        elif not overwrite and (done := job.done) is not None:
            yield item, Outcome("skipped", "done already", done.people, note=done.note)
        else:
            todo[job.folder] = item
            jobs.append(job)
    before = len(found) - len(jobs)
    for job, outcome in run(jobs, work, workers, cluster, None if tick is None else lambda n: tick(before + n)):
        yield todo[job.folder], outcome


def _entry(item: Found, outcome: Outcome) -> Entry:
    return Entry(
        source=str(item.path.absolute()),
        folder=item.folder,
        status=outcome.status,
        reason=outcome.reason,
        people=outcome.count,
        seconds=round(outcome.seconds, 3),
        note=outcome.note,
    )
