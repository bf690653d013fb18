"""State of one server: its camera, clients, uploads and counters."""

from __future__ import annotations

import asyncio
import logging
import threading
import time as clock
from collections import Counter, OrderedDict
from dataclasses import replace
from typing import Any

from starlette.requests import HTTPConnection

from mien.inference.live.camera import Camera
from mien.inference.live.camera_thread import Live
from mien.inference.live.event import FRESH, LiveEvent
from mien.inference.live.history import EventHistory
from mien.inference.live.load_live_model import load_live_model
from mien.inference.live.session import LiveSession
from mien.inference.live.worker import InferenceWorker
from mien.reporting.llm.observation import render_observation
from mien.server.client_address import limited_address
from mien.server.config import ServerConfig
from mien.server.jobs import UploadQueue
from mien.server.metrics import ServerMetrics
from mien.server.middleware import MAX_ADDRESSES
from mien.server.proxy import Proxy
from mien.server.workers import ClientConnection, DecodeBudget, SharedFaceDetector, WorkerPool

MAX_QUEUED_MESSAGES = 64
"""Longest queue of messages for a slow client; the oldest is dropped first."""

log = logging.getLogger("mien.server")


def address_of(connection: HTTPConnection) -> str:
    """The address of a client as the limits count it; "" if it has none."""
    return limited_address(connection.client.host if connection.client else "")


