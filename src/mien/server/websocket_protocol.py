"""Limits on the frames of a WebSocket, which uvicorn lacks: pings that are not read, and tiny messages or parts of one.

uvicorn's `ws_max_size` counts the bytes of a message. A message in millions of parts needs far more memory than bytes,
an answered ping waits in memory until the client reads it, and what arrives at once may be 40,000 empty messages, which
keep everybody else waiting.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_FRAMES = 4096
"""Most WebSocket frames from the end of one message to the end of the next, parts and pings. Our choice: programs send
a message in at most some hundred parts."""

MOST_UNREAD = 2**20
"""Most bytes of answers to pings that wait until the client reads them. Our choice: some 8,000 of the largest."""

MOST_WAITING = 1024
"""Most messages that wait to be received. Our choice: of the smallest pictures a third as many arrive at once."""

SLICE = 4096
"""Bytes that are parsed before the limits are checked."""


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a limit on frames, for uvicorn's option `ws`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since_message = 0

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, slice by slice until a limit is exceeded."""
        for start in range(0, len(data), SLICE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE])
            if self.queue.qsize() > MOST_WAITING:
                self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping."""
        super().handle_ping()
        self._count()
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.transport.abort()

    def handle_pong(self, event: Any) -> None:
        """Take the answer to a ping, or one without a ping."""
        super().handle_pong(event)
        self._count()

    def handle_cont(self, event: Any) -> None:
        """Take another part of a message."""
        super().handle_cont(event)
        self._count()

    def send_receive_event_to_app(self) -> None:
        """Pass a complete message on."""
        super().send_receive_event_to_app()
        self._since_message = 0

    def _count(self) -> None:
        self._since_message += 1
        if self._since_message > MOST_FRAMES:
            self.transport.abort()
