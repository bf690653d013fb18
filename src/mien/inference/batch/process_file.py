"""Analyse one file into its own folder, atomically; errors are returned as an outcome."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.atomic_folders import staging
from mien.core.file_names import display_path, to_text
from mien.core.folder_lock import FolderLockedError, folder_lock
from mien.core.hashing import version
from mien.core.parallel.outcome import Outcome, ProgressCallback, attempt
from mien.inference.batch import done_file
from mien.inference.batch.options import EXPORT_FILES, AnalysisOptions

if TYPE_CHECKING:
    from mien.core.results import Person
    from mien.core.settings import Settings
    from mien.reporting.timeline import Timeline

RESTS = 2.0
"""s for which a face must be read as neutral, or its neutral face is called a guess. Our choice: two observations of
the filter."""

BUSY = "another run analyses it"

Truths = Callable[["Timeline"], Mapping[int, Mapping[str, tuple[object, object]]]]
"""Takes the analysis and returns the ground truth of each face (`write_report`)."""


@dataclass(frozen=True)
class FileJob:
    """One file to analyse.

    Args:
        path: The file.
        folder: Absolute path of the folder for its results.
        options: Settings and output files.
        run: Id of the run that it belongs to.
        script: URL of the reports' chart library, relative to the folder; "" puts the library into the report.
        wait: Whether to wait for another run that analyses this file now. Otherwise the outcome is skipped with `BUSY`.
    """

    path: str
    folder: str
    options: AnalysisOptions
    run: str = ""
    script: str = ""
    wait: bool = False

    @property
    def done(self) -> done_file.DoneFile | None:
        """The record of an earlier run with the same content and settings and all needed outputs; else None."""
        folder = Path(self.folder)
        done = done_file.load_done(folder)
        if done is None or not done.covers(folder, self.options.fingerprint, self.options.outputs):
            return None
        if not done.same_content(self.path):
            return None
        return done


def analyze_input(job: FileJob, progress: ProgressCallback | None = None, truth: Truths | None = None) -> Outcome:
    """Analyse one file and write its results. Errors of the file or the disk are outcomes, not exceptions.

    Args:
        job: The file.
        progress: Called with the finished share, 0..1.
        truth: Ground truth for the report.

    Returns:
        The outcome.
    """
    start = time.perf_counter()

    def work() -> Outcome:
        """Analyse the file in its lock, unless another process does."""
        try:
            with folder_lock(job.folder, "analysing", wait=job.wait):
                return _unless_done(job, progress, truth, start)
        except FolderLockedError:
            return Outcome("skipped", BUSY)

    outcome = attempt(work)
    return replace(outcome, reason=outcome.reason.removeprefix(f"{Path(job.path).name}: "))


def _unless_done(job: FileJob, progress: ProgressCallback | None, truth: Truths | None, start: float) -> Outcome:
    """Analyse a file, unless another run did it while this one waited, or a cluster starts the same task twice."""
    done = done_file.load_done(Path(job.folder))
    if done is not None and job.run and done.run == job.run:
        return Outcome("ok", count=done.people, seconds=done.seconds, note=done.note)
    if job.wait and job.done is not None:
        return Outcome("skipped", "done meanwhile by another run", job.done.people, note=job.done.note)
    done = _analyse(job, progress, truth, start)
    return Outcome("ok", count=done.people, seconds=done.seconds, note=done.note)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay Ctrl-C while modules are imported: an interrupted import leaves a module incomplete."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _analyse(job: FileJob, progress: ProgressCallback | None, truth: Truths | None, start: float) -> done_file.DoneFile:
    with _undisturbed():
        from mien.inference.analyze import analyze

    size, mtime_ns = done_file.size_and_mtime(job.path)
    options = job.options
    timeline = analyze(job.path, _with_baseline(job), progress=progress)
    timeline = replace(timeline, source=replace(timeline.source, name=display_path(timeline.source.name)))
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with staging(folder) as temporary:
        _write(timeline, job, truth, temporary)
        _replace(temporary, folder, options.outputs)
    done = done_file.DoneFile(
        source=to_text(os.path.abspath(job.path)),
        size=size,
        mtime_ns=mtime_ns,
        sha256=timeline.source.sha256,
        version=version(),
        settings=options.fingerprint,
        files=options.outputs,
        people=len(timeline.faces),
        seconds=round(time.perf_counter() - start, 3),
        note=_note(timeline, job),
        run=job.run,
    )
    done_file.save_done(done, folder)
    return done


def _with_baseline(job: FileJob) -> Settings:
    """The settings; the baseline of --segments is the neutral face, where no other is given."""
    from mien.reporting import events

    settings = job.options.settings
    if job.options.segments is None or settings.neutral or settings.pulse_only:
        return settings
    chosen = [event for event in events.read_events(job.options.segments, job.options.segments_start)
              if event.concerns(job.path)]
    spans = ",".join(f"{event.start!r}-{event.end!r}" for event in events.baseline_events(chosen))
    return replace(settings, neutral=f"spans:{spans}") if spans else settings


def _note(timeline: Timeline, job: FileJob) -> str:
    """Remarks on a successful analysis, in words."""
    from mien.core.settings import neutral_seconds
    from mien.reporting import events

    options = job.options
    notes = []
    if timeline.source.lost:
        notes.append(timeline.source.lost)
    if timeline.settings.get("doubt"):
        notes.append(f"these predictions are meaningless: the model is {timeline.settings['doubt']}")
    if not timeline.faces:
        notes.append("no face was seen")
    calibration = neutral_seconds(options.settings.neutral)
    short = [str(person.id) for person in timeline.faces if person.last - person.first < calibration]
    if short:
        notes.append(f"seen for less than the {calibration:g} s of --neutral, all of it used as neutral: person "
                     f"{', '.join(short)}")  # fmt: skip
    if restless := [str(person.id) for person in timeline.faces if _never_rests(timeline, person)]:
        notes.append(f"never at rest for {RESTS:g} s: the neutral face of person {', '.join(restless)} is a guess; "
                     "give one with --neutral")
    if options.segments is not None:
        remarks: list[str] = []
        known = [event for event in events.read_events(options.segments, options.segments_start, remarks)
                 if event.concerns(job.path)]
        notes += [f"--segments: {remark}" for remark in remarks]
        source = timeline.source
        outside = sum(event.end <= source.start or event.start >= source.end for event in known)
        if not known:
            notes.append("no event of --segments names this video")
        if outside:
            notes.append(f"{outside} of {len(known)} events of --segments are outside the video, which is from "
                         f"{source.start:.1f} to {source.end:.1f} s")
    notes += _picture_notes(timeline, job)
    return "; ".join(notes)


def _picture_notes(timeline: Timeline, job: FileJob) -> list[str]:
    """Whose neutral face a picture of --neutral shows, where that is not one for each person."""
    from mien.inference.neutral_pictures import pictures_of

    path, people = job.options.picture, [person.id for person in timeline.faces]
    if not path or not people:
        return []
    chosen = {0}
    if os.path.isdir(path):
        chosen = {*pictures_of(path, job.path)}
    if without := [str(id_) for id_ in people if not chosen & {0, id_}]:
        return [f"no picture in --neutral for person {', '.join(without)}: estimated from the whole video"]
    shared = [id_ for id_ in people if id_ not in chosen]
    if len(shared) > 1:
        return [f"the face of --neutral was used for {len(shared)} people: {', '.join(map(str, shared))}"]
    return []


def _never_rests(timeline: Timeline, person: Person) -> bool:
    """Whether a person, seen for long enough, was never read as neutral although no neutral face was given."""
    if timeline.settings.get("neutral") or "neutral" not in timeline.task.classes:
        return False
    rows = [row for row in timeline.emotions if row.face == person.id and not row.reason]
    rests = sum(row.end - row.start for row in rows if row.label == "neutral")
    return len(rows) > 0 and rests < RESTS <= person.last - person.first


def _write(timeline: Timeline, job: FileJob, truth: Truths | None, folder: Path) -> None:
    from mien.core import atomic_files
    from mien.reporting import events as event_tables
    from mien.reporting import html, overlay, summary

    options = job.options
    for name in ("timeline.parquet", *(EXPORT_FILES[name] for name in options.formats)):
        timeline.save(folder / name)
    if options.fex:
        atomic_files.table(folder / "fex.csv", timeline.to_fex())
        atomic_files.table(folder / "openface.csv", timeline.to_openface())
    if options.segments is not None:
        # match events by the full path, so that s01/talk.mp4 is not s02/talk.mp4
        known = event_tables.read_events(options.segments, options.segments_start)
        table = event_tables.means_of_table(timeline.to_pandas(), job.path, known)
        atomic_files.table(folder / "segments.csv", table.assign(video=timeline.source.name))
    if options.overlay:
        overlay.write_overlay(job.path, timeline, folder / "overlay.mp4", blur=options.blur)
    html.write_report(timeline, folder / "report.html", images=options.settings.pictures, blur=options.blur,
                      truth=truth(timeline) if truth else None, script=job.script)
    summary.summarize(timeline).save(folder / "summary.json")


def _replace(staging: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Move finished files into place and delete other files of an earlier run, which had other settings."""
    earlier = done_file.load_done(folder)
    (folder / done_file.NAME).unlink(missing_ok=True)
    for name in names:
        os.replace(staging / name, folder / name)
    old_names = earlier.files if earlier else ()
    for name in set(old_names) - set(names):
        (folder / name).unlink(missing_ok=True)
