"""Read a request's body in chunks, with limits on its size and on the time that it may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import Request

from mien.server.config import ServerConfig

GRACE = 10.0
"""s before the least rate counts. Our choice: a connection may stall for a moment."""


class PayloadError(Exception):
    """The body is too large (`status` 413) or arrives too slowly (408)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, limit: int, options: ServerConfig) -> AsyncIterator[bytes]:
    """Yield the body chunk by chunk.

    Args:
        request: The request to read.
        limit: Largest size of the whole body in bytes.
        options: The clocks: `idle`, `slowest` and `receive`.

    Raises:
        PayloadError: The body is too large, a chunk is late, or all of it arrives too slowly.
    """
    size, stream, start = 0, request.stream(), time.monotonic()
    while True:
        left = start + min(GRACE + size / options.slowest, options.receive) - time.monotonic()
        try:
            async with asyncio.timeout(min(options.idle, left)):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise PayloadError(408, _late(options)) from error
        size += len(piece)
        if size > limit:
            raise PayloadError(413, f"expected {limit} bytes or fewer")
        yield piece


def _late(options: ServerConfig) -> str:
    return (f"expected {options.slowest / 1024:g} KiB a second or more, no pause of {options.idle:g} s, and an end "
            f"within {options.receive:g} s, got a slower request")
