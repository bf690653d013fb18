"""What one server holds: its own camera, its clients, its uploads, its counters."""

from __future__ import annotations

import asyncio
import logging
import threading
import time as clock
from dataclasses import replace
from typing import Any

from mien.live import FRESH, Apart, Camera, Event, Live, Session, eyes
from mien.prompt import NOBODY, words
from mien.serve.crew import Crew, Guest, Lent
from mien.serve.jobs import Jobs
from mien.serve.meters import Meters
from mien.serve.options import Options
from mien.serve.proxy import Proxy

SENDING = 64
"""Messages that wait for a slow client, the oldest dropped first."""

log = logging.getLogger("mien.serve")


class Room:
    """Made before the server starts, so that a camera or a model that is not there ends it at once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.model = eyes(options.settings, options.reuse)
        self.apart: Apart | bool = Apart(self.model) if self.model.seconds else False
        self.meters = Meters()
        self.guests: dict[str, Guest] = {}
        self.clients = 0  # those and whose session is still being made; counted in the server's one loop
        self.finder = Lent(options.workers, options.settings.face_model, options.settings.faces)
        self.crew = Crew(options.workers, self._after, self._failed)
        self.jobs = Jobs(options, lambda status: self.meters.jobs.labels(status).inc())
        self.proxy = Proxy(options, self.sentence, lambda status: self.meters.chats.labels(str(status)).inc())
        self.live: Live | None = None
        self._counted = (0, 0, 0)
        self._heard: tuple[float, Event] | None = None  # of the server's own camera
        self._listener: threading.Thread | None = None
        if options.source:
            session = Session(options.settings, model=self.model, language=options.language, apart=self.apart)
            self.live = Live(Camera(options.source, told=log.warning), session=session).__enter__()
            self._listener = threading.Thread(target=self._listen, args=(self.live,), name="mien-ear", daemon=True)
            self._listener.start()

    async def close(self) -> None:
        """Stop everything."""
        await self.proxy.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.crew.close()
        self.jobs.close()
        if self.live is not None and self._listener is not None:
            self.live.close()
            self._listener.join()
        if isinstance(self.apart, Apart):
            self.apart.close()

    def enter(self, tell: Any, *, step: float | None, language: str, person: int | None, chatty: bool) -> Guest:
        """A new client. Raises ValueError for what it asks for."""
        settings = self.options.settings if step is None else replace(self.options.settings, step=step)
        session = Session(settings, model=self.model, finder=self.finder, language=language, person=person,
                          apart=self.apart)
        guest = Guest(session, tell, pixels=self.options.pixels, chatty=chatty)
        self.guests[guest.id] = guest
        self.meters.clients.set(len(self.guests))
        return guest

    def leave(self, guest: Guest) -> None:
        """A client has gone, and with it all that was known of it."""
        self.crew.leave(guest)
        guest.session.leave()
        self.guests.pop(guest.id, None)
        self.meters.clients.set(len(self.guests))
        self._tally(guest)

    def now(self, client: str = "") -> tuple[Event | None, float]:
        """The newest event and its age in s: of that client, else of the server's camera, else of whichever client was
        heard last; None when it is older than `FRESH`."""
        if client:
            guest = self.guests.get(client)
            found = [] if guest is None else [guest]
        else:
            found = list(self.guests.values())
        heard = [(guest.heard, guest.session.latest) for guest in found if guest.heard is not None]
        if not client and self._heard is not None:
            heard = [self._heard]
        newest = max(heard, key=lambda each: each[0], default=None)
        age = float("inf") if newest is None else clock.perf_counter() - newest[0]
        return (newest[1], age) if newest is not None and age <= FRESH else (None, age)

    def sentence(self, client: str = "") -> str:
        """What is said of the person now, in the server's language; '' without a picture. `client` as in `now`."""
        event, _ = self.now(client)
        return "" if event is None else words(event.said if event.row is not None else NOBODY, self.options.language)

    @property
    def camera(self) -> str:
        """How the server's own camera is."""
        return "none" if self.live is None else self.live.camera.state

    def metrics(self) -> bytes:
        """Counters, as they are now."""
        for guest in list(self.guests.values()):
            self._tally(guest)
        if self.live is not None:
            now = self.live.session.frames, self.live.camera.dropped, self.live.session.skipped
            for meter, value, before in zip((self.meters.frames, self.meters.dropped, self.meters.skipped), now,
                                            self._counted, strict=True):
                meter.inc(value - before)
            self._counted = now
        return self.meters.text()

    def _tally(self, guest: Guest) -> None:
        """What a client lost since the last look."""
        now = guest.dropped, guest.malformed, guest.session.skipped
        for meter, value, before in zip((self.meters.dropped, self.meters.malformed, self.meters.skipped), now,
                                        guest.counted, strict=True):
            meter.inc(value - before)
        guest.counted = now

    def _listen(self, live: Live) -> None:
        try:
            for event in live.events():
                self._heard = clock.perf_counter(), event
                self._count([event])
        except Exception as error:  # the camera's trouble is told; uploads and clients go on
            log.error("the camera's stream ended: %s", error)
            self.meters.failures.inc()

    def _after(self, guest: Guest, events: list[Event]) -> None:
        self.meters.frames.inc()
        self._count(events)

    def _count(self, events: list[Event]) -> None:
        for event in events:
            self.meters.events.labels(event.row.reason or "read" if event.row else "no_face").inc()
            self.meters.latency.observe(event.latency)

    def _failed(self, guest: Guest, error: Exception) -> None:
        self.meters.failures.inc()
        log.error("a client's frame could not be read: %s: %s", type(error).__name__, error)
        guest.tell({"type": "error", "reason": "expected to read this frame, failed; this is a fault of mien",
                    "close": True})
