"""`WS /v1/stream`: frames with their capture times in, events out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from typing import Any

from fastapi import WebSocket
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

from mien.core.tasks import ACTION_UNIT_NAMES
from mien.server.config import with_reserve
from mien.server.state import MAX_QUEUED_MESSAGES, ServerState, address_of
from mien.server.workers import ClientConnection

SEND_TIMEOUT = 10.0
"""s within which a client must receive a message."""

RETRY_AFTER = 10
"""s after which a client that was refused may try again. Our choice."""


class SendQueue:
    """A bounded queue of messages for one client; the oldest is dropped when the client is too slow."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_QUEUED_MESSAGES)
        self._not_empty = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        """Queue a message from any thread. After the server has stopped it is discarded."""
        self._waiting.append(message)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._not_empty.set)

    async def next(self) -> dict[str, Any]:
        """Wait for the oldest message and remove it."""
        while not self._waiting:
            self._not_empty.clear()
            if self._waiting:
                break
            await self._not_empty.wait()
        return self._waiting.popleft()


async def stream(socket: WebSocket, state: ServerState, *, step: float | None, language: str, person: int | None,
                 send_frames: bool, record: bool) -> None:
    """Serve one client until it disconnects. The arguments are those of `ServerState.enter`."""
    address, most = address_of(socket), state.options.clients
    if state.connected[address] >= most or state.clients >= with_reserve(most):
        await _refuse(socket, f"expected {most} clients or fewer: try again later")
        return
    state.connected[address] += 1
    try:
        await _serve(socket, state, step=step, language=language, person=person, send_frames=send_frames,
                     record=record)
    finally:
        state.connected[address] -= 1
        state.connected += Counter()  # forgets addresses without clients


async def _refuse(socket: WebSocket, reason: str) -> None:
    """Answer the handshake with 503 where the server can, or else close the connection."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        headers = {"retry-after": str(RETRY_AFTER)}
        await socket.send_denial_response(JSONResponse({"detail": reason}, 503, headers))
    else:
        await socket.close(1013, reason)


async def _serve(socket: WebSocket, state: ServerState, *, step: float | None, language: str, person: int | None,
                 send_frames: bool, record: bool) -> None:
    outbox = SendQueue()
    try:
        connection = await asyncio.to_thread(state.enter, outbox.put, step=step, language=language, person=person,
                                        send_frames=send_frames, record=record, address=address_of(socket))
    except ValueError as error:
        await socket.close(1008, str(error)[:120])
        return
    try:
        await socket.accept()
        outbox.put({"type": "hello", "client": connection.id, "step": connection.session.settings.step,
                    "classes": list(connection.session.classes), "units": ACTION_UNIT_NAMES})
        tasks = [asyncio.create_task(_receive(socket, state, connection)), asyncio.create_task(_send(socket, outbox))]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        code, reason = done.pop().result()
        if code and socket.application_state == WebSocketState.CONNECTED and \
                socket.client_state == WebSocketState.CONNECTED:
            await socket.close(code, reason)
    finally:
        state.leave(connection)


async def _receive(socket: WebSocket, state: ServerState, connection: ClientConnection) -> tuple[int, str]:
    """Queue frames until the client disconnects.

    Returns:
        WebSocket close code and reason; code 0 if the client has closed the connection.
    """
    while True:
        try:
            async with asyncio.timeout(state.options.idle):  # wait_for of 3.11 may swallow the task's own cancellation
                message = await socket.receive()
        except TimeoutError:
            if connection.in_turn:  # the client may be waiting for our result
                continue
            return 1001, f"expected a frame within {state.options.idle:g} s"
        if message["type"] == "websocket.disconnect":
            return 0, ""
        content = message.get("bytes")
        if content is None:
            return 1003, "expected binary messages: a time and a picture"
        state.pool.post(connection, content)
        await asyncio.sleep(0)  # a message that has come already is received at once: others must have their turn


async def _send(socket: WebSocket, outbox: SendQueue) -> tuple[int, str]:
    while True:
        message = await outbox.next()
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await socket.send_text(text)
        except TimeoutError:
            return 1008, f"expected each message to be received within {SEND_TIMEOUT:g} s"
        except (WebSocketDisconnect, RuntimeError):  # the client disconnected while we were sending
            return 0, ""
        if message.get("close"):
            return 1007, message["reason"][:120]
