"""The body of a request, piece by piece, as much and as slowly as is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request


class Refused(Exception):
    """A body that is too large (`status` 413) or comes too slowly (408)."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


async def pieces(request: Request, most: int, idle: float) -> AsyncIterator[bytes]:
    """At most `most` bytes, each piece within `idle` s of the last. Raises Refused."""
    size, stream = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(idle):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Refused(408, f"expected more of the request within {idle:g} s") from error
        size += len(piece)
        if size > most:
            raise Refused(413, f"expected {most} bytes or fewer")
        yield piece
