"""Clocks for every connection, which uvicorn lacks: requests, responses, and a share of the connections per address.

Idle sockets count towards uvicorn's `limit_concurrency`. Without clocks, a few clients that send or read a byte now and
then would keep everybody else out.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.server.client_address import limited_address

HEAD = 10.0
"""s from the first byte of a request until its complete header has arrived, and from the end of a response until the
rest of a request that it did not wait for. Our choice: a header has a few hundred bytes."""

READ = 60.0
"""s within which a client must read what waits for it, some 64 KiB. Our choice."""

SHARE = 0.75
"""Largest share of all connections for one address. Our choice: a quarter stays for everybody else."""

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class TimeoutHTTPProtocol(H11Protocol):
    """uvicorn's HTTP protocol with clocks, for uvicorn's option `http`.

    It is the one with h11. uvicorn prefers httptools where it is installed, which sets no limit on a header's size.
    The clocks of a request's body are those of `request_body.read_body`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first request, unless the address has its share of connections already."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and self._is_full(self.limit_concurrency):
            transport.write(TOO_MANY)
            transport.close()
            return
        self._reading = self._clock(HEAD, self._give_up_request)

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a header is complete; start it when another request begins."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_reading()
        if (self.cycle is None or self.cycle.response_complete) and self._reading is None:
            self._reading = self._clock(HEAD, self._give_up_request)

    def on_response_complete(self) -> None:
        """Start the clock if the rest of the request is still to come."""
        if self.cycle.more_body and self._reading is None:
            self._reading = self._clock(HEAD, self._give_up_request)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self._writing = self._clock(READ, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        for clock in (self._reading, self._writing):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)

    def _clock(self, seconds: float, end: Callable[[], object]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, end)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _give_up_request(self) -> None:
        active = self.cycle is not None and not self.cycle.response_complete
        # the connection of a WebSocket has another protocol by now
        if not active and self.transport.get_protocol() is self and not self.transport.is_closing():
            self.transport.close()

    def _is_full(self, limit: int) -> bool:
        """Whether the server has no connection left, or this client's address has its share."""
        addresses = [limited_address((getattr(other, "client", None) or ("",))[0]) for other in self.connections]
        same = addresses.count(limited_address((self.client or ("",))[0]))
        return len(self.connections) >= limit or same > math.ceil(SHARE * limit)
