"""Where live events are sent besides standard output: one adapter a file, chosen by the scheme of an address.

An installed package adds an adapter by an entry point of the group `mien.outputs`, with its scheme and its function:

    [project.entry-points."mien.outputs"]
    zmq = "my_package.zmq:open_zmq"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mien.core import entry_points
from mien.inference.live.outputs.lsl import open_lsl
from mien.inference.live.outputs.mqtt import open_mqtt
from mien.inference.live.outputs.osc import open_osc
from mien.inference.live.outputs.output import EventOutput, OutputError

__all__ = ["GROUP", "OUTPUTS", "EventOutput", "OutputError", "names", "open_output"]

GROUP = "mien.outputs"

Opener = Callable[[str, tuple[str, ...]], EventOutput]
"""Takes the whole address and the classes of the model."""

OUTPUTS: dict[str, Opener] = {"lsl": open_lsl, "mqtt": open_mqtt, "mqtts": open_mqtt, "osc": open_osc}


def names() -> list[str]:
    """The schemes of this package and of installed ones."""
    return entry_points.names(OUTPUTS, GROUP)


def open_output(address: str, classes: Iterable[str]) -> EventOutput:
    """Open the output that an address names.

    Args:
        address: Such as lsl:NAME, mqtt://host/topic or osc://host:port.
        classes: Classes of the model, in its order.

    Returns:
        The open output.

    Raises:
        ValueError: The scheme is unknown, the address is incomplete, or a package is missing.
        OutputError: The receiver cannot be reached.
    """
    scheme, colon, _ = address.partition(":")
    if not colon:
        raise ValueError(f"--to: expected an address such as lsl:NAME, mqtt://host/topic or osc://host:port, got "
                         f"{address!r}")
    return entry_points.find("--to", scheme, OUTPUTS, GROUP)(address, tuple(classes))
