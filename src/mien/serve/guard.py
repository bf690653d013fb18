"""Who may ask, from which page, how often: before anything else looks at a request."""

from __future__ import annotations

import hmac
import math
import time as clock
from collections import OrderedDict
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.serve.options import Options

OPEN = ("/", "/page.js", "/page.css", "/reference", "/reference.js", "/healthz")
"""What everybody may have: it holds nothing of anybody."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                               "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
}
"""Of every answer: the page may load and reach nothing but this server, and nobody may frame it."""

ADDRESSES = 1024
"""Clients whose pace is remembered."""


class Guard:
    """ASGI middleware. 401 without the token, 403 from another origin or for another host's name, 413, 429.

    The host's name is checked where only this machine can reach us: a page elsewhere whose name was made to lead here
    (DNS rebinding) would otherwise be of our own origin.
    """

    def __init__(self, app: ASGIApp, options: Options) -> None:
        self._app, self._options = app, options
        self._paces: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        wrong = self._objection(scope, Headers(scope=scope))
        if wrong is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": wrong[1][:120]})
        else:
            told = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}.get(wrong[0], {})
            response = JSONResponse({"detail": wrong[1]}, wrong[0], told)
            await response(scope, receive, _with_headers(send))

    def _objection(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        name = _name(host)
        if name is None or (self._options.local and name not in ("localhost", "127.0.0.1", "::1", self._options.host)):
            return 403, "expected this server's own name in the address"
        origin = headers.get("origin")
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if origin is not None and asks and not self._ours(origin, host):
            return 403, "expected a request from this server's own page"
        if scope["path"] not in OPEN and self._options.token and not self._knows(scope, headers):
            return 401, "expected the token: Authorization: Bearer ..., or ?token=... for a WebSocket"
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and not self._paced(scope):
            return 429, f"expected {self._options.rate:g} requests a second or fewer"
        most = self._options.upload if scope["path"] == "/v1/analyze" else self._options.body
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            return 413, f"expected {most} bytes or fewer"
        return None

    def _ours(self, origin: str, host: str) -> bool:
        return origin in (f"http://{host}", f"https://{host}") or origin in self._options.origins

    def _knows(self, scope: Scope, headers: Headers) -> bool:
        """In constant time, whatever is given."""
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if scope["type"] == "websocket" and not given:  # a browser cannot set a header there
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._options.token.encode())

    def _paced(self, scope: Scope) -> bool:
        """A bucket of `burst` requests that fills by `rate` a second, for each address."""
        client = scope["client"][0] if scope.get("client") else ""
        now = clock.monotonic()
        left, last = self._paces.pop(client, (float(self._options.burst), now))
        left = min(self._options.burst, left + (now - last) * self._options.rate)
        self._paces[client] = (left - 1 if left >= 1 else left, now)
        if len(self._paces) > ADDRESSES:
            self._paces.popitem(last=False)
        return left >= 1 or math.isinf(self._options.rate)


def _name(host: str) -> str | None:
    """A Host header -> the name without its port; None for what is none."""
    if not host or not all(letter.isalnum() or letter in ".-:[]_" for letter in host):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # half an IPv6 address
        return None


def _with_headers(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *((name.encode(), value.encode())
                                  for name, value in HEADERS.items() if name.encode() not in have)]
        await send(message)

    return told
