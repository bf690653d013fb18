"""The report of a live session that was recorded: the same files as of an uploaded video."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request
from fastapi import Path as PathParameter
from starlette.concurrency import run_in_threadpool

from mien.reporting import html, summary
from mien.reporting.timeline import Timeline
from mien.server.jobs import QueueFull, UploadJob
from mien.server.schemas import JobResponse, problem_responses
from mien.server.state import ServerState, address_of
from mien.server.workers import ClientConnection

Client = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The id that `hello` gave.")]


def add_session_reports(application: FastAPI, state: ServerState) -> None:
    """Add the endpoint that makes the report of a recorded session.

    Args:
        application: The application.
        state: State of the server.
    """

    @application.post("/v1/sessions/{client}/report", status_code=201, operation_id="session_report",
                      responses=problem_responses(404, 409, 503, 507))
    async def report(request: Request, client: Client) -> JobResponse:
        """Make the report of a session that was started with `record=true`, up to now. The session goes on."""
        connection = state.connections.get(client)
        if connection is None:
            raise HTTPException(404, "expected the id of a client that is connected, got another")
        try:
            job = await run_in_threadpool(state.jobs.open, False, False, address_of(request))
        except QueueFull as error:
            raise HTTPException(503, str(error), {"retry-after": "10"}) from error
        try:
            people = await run_in_threadpool(_write, connection, job)
        except BaseException as error:
            state.jobs.drop(job)
            if isinstance(error, ValueError):
                raise HTTPException(409, "expected a session that is recorded and has seen a frame: connect with "
                                    "record=true") from error
            raise
        state.jobs.finish(job, people)
        return job.response()


def _write(connection: ClientConnection, job: UploadJob) -> int:
    """Write the results into the folder of the job -> the number of people."""
    with connection.busy:
        timeline = connection.session.timeline(f"live session {datetime.now():%Y-%m-%d %H:%M}")
    write_results(timeline, job.folder / "result")
    return len(timeline.faces)


def write_results(timeline: Timeline, folder: Path) -> None:
    """Write timeline, summary and report of a session.

    Args:
        timeline: The recorded session.
        folder: The folder; it is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("timeline.parquet", "timeline.csv", "events.jsonl"):
        timeline.save(folder / name)
    summary.summarize(timeline).save(folder / "summary.json")
    html.write_report(timeline, folder / "report.html", images=False, script="")
