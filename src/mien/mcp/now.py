"""Where the answer comes from: a camera that is followed here, or a `mien serve` that runs."""

from __future__ import annotations

import json
import time as clock
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from mien.live import FRESH, Live
from mien.prompt import no_picture, words
from mien.work import explain

Now = Callable[[str], dict[str, Any]]
"""A language -> `text` and `event` of the person now, as `GET /v1/now` has them."""

PATIENCE = 5.0
"""s that a server may take. Our choice: it answers in milliseconds or not at all."""


def of_live(live: Live) -> Now:
    """Of a camera that is followed in this process."""
    def now(language: str) -> dict[str, Any]:
        """What the server says of the person now; ConnectionError where the camera is followed no more, by a fault."""
        if live.error is not None:
            raise ConnectionError(f"expected a camera that is followed, got: {explain(live.error)}; start mien mcp "
                                  "again")
        event = live.latest()
        if event is None or clock.perf_counter() - live.heard > FRESH:
            return {"text": no_picture(language), "event": None}
        return {"text": words(event.said, language), "event": event.json()}

    return now


def of_server(address: str, token: str = "") -> Now:
    """Of a `mien serve` at that address (http://127.0.0.1:8765). ValueError for what is no such address."""
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"--server: expected an address such as http://127.0.0.1:8765, got {address!r}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # past any proxy of the environment

    def now(language: str) -> dict[str, Any]:
        query = urllib.parse.urlencode({"language": language})
        request = urllib.request.Request(f"{address.rstrip('/')}/v1/now?{query}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                told = json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ConnectionError(f"expected an answer from mien serve at {address}, got: {reason}; check that it "
                                  "runs, and the token") from error
        return {"text": told["text"], "event": told["event"]}

    return now
