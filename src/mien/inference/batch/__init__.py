"""Batch analysis: find the input files, analyse each into its own folder, and list the results.

`find` lists the input files. `analyze` analyses those that are not done yet and writes `manifest.json` and
`people.csv`. `mien analyze` and the demo use them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mien.core.atomic_folders import remove_unfinished
from mien.core.file_names import to_text
from mien.core.folder_lock import NAME as LOCK_NAME
from mien.core.folder_lock import folder_lock, remove_dead_lock
from mien.core.parallel.outcome import Outcome, ProgressCallback
from mien.core.parallel.pool import Work, run
from mien.inference.batch.inputs import SUFFIXES, InputFile, find_inputs
from mien.inference.batch.manifest import ManifestEntry, write_manifest
from mien.inference.batch.options import EXPORT_FILES, AnalysisOptions
from mien.inference.batch.process_file import BUSY, FileJob, analyze_input

__all__ = [
    "EXPORT_FILES",
    "SUFFIXES",
    "AnalysisOptions",
    "FileJob",
    "InputFile",
    "ManifestEntry",
    "Outcome",
    "analyze",
    "find_inputs",
    "run",
]

ENDING = 2.0
"""s to wait for the end of processes that are being ended."""


def analyze(
    inputs: Sequence[InputFile],
    out: Path,
    options: AnalysisOptions,
    *,
    overwrite: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    progress: ProgressCallback | None = None,
    on_outcome: Callable[[InputFile, Outcome], None] | None = None,
    work: Work[FileJob] = analyze_input,
) -> list[ManifestEntry]:
    """Analyse files, each into its folder under `out`, and write `manifest.json` and `people.csv`.

    Files that were analysed with the same settings are skipped. Runs in the same folder share the files: each analyses
    those that the other has not begun, and waits for the rest. After Ctrl-C, the lists contain the finished files.

    Args:
        inputs: The files.
        out: Folder of the results.
        options: Settings and output files.
        overwrite: Whether to analyse files again that are done.
        workers: Number of processes, as in `parallel.run`.
        cluster: Address of a Dask scheduler, as in `parallel.run`.
        progress: Called with the number of finished files, including the finished shares of those in progress.
        on_outcome: Called with each file and its outcome.
        work: Analyses one file.

    Returns:
        An entry for each file, in the order of `inputs`.

    Raises:
        OSError: `out` cannot be created or written to.
        ValueError: `out` is a file, or the cluster's package or scheduler is missing.
        KeyboardInterrupt: After Ctrl-C, once the lists are written.
    """
    if out.is_file():
        raise ValueError(f"--out: expected a folder, got the file {out}; choose another name")
    out.mkdir(parents=True, exist_ok=True)
    entries: list[ManifestEntry] = []
    outcomes = _outcomes(inputs, out.absolute(), options, overwrite, workers, cluster, progress, work)
    try:
        with closing(outcomes):
            for item, outcome in outcomes:
                entries.append(_entry(item, outcome))
                if on_outcome is not None:
                    on_outcome(item, outcome)
    finally:
        with folder_lock(out, "writing the lists", wait=True):
            write_manifest(out, entries, options.fingerprint)
    order = {to_text(item.path.absolute()): index for index, item in enumerate(inputs)}
    return sorted(entries, key=lambda entry: order[entry.source])


def _outcomes(
    inputs: Sequence[InputFile],
    out: Path,
    options: AnalysisOptions,
    overwrite: bool,
    workers: int,
    cluster: str | None,
    progress: ProgressCallback | None,
    work: Work[FileJob],
) -> Generator[tuple[InputFile, Outcome], None, None]:
    from mien.reporting import html

    run_id = uuid.uuid4().hex
    todo: dict[str, InputFile] = {}
    jobs: list[FileJob] = []
    for item in inputs:
        script = "../" * (item.folder.count("/") + 1) + html.CHART_LIBRARY
        job = FileJob(str(item.path), str(out / item.folder), options, run_id, script)
        if item.reason:
            yield item, Outcome("failed", item.reason)
        elif item.twin:
            yield item, Outcome("skipped", f"the same file as {item.twin}")
        elif not overwrite and (done := job.done) is not None:
            yield item, Outcome("skipped", "done already", done.people, note=done.note)
        else:
            todo[job.folder] = item
            jobs.append(job)
    if jobs:
        html.write_chart_library(out)
    skipped = len(inputs) - len(jobs)
    busy: list[FileJob] = []
    try:
        with closing(run(jobs, work, workers, cluster, progress and (lambda done: progress(skipped + done)))) as first:
            for job, outcome in first:
                if outcome.status == "skipped" and outcome.reason == BUSY:
                    busy.append(replace(job, wait=True))
                else:
                    yield todo.pop(job.folder), outcome
        with closing(run(busy, work, workers, cluster)) as second:  # the other run may finish them meanwhile, or end
            for job, outcome in second:
                yield todo.pop(job.folder), outcome
    finally:
        _clean([Path(folder) for folder in todo])


def _clean(folders: Sequence[Path]) -> None:
    """Remove what processes that were ended while they worked, as by Ctrl-C, left in their folders."""
    end = time.monotonic() + ENDING
    for folder in folders:
        lock = folder / LOCK_NAME
        while lock.exists() and not remove_dead_lock(folder) and time.monotonic() < end:
            time.sleep(0.02)
        if folder.is_dir() and not lock.exists():
            remove_unfinished(folder, idle=True)


def _entry(item: InputFile, outcome: Outcome) -> ManifestEntry:
    return ManifestEntry(
        source=to_text(item.path.absolute()),
        folder=to_text(item.folder),
        status=outcome.status,
        reason=outcome.reason,
        people=outcome.count,
        seconds=round(outcome.seconds, 3),
        note=outcome.note,
    )
