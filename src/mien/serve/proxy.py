"""In front of an OpenAI-compatible server: a system message about the person now goes in, all else goes through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from mien.prompt import system
from mien.serve.body import Refused, pieces
from mien.serve.options import Options

CONNECT, ANSWER = 10.0, 600.0
"""s until the language server must have been reached, and between two pieces of its answer. Our choice: a large model
on a processor takes minutes to read a long conversation before its first word."""

OWN = {"host", "content-length", "connection", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer", "origin",
       "proxy-authorization", "proxy-authenticate", "accept-encoding", "cookie", "forwarded", "x-forwarded-for",
       "x-mien-client"}
"""Headers that belong to one connection, or to nobody else."""


def with_system(messages: list[object], text: str) -> list[object]:
    """Messages of a conversation -> the same with one more, behind the system messages that come first."""
    first = next((i for i, each in enumerate(messages)
                  if not (isinstance(each, dict) and each.get("role") in ("system", "developer"))), len(messages))
    return [*messages[:first], {"role": "system", "content": text}, *messages[first:]]


class Proxy:
    """One upstream server. `sentence` gives what is said now of the person before the client of that id ('': whoever is
    there), '' for nothing; `counted` hears of the status."""

    def __init__(self, options: Options, sentence: Callable[[str], str], counted: Callable[[int], None]) -> None:
        self._options, self._sentence, self._counted = options, sentence, counted
        # trust_env: no proxy of the environment gets to read what people say
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER, connect=CONNECT), trust_env=False,
                                         follow_redirects=False)

    async def close(self) -> None:
        """Drop all connections."""
        await self._client.aclose()

    async def chat(self, request: Request) -> Response:
        """`POST /v1/chat/completions`: the body with one more message, and the answer as it comes."""
        try:
            content = b"".join([piece async for piece in pieces(request, self._options.body, self._options.idle)])
            asked = json.loads(content)
        except Refused as error:
            return self._problem(error.status, str(error))
        except (ValueError, RecursionError):
            return self._problem(400, "expected JSON in the body")
        if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
            return self._problem(400, "expected an object with a list of messages")
        sentence = self._sentence(request.headers.get("x-mien-client", ""))
        if sentence:
            text = system(sentence, self._options.language)
            content = json.dumps({**asked, "messages": with_system(asked["messages"], text)}).encode()
        return await self._through(request, "chat/completions", content)

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`: which clients ask for first."""
        return await self._through(request, "models", b"")

    async def _through(self, request: Request, path: str, content: bytes) -> Response:
        if not self._options.llm:
            return self._problem(503, "expected a language server behind this one, got none: start mien serve with "
                                      "--llm http://127.0.0.1:11434/v1")
        # a token of ours or a key of theirs: then the client's was for us, not for them
        ours = {"authorization"} if self._options.token or self._options.llm_key else set()
        headers = [*_passing(request.headers.raw, OWN | ours), (b"accept-encoding", b"identity")]
        if self._options.llm_key:
            headers.append((b"authorization", b"Bearer " + self._options.llm_key.encode()))
        query = request.scope["query_string"].decode("latin-1")
        address = f"{self._options.llm.rstrip('/')}/{path}{'?' if query else ''}{query}"
        try:
            sent = self._client.build_request(request.method, address, content=content, headers=headers)
            answer = await self._client.send(sent, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._problem(502, f"expected an answer from the language server, got {type(error).__name__}: check "
                                      "that it runs, and --llm")
        self._counted(answer.status_code)
        response = StreamingResponse(_pieces(answer), answer.status_code)
        response.raw_headers = _passing(answer.headers.raw, OWN | {"content-encoding", "set-cookie"})
        return response

    def _problem(self, status: int, told: str) -> JSONResponse:
        """As OpenAI's clients expect it; nothing of what the person wrote is in it, nor in any log."""
        self._counted(status)
        return JSONResponse({"error": {"message": told, "type": "mien_error", "param": None, "code": status}}, status)


def _passing(headers: Iterable[tuple[bytes, bytes]], without: set[str]) -> list[tuple[bytes, bytes]]:
    """As they came, each as often as it came; whatever the bytes are, nobody decodes them."""
    return [(name.lower(), value) for name, value in headers if name.lower().decode("latin-1") not in without]


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The answer as it comes. One that breaks off ends the connection: the client must not take it for whole."""
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    finally:
        await answer.aclose()
