"""The FastAPI application with all endpoints."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from mien.core.hashing import version
from mien.reporting.llm.observation import fields, render_observation
from mien.reporting.llm.templates import language_names, languages, no_picture, render
from mien.server import websocket as socket
from mien.server.config import ServerConfig
from mien.server.jobs import QueueFull, UploadJob
from mien.server.middleware import AccessMiddleware
from mien.server.request_body import PayloadError, read_body
from mien.server.schemas import (
    RESULT_FILES,
    HealthResponse,
    HistoryResponse,
    JobResponse,
    Name,
    NowResponse,
    problem_responses,
)
from mien.server.session_report import add_session_reports
from mien.server.state import ServerState, address_of
from mien.server.upload_validation import HEAD, detect_suffix

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The id that the upload returned.")]
Language = Annotated[str, Query(description="Language of the sentence.", pattern=f"^({'|'.join(languages())})$")]
VIDEO = {"requestBody": {"required": True, "description": "The video file, in any format that FFmpeg reads.",
                         "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
SANDBOX = "sandbox allow-scripts allow-forms allow-downloads; default-src 'unsafe-inline' data:"
"""Content security policy of a report that is opened in the browser: it has no origin and can load nothing."""

CHAT = {"requestBody": {"required": True, "content": {"application/json": {"schema": {
    "type": "object", "required": ["messages"], "properties": {"messages": {"type": "array", "items": {
        "type": "object"}}}}}}}}
"""Only the fields that mien reads; the language server checks the rest."""


def app(options: ServerConfig) -> FastAPI:
    """Make the application.

    Args:
        options: Settings and limits of the server.

    Returns:
        The FastAPI application. It opens the camera and loads the model before it returns.

    Raises:
        VideoError: The server's own camera cannot be opened.
        ValueError: The model cannot be loaded.
    """
    state = ServerState(options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await state.close()

    application = FastAPI(title="mien", version=version(), lifespan=lifespan, docs_url=None, redoc_url=None,
                          description="Expression and pulse from video. Nothing leaves the machine; no frame is "
                                      "stored.")
    application.add_middleware(AccessMiddleware, options=options)
    application.add_exception_handler(OSError, _disk_error)
    application.state.server = state
    _add_page(application, options.language)
    _add_status(application, state)
    _add_uploads(application, state)
    _add_chat(application, state)
    add_session_reports(application, state)

    @application.websocket("/v1/stream")
    async def stream(ws: WebSocket, step: float | None = None, language: str = options.language, person: int = 0,
                     frames: bool = False, record: bool = False) -> None:
        """Receive frames and send events; see `socket.stream`."""
        if step is not None and not 0.1 <= step <= 10:  # NaN, too
            await ws.close(1008, "step: expected 0.1 to 10 s")
            return
        await socket.stream(ws, state, step=step, language=language, person=person or None, send_frames=frames,
                            record=record)

    return application


async def _disk_error(_: Request, error: Exception) -> Response:
    """The answer to a request whose file cannot be written or read: the disk is full or read-only."""
    reason = f"expected a disk with room on the server, got: {getattr(error, 'strerror', None)}; try again later"
    return JSONResponse({"detail": reason}, 507)


def _add_page(application: FastAPI, language: str) -> None:
    choices = "".join(_choice(code, name, code == language) for code, name in language_names().items())
    kinds = {"": ("index.html", "text/html"), "page.js": ("page.js", "text/javascript"),
             "page.css": ("page.css", "text/css"), "reference": ("reference.html", "text/html"),
             "reference.js": ("reference.js", "text/javascript")}
    for path, (name, kind) in kinds.items():
        content = (files("mien.server") / "page" / name).read_bytes().replace(b"<!--languages-->", choices.encode())
        application.add_api_route(f"/{path}", partial(_file_response, content, kind), include_in_schema=False,
                                  response_class=Response)


def _choice(code: str, name: str, selected: bool) -> str:
    mark = " selected" if selected else ""
    return f'<option value="{escape(code)}"{mark}>{escape(name)}</option>'


def _file_response(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind)


def _add_status(application: FastAPI, state: ServerState) -> None:
    options = state.options

    @application.get("/healthz", responses=problem_responses())
    async def healthz() -> HealthResponse:
        """Report that the server runs, and the state of its camera."""
        return HealthResponse(version=version(), camera=state.camera)

    @application.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **problem_responses()},
                     response_class=Response)
    async def metrics() -> Response:
        """Counters for Prometheus. They identify no person and no client."""
        return Response(state.metrics(), media_type="text/plain; version=0.0.4")

    @application.get("/v1/now", responses=problem_responses())
    async def now(
        language: Language = options.language, client: Annotated[str, Query(max_length=64)] = ""
    ) -> NowResponse:
        """The current expression and heart rate, from the server's camera or from the client with the newest event."""
        event, age = state.now(client)
        if event is not None:
            observation = state.history(client).observe()
            return NowResponse(text=render(event.said, language), event=event.json(), age_ms=1000 * age,
                               prompt=render_observation(observation, language), observation=fields(observation))
        return NowResponse(text=no_picture(language), event=None, prompt=no_picture(language), observation=None,
                           age_ms=1000 * age if math.isfinite(age) else None)


    @application.get("/v1/history", responses=problem_responses())
    async def history(
        seconds: Annotated[float, Query(gt=0, le=600, description="How far to look back, in s.")] = 60.0,
        client: Annotated[str, Query(max_length=64)] = "",
    ) -> HistoryResponse:
        """What changed in the last seconds, and a summary of them. The same person as in `/v1/now`."""
        kept = state.history(client)
        return HistoryResponse(changes=kept.changes(seconds), summary=kept.summary(seconds))


