"""Telemetry of the libraries that mien uses, off unless the user asks for it: nothing leaves the machine by default."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "onnxruntime: from 1.31 on it reports each process and model from Linux and macOS too",
    "HF_HUB_DISABLE_TELEMETRY": "huggingface_hub: what program and which versions ask the hub",
    "HF_HUB_DISABLE_UPDATE_CHECK": "huggingface_hub: its command looks for newer versions",
    "DO_NOT_TRACK": "the convention of donottrack.sh, which many packages obey",
}
"""Variable of the environment -> what it silences when it is 1."""


def switch_off() -> None:
    """Set each of `SWITCHES` to 1 unless the environment has a value for it; child processes inherit it.

    The libraries read these variables when they are first imported, so `import mien` calls this. A program that wants
    the telemetry of a library sets its variable to 0 before it imports mien.
    """
    for name in SWITCHES:
        os.environ.setdefault(name, "1")


def onnxruntime() -> Any:
    """Import onnxruntime with its telemetry off.

    On Windows its events go through the system's own log, which no variable stops: there a call does.

    Returns:
        The module.

    Raises:
        ImportError: it is not installed.
    """
    module = import_module("onnxruntime")
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        module.disable_telemetry_events()
    return module
