"""What an output of live events does, and the numbers of an event in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from mien.core.tasks import ACTION_UNITS
from mien.inference.live.event import LiveEvent


class OutputError(ConnectionError):
    """The receiver of an output cannot be reached."""


class EventOutput(Protocol):
    """A receiver of live events. `send` never waits for the receiver."""

    def send(self, event: LiveEvent) -> None:
        """Send one event."""

    def close(self) -> None:
        """Send what is still waiting, and disconnect."""


class EventChannel(NamedTuple):
    """A number of an event: its group in the JSON event ("" for none), its name there and its unit."""

    group: str
    name: str
    unit: str

    @property
    def label(self) -> str:
        """Such as `expression.happy` or `valence`."""
        return ".".join(filter(None, (self.group, self.name)))


def channels(classes: Iterable[str]) -> list[EventChannel]:
    """The numbers of an event in a fixed order.

    Args:
        classes: Classes of the model.

    Returns:
        A channel for each number.
    """
    return [
        EventChannel("", "face_id", "id"),
        EventChannel("", "confidence", "probability"),
        *(EventChannel("expression", name, "probability") for name in classes),
        EventChannel("", "valence", "-1..1"),
        EventChannel("", "arousal", "-1..1"),
        *(EventChannel("action_units", name, "0..5") for name in ACTION_UNITS),
        *(EventChannel("head_pose", name, "degrees") for name in ("pitch", "yaw", "roll")),
        *(EventChannel("gaze", name, "degrees") for name in ("yaw", "pitch")),
        EventChannel("heart_rate", "value", "bpm"),
        EventChannel("heart_rate", "quality", "0..1"),
    ]


def numbers(event: LiveEvent, channels: Iterable[EventChannel]) -> list[float]:
    """The numbers of an event; NaN for what was not measured.

    Args:
        event: The event.
        wanted: Some of `channels`.

    Returns:
        A value for each channel.
    """
    data = event.json()
    groups = {"": data, **{name: value for name, value in data.items() if isinstance(value, dict)}}
    values = [groups.get(each.group, {}).get(each.name) for each in channels]
    return [math.nan if value is None else float(value) for value in values]


def split_address(address: str, example: str) -> SplitResult:
    """Split an address of the form scheme://host:port/path.

    Args:
        address: The address.
        example: A complete one, for the error message.

    Returns:
        Its parts.

    Raises:
        ValueError: It has no host, or its port is no number.
    """
    parts = urlsplit(address)
    try:
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ValueError(f"--to: expected an address such as {example}, got {address!r}")
    return parts


def require(package: str, scheme: str) -> Any:
    """Import a package that only one output needs. Raises ValueError if it is missing."""
    try:
        return import_module(package)
    except (ImportError, RuntimeError) as error:  # pylsl raises RuntimeError without its shared library
        raise ValueError(f"--to {scheme}: expected the package {package.partition('.')[0]}, got {error}: install it "
                         'with pip install "mien[outputs]"') from error