class ServerState:
    """Everything that the endpoints share.

    It is made before the server starts, so that a missing camera or model ends the program at once.
    """

    def __init__(self, options: ServerConfig) -> None:
        self.options = options
        self.model = load_live_model(options.settings, options.reuse)
        self.worker: InferenceWorker | bool = InferenceWorker(self.model) if self.model.seconds else False
        self.meters = ServerMetrics()
        self.connections: dict[str, ClientConnection] = {}
        # by address, with those that are still connecting; counted in the server's event loop
        self.connected: Counter[str] = Counter()
        # by address: the smallest of those of clients that have left
        self._budgets: OrderedDict[str, DecodeBudget] = OrderedDict()
        self.backend = SharedFaceDetector(options.settings.detection_threshold)
        self.pool = WorkerPool(options.workers, self._on_done, self._on_error)
        self.jobs = UploadQueue(options, lambda status: self.meters.jobs.labels(status).inc())
        self.proxy = Proxy(options, self.sentence, lambda status: self.meters.chats.labels(str(status)).inc())
        self.live: Live | None = None
        self._reported = (0, 0, 0)
        self._listener: threading.Thread | None = None
        if options.source:
            session = LiveSession(options.settings, model=self.model, language=options.language, worker=self.worker)
            self.live = Live(Camera(options.source, log=log.warning), session=session).__enter__()
            self._listener = threading.Thread(target=self._listen, args=(self.live,), name="mien-camera-events",
                                              daemon=True)
            self._listener.start()

    @property
    def clients(self) -> int:
        """Number of WebSocket clients."""
        return self.connected.total()

    async def close(self) -> None:
        """Stop all threads and close all connections."""
        await self.proxy.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.pool.close()
        self.jobs.close()
        if self.live is not None and self._listener is not None:
            self.live.close()
            self._listener.join()
        if isinstance(self.worker, InferenceWorker):
            self.worker.close()

    def enter(
        self, send: Any, *, step: float | None, language: str, person: int | None, send_frames: bool,
        record: bool = False, address: str = ""
    ) -> ClientConnection:
        """Register a new client.

        Args:
            send: Queues a JSON message for the client. It is called from any thread.
            step: s between two events; None for the server's setting.
            language: Language of the sentences.
            person: Id of the person to follow; None to follow the main one.
            send_frames: Whether the client gets a message for every frame, and the pulse wave.
            record: Whether its rows are kept for a report; they are forgotten when it leaves.
            address: As in `address_of`. Whoever connects again has no more time to decode than before.

        Returns:
            The client.

        Raises:
            ValueError: The step or the language is invalid.
        """
        settings = self.options.settings
        if step is not None:
            settings = replace(settings, step=step)
        session = LiveSession(settings, model=self.model, backend=self.backend, language=language, person=person,
                          worker=self.worker, record=record)
        connection = ClientConnection(session, send, pixels=self.options.pixels, send_frames=send_frames)
        connection.address, before, now = address, self._budgets.get(address), clock.perf_counter()
        if before is not None:
            connection.budget = DecodeBudget(before.at(now), now)
        self.connections[connection.id] = connection
        self.meters.clients.set(len(self.connections))
        return connection

    def leave(self, connection: ClientConnection) -> None:
        """Remove a client and everything that is stored about it."""
        self.pool.leave(connection)
        connection.session.leave()
        self._keep_budget(connection)
        self.connections.pop(connection.id, None)
        self.meters.clients.set(len(self.connections))
        self._update_meters(connection)

    def _keep_budget(self, connection: ClientConnection) -> None:
        now = clock.perf_counter()
        budgets = [connection.budget, self._budgets.pop(connection.address, connection.budget)]
        self._budgets[connection.address] = min(budgets, key=lambda budget: budget.at(now))
        if len(self._budgets) > MAX_ADDRESSES:
            self._budgets.popitem(last=False)

    def now(self, client: str = "") -> tuple[LiveEvent | None, float]:
        """The newest event.

        Args:
            client: Id of a client; "" for the server's camera or, without one, the client with the newest event.

        Returns:
            The event and its age in s. The event is None when it is older than `FRESH`.
        """
        newest = self._newest(client)
        if newest is None:
            return None, float("inf")
        age = clock.perf_counter() - newest[0]
        if age > FRESH:
            return None, age
        return newest[1].latest, age

    def _newest(self, client: str) -> tuple[float, LiveSession] | None:
        """When the newest event came, perf_counter s, and its session."""
        if not client and self.live is not None and self.live.last_event_at:
            return self.live.last_event_at, self.live.session
        connections = [connection for connection in list(self.connections.values()) if client in ("", connection.id)]
        latest = [(connection.last_event_at, connection.session) for connection in connections
                  if connection.last_event_at is not None]
        return max(latest, key=lambda item: item[0], default=None)

    def history(self, client: str = "") -> EventHistory:
        """The last minutes; empty without events. `client` as in `now`."""
        newest = self._newest(client)
        if newest is None:
            return EventHistory()
        return newest[1].history

    def sentence(self, client: str = "") -> str:
        """The sentences for a language model in the server's language; '' without a recent frame.

        Each call is a turn of the conversation: the next sentences say what has changed since. `client` as in `now`.
        """
        event, _ = self.now(client)
        if event is None:
            return ""
        return render_observation(self.history(client).observe(mark_turn=True), self.options.language)

    @property
    def camera(self) -> str:
        """State of the server's own camera; "none" without one."""
        return "none" if self.live is None else self.live.camera.state

    def metrics(self) -> bytes:
        """Current counters in Prometheus' text format."""
        for connection in list(self.connections.values()):
            self._update_meters(connection)
        if self.live is not None:
            now = self.live.session.frames, self.live.camera.dropped, self.live.session.skipped
            for meter, value, before in zip((self.meters.frames, self.meters.dropped, self.meters.skipped), now,
                                            self._reported, strict=True):
                meter.inc(value - before)
            self._reported = now
        return self.meters.text()

    def _update_meters(self, connection: ClientConnection) -> None:
        """Add what the client's counters gained since the last call."""
        now = connection.dropped, connection.malformed, connection.session.skipped
        for meter, value, before in zip((self.meters.dropped, self.meters.malformed, self.meters.skipped), now,
                                        connection.reported, strict=True):
            meter.inc(value - before)
        connection.reported = now

    def _listen(self, live: Live) -> None:
        try:
            for event in live.events():
                self._count([event])
        except Exception as error:  # noqa: BLE001 - the log names the camera's error; uploads and clients go on
            log.error("the camera's stream ended: %s", error)
            self.meters.failures.inc()

    def _on_done(self, connection: ClientConnection, events: list[LiveEvent]) -> None:
        self.meters.frames.inc()
        self._count(events)

    def _count(self, events: list[LiveEvent]) -> None:
        for event in events:
            reason = "no_face" if event.row is None else event.row.reason or "read"
            self.meters.events.labels(reason).inc()
            self.meters.latency.observe(event.latency)

    def _on_error(self, connection: ClientConnection, error: Exception) -> None:
        self.meters.failures.inc()
        log.error("a client's frame could not be analysed: %s: %s", type(error).__name__, error)
        connection.send({"type": "error", "reason": "expected to read this frame, failed; this is a fault of mien",
                    "close": True})
