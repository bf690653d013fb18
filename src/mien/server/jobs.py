"""A queue of uploaded videos that are analysed one at a time, in a supervised child; results expire.

FFmpeg and the models meet foreign files only in the child, which has limits on memory and time. When it crashes, its
job has failed, and the next job gets a new child.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time as clock
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mien.core.parallel.outcome import one_line_error
from mien.core.parallel.pool import run_supervised
from mien.core.parallel.supervised import SupervisedWorker, WorkerError
from mien.core.scratch_folder import ScratchFolder
from mien.inference import batch
from mien.server.config import START, ServerConfig, analysis_limit, with_reserve
from mien.server.schemas import RESULT_FILES, JobResponse, Status
from mien.server.upload_validation import check_upload


class QueueFull(Exception):
    """The queue has no room for another upload."""


class UploadJob:
    """One upload: its folder, options, status and progress."""

    def __init__(self, folder: Path, images: bool, blur: bool, address: str) -> None:
        self.address = address
        self.id, self.folder, self.images, self.blur = secrets.token_urlsafe(16), folder, images, blur
        self.status: Status = "queued"
        self.progress, self.reason, self.people, self.ended = 0.0, "", 0, 0.0
        self.cancelled = False
        self.upload = folder / "upload"

    def response(self) -> JobResponse:
        """Status and result files, as the API returns them."""
        written = [name for name in RESULT_FILES if self.status == "done" and (self.folder / "result" / name).is_file()]
        return JobResponse(id=self.id, status=self.status, progress=round(self.progress, 4), reason=self.reason,
                    files=written, people=self.people)


class UploadQueue:
    """One thread that has uploads analysed in a child. `close` deletes the folder; clients name no paths.

    Args:
        options: Settings and limits of the server.
        on_end: Called with the status of each upload that ends.
    """

    def __init__(self, options: ServerConfig, on_end: Callable[[Status], None]) -> None:
        self._options, self._on_end = options, on_end
        self._scratch = ScratchFolder("serve")
        self._folder = self._scratch.path
        self._worker = SupervisedWorker(options.memory)
        self._jobs: OrderedDict[str, UploadJob] = OrderedDict()
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="mien-jobs", daemon=True)
        self._thread.start()

    def open(self, images: bool, blur: bool, address: str = "") -> UploadJob:
        """Reserve a place in the queue for a client at this address; then call `submit` or `drop`. Raises QueueFull."""
        with self._changed:
            self._sweep()
            open_jobs = [job.address for job in self._jobs.values() if job.status in ("queued", "running")]
            most = self._options.jobs
            if open_jobs.count(address) >= most or len(open_jobs) >= with_reserve(most):
                raise QueueFull(f"expected {most} uploads at a time or fewer: wait for one to end")
            job = UploadJob(Path(tempfile.mkdtemp(dir=self._folder)), images, blur, address)
            job.status = "queued"
            self._jobs[job.id] = job
            job.progress = -1.0  # not submitted yet
            return job

    def submit(self, job: UploadJob) -> None:
        """Queue the analysis of a complete upload."""
        with self._changed:
            job.progress = 0.0
            self._changed.notify()

    def finish(self, job: UploadJob, people: int) -> None:
        """Mark a job of which the results were written elsewhere, into the folder `result`, as done."""
        with self._changed:
            job.people, job.progress, job.status, job.ended = people, 1.0, "done", clock.monotonic()

    def drop(self, job: UploadJob) -> None:
        """Delete a job and its files; a running job is stopped first."""
        with self._changed:
            job.cancelled = True
            if job.status == "running":
                return
            self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    def find(self, id_: str) -> UploadJob | None:
        """The job with that id; None if there is none or it has expired."""
        with self._changed:
            self._sweep()
            return self._jobs.get(id_)

    def close(self) -> None:
        """Stop the thread and delete all files."""
        with self._changed:
            self._over = True
            for job in self._jobs.values():
                job.cancelled = True
            self._changed.notify()
        self._thread.join()
        self._worker.close()
        self._scratch.close()

    def _next(self) -> UploadJob | None:
        return next((job for job in self._jobs.values() if job.status == "queued" and job.progress >= 0), None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._next())
                job = self._next()
                if self._over or job is None:
                    return
                job.status = "running"
            self._analyse(job)
            with suppress(OSError):
                job.upload.unlink()  # the video is never kept, whatever the status
            self._on_end(job.status)
            if job.cancelled:
                self.drop(job)

    def _analyse(self, job: UploadJob) -> None:
        try:
            outcome = self._outcome(job)
        except Exception as error:  # noqa: BLE001 - it is the reason of this job; the thread goes on with the next
            outcome = batch.Outcome("failed", one_line_error(error))
        job.people, job.ended = outcome.count, clock.monotonic()
        status: Status = "failed"
        if outcome.status == "ok":
            job.progress, status = 1.0, "done"
        else:
            job.reason = outcome.reason.replace(str(job.upload), "the upload")
        job.status = "cancelled" if job.cancelled else status

    def _outcome(self, job: UploadJob) -> batch.Outcome:
        options = batch.AnalysisOptions(replace(self._options.settings, pictures=job.images), blur=job.blur,
                                        formats=("csv", "jsonl"))
        work = batch.FileJob(str(job.upload), str(job.folder / "result"), options)

        def progress(share: float) -> None:
            job.progress = share

        try:
            seconds = self._worker.call(check_upload, job.upload, 4 * self._options.pixels, self._options.seconds,
                                        seconds=START, stopped=lambda: job.cancelled)
        except WorkerError as error:
            return batch.Outcome("failed", f"expected a video, got a file at which {error}: convert it with ffmpeg")
        return run_supervised(self._worker, work, batch.analyze_input, progress, analysis_limit(seconds),
                              stopped=lambda: job.cancelled)

    def _sweep(self) -> None:
        """Delete expired results, and the oldest if there are too many."""
        now = clock.monotonic()
        done = [job for job in self._jobs.values() if job.ended and job.status != "running"]
        old = [job for job in done if now - job.ended > self._options.keep]
        for job in {*old, *done[: -self._options.jobs]}:
            del self._jobs[job.id]
            shutil.rmtree(job.folder, ignore_errors=True)
