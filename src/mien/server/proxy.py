"""A proxy for an OpenAI-compatible server that adds a system message about the person's current state."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mien.reporting.llm.templates import system_message
from mien.server.client_address import limited_address
from mien.server.config import ServerConfig, with_reserve
from mien.server.request_body import PayloadError, read_body

CONNECT, ANSWER = 10.0, 600.0
"""Timeouts in s, for connecting to the language server and between two chunks of its response. Our choice: a large
model on a CPU takes minutes to process a long conversation before its first word."""

RETRY_AFTER = "5"
"""s after which a client that was refused may try again. Our choice."""

CLIENT_GONE = 499
"""nginx's status for a client that has left; it is sent to no client."""

MOST_VALUES = 1_000_000
"""Most values in the JSON of a conversation. Our choice: 32 MiB of `[],` would take a second and 700 MiB to read."""

NOT_FORWARDED = {
    "host", "content-length", "connection", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer", "origin",
    "proxy-authorization", "proxy-authenticate", "accept-encoding", "cookie", "forwarded", "x-forwarded-for",
    "x-mien-client",
}
"""Headers that are not forwarded: they belong to one connection or are private to this server."""

NOT_RETURNED = re.compile(
    "access-control-|cross-origin-|content-security-policy|content-disposition|content-encoding|set-cookie|clear-site-"
    "data|service-worker|location|refresh|link|alt-svc|strict-transport|public-key-pins|permissions-policy|feature-"
    "policy|referrer-policy|report-to|reporting-endpoints|nel|timing-allow-origin|origin-|sourcemap|www-authenticate|"
    "cache-control|x-accel-|x-sendfile|x-lighttpd|x-reproxy|x-frame-|x-content-|x-xss-|x-permitted-|x-dns-|x-sourcemap")
"""Beginnings of headers that are not returned. They tell a browser, or a reverse proxy in front of this server, what it
may do: that is for this server to say. With `access-control-allow-origin`, any page could read the answers."""


def with_system(messages: list[object], text: str) -> list[object]:
    """Insert a system message after the leading system messages of a conversation.

    Args:
        messages: The conversation, in OpenAI's format.
        text: Content of the new message.

    Returns:
        A new list with one more message.
    """
    count = 0
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
            break
        count += 1
    return [*messages[:count], {"role": "system", "content": text}, *messages[count:]]


