"""Sources of a person's current state: a camera in this process, or a running `mien serve`."""

from __future__ import annotations

import json
import time as clock
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from mien.core.parallel.outcome import one_line_error
from mien.inference.live.camera_thread import Live
from mien.inference.live.event import FRESH
from mien.reporting.llm.templates import no_picture, render

PersonProvider = Callable[[str], dict[str, Any]]
"""Takes a language and returns `text` and `event` of the person now, as `GET /v1/now` does."""

TIMEOUT = 5.0
"""s within which a server must respond. Our choice: a server responds in milliseconds or not at all."""


def from_live(live: Live) -> PersonProvider:
    """Read from a camera in this process.

    Args:
        live: The running camera.

    Returns:
        A function that raises ConnectionError after an error has stopped the camera.
    """
    def now(language: str) -> dict[str, Any]:
        if live.error is not None:
            raise ConnectionError(
                f"expected a camera that is followed, got: {one_line_error(live.error)}; start mien mcp again"
            )
        event = live.latest()
        if event is None or clock.perf_counter() - live.last_event_at > FRESH:
            return {"text": no_picture(language), "event": None}
        return {"text": render(event.said, language), "event": event.json()}

    return now


def from_server(address: str, token: str = "") -> PersonProvider:
    """Read from a running `mien serve`.

    Args:
        address: Its address, such as http://127.0.0.1:8765.
        token: Its token; "" if it needs none.

    Returns:
        A function that raises ConnectionError when the server does not respond.

    Raises:
        ValueError: The address does not begin with http:// or https://.
    """
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"--server: expected an address such as http://127.0.0.1:8765, got {address!r}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ignore proxies of the environment

    def now(language: str) -> dict[str, Any]:
        query = urllib.parse.urlencode({"language": language})
        request = urllib.request.Request(f"{address.rstrip('/')}/v1/now?{query}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with opener.open(request, timeout=TIMEOUT) as response:
                state = json.load(response)
        except (urllib.error.URLError, OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "reason", error)
            raise ConnectionError(f"expected an answer from mien serve at {address}, got: {reason}; check that it "
                                  "runs, and the token") from error
        return {"text": state["text"], "event": state["event"]}

    return now
