"""A server of mien's on a free port of this machine, in a thread; and films to send to it."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from functools import partial

import uvicorn
from websockets.sync import client

from live_films import film
from mien.server.application import app
from mien.server.config import ServerConfig
from mien.server.http_timeout import TimeoutHTTPProtocol
from mien.server.websocket_protocol import LimitedWebSocketProtocol

__all__ = ["CEILING", "connect", "film", "mien", "received", "uvicorn_of"]

CEILING = 300.0
"""s that a test waits for what must come, however busy the machine is. It decides nothing: what comes, comes sooner."""

connect = partial(client.connect, open_timeout=CEILING)
"""A WebSocket; a busy server may take its time to greet."""


@contextmanager
def uvicorn_of(application, **options):
    """Any ASGI application -> its address and the server; it ends with the block."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_level="error", access_log=False, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + CEILING
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < until
        time.sleep(0.02)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", server
    finally:
        server.should_exit = True
        thread.join(CEILING)
        assert not thread.is_alive()


@contextmanager
def mien(**options):
    """`mien serve` with these options -> its address (host:port) and its `ServerState`."""
    chosen = ServerConfig(**options)
    application = app(chosen)
    how = {"http": TimeoutHTTPProtocol, "ws": LimitedWebSocketProtocol, "ws_max_size": chosen.frame,
           "timeout_graceful_shutdown": 2}
    with uvicorn_of(application, **how) as (address, _):
        yield address, application.state.server


def received(socket, kind):
    """The next message of a kind."""
    while (message := json.loads(socket.recv(timeout=CEILING)))["type"] != kind:
        pass
    return message