class Proxy:
    """Forwards requests to one language server.

    A request of which the client has gone is ended at the language server, too.

    Args:
        options: Options of the server.
        sentence: Takes a client's id ("" for any) and returns the sentence about that person, or "" without one.
        on_status: Called with the HTTP status of each response.
    """

    def __init__(self, options: ServerConfig, sentence: Callable[[str], str], on_status: Callable[[int], None]) -> None:
        self._options, self._sentence, self._on_status = options, sentence, on_status
        # requests in progress by address; counted in the server's event loop
        self._requests: Counter[str] = Counter()
        # trust_env=False: a proxy from the environment must not read the conversation
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER, connect=CONNECT), trust_env=False,
                                         follow_redirects=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def chat(self, request: Request) -> Response:
        """Forward `POST /v1/chat/completions` with one more message and stream the response."""
        return await self._within_share(request, self._chat)

    async def models(self, request: Request) -> Response:
        """Forward `GET /v1/models`, which clients request first."""
        return await self._within_share(request, lambda request: self._forward(request, "models", b""))

    async def _within_share(self, request: Request, respond: Callable[[Request], Awaitable[Response]]) -> Response:
        """The response, or 503 when this address, or all together, have as many requests in progress as they may."""
        address, most = limited_address(request.client.host if request.client else ""), self._options.chats
        if self._requests[address] >= most or self._requests.total() >= with_reserve(most):
            return self._problem(503, f"expected {most} conversations at a time or fewer: try again later",
                                 {"retry-after": RETRY_AFTER})
        self._requests[address] += 1

        def end() -> None:
            self._requests[address] -= 1
            self._requests += Counter()  # forgets addresses without requests

        try:
            response = await respond(request)
        except BaseException:
            end()
            raise
        if isinstance(response, _ForwardedResponse):
            response.on_end = end
        else:
            end()
        return response

    async def _chat(self, request: Request) -> Response:
        try:
            content = b"".join([chunk async for chunk in read_body(request, self._options.body, self._options)])
        except PayloadError as error:
            return self._problem(error.status, str(error))
        if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
            return self._problem(413, f"expected JSON of {MOST_VALUES} values or fewer")
        try:
            body = json.loads(content)
            if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
                return self._problem(400, "expected an object with a list of messages")
            sentence = self._sentence(request.headers.get("x-mien-client", ""))
            if sentence:
                text = system_message(sentence, self._options.language)
                messages = with_system(body["messages"], text)
                content = json.dumps({**body, "messages": messages}, allow_nan=False).encode()
        except (ValueError, RecursionError):
            return self._problem(400, "expected JSON in the body")
        return await self._forward(request, "chat/completions", content)

    async def _forward(self, request: Request, path: str, content: bytes) -> Response:
        if not self._options.llm:
            return self._problem(503, "expected a language server behind this one, got none: start mien serve with "
                                      "--llm http://127.0.0.1:11434/v1")
        query = request.scope["query_string"].decode("latin-1")
        address = f"{self._options.llm.rstrip('/')}/{path}{'?' if query else ''}{query}"
        try:
            forwarded = self._client.build_request(request.method, address, content=content,
                                                   headers=self._headers(request))
            upstream = await _unless_gone(request, self._client.send(forwarded, stream=True))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._problem(502, f"expected an answer from the language server, got {type(error).__name__}: check "
                                      "that it runs, and --llm")
        if upstream is None:
            return Response(status_code=CLIENT_GONE)
        if not 200 <= upstream.status_code < 600:
            await upstream.aclose()
            return self._problem(502, "expected a status of 200 to 599 from the language server, got another")
        self._on_status(upstream.status_code)
        return _ForwardedResponse(upstream)

    def _headers(self, request: Request) -> list[tuple[bytes, bytes]]:
        """The headers for the language server."""
        # with our token or the language server's key set, the client's authorization is for us and is not forwarded
        private = {"authorization"} if self._options.token or self._options.llm_key else set()
        headers = [*_without(request.headers.raw, NOT_FORWARDED | private), (b"accept-encoding", b"identity")]
        if self._options.llm_key:
            headers.append((b"authorization", b"Bearer " + self._options.llm_key.encode()))
        return headers

    def _problem(self, status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
        """An error in OpenAI's format. Neither the response nor a log contains any of the conversation."""
        self._on_status(status)
        return JSONResponse({"error": {"message": message, "type": "mien_error", "param": None, "code": status}},
                            status, headers)


class _ForwardedResponse(StreamingResponse):
    """The language server's response, chunk by chunk. It is closed in any case, even if the client has left before.

    An interrupted response ends the connection, so that the client sees it is incomplete.
    """

    def __init__(self, upstream: httpx.Response) -> None:
        super().__init__(_stream(upstream), upstream.status_code)
        self.raw_headers = [(name, value) for name, value in _without(upstream.headers.raw, NOT_FORWARDED)
                            if not NOT_RETURNED.match(name.decode("latin-1"))]
        self.on_end: Callable[[], object] = bool
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.on_end()
            await self._upstream.aclose()


def _without(headers: Iterable[tuple[bytes, bytes]], names: set[str]) -> list[tuple[bytes, bytes]]:
    """The headers without those of `names`, in their order and with repetitions; values stay undecoded bytes."""
    return [(name.lower(), value) for name, value in headers if name.lower().decode("latin-1") not in names]


async def _stream(response: httpx.Response) -> AsyncIterator[bytes]:
    """Chunks as they arrive."""
    async for chunk in response.aiter_bytes():
        yield chunk


async def _unless_gone(request: Request, sending: Awaitable[httpx.Response]) -> httpx.Response | None:
    """The language server's response; None if the client leaves before, which ends the request there as well."""
    response = asyncio.ensure_future(sending)
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait((response, gone), return_when=asyncio.FIRST_COMPLETED)
        return await response if response.done() else None
    finally:
        gone.cancel()
        response.cancel()
        await asyncio.gather(response, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    """Wait until the client has closed its connection; what else it sends is discarded."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
