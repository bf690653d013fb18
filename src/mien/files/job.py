"""One file: analysed, written into its folder all or nothing, and whatever happens told as an outcome."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.files import record
from mien.files.options import FORMATS, Options
from mien.work import Outcome, Tick, explain, interrupted, staging, version

if TYPE_CHECKING:
    from mien.timeline import Timeline

Truths = Callable[["Timeline"], Mapping[int, Mapping[str, tuple[object, object]]]]
"""The planted curves of a video's people, once it is known which face is whose (`report.write`)."""


@dataclass(frozen=True)
class Job:
    """One file to analyse: `path`, the `folder` (whole path) for its results, and the `run` that it belongs to."""

    path: str
    folder: str
    options: Options
    run: str = ""

    @property
    def done(self) -> record.Done | None:
        """The record of an earlier run that did all that is asked for now; else None."""
        folder = Path(self.folder)
        done = record.load(folder)
        if done is None or not done.covers(folder, self.options.settings, self.options.outputs):
            return None
        return done if done.same_content(self.path) else None


def perform(job: Job, tick: Tick | None = None, truth: Truths | None = None) -> Outcome:
    """Analyse one file and write its results. Never raises for what the file or the disk does: that is an outcome.

    `tick` hears the share that is done, 0..1; `truth` says what the report is to show beside the estimates.
    """
    start = time.perf_counter()
    try:
        done = record.load(Path(job.folder))
        if done is None or not job.run or done.run != job.run:
            done = _perform(job, tick, truth, start)
    except Exception as error:  # whatever one file does, the others go on; the manifest and --debug tell it
        if interrupted(error):
            raise KeyboardInterrupt from error
        reason = explain(error).removeprefix(f"{Path(job.path).name}: ")
        return Outcome("failed", reason, seconds=time.perf_counter() - start, trace=traceback.format_exc())
    return Outcome("ok", count=done.people, seconds=done.seconds, note=done.note)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until modules are imported: one that is interrupted in the middle stays half made."""
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


def _perform(job: Job, tick: Tick | None, truth: Truths | None, start: float) -> record.Done:
    with _undisturbed():
        from mien.analysis import analyze

    stat = os.stat(job.path)
    options = job.options
    timeline = analyze(job.path, options.stream(), progress=tick)
    timeline = replace(timeline, source=replace(timeline.source, name=record.shown(timeline.source.name)))
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with staging(folder) as making:
        _write(timeline, job, truth, making)
        _replace(making, folder, options.outputs)
    done = record.Done(
        source=os.path.abspath(job.path),
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        sha256=timeline.source.sha256,
        version=version(),
        settings=options.settings,
        files=options.outputs,
        people=len(timeline.faces),
        seconds=round(time.perf_counter() - start, 3),
        note=_note(timeline, job),
        run=job.run,
    )
    record.save(done, folder)
    return done


def _note(timeline: Timeline, job: Job) -> str:
    """What is odd though it went well, in words."""
    from mien import segments
    from mien.settings import neutral_seconds

    options = job.options
    notes = [timeline.source.lost] if timeline.source.lost else []
    if timeline.settings.get("doubt"):
        notes.append(f"not a reading: the model is {timeline.settings['doubt']}")
    if not timeline.faces:
        notes.append("no face was seen")
    wanted = neutral_seconds(options.neutral)
    short = [str(person.id) for person in timeline.faces if person.last - person.first < wanted]
    if short:
        notes.append(f"seen for less than the {wanted:g} s of --neutral, all of it taken as neutral: person "
                     f"{', '.join(short)}")  # fmt: skip
    if options.segments is not None and not any(each.concerns(job.path) for each in segments.read(options.segments)):
        notes.append("no event of --segments names this video")
    if options.picture and len(timeline.faces) > 1:
        notes.append(f"the one face of --neutral served for all {len(timeline.faces)} people")
    return "; ".join(notes)


def _write(timeline: Timeline, job: Job, truth: Truths | None, folder: Path) -> None:
    from mien import overlay, report, segments, summary, writing

    options = job.options
    for name in ("timeline.parquet", *(FORMATS[name] for name in options.formats)):
        timeline.save(folder / name)
    if options.fex:
        writing.table(folder / "fex.csv", timeline.to_fex())
        writing.table(folder / "openface.csv", timeline.to_openface())
    if options.segments is not None:
        # by the whole path: in the events, s01/talk.mp4 must not be s02/talk.mp4
        table = segments.of_table(timeline.to_pandas(), job.path, segments.read(options.segments))
        writing.table(folder / "segments.csv", table.assign(video=timeline.source.name))
    if options.overlay:
        overlay.write(job.path, timeline, folder / "overlay.mp4", blur=options.blur)
    known = truth(timeline) if truth else None
    report.write(timeline, folder / "report.html", images=options.images, blur=options.blur, truth=known)
    summary.summarize(timeline).save(folder / "summary.json")


def _replace(staging: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Move finished files into place; what an earlier run wrote and this one did not would tell of other settings."""
    earlier = record.load(folder)
    (folder / record.NAME).unlink(missing_ok=True)
    for name in names:
        os.replace(staging / name, folder / name)
    for name in earlier.files if earlier else ():
        if name not in names:
            (folder / name).unlink(missing_ok=True)
