"""Lab Streaming Layer: a stream of numbers and a stream of sentences, for LabRecorder and programs with an inlet."""

from __future__ import annotations

from typing import Any

from mien.core.hashing import version
from mien.inference.live.event import LiveEvent
from mien.inference.live.outputs.output import EventChannel, channels, numbers, require


class LslOutput:
    """Two outlets: `NAME`, one sample an event, and `NAME-text`, one sample for each new sentence.

    Both have an irregular rate, because a step without a frame has no event. The time stamp of a sample is the arrival
    of the frame that ended the step, on the clock of LSL.

    Args:
        name: Name of the stream.
        classes: Classes of the model.

    Raises:
        ValueError: pylsl is missing.
    """

    def __init__(self, name: str, classes: tuple[str, ...]) -> None:
        self._lsl = require("pylsl", "lsl")
        self._channels, self._last_text = channels(classes), ""
        irregular = self._lsl.IRREGULAR_RATE
        info = self._lsl.StreamInfo(name, "Expression", len(self._channels), irregular, "float32", f"mien-{name}")
        _describe(info, self._channels)
        text = self._lsl.StreamInfo(f"{name}-text", "Markers", 1, irregular, "string", f"mien-{name}-text")
        self._numbers, self._text = self._lsl.StreamOutlet(info), self._lsl.StreamOutlet(text)

    def send(self, event: LiveEvent) -> None:
        """Send one event."""
        stamp = self._lsl.local_clock() - event.latency
        self._numbers.push_sample(numbers(event, self._channels), stamp)
        if event.text != self._last_text:
            self._last_text = event.text
            self._text.push_sample([event.text], stamp)

    def close(self) -> None:
        """End both streams."""
        del self._numbers, self._text


def _describe(info: Any, named: list[EventChannel]) -> None:
    """Add the channels' labels and units, as XDF's specification of meta-data names them."""
    description = info.desc()
    description.append_child_value("manufacturer", f"mien {version()}")
    group = description.append_child("channels")
    for each in named:
        channel = group.append_child("channel")
        channel.append_child_value("label", each.label)
        channel.append_child_value("unit", each.unit)


def open_lsl(address: str, classes: tuple[str, ...]) -> LslOutput:
    """Open `lsl:NAME`. Raises ValueError without a name, or if pylsl is missing."""
    name = address.partition(":")[2].strip("/")
    if not name:
        raise ValueError(f"--to: expected lsl:NAME, got {address!r}")
    return LslOutput(name, classes)
