"""The FastAPI application: every endpoint, and who holds what."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Request, WebSocket
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from mien.prompt import languages, no_picture, words
from mien.prompt.words import names
from mien.serve import socket
from mien.serve.body import Refused, pieces
from mien.serve.guard import Guard
from mien.serve.jobs import Full, Job
from mien.serve.options import Options
from mien.serve.room import Room
from mien.serve.shapes import FILES, Health, Name, Now, Work, problems
from mien.serve.sniffing import HEAD, suffix
from mien.work import version

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="As the upload's answer names it.")]
Language = Annotated[str, Query(description="Of the sentence.", pattern=f"^({'|'.join(languages())})$")]
VIDEO = {"requestBody": {"required": True, "description": "The video itself, in any format that FFmpeg reads.",
                         "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
SANDBOX = "sandbox allow-scripts; default-src 'unsafe-inline' data:"
"""Of a report that is opened in the browser: it is of no origin, and reaches nothing."""

CHAT = {"requestBody": {"required": True, "content": {"application/json": {"schema": {
    "type": "object", "required": ["messages"], "properties": {"messages": {"type": "array", "items": {
        "type": "object"}}}}}}}}
"""Only what is looked at; the language server has its own rules."""


def app(options: Options) -> FastAPI:
    """Options -> the application. Raises what a missing camera or model raises."""
    room = Room(options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await room.close()

    made = FastAPI(title="mien", version=version(), lifespan=lifespan, docs_url=None, redoc_url=None,
                   description="Expression and pulse from video. Nothing leaves the machine; no frame is stored.")
    made.add_middleware(Guard, options=options)
    made.state.room = room
    _page(made, options.language)
    _reading(made, room)
    _uploads(made, room)
    _chat(made, room)

    @made.websocket("/v1/stream")
    async def stream(ws: WebSocket, step: float | None = None, language: str = options.language, person: int = 0,
                     frames: bool = False) -> None:
        if step is not None and not 0.1 <= step <= 10:  # NaN, too
            await ws.close(1008, "step: expected 0.1 to 10 s")
            return
        await socket.stream(ws, room, step=step, language=language, person=person or None, chatty=frames)

    return made


def _page(made: FastAPI, language: str) -> None:
    spoken = "".join(f'<option value="{escape(each)}"{" selected" if each == language else ""}>{escape(name)}</option>'
                     for each, name in names().items())
    kinds = {"": ("index.html", "text/html"), "page.js": ("page.js", "text/javascript"),
             "page.css": ("page.css", "text/css"), "reference": ("reference.html", "text/html"),
             "reference.js": ("reference.js", "text/javascript")}
    for path, (name, kind) in kinds.items():
        content = (files("mien.serve") / "page" / name).read_bytes().replace(b"<!--languages-->", spoken.encode())
        made.add_api_route(f"/{path}", partial(_give, content, kind), include_in_schema=False, response_class=Response)


def _give(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind)


def _reading(made: FastAPI, room: Room) -> None:
    options = room.options

    @made.get("/healthz", responses=problems())
    async def healthz() -> Health:
        """Whether the server answers."""
        return Health(version=version(), camera=room.camera)

    @made.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **problems()}, response_class=Response)
    async def metrics() -> Response:
        """Counters for Prometheus; they name nobody."""
        return Response(room.metrics(), media_type="text/plain; version=0.0.4")

    @made.get("/v1/now", responses=problems())
    async def now(language: Language = options.language, client: Annotated[str, Query(max_length=64)] = "") -> Now:
        """What is read of the person now, of the server's camera or of the client that was heard last."""
        event, age = room.now(client)
        if event is None:
            return Now(text=no_picture(language), event=None, age_ms=1000 * age if math.isfinite(age) else None)
        return Now(text=words(event.said, language), event=event.json(), age_ms=1000 * age)


def _uploads(made: FastAPI, room: Room) -> None:
    def known(id_: str) -> Job:
        job = room.jobs.find(id_)
        if job is None:
            raise HTTPException(404, "expected the id of an upload, got none that is still here")
        return job

    @made.post("/v1/analyze", status_code=202, openapi_extra=VIDEO, responses=problems(400, 408, 415, 503))
    async def analyze(request: Request, images: bool = False, blur: bool = False) -> Work:
        """Upload a video; its analysis begins when it is its turn. Faces are in the report only with `images`."""
        try:
            job = await run_in_threadpool(room.jobs.open, images, blur)
        except Full as error:
            raise HTTPException(503, str(error), {"retry-after": "10"}) from error
        try:
            await _receive(request, job, room.options)
        except BaseException:
            room.jobs.drop(job)
            raise
        room.jobs.submit(job)
        return job.told()

    @made.get("/v1/analyze/{id}", responses=problems(404))
    async def progress(id: Id) -> Work:
        """How far an upload is."""
        return known(id).told()

    @made.delete("/v1/analyze/{id}", status_code=204, responses=problems(404))
    async def remove(id: Id) -> None:
        """Stop an analysis, and forget all that is of it."""
        await run_in_threadpool(room.jobs.drop, known(id))

    content: dict[str, Any] = {kind: {} for kind in FILES.values()}

    @made.get("/v1/analyze/{id}/{name}", response_class=FileResponse,
              responses={200: {"content": content}, **problems(404)})
    async def result(id: Id, name: Name) -> FileResponse:
        """One of the files that came of an upload."""
        job = known(id)
        if name not in job.told().files:
            raise HTTPException(404, "expected an upload that is done, got one that is not")
        return FileResponse(job.folder / "result" / name, media_type=FILES[name], filename=name,
                            headers={"content-security-policy": SANDBOX})


async def _receive(request: Request, job: Job, options: Options) -> None:
    """The body into the job's file, looked at before it is kept. HTTPException for what is too much, or no video."""
    head, file = b"", None
    try:
        async for piece in pieces(request, options.upload, options.idle):
            if file is None:
                head += piece
                if len(head) < HEAD:
                    continue
                piece = head
                file = _begun(job, head)
            await run_in_threadpool(file.write, piece)
        if file is None:
            file = _begun(job, head)
            file.write(head)
    except Refused as error:
        raise HTTPException(error.status, str(error)) from error
    finally:
        if file is not None:
            file.close()


def _begun(job: Job, head: bytes) -> Any:
    kind = suffix(head)
    if not kind:
        raise HTTPException(415, "expected a video such as mp4, webm, mkv or avi, got something else")
    job.upload = job.folder / f"upload{kind}"
    return job.upload.open("wb")


def _chat(made: FastAPI, room: Room) -> None:
    answers: dict[int | str, dict[str, Any]] = {code: {"description": "As OpenAI's API tells of errors."}
                                                for code in (400, 408, 413, 502, 503)}

    @made.post("/v1/chat/completions", openapi_extra=CHAT, responses=answers | problems(), response_class=Response)
    async def chat(request: Request) -> Response:
        """A conversation, passed on to the language server with one system message about the person now."""
        return await room.proxy.chat(request)

    @made.get("/v1/models", responses=answers | problems(), response_class=Response)
    async def models(request: Request) -> Response:
        """The models of the language server."""
        return await room.proxy.models(request)
