"""Uploaded videos: one is analysed at a time, the others wait; results stay for a while and then go."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time as clock
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mien import files
from mien.serve.options import Options
from mien.serve.shapes import FILES, Status, Work
from mien.serve.sniffing import check

SLOWEST = 20.0
"""Times a video's limit in length that its analysis may take. Our choice: slower than any machine that works."""


class Full(Exception):
    """More uploads wait than are allowed."""


class Job:
    """One upload and what becomes of it."""

    def __init__(self, folder: Path, images: bool, blur: bool) -> None:
        self.id, self.folder, self.images, self.blur = secrets.token_urlsafe(16), folder, images, blur
        self.status: Status = "queued"
        self.progress, self.reason, self.people, self.ended = 0.0, "", 0, 0.0
        self.cancelled = False
        self.upload = folder / "upload"

    def told(self) -> Work:
        """As the server answers."""
        made = [name for name in FILES if self.status == "done" and (self.folder / "result" / name).is_file()]
        return Work(id=self.id, status=self.status, progress=round(self.progress, 4), reason=self.reason, files=made,
                    people=self.people)


class Jobs:
    """A thread that analyses, and a folder of its own that goes when `close` is called. No path comes from outside."""

    def __init__(self, options: Options, ended: Callable[[Status], None]) -> None:
        self._options, self._ended = options, ended
        self._place = Path(tempfile.mkdtemp(prefix="mien-serve-"))
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="mien-jobs", daemon=True)
        self._thread.start()

    def open(self, images: bool, blur: bool) -> Job:
        """A place for an upload; `submit` or `drop` it. Raises Full."""
        with self._changed:
            self._sweep()
            if sum(job.status in ("queued", "running") for job in self._jobs.values()) >= self._options.jobs:
                raise Full(f"expected {self._options.jobs} uploads at a time or fewer: wait for one to end")
            job = Job(Path(tempfile.mkdtemp(dir=self._place)), images, blur)
            job.status = "queued"
            self._jobs[job.id] = job
            job.progress = -1.0  # not submitted yet
            return job

    def submit(self, job: Job) -> None:
        """The upload is whole: let it be analysed."""
        with self._changed:
            job.progress = 0.0
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Forget a job and all that is of it; one that is under way stops first."""
        with self._changed:
            job.cancelled = True
            if job.status == "running":
                return
            self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    def find(self, id_: str) -> Job | None:
        """The job of that id."""
        with self._changed:
            self._sweep()
            return self._jobs.get(id_)

    def close(self) -> None:
        """Stop, and remove everything."""
        with self._changed:
            self._over = True
            for job in self._jobs.values():
                job.cancelled = True
            self._changed.notify()
        self._thread.join()
        shutil.rmtree(self._place, ignore_errors=True)

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.status == "queued" and job.progress >= 0), None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._next())
                job = self._next()
                if self._over or job is None:
                    return
                job.status = "running"
            self._perform(job)
            with suppress(FileNotFoundError):
                job.upload.unlink()  # whatever came of it, the video is not kept
            self._ended(job.status)
            if job.cancelled:
                self.drop(job)

    def _perform(self, job: Job) -> None:
        began = clock.monotonic()
        limit = max(60.0, SLOWEST * self._options.seconds)

        def tick(share: float) -> None:
            job.progress = share
            if job.cancelled or clock.monotonic() - began > limit:
                raise TimeoutError("expected an analysis that ends, got one that was stopped")

        settings = self._options.settings
        asked = files.Options(step=settings.step, model=settings.model, labels=settings.labels, images=job.images,
                              blur=job.blur, formats=("csv", "jsonl"), face_model=settings.face_model)
        try:
            check(job.upload, self._options)
        except (ValueError, OSError) as error:
            outcome = files.Outcome("failed", str(error))
        else:
            outcome = files.perform(files.Job(str(job.upload), str(job.folder / "result"), asked), tick)
        job.people, job.ended = outcome.count, clock.monotonic()
        job.reason = "" if outcome.status == "ok" else outcome.reason.replace(str(job.upload), "the upload")
        job.progress = 1.0 if outcome.status == "ok" else job.progress
        job.status = "cancelled" if job.cancelled else "done" if outcome.status == "ok" else "failed"

    def _sweep(self) -> None:
        """Old results go, and the oldest when there are too many."""
        now = clock.monotonic()
        done = [job for job in self._jobs.values() if job.ended and job.status != "running"]
        old = [job for job in done if now - job.ended > self._options.keep]
        for job in {*old, *done[: -self._options.jobs]}:
            del self._jobs[job.id]
            shutil.rmtree(job.folder, ignore_errors=True)
