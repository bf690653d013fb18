"""Connections that ask for nothing are let go: uvicorn waits for them for ever, and each counts towards its most."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD = 10.0
"""s until the head of a connection's first request must be whole. Our choice: it is a few hundred bytes."""


class Door(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """uvicorn's protocol of HTTP; for `Config(http=...)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock runs from here."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(HEAD, self._late, transport)

    def _late(self, transport: asyncio.Transport) -> None:
        # `cycle`: of the newest request; a WebSocket's connection has another protocol by now
        if self.cycle is None and transport.get_protocol() is self and not transport.is_closing():
            transport.close()
