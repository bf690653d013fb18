"""Sources of a person's state: a camera in this process, or a running `mien serve`."""

from __future__ import annotations

import http.client
import threading
import time as clock
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mien.core.parallel.outcome import one_line_error
from mien.core.read_json import parse_json
from mien.inference.live.camera_thread import Live
from mien.inference.live.event import FRESH
from mien.reporting.llm.observation import fields, render_observation
from mien.reporting.llm.templates import no_picture

TIMEOUT = 5.0
"""s within which a server must respond. Our choice: a server responds in milliseconds or not at all."""

LARGEST = 2**22
"""Most bytes of an answer. Our choice: ten minutes of changes have some 100 KiB."""

START = 60.0
"""s for which a call waits for the first event while the camera and the model start. Our choice: a slow machine needs
20 s to load a large model, and clients wait for a minute or more."""


class PersonProvider(Protocol):
    """Every method raises ConnectionError when nothing can be observed any more."""

    def now(self, language: str) -> dict[str, Any]:
        """`text`, the sentences, `observation`, their fields, and `event`, the numbers; None without a picture."""

    def history(self, seconds: float) -> dict[str, Any]:
        """`changes` and `summary` of the last seconds, as `EventHistory` gives them."""

    def close(self) -> None:
        """Free the camera."""


class LiveProvider:
    """A camera in this process, which starts in a thread. The first call waits for it.

    Args:
        start: Opens the camera and loads the model.
        wait: Longest wait of a call in s.
    """

    def __init__(self, start: Callable[[], Live], wait: float = START) -> None:
        self._start, self._wait = start, wait
        self._live: Live | None = None
        self._error: BaseException | None = None
        self._opened, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._open, name="mien-mcp-start", daemon=True)
        self._thread.start()

    def now(self, language: str) -> dict[str, Any]:
        """As `PersonProvider.now`."""
        live = self._ready()
        event = live.latest()
        if event is None or clock.perf_counter() - live.last_event_at > FRESH:
            return {"text": no_picture(language), "observation": None, "event": None}
        observation = live.session.history.observe(mark_turn=True)
        return {"text": render_observation(observation, language), "observation": fields(observation),
                "event": event.json()}

    def history(self, seconds: float) -> dict[str, Any]:
        """As `PersonProvider.history`."""
        history = self._ready().session.history
        return {"changes": history.changes(seconds), "summary": history.summary(seconds)}

    def close(self) -> None:
        """As `PersonProvider.close`."""
        self._closed.set()
        self._thread.join()
        if self._live is not None:
            self._live.close()

    def _open(self) -> None:
        try:
            self._live = self._start().__enter__()
        except BaseException as error:  # noqa: BLE001 - each call tells it to the client
            self._error = error
        self._opened.set()

    def _ready(self) -> Live:
        """The camera after its first event, or after `wait` s. ConnectionError if it could not start or has failed."""
        until = clock.monotonic() + self._wait
        self._opened.wait(self._wait)
        while self._live is not None and not self._live.last_event_at and self._live.error is None and \
                self._live.camera.state != "ended" and clock.monotonic() < until and not self._closed.wait(0.05):
            pass
        error = self._error
        if self._live is not None:
            error = self._live.error
        if error is not None:
            raise ConnectionError(f"expected a camera that is followed, got: {one_line_error(error)}; start mien mcp "
                                  "again") from error
        if self._live is None:
            raise ConnectionError(f"expected a camera and a model within {self._wait:g} s, got none yet: ask again")
        return self._live


class ServerProvider:
    """A running `mien serve`.

    Args:
        address: Its address, such as http://127.0.0.1:8765.
        token: Its token; "" if it needs none.

    Raises:
        ValueError: The address does not begin with http:// or https://.
    """

    def __init__(self, address: str, token: str = "") -> None:
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"--server: expected an address such as http://127.0.0.1:8765, got {address!r}")
        self._address, self._token = address.rstrip("/"), token
        # ignore proxies of the environment
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def now(self, language: str) -> dict[str, Any]:
        """As `PersonProvider.now`."""
        text, observation, event = self._get("now", ("prompt", "observation", "event"), language=language)
        return {"text": text, "observation": observation, "event": event}

    def history(self, seconds: float) -> dict[str, Any]:
        """As `PersonProvider.history`."""
        changes, summary = self._get("history", ("changes", "summary"), seconds=seconds)
        return {"changes": changes, "summary": summary}

    def close(self) -> None:
        """Nothing is open."""

    def _get(self, name: str, parts: Sequence[str], **query: Any) -> list[Any]:
        """These fields of the server's answer. Raises ConnectionError for anything but an answer of `mien serve`."""
        request = urllib.request.Request(f"{self._address}/v1/{name}?{urllib.parse.urlencode(query)}")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                content = parse_json(response.read(LARGEST))
            return [content[part] for part in parts]
        except (http.client.HTTPException, OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "reason", None) or repr(error)
            raise ConnectionError(f"expected an answer from mien serve at {self._address}, got: {reason}; check that "
                                  "it runs, and the token") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the token is for one server."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""