UPLOAD_LINKS: dict[str, Any] = {name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
                                for name in ("upload_progress", "upload_delete", "upload_result")}
"""OpenAPI links from the answer to an upload to what may be asked about it."""


def _add_uploads(application: FastAPI, state: ServerState) -> None:
    def known(id_: str) -> UploadJob:
        job = state.jobs.find(id_)
        if job is None:
            raise HTTPException(404, "expected the id of an upload, got none that is still here")
        return job

    @application.post(
        "/v1/analyze", status_code=202, openapi_extra=VIDEO,
        responses={202: {"links": UPLOAD_LINKS}, **problem_responses(400, 408, 415, 503, 507)}
    )
    async def analyze(request: Request, images: bool = False, blur: bool = False) -> JobResponse:
        """Upload a video and queue its analysis. The report shows faces only with `images`."""
        try:
            job = await run_in_threadpool(state.jobs.open, images, blur, address_of(request))
        except QueueFull as error:
            raise HTTPException(503, str(error), {"retry-after": "10"}) from error
        try:
            await _receive(request, job, state.options)
        except BaseException:
            state.jobs.drop(job)
            raise
        state.jobs.submit(job)
        return job.response()

    @application.get("/v1/analyze/{id}", operation_id="upload_progress", responses=problem_responses(404))
    async def progress(id: Id) -> JobResponse:
        """Status and progress of an upload."""
        return known(id).response()

    @application.delete("/v1/analyze/{id}", status_code=204, operation_id="upload_delete",
                        responses=problem_responses(404))
    async def remove(id: Id) -> None:
        """Stop an analysis and delete the upload and its results."""
        await run_in_threadpool(state.jobs.drop, known(id))

    content: dict[str, Any] = {kind: {} for kind in RESULT_FILES.values()}

    @application.get("/v1/analyze/{id}/{name}", operation_id="upload_result", response_class=FileResponse,
                     responses={200: {"content": content}, **problem_responses(404)})
    async def result(id: Id, name: Name, view: bool = False) -> FileResponse:
        """Download one result file of an upload or of a session; `view` lets the browser show it."""
        job = known(id)
        if name not in job.response().files:
            raise HTTPException(404, "expected an upload that is done, got one that is not")
        return FileResponse(job.folder / "result" / name, media_type=RESULT_FILES[name], filename=name,
                            content_disposition_type=("attachment", "inline")[view],
                            headers={"content-security-policy": SANDBOX})


async def _receive(request: Request, job: UploadJob, options: ServerConfig) -> None:
    """Write the body into the job's file after checking its first bytes. HTTPException if too large, or no video."""
    head, file = b"", None
    try:
        async for piece in read_body(request, options.upload, options):
            if file is None:
                head += piece
                if len(head) < HEAD:
                    continue
                piece = head
                file = _open_upload(job, head)
            await run_in_threadpool(file.write, piece)
        if file is None:
            file = _open_upload(job, head)
            file.write(head)
    except PayloadError as error:
        raise HTTPException(error.status, str(error)) from error
    finally:
        if file is not None:
            file.close()


def _open_upload(job: UploadJob, head: bytes) -> Any:
    kind = detect_suffix(head)
    if not kind:
        raise HTTPException(415, "expected a video such as mp4, webm, mkv or avi, got something else")
    job.upload = job.folder / f"upload{kind}"
    return job.upload.open("wb")


def _add_chat(application: FastAPI, state: ServerState) -> None:
    errors: dict[int | str, dict[str, Any]] = {code: {"description": "An error in the format of OpenAI's API."}
                                               for code in (400, 408, 413, 502, 503)}

    @application.post("/v1/chat/completions", openapi_extra=CHAT, responses=errors | problem_responses(),
                      response_class=Response)
    async def chat(request: Request) -> Response:
        """Forward a conversation to the language server, with a system message about the person's current state."""
        return await state.proxy.chat(request)

    @application.get("/v1/models", responses=errors | problem_responses(), response_class=Response)
    async def models(request: Request) -> Response:
        """List the models of the language server."""
        return await state.proxy.models(request)
