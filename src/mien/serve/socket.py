"""`WS /v1/stream`: frames with their capture times in, events out."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from mien.serve.crew import Guest
from mien.serve.room import SENDING, Room

SLOW = 10.0
"""s that a client may take to receive one message."""


class Outbox:
    """Messages for one client from any thread; the oldest is dropped when it does not keep up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=SENDING)
        self._some = asyncio.Event()

    def tell(self, message: dict[str, Any]) -> None:
        """From any thread; after the server's end it goes nowhere."""
        self._waiting.append(message)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._some.set)

    async def next(self) -> dict[str, Any]:
        """The oldest message, waited for."""
        while not self._waiting:
            self._some.clear()
            if self._waiting:
                break
            await self._some.wait()
        return self._waiting.popleft()


async def stream(socket: WebSocket, room: Room, *, step: float | None, language: str, person: int | None,
                 chatty: bool) -> None:
    """One client, from its greeting to its leave."""
    if room.clients >= room.options.clients:
        await socket.close(1013, f"expected {room.options.clients} clients or fewer: try again later")
        return
    room.clients += 1
    try:
        await _welcome(socket, room, step=step, language=language, person=person, chatty=chatty)
    finally:
        room.clients -= 1


async def _welcome(socket: WebSocket, room: Room, *, step: float | None, language: str, person: int | None,
                   chatty: bool) -> None:
    outbox = Outbox()
    try:
        guest = await asyncio.to_thread(room.enter, outbox.tell, step=step, language=language, person=person,
                                        chatty=chatty)
    except ValueError as error:
        await socket.close(1008, str(error)[:120])
        return
    try:
        await socket.accept()
        outbox.tell({"type": "hello", "client": guest.id, "step": guest.session.settings.step,
                     "classes": list(guest.session.classes)})
        tasks = [asyncio.create_task(_receive(socket, room, guest)), asyncio.create_task(_send(socket, outbox))]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        code, reason = done.pop().result()
        if code and socket.application_state == WebSocketState.CONNECTED and \
                socket.client_state == WebSocketState.CONNECTED:
            await socket.close(code, reason)
    finally:
        room.leave(guest)


async def _receive(socket: WebSocket, room: Room, guest: Guest) -> tuple[int, str]:
    """Frames into the queue, until the client goes -> the code to close with, 0 when it closed."""
    while True:
        try:
            async with asyncio.timeout(room.options.idle):  # wait_for of 3.11 may swallow the task's own cancellation
                message = await socket.receive()
        except TimeoutError:
            if guest.in_turn:  # it waits for us
                continue
            return 1001, f"expected a frame within {room.options.idle:g} s"
        if message["type"] == "websocket.disconnect":
            return 0, ""
        content = message.get("bytes")
        if content is None:
            return 1003, "expected binary messages: a time and a picture"
        room.crew.post(guest, content)


async def _send(socket: WebSocket, outbox: Outbox) -> tuple[int, str]:
    while True:
        message = await outbox.next()
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        try:
            async with asyncio.timeout(SLOW):
                await socket.send_text(text)
        except TimeoutError:
            return 1008, f"expected each message to be received within {SLOW:g} s"
        except (WebSocketDisconnect, RuntimeError):  # gone while we spoke
            return 0, ""
        if message.get("close"):
            return 1007, message["reason"][:120]
