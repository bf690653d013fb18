"""Access control before any other code: host name, origin, token, request rate and body size."""

from __future__ import annotations

import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.server.client_address import limited_address
from mien.server.config import ServerConfig

PUBLIC_PATHS = ("/", "/page.js", "/page.css", "/reference", "/reference.js", "/healthz")
"""Paths without a token: they contain no personal data."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                               "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
}
"""Headers of every response: the page may load from and connect to this server only, and no page may frame it."""

MAX_ADDRESSES = 1024
"""Most client addresses with a stored request rate."""


class AccessMiddleware:
    """ASGI middleware that rejects requests.

    Status 401: no token. 403: another origin, or another host name. 413: the body is too large. 429: too many requests.
    The host name is checked when the server is bound to this machine alone. Otherwise a foreign page could have its
    name resolve to this machine (DNS rebinding) and would then share our origin.

    Args:
        app: The next ASGI application.
        options: Settings and limits of the server.
        clock: Returns the time in s; tests pass their own.
    """

    def __init__(self, app: ASGIApp, options: ServerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._options, self._clock = app, options, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request or connection and pass it on, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        rejection = self._rejection(scope, Headers(scope=scope))
        if rejection is None:
            await self._app(scope, receive, _with_headers(send))
            return
        status, reason = rejection
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})
            return
        headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}.get(status, {})
        response = JSONResponse({"detail": reason}, status, headers)
        await response(scope, receive, _with_headers(send))

    def _rejection(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """The status and the reason to reject a request with; None if it may pass."""
        host = headers.get("host", "")
        name = _name(host)
        if name is None or (self._options.local and name not in ("localhost", "127.0.0.1", "::1", self._options.host)):
            return 403, "expected this server's own name in the address"
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if origin is not None and changes and not self._is_allowed_origin(origin, host):
            return 403, "expected a request from this server's own page"
        if scope["path"] not in PUBLIC_PATHS and self._options.token and not self._has_token(scope, headers):
            return 401, "expected the token: Authorization: Bearer ..., or ?token=... for a WebSocket"
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and not self._within_rate(scope):
            return 429, f"expected {self._options.rate:g} requests a second or fewer"
        limit = self._options.upload if scope["path"] == "/v1/analyze" else self._options.body
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            return 413, f"expected {limit} bytes or fewer"
        return None

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        return origin in (f"http://{host}", f"https://{host}") or origin in self._options.origins

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        """Compares in constant time."""
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if scope["type"] == "websocket" and not given:  # a browser cannot set a header there
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._options.token.encode())

    def _within_rate(self, scope: Scope) -> bool:
        """Token bucket for each address: `burst` requests, refilled at `rate` a second."""
        client = limited_address(scope["client"][0] if scope.get("client") else "")
        now = self._clock()
        tokens, last = self._buckets.pop(client, (float(self._options.burst), now))
        tokens = min(self._options.burst, tokens + (now - last) * self._options.rate)
        enough = tokens >= 1
        self._buckets[client] = (tokens - enough, now)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return enough or math.isinf(self._options.rate)


def _name(host: str) -> str | None:
    """The name in a Host header without its port; None if the header is invalid."""
    if not host or not all(letter.isalnum() or letter in ".-:[]_" for letter in host):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # half an IPv6 address
        return None


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        """Send a message; a response that starts gets the headers that it lacks."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            given = message["headers"]
            if message["type"] == "websocket.http.response.start":  # uvicorn adds its own; before 0.53 both were sent
                given = [(name, value) for name, value in given if name.lower() != b"content-length"]
            present = {name.lower() for name, _ in given}
            message["headers"] = [*given, *((name.encode(), value.encode())
                                  for name, value in HEADERS.items() if name.encode() not in present)]
        await send(message)

    return send_with_headers
