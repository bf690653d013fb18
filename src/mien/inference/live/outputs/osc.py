"""Open Sound Control over UDP: one message a quantity, for Max, Pure Data, TouchDesigner and the like."""

from __future__ import annotations

import math
import re
import socket

from mien.inference.live.event import LiveEvent
from mien.inference.live.outputs.output import channels, numbers, require, split_address

EXAMPLE = "osc://127.0.0.1:9000 or osc://host:9000/prefix"


class OscOutput:
    """Sends each quantity as a message of its own, then `/mien/t`, so that a receiver knows that a step is complete.

    What was not measured is not sent. UDP has no connection: a receiver that is not there is no error.

    Args:
        address: osc://host:port; a path replaces the prefix /mien.
        classes: Classes of the model.

    Raises:
        ValueError: The host or the port is missing or unknown, or python-osc is missing.
    """

    def __init__(self, address: str, classes: tuple[str, ...]) -> None:
        parts = split_address(address, EXAMPLE)
        if parts.port is None:
            raise ValueError(f"--to: expected an address such as {EXAMPLE}, got {address!r}")
        self._builder = require("pythonosc.osc_message_builder", "osc")
        self._channels, self._prefix = channels(classes), parts.path.rstrip("/") or "/mien"
        self._paths = [_path(each.group, each.name) for each in self._channels]
        try:
            addresses = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)
        except socket.gaierror as error:
            raise ValueError(f"--to: expected a host that is known, got {parts.hostname}: {error.strerror}") from error
        family, kind, protocol, _, receiver = addresses[0]
        self._receiver = receiver
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)

    def send(self, event: LiveEvent) -> None:
        """Send one event."""
        self._send("/text", event.text)
        self._send("/label", event.said.label)
        for path, value in zip(self._paths, numbers(event, self._channels), strict=True):
            if math.isfinite(value):
                self._send(path, value)
        self._send("/t", event.end)

    def _send(self, path: str, value: str | float) -> None:
        message = self._builder.OscMessageBuilder(self._prefix + path)
        message.add_arg(value)
        try:
            self._socket.sendto(message.build().dgram, self._receiver)
        except OSError:  # the network is down or its buffer full: the next step tries again
            return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _path(*names: str) -> str:
    """The names as a path; characters that OSC reserves in addresses become underscores."""
    return "".join("/" + re.sub(r"[^\w-]+", "_", name) for name in names if name)


def open_osc(address: str, classes: tuple[str, ...]) -> OscOutput:
    """Open osc://host:port. Raises as `OscOutput` does."""
    return OscOutput(address, classes)
